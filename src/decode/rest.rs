//! `_rest`: the values that did not fit their columns, as one JSON object from JSON Pointer (RFC 6901) to the value as
//! sent.
//!
//! `_rest` also keeps the text of an instant that its column writes in another form. Such a value fits, so it is not
//! counted. When a key comes twice, the second value is in `_rest`. If the values are instants, the text of the first
//! value stands before the second one. So the second value is never taken for another form of the first.

use super::text::push_json;

/// The position of a value within its row. Lives on the stack, and becomes text only for a value that goes to `_rest`.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The row itself.
    Root,
    /// A member of an object, with the key as WTF-8.
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

/// A saved state of [`Rest`].
#[derive(Clone, Copy)]
pub(super) struct RestMark {
    length: usize,
    values: u64,
}

impl Rest {
    /// Adds the text of a value that did not fit.
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

    /// Returns the text of the object. Returns `None` when the row has no such value.
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
