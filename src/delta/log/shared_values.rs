//! The values of partition columns and the tags of files, each kept once for all files of the process.
//!
//! Thousands of files lie in the same partition, each integration is a partition of many tables, and most files have the
//! same tags.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Texts by name: the value of each partition column, or the tags of a file. `None` is null.
pub(super) type NamedValues = BTreeMap<String, Option<String>>;

static SHARED: LazyLock<Mutex<SharedValues>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct SharedValues {
    known: HashSet<Arc<NamedValues>>,
    /// Number of values that the last clean-up left.
    left: usize,
}

/// Returns the one copy of equal values.
pub(super) fn shared(values: NamedValues) -> Arc<NamedValues> {
    // Each change of the set is complete, so a panic elsewhere leaves the set intact.
    let mut all = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    all.share(values)
}

impl SharedValues {
    /// Values that no file has any more are removed when the set has doubled.
    fn share(&mut self, values: NamedValues) -> Arc<NamedValues> {
        if let Some(known) = self.known.get(&values) {
            return Arc::clone(known);
        }
        if self.known.len() > 2 * self.left + 1_000 {
            self.known.retain(|values| Arc::strong_count(values) > 1);
            self.left = self.known.len();
        }
        let values = Arc::new(values);
        self.known.insert(Arc::clone(&values));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_and_unused_ones_leave() {
        let of = |day: usize| BTreeMap::from([("day".to_owned(), Some(day.to_string()))]);
        let mut all = SharedValues::default();
        let kept = all.share(of(0));
        assert!(Arc::ptr_eq(&kept, &all.share(of(0))));
        for day in 1..10_000 {
            drop(all.share(of(day)));
        }
        assert!(all.known.len() < 1_100, "{}", all.known.len());
        assert!(Arc::ptr_eq(&kept, &all.share(of(0))));
    }
}
