//! What happened to the records of a customer after the start: the only data of a customer that takes memory.

use std::collections::HashMap;

use crate::time::Moment;

/// Everything that happened, by model and index.
#[derive(Debug, Default)]
pub(super) struct History {
    records: HashMap<(usize, u64), Past>,
    /// Creation times of the records that each model got after the start, in order.
    pub born: HashMap<usize, Vec<Moment>>,
    /// The last switch of each model that was switched.
    pub scopes: HashMap<usize, Scope>,
}

/// What happened to one record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// How often the record got new values. Links, ids and creation stay the same.
    pub edition: u64,
    /// How often the record got another name. All other values stay the same.
    pub names: u64,
    /// Time of the last change.
    pub at: Moment,
    /// When the record itself was deleted. A switched-off model does not count.
    pub deleted: Option<Moment>,
}

/// Whether the customer lets a model be read, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub is_off: bool,
    pub since: Moment,
}

impl History {
    /// Returns whether nothing happened yet.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.born.is_empty() && self.scopes.is_empty()
    }

    /// Returns what happened to a record after the start.
    pub(super) fn of(&self, model: usize, index: u64) -> Option<&Past> {
        // Most worlds stand still, and every value of every record asks for its history.
        if self.records.is_empty() {
            return None;
        }
        self.records.get(&(model, index))
    }

    /// Returns the history of a record, with its last change set to now.
    pub(super) fn happen(&mut self, model: usize, index: u64, now: Moment) -> &mut Past {
        let past = self.records.entry((model, index)).or_default();
        past.at = now;
        past
    }

    /// Returns how many records a model got after the start.
    pub(super) fn births(&self, model: usize) -> u64 {
        self.born.get(&model).map_or(0, |born| born.len() as u64)
    }

    /// Returns since when the customer does not let a model be read.
    pub(super) fn off_since(&self, model: usize) -> Option<Moment> {
        let scope = self.scopes.get(&model).filter(|scope| scope.is_off);
        scope.map(|scope| scope.since)
    }
}
