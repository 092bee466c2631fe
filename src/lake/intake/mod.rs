//! How fetches come into the lake: they are staged, compared with the known rows, and committed in groups.
//!
//! A [`Staging`] takes the rows of a fetch, writes them in files ([`staged_runs`]), and becomes a [`Sealed`] fetch: all
//! rows are on the store, and none is visible. A [`Committer`] for each Delta table makes the finished fetches of many integrations visible in one log
//! entry. [`known_sources`] finds what the lake knows of one table. A full fetch is compared with these sources
//! ([`comparison`]), and a delta looks up the newest hash of each row in them ([`hash_search`]).
//!
//! The log is the truth about coverage. Nothing is visible before its entry, and no base moves without its rows.

pub(crate) mod committer;
pub(in crate::lake) mod comparison;
pub(in crate::lake) mod hash_search;
pub(in crate::lake) mod known_sources;
pub(in crate::lake) mod pending_fetch;
pub(in crate::lake) mod raise_bases;
pub(in crate::lake) mod runs;
pub(in crate::lake) mod sealed;
pub(in crate::lake) mod sighting;
pub(in crate::lake) mod staged_runs;
pub(in crate::lake) mod staging;
pub(in crate::lake) mod stored_coverage;
pub(in crate::lake) mod waiting_rows;

pub use sealed::Sealed;
pub use sighting::Sighting;
pub use staging::Staging;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::committer::{Committer, Tasks};
use self::waiting_rows::WaitingRows;
use crate::catalog::Endpoint;
use crate::fetch::{Fetch, FetchMode};
use crate::lake::layout::LakeTable;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part};

/// Takes fetches into the lake. The tasks that commit end when this value is dropped.
pub(in crate::lake) struct FetchIntake {
    pub(in crate::lake) tables: Tables,
    /// One committer for each table that fetches are committed to.
    committers: Mutex<HashMap<LakeTable, Arc<Committer>>>,
    pub(in crate::lake) tasks: Tasks,
    pub(in crate::lake) waiting: WaitingRows,
}

impl FetchIntake {
    pub(in crate::lake) fn new(tables: Tables) -> Self {
        Self {
            tables,
            committers: Mutex::default(),
            tasks: Tasks::default(),
            waiting: WaitingRows::default(),
        }
    }

    /// Starts to stage a fetch: into `snapshots` or `deltas`, by its mode.
    pub(in crate::lake) async fn begin(
        self: &Arc<Self>,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Staging, LakeError> {
        let part = match fetch.mode {
            FetchMode::Snapshot => Part::Snapshots,
            FetchMode::Delta { .. } => Part::Deltas,
        };
        // Both tables exist from the first fetch on, because readers join them.
        for both in [Part::Snapshots, Part::Deltas] {
            self.tables.of_endpoint(endpoint, both).await?;
        }
        let committer = self.committer(self.tables.of_endpoint(endpoint, part).await?);
        // The bases are read now, not taken from the last known commit. Otherwise a commit that another process
        // finished before this fetch began would supersede the fetch.
        let state = committer.table.refreshed().await?;
        let endpoint = Arc::clone(endpoint);
        let intake = Arc::clone(self);
        Ok(Staging::new(
            intake,
            committer,
            fetch.clone(),
            endpoint,
            &state,
        ))
    }

    /// Commits the waiting fetches without waiting for their window. Called when no running fetch could still join
    /// them.
    pub(in crate::lake) fn flush(&self) {
        for committer in self.committers().values() {
            committer.flush();
        }
    }

    /// Returns the committer of a table. There is one per table and process.
    pub(in crate::lake) fn committer(&self, table: OpenTable) -> Arc<Committer> {
        let mut committers = self.committers();
        let made = committers.entry(table.name.clone()).or_insert_with(|| {
            let window = Duration::from_secs(self.tables.settings.commit_window_secs);
            Arc::new(Committer::new(table, window))
        });
        Arc::clone(made)
    }

    /// Committers are inserted completely, so a panic elsewhere leaves the map intact.
    fn committers(&self) -> MutexGuard<'_, HashMap<LakeTable, Arc<Committer>>> {
        let committers = self.committers.lock();
        committers.unwrap_or_else(PoisonError::into_inner)
    }
}
