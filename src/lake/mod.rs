//! The lake: Kombo's rows as Parquet files in Delta tables, on local disk or an object store.
//!
//! What knows Delta is [`delta`](crate::delta); here is what knows Kombo's rows. Each room has one task:
//!
//! - `intake` takes fetches in. Staging sorts the rows in runs of bounded size. Each run becomes a final file that nobody
//!   sees yet. A committer makes the files of many integrations visible in one log entry, together with the bases they
//!   move. Nothing is visible before that entry, and everything after it.
//! - `ledgers` keeps the lake's own small tables: integrations, holds, drift and how complete tables were.
//! - `fold` keeps `current`: one row per record.
//! - `care` keeps files few, lets old rows leave, purges and repairs. `chores` says when the service does these.
//! - `reports` says what the lake holds and how well it can be read.
//!
//! [`Lake`] is the door to all of them. [`tables`] opens each Delta table once.
//!
//! Where many share an entry, a file or a reading, one that fails is set aside and the others go on ([`set_aside`]); what
//! cannot be read is never taken for empty or new, and is told with its cure ([`remedy`]).
//!
//! Several lakes, in one process or in many, may write to the same place: the log entry is put only where none is, and
//! whoever loses compares bases before trying again. The log is the truth; what a process keeps in memory is a copy of it.

pub mod layout;

mod care;
mod chores;
mod conform;
mod fold;
mod form;
pub(crate) mod intake;
pub(crate) mod lake_error;
mod lake_sink;
pub(crate) mod ledgers;
mod own;
mod remedy;
mod reports;
mod set_aside;
mod settings;
mod snapshot_facts;
mod tables;
mod txns;

#[cfg(test)]
mod tests;

pub use crate::delta::log::{FileBounds, LiveFile};
pub use care::{
    Left, PurgeDue, PurgeReport, PurgeSettings, Repair, RepairReport, RepairedTable, TablePurge,
    TableUpkeep, UpkeepReport, UpkeepSettings,
};
pub use chores::{PurgeAnswers, ToldFold, WhyKept};
pub use fold::{FoldReport, FoldSettings, FoldedTable, Release, Unfolded};
pub use intake::{Sealed, Sighting, Staging};
pub use lake_error::LakeError;
pub use ledgers::{
    ComparedTable, Completeness, DriftFilter, DriftGroup, DriftRow, FoundDrift, Hold,
};
pub use reports::{
    Ahead, Finding, LintReport, LintSettings, Overview, Query, QueryCost, TableLint, TableOverview,
};
pub use set_aside::{Members, SetAside};
pub use settings::LakeSettings;
pub use snapshot_facts::SnapshotFacts;
pub use tables::Part;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use url::Url;

use self::fold::WaitingRows;
use self::intake::committer::{Committer, Tasks};
use self::layout::{LakeTable, PROBE_FOLDER, claim_layout, find_layout};
use self::tables::Tables;
use self::txns::TableTxns;
use crate::catalog::Endpoint;
use crate::delta::store::TableStore;
use crate::fetch::{Fetch, FetchMode};
use crate::ids::EndpointName;
use crate::lake::tables::OpenTable;
use crate::time::Clock;

/// The lake. Cheap to clone; the tasks that commit end with its last clone.
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    tables: Tables,
    /// Of the tables that fetches are committed to.
    committers: Mutex<HashMap<LakeTable, Arc<Committer>>>,
    waiting: WaitingRows,
    tasks: Tasks,
}

impl Lake {
    /// Opens a lake, creating its layout document where nothing is.
    pub async fn open(settings: &LakeSettings, clock: Arc<dyn Clock>) -> Result<Self, LakeError> {
        let store = TableStore::open(&settings.url, &settings.options).map_err(LakeError::open)?;
        Self::over(store, settings, clock).await
    }

