//! Rows that this process has committed to `deltas` and that are not folded yet: a table that changed much is folded sooner.
//!
//! Rows of other processes and of the time before a start are not counted: those tables are folded by age.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::{EndpointName, IntegrationKey};

/// Rows that wait, by table.
#[derive(Debug, Default)]
pub(in crate::lake) struct WaitingRows(Mutex<HashMap<(EndpointName, IntegrationKey), u64>>);

impl WaitingRows {
    /// Counts rows that were committed.
    pub(in crate::lake) fn add(&self, endpoint: &EndpointName, key: &IntegrationKey, rows: u64) {
        if rows > 0 {
            let table = (endpoint.clone(), key.clone());
            *self.rows().entry(table).or_default() += rows;
        }
    }

    /// Returns how many wait.
    pub(in crate::lake) fn of(&self, endpoint: &EndpointName, key: &IntegrationKey) -> u64 {
        let table = (endpoint.clone(), key.clone());
        self.rows().get(&table).copied().unwrap_or_default()
    }

    /// Forgets those of a table that was folded. Rows that came meanwhile are folded by age.
    pub(in crate::lake) fn folded(&self, endpoint: &EndpointName, key: &IntegrationKey) {
        self.rows().remove(&(endpoint.clone(), key.clone()));
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<(EndpointName, IntegrationKey), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
