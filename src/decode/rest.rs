//! `_rest`: what did not fit the columns, as one JSON object from JSON Pointer (RFC 6901) to the value as sent.
//!
//! It also keeps the text of an instant that its column writes in another form. Such a value fits, so it is not counted. A
//! key that comes twice has a second value there: of an instant the first then stands before it, in whatever form, so that
//! the second is never taken for the form of the first.

use super::text::push_json;

/// Where a value stands within its row. Lives on the stack, and becomes text only for a value that is left over.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The row.
    Root,
    /// A member of an object; the key as WTF-8.
    Member(&'p Path<'p>, &'p [u8]),
    /// An element of an array.
    Element(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn push_pointer(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Member(parent, key) => {
                parent.push_pointer(out);
                out.push('/');
                for part in key.split_inclusive(|byte| matches!(byte, b'~' | b'/')) {
                    match part {
                        [before @ .., b'~'] => (push_json(out, before), out.push_str("~0")),
                        [before @ .., b'/'] => (push_json(out, before), out.push_str("~1")),
                        plain => (push_json(out, plain), ()),
                    };
                }
            }
            Self::Element(parent, index) => {
                parent.push_pointer(out);
                out.push('/');
                out.push_str(&index.to_string());
            }
        }
    }
}

/// The `_rest` of the row that is being decoded.
#[derive(Default)]
pub(super) struct Rest {
    members: String,
    values: u64,
}

/// A state of [`Rest`] to come back to.
#[derive(Clone, Copy)]
pub(super) struct RestMark {
    length: usize,
    values: u64,
}

impl Rest {
    /// Adds a value that did not fit, by its text.
    pub(super) fn add(&mut self, path: &Path<'_>, raw: &str) {
        self.keep(path, raw);
        self.values += 1;
    }

    /// Keeps the text of a value that is in its column.
    pub(super) fn keep(&mut self, path: &Path<'_>, raw: &str) {
        self.members
            .push(if self.members.is_empty() { '{' } else { ',' });
        self.members.push('"');
        path.push_pointer(&mut self.members);
        self.members.push_str("\":");
        self.members.push_str(raw);
    }

    pub(super) fn mark(&self) -> RestMark {
        RestMark {
            length: self.members.len(),
            values: self.values,
        }
    }

    pub(super) fn truncate(&mut self, mark: RestMark) {
        self.members.truncate(mark.length);
        self.values = mark.values;
    }

    /// Returns the object's text, or `None` when nothing was left over.
    pub(super) fn text(&mut self) -> Option<&str> {
        if self.members.is_empty() {
            return None;
        }
        self.members.push('}');
        Some(&self.members)
    }

    pub(super) fn values(&self) -> u64 {
        self.values
    }

    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.values = 0;
    }
}
