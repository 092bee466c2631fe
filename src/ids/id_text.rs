//! The text of an id, in a form that takes little room where it is repeated.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The text of an id behind one pointer. A service with many customers holds each id dozens of times, so a copy has 8
/// bytes. Clones share the text, and what is derived from it.
pub(super) struct IdText<D>(Arc<SharedText<D>>);

struct SharedText<D> {
    text: Box<str>,
    derived: D,
}

impl<D> IdText<D> {
    pub(super) fn new(text: &str, derive: impl FnOnce(&str) -> D) -> Self {
        Self(Arc::new(SharedText {
            text: text.into(),
            derived: derive(text),
        }))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Returns what is derived from the text.
    pub(super) fn derived(&self) -> &D {
        &self.0.derived
    }
}

impl<D> Clone for IdText<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D> PartialEq for IdText<D> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl<D> Eq for IdText<D> {}

impl<D> Hash for IdText<D> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<D> PartialOrd for IdText<D> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<D> Ord for IdText<D> {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.as_str().cmp(other.as_str())
    }
}

impl<D> fmt::Debug for IdText<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
