//! What happened to a customer's records after the start: the only part of a company that takes memory.

use std::collections::HashMap;

use crate::time::Moment;

/// Everything that happened, by model and index.
#[derive(Debug, Default)]
pub(super) struct History {
    records: HashMap<(usize, u64), Past>,
    /// When each record of a model was made that was not there at the start, in order.
    pub born: HashMap<usize, Vec<Moment>>,
    /// Whether a model was switched, and when last.
    pub scopes: HashMap<usize, Scope>,
}

/// What happened to one record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// How often it got new values; links, ids and creation stay.
    pub edition: u64,
    /// How often it got another name; all other values stay.
    pub names: u64,
    /// When anything last happened to it.
    pub at: Moment,
    /// When it was deleted by itself, not with its whole model.
    pub deleted: Option<Moment>,
}

/// Whether the customer lets a model be read, since when. Models never switched have none.
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

    /// Returns what happened to a record after it was there.
    pub(super) fn of(&self, model: usize, index: u64) -> Option<&Past> {
        // Most worlds stand still, and this is asked for every value.
        if self.records.is_empty() {
            return None;
        }
        self.records.get(&(model, index))
    }

    /// Returns what happened to a record, to which something happens now.
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
