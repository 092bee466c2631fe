//! Reads the store's clock and the local clock.

use std::time::Duration;

use crate::delta::delta_error::DeltaError;
use crate::lake::layout::PROBE_FOLDER;
use crate::lake::tables::Tables;
use crate::time::Moment;

/// The store's clock and this machine's, read one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The earlier of the two: an instant that has passed by both clocks. A clock that is ahead would make the files of
    /// a running fetch look old.
    pub(super) earlier: Moment,
    /// The later of the two. Only instants after this one are certainly in the future.
    pub(super) later: Moment,
    /// How far the store's clock is ahead of the local clock.
    pub(super) store_lead: Duration,
}

impl Clocks {
    /// Returns the local clock in place of both, for a dry run: a dry run writes nothing, and the store's clock can only be
    /// read from an object that was just written.
    pub(super) fn local(tables: &Tables) -> Self {
        let local = tables.now();
        Self {
            earlier: local,
            later: local,
            store_lead: Duration::ZERO,
        }
    }

    /// Reads both clocks. Writes and deletes a small object to learn the store's time.
    pub(super) async fn read(tables: &Tables) -> Result<Self, DeltaError> {
        let store = tables.store.clock(PROBE_FOLDER).await;
        let store = store.map_err(|source| DeltaError::Clock { source })?;
        let local = tables.now();
        Ok(Self {
            earlier: store.min(local),
            later: store.max(local),
            store_lead: store.since(local),
        })
    }
}
