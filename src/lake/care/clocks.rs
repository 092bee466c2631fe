//! What the store's clock says beside ours.

use std::time::Duration;

use crate::delta::delta_error::DeltaError;
use crate::lake::layout::PROBE_FOLDER;
use crate::lake::tables::Tables;
use crate::time::Moment;

/// The store's clock and this machine's, read one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// What both agree has passed. A clock that runs ahead would make the files of a running fetch look old.
    pub(super) earlier: Moment,
    /// What at least one of them has reached. Only what is later than this lies in the future for certain.
    pub(super) later: Moment,
    /// How far the store's clock is ahead of ours.
    pub(super) store_lead: Duration,
}

impl Clocks {
    /// Reads both. Puts and deletes a small object to learn the store's.
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
