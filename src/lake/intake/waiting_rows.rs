//! Counts the rows that this process has committed to `deltas` and that are not folded yet. A table with many such
//! rows is folded sooner.
//!
//! Rows of other processes and rows from before a restart are not counted. Their tables are folded by age.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::{EndpointName, IntegrationKey};

/// Number of unfolded rows, by table.
#[derive(Debug, Default)]
pub(in crate::lake) struct WaitingRows(Mutex<HashMap<(EndpointName, IntegrationKey), u64>>);

impl WaitingRows {
    /// Adds rows that were committed.
    pub(in crate::lake) fn add(&self, endpoint: &EndpointName, key: &IntegrationKey, rows: u64) {
        if rows > 0 {
            let table = (endpoint.clone(), key.clone());
            *self.rows().entry(table).or_default() += rows;
        }
    }

    /// Returns the number of unfolded rows of a table.
    pub(in crate::lake) fn of(&self, endpoint: &EndpointName, key: &IntegrationKey) -> u64 {
        let table = (endpoint.clone(), key.clone());
        self.rows().get(&table).copied().unwrap_or_default()
    }

    /// Resets the count of a table that was folded. Rows that came meanwhile are folded by age.
    pub(in crate::lake) fn folded(&self, endpoint: &EndpointName, key: &IntegrationKey) {
        self.rows().remove(&(endpoint.clone(), key.clone()));
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<(EndpointName, IntegrationKey), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
