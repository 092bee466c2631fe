//! What is to be done when: one instant for each key.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::time::Moment;

/// Instants by key and keys by instant. Each change costs the logarithm of how many there are.
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
    /// Puts a key down for an instant, in place of the one it had.
    pub fn set(&mut self, key: K, at: Moment) {
        if let Some(before) = self.by_key.insert(key.clone(), at) {
            self.by_instant.remove(&(before, key.clone()));
        }
        self.by_instant.insert((at, key));
    }

    /// Takes a key off. Returns the instant it was down for.
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

    /// Returns when something is due next.
    #[must_use]
    pub fn next_at(&self) -> Option<Moment> {
        self.by_instant.first().map(|(at, _)| *at)
    }

    /// Takes off what is due, the earliest first; of one instant, the lowest key.
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

    /// Returns how many keys are down.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns whether nothing is down.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests;