    /// Opens a lake on a store that is open already.
    pub(crate) async fn over(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LakeError> {
        claim_layout(&store).await.map_err(LakeError::layout)?;
        Ok(Self::with(store, settings, clock))
    }

    /// Opens the lake that is there; `None` when there is none. Writes nothing.
    pub async fn open_existing(
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, LakeError> {
        let store = TableStore::open(&settings.url, &settings.options).map_err(LakeError::open)?;
        Self::over_existing(store, settings, clock).await
    }

    pub(crate) async fn over_existing(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, LakeError> {
        let found = find_layout(&store).await.map_err(LakeError::layout)?;
        Ok(found.then(|| Self::with(store, settings, clock)))
    }

    fn with(store: TableStore, settings: &LakeSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                tables: Tables::new(store, settings, clock),
                committers: Mutex::default(),
                waiting: WaitingRows::default(),
                tasks: Mutex::new(JoinSet::new()),
            }),
        }
    }

    /// Tries what a lake needs of its store: writes, creates if absent, reads back, deletes.
    pub async fn probe(&self) -> Result<(), LakeError> {
        self.tables()
            .store()
            .probe(PROBE_FOLDER)
            .await
            .map_err(LakeError::open)
    }

    /// Begins to take in a fetch: into `snapshots` or `deltas`, by its mode.
    pub async fn begin(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Staging, LakeError> {
        let part = match fetch.mode {
            FetchMode::Snapshot => Part::Snapshots,
            FetchMode::Delta { .. } => Part::Deltas,
        };
        // Both exist from the first fetch on: readers take them together.
        for both in [Part::Snapshots, Part::Deltas] {
            self.tables().of_endpoint(endpoint, both).await?;
        }
        let table = self.tables().of_endpoint(endpoint, part).await?;
        let committer = self.committer(table);
        // Bases as of now, not as of the last commit seen: else a commit of another process that was finished before this
        // fetch began would supersede it.
        let state = committer.table.refreshed().await?;
        let key = fetch.table.integration.key();
        let start = TableTxns::of(&key, |app| state.txn(app));
        let replaced = SnapshotFacts::of(&key, |app| state.txn(app));
        Ok(Staging::new(
            self.clone(),
            committer,
            fetch.clone(),
            Arc::clone(endpoint),
            (start, replaced),
        ))
    }

    /// Returns the live data files of one of an endpoint's Delta tables; none where there is no table.
    pub async fn files(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<Vec<Arc<LiveFile>>, LakeError> {
        let Some(table) = self.tables().existing(endpoint, part).await? else {
            return Ok(Vec::new());
        };
        let state = table.refreshed().await?;
        Ok(table.live(&state).await?)
    }

    /// Returns where one of an endpoint's Delta tables is, as readers are given it.
    #[must_use]
    pub fn table_url(&self, endpoint: &EndpointName, part: Part) -> Url {
        self.tables().url(&part.of(endpoint))
    }

    /// Commits what waits for its window: no fetch is running any more that could join it.
    pub fn flush(&self) {
        for committer in self.committers().values() {
            committer.flush();
        }
    }

    pub(in crate::lake) fn tables(&self) -> &Tables {
        &self.inner.tables
    }

    fn settings(&self) -> &LakeSettings {
        self.tables().settings()
    }

    fn waiting_rows(&self) -> &WaitingRows {
        &self.inner.waiting
    }

    fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    fn committers(&self) -> std::sync::MutexGuard<'_, HashMap<LakeTable, Arc<Committer>>> {
        let committers = self.inner.committers.lock();
        committers.unwrap_or_else(PoisonError::into_inner)
    }

    fn committer(&self, table: OpenTable) -> Arc<Committer> {
        let mut committers = self.committers();
        let made = committers.entry(table.name.clone()).or_insert_with(|| {
            let window = self.settings().commit_window_secs;
            Arc::new(Committer::new(table, window))
        });
        Arc::clone(made)
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lake({:?})", self.tables().store())
    }
}
