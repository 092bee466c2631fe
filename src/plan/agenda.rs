//! The instants at which things are due: one instant for each key.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::time::Moment;

/// Instants by key, and keys by instant. The cost of each change grows with the logarithm of the number of keys.
#[derive(Clone, Debug)]
pub struct Agenda<K> {
    by_instant: BTreeSet<(Moment, K)>,
    by_key: HashMap<K, Moment>,
}

impl<K> Default for Agenda<K> {
    fn default() -> Self {
        Self {
            by_instant: BTreeSet::new(),
            by_key: HashMap::new(),
        }
    }
}

impl<K: Clone + Ord + Hash> Agenda<K> {
    /// Sets the instant of a key, and replaces an earlier instant of the key.
    pub fn set(&mut self, key: K, at: Moment) {
        if let Some(before) = self.by_key.insert(key.clone(), at) {
            self.by_instant.remove(&(before, key.clone()));
        }
        self.by_instant.insert((at, key));
    }

    /// Removes a key. Returns the instant that the key had.
    pub fn cancel(&mut self, key: &K) -> Option<Moment> {
        let at = self.by_key.remove(key)?;
        self.by_instant.remove(&(at, key.clone()));
        Some(at)
    }

    /// Returns when a key is due.
    #[must_use]
    pub fn at(&self, key: &K) -> Option<Moment> {
        self.by_key.get(key).copied()
    }

    /// Returns when the next key is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Moment> {
        self.by_instant.first().map(|(at, _)| *at)
    }

    /// Removes and returns a key that is due. The earliest instant comes first, and the lowest key of one instant.
    pub fn pop_due(&mut self, now: Moment) -> Option<K> {
        if self.next_at()? > now {
            return None;
        }
        let (_, key) = self.by_instant.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// Keeps only the keys that are still wanted.
    pub fn retain(&mut self, wanted: impl Fn(&K) -> bool) {
        self.by_key.retain(|key, _| wanted(key));
        self.by_instant.retain(|(_, key)| wanted(key));
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests;
