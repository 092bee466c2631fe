//! How fetches come into the lake: staged, compared with what is known, and committed in groups.
//!
//! A [`Staging`] takes in the rows of a fetch and becomes a [`Sealed`] one: all of it is on the store, nothing of it is
//! visible. A [`Committer`] for each Delta table makes the finished fetches of many integrations visible in one log entry.
//! [`known_sources`] finds what the lake knows of one table. A full fetch is compared with it ([`comparison`]), and a delta
//! asks it for the newest hash of each row ([`hash_search`]).
//!
//! The log owns the truth about what is covered: nothing is visible before the entry, and no base moves without its rows.

pub(crate) mod committer;
pub(in crate::lake) mod comparison;
pub(in crate::lake) mod hash_search;
pub(in crate::lake) mod known_sources;
pub(in crate::lake) mod pending_fetch;
pub(in crate::lake) mod raise_bases;
pub(in crate::lake) mod runs;
pub(in crate::lake) mod sealed;
pub(in crate::lake) mod sighting;
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

/// Takes fetches in. The tasks that commit end with it.
pub(in crate::lake) struct FetchIntake {
    pub(in crate::lake) tables: Tables,
    /// Of the tables that fetches are committed to.
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

    /// Begins to take in a fetch: into `snapshots` or `deltas`, by its mode.
    pub(in crate::lake) async fn begin(
        self: &Arc<Self>,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Staging, LakeError> {
        let part = match fetch.mode {
            FetchMode::Snapshot => Part::Snapshots,
            FetchMode::Delta { .. } => Part::Deltas,
        };
        // Both exist from the first fetch on: readers take them together.
        for both in [Part::Snapshots, Part::Deltas] {
            self.tables.of_endpoint(endpoint, both).await?;
        }
        let committer = self.committer(self.tables.of_endpoint(endpoint, part).await?);
        // Bases as of now, not as of the last commit seen: else a commit of another process that was finished before this
        // fetch began would supersede it.
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

    /// Commits what waits for its window: no fetch is running any more that could join it.
    pub(in crate::lake) fn flush(&self) {
        for committer in self.committers().values() {
            committer.flush();
        }
    }

    /// Returns the one committer of a table in this process.
    pub(in crate::lake) fn committer(&self, table: OpenTable) -> Arc<Committer> {
        let mut committers = self.committers();
        let made = committers.entry(table.name.clone()).or_insert_with(|| {
            let window = Duration::from_secs(self.tables.settings.commit_window_secs);
            Arc::new(Committer::new(table, window))
        });
        Arc::clone(made)
    }

    /// Committers are put whole, so a panic elsewhere leaves them right.
    fn committers(&self) -> MutexGuard<'_, HashMap<LakeTable, Arc<Committer>>> {
        let committers = self.committers.lock();
        committers.unwrap_or_else(PoisonError::into_inner)
    }
}
