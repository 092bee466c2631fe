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
pub(in crate::lake) mod contest;
pub(in crate::lake) mod hash_search;
pub(in crate::lake) mod known_sources;
pub(in crate::lake) mod pending_fetch;
pub(in crate::lake) mod raise_bases;
pub(in crate::lake) mod row_room;
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
use self::pending_fetch::FinishedFetch;
use self::row_room::RowRoom;
use self::waiting_rows::WaitingRows;
use crate::catalog::Endpoint;
use crate::fetch::{Fetch, FetchMode};
use crate::lake::layout::LakeTable;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part};
use crate::sink::Receipt;

/// Finished snapshots that may wait in all tables together. Above this number the table with the most is committed before
/// its window ends.
const WAITING_SNAPSHOTS: usize = 500;

/// Decoded bytes of deltas that may wait in all tables together. Above this number the table with the most is committed
/// before its window ends.
const WAITING_DELTAS: usize = 48 << 20;

/// Takes fetches into the lake. The tasks that commit end when this value is dropped.
pub(in crate::lake) struct FetchIntake {
    pub(in crate::lake) tables: Tables,
    /// One committer for each table that fetches are committed to.
    committers: Mutex<HashMap<LakeTable, Arc<Committer>>>,
    pub(in crate::lake) tasks: Tasks,
    pub(in crate::lake) waiting: WaitingRows,
    pub(in crate::lake) room: RowRoom,
}

impl FetchIntake {
    pub(in crate::lake) fn new(tables: Tables) -> Self {
        Self {
            tables,
            committers: Mutex::default(),
            tasks: Tasks::default(),
            waiting: WaitingRows::default(),
            room: RowRoom::new(),
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
        // A delta has few rows as a rule, and somebody may wait for them.
        let place = match part {
            Part::Snapshots => self.room.enter_in_turn().await,
            _ => self.room.enter(),
        };
        // The bases are read now, not taken from the last known commit. Otherwise a commit that another process
        // finished before this fetch began would supersede the fetch.
        let state = committer.table.refreshed().await?;
        let endpoint = Arc::clone(endpoint);
        let intake = Arc::clone(self);
        Ok(Staging::new(
            intake,
            place,
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

    /// Commits a finished fetch together with other waiting fetches of its table.
    pub(in crate::lake) async fn commit(
        &self,
        committer: &Arc<Committer>,
        finished: FinishedFetch,
    ) -> Result<Receipt, LakeError> {
        self.make_room();
        committer.commit(&self.tasks, finished).await
    }

    /// Flushes the table with the most waiting snapshots if too many wait in all tables together, and the table with the
    /// most rows of waiting deltas if these take too much memory.
    fn make_room(&self) {
        let committers: Vec<_> = self.committers().values().map(Arc::clone).collect();
        let (snapshots, deltas): (Vec<_>, Vec<_>) = committers.iter().partition(|it| it.replaces());
        flush_fullest(&snapshots, WAITING_SNAPSHOTS, Committer::waiting);
        flush_fullest(&deltas, WAITING_DELTAS, Committer::waiting_bytes);
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

/// Flushes the table of which the most waits, if `most` or more waits in all tables together.
fn flush_fullest(
    committers: &[&Arc<Committer>],
    most: usize,
    waiting: impl Fn(&Committer) -> usize,
) {
    let waiting: Vec<usize> = committers.iter().map(|it| waiting(it)).collect();
    if waiting.iter().sum::<usize>() >= most {
        let fullest = committers
            .iter()
            .zip(&waiting)
            .max_by_key(|(_, waits)| **waits);
        if let Some((committer, _)) = fullest {
            committer.flush();
        }
    }
}
