//! What happened to a customer's records after the start: the only part of a company that takes memory.

use std::collections::HashMap;

/// Everything that happened, by model and index.
#[derive(Debug, Default)]
pub(super) struct History {
    records: HashMap<(usize, u64), Past>,
    /// When each record of a model was made that was not there at the start, in order.
    born: HashMap<usize, Vec<i64>>,
    scopes: HashMap<usize, Scope>,
}

/// What happened to one record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// How often it got new values; links, ids and creation stay.
    pub edition: u64,
    /// How often it got another name; all other values stay.
    pub names: u64,
    /// When anything last happened to it.
    pub at_ms: i64,
    /// When it was deleted by itself, not with its whole model.
    pub deleted_ms: Option<i64>,
}

/// Whether the customer lets a model be read, since when. Models never switched have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Off(i64),
    On(i64),
}

impl Scope {
    pub(super) fn since_ms(self) -> i64 {
        match self {
            Self::Off(at) | Self::On(at) => at,
        }
    }
}

impl History {
    /// Returns whether nothing happened yet.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.born.is_empty() && self.scopes.is_empty()
    }

    /// Returns what happened to a record after it was there.
    pub(super) fn of(&self, model: usize, index: u64) -> Option<&Past> {
        // Most worlds stand still, and this is asked for every value.
        if self.records.is_empty() {
            return None;
        }
        self.records.get(&(model, index))
    }

    /// Lets something happen to a record, now.
    pub(super) fn happen(
        &mut self,
        model: usize,
        index: u64,
        now_ms: i64,
        what: impl FnOnce(&mut Past),
    ) {
        let past = self.records.entry((model, index)).or_default();
        past.at_ms = now_ms;
        what(past);
    }

    /// Adds a record to a model.
    pub(super) fn birth(&mut self, model: usize, now_ms: i64) {
        self.born.entry(model).or_default().push(now_ms);
    }

    /// Returns how many records a model got after the start.
    pub(super) fn births(&self, model: usize) -> u64 {
        self.born.get(&model).map_or(0, |born| born.len() as u64)
    }

    /// Returns when the n-th of the records after the start was made.
    pub(super) fn born_ms(&self, model: usize, nth: u64) -> Option<i64> {
        let born = self.born.get(&model)?;
        born.get(usize::try_from(nth).ok()?).copied()
    }

    /// Switches a model.
    pub(super) fn switch(&mut self, model: usize, scope: Scope) {
        self.scopes.insert(model, scope);
    }

    /// Returns whether a model was switched, and when last.
    pub(super) fn scope(&self, model: usize) -> Option<Scope> {
        self.scopes.get(&model).copied()
    }
}
