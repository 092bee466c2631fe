//! The lake: Kombo's rows as Parquet files in Delta tables, on local disk or an object store.
//!
//! A fetch is handed in through [`Lake::begin`]: [`staging`] sorts its rows in runs of bounded size ([`runs`]), each of
//! which becomes a final file ([`writer`], [`stats`], [`data_files`]) that nobody sees yet. [`Staging::commit`] hands the
//! files to the Delta table's [`committer`], which makes those of many integrations visible in one log entry ([`log`])
//! together with the bases they move ([`txns`]). Nothing is visible before that entry, and everything after it.
//!
//! Where many share an entry, a file or a reading, one that fails is set aside and the others go on ([`set_aside`]); what
//! cannot be read is never taken for empty or new, and is told with its cure ([`remedy`]).
//!
//! Several lakes, in one process or in many, may write to the same place: the log entry is put only where none is, and
//! whoever loses compares bases before trying again.

pub mod layout;

mod care;
mod conform;
mod facts;
mod fold;
mod form;
pub(crate) mod intake;
pub(crate) mod lake_error;
pub(crate) mod ledgers;
mod own;
mod remedy;
mod reports;
mod set_aside;
mod settings;
mod txns;

#[cfg(test)]
mod tests;

pub use crate::delta::log::{FileBounds, LiveFile};
pub use care::{
    Left, PurgeDue, PurgeReport, PurgeSettings, Repair, RepairReport, RepairedTable, TablePurge,
    TableUpkeep, UpkeepReport, UpkeepSettings,
};
pub use facts::{Circumstances, SnapshotFacts};
pub use fold::{FoldReport, FoldSettings, FoldedTable, Release, Unfolded};
pub use intake::{
    Advance, BroughtRows, Coverage, Marks, Missing, MissingId, NewestHashes, Receipt, Sealed,
    Sighting, Staging,
};
pub use lake_error::LakeError;
pub use ledgers::{
    ComparedTable, Completeness, DriftFilter, DriftGroup, DriftRow, FoundDrift, Hold, Registration,
};
pub use reports::{
    Ahead, Finding, LintReport, LintSettings, Overview, Query, QueryCost, TableLint, TableOverview,
};
pub use set_aside::{Members, SetAside};
pub use settings::LakeSettings;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use url::Url;

use crate::catalog::Endpoint;
use crate::delta::file::data_files::DataFiles;
use crate::delta::log::{DeltaLog, LogError, LogSettings, TableShape};
use crate::delta::store::LakeStore;
use crate::fetch::{Fetch, FetchMode};
use crate::ids::EndpointName;
use crate::lake::fold::WaitingRows;
use crate::lake::form::{description, file_form, partition_column, with_commit_date};
use crate::lake::intake::committer::{Committer, Tasks};
use crate::lake::layout::{DeltaTable, claim_layout, find_layout};
use crate::lake::txns::TableTxns;
use crate::time::Clock;

/// The lake. Cheap to clone; the tasks that commit end with its last clone.
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    store: LakeStore,
    settings: LakeSettings,
    clock: Arc<dyn Clock>,
    tables: Mutex<HashMap<DeltaTable, Slot>>,
    waiting: WaitingRows,
    tasks: Tasks,
}

/// Opened by whoever needs it first; the others wait for that.
type Slot = Arc<OnceCell<Arc<Committer>>>;

/// One of the Delta tables of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// One live snapshot per integration.
    Snapshots,
    /// What changed, append-only.
    Deltas,
    /// One row per record, folded from the two others. Derived: can be rebuilt.
    Current,
}

impl Lake {
    /// Opens a lake, creating its layout document where nothing is.
    pub async fn open(settings: &LakeSettings, clock: Arc<dyn Clock>) -> Result<Self, LakeError> {
        let store = LakeStore::open(&settings.url, &settings.options).map_err(LakeError::open)?;
        Self::over(store, settings, clock).await
    }

    /// Opens a lake on a store that is open already.
    pub(crate) async fn over(
        store: LakeStore,
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
        let store = LakeStore::open(&settings.url, &settings.options).map_err(LakeError::open)?;
        Self::over_existing(store, settings, clock).await
    }

    pub(crate) async fn over_existing(
        store: LakeStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, LakeError> {
        let found = find_layout(&store).await.map_err(LakeError::layout)?;
        Ok(found.then(|| Self::with(store, settings, clock)))
    }

    fn with(store: LakeStore, settings: &LakeSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                settings: settings.clone(),
                clock,
                tables: Mutex::default(),
                waiting: WaitingRows::default(),
                tasks: Mutex::new(JoinSet::new()),
            }),
        }
    }

    /// Tries what a lake needs of its store: writes, creates if absent, reads back, deletes.
    pub async fn probe(&self) -> Result<(), LakeError> {
        self.inner.store.probe().await.map_err(LakeError::open)
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
            self.endpoint_table(endpoint, both).await?;
        }
        let committer = self.endpoint_table(endpoint, part).await?;
        // Bases as of now, not as of the last commit seen: else a commit of another process that was finished before this
        // fetch began would supersede it.
        let state = committer.refreshed().await?;
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
        let Some(committer) = self.existing_table(endpoint, part).await? else {
            return Ok(Vec::new());
        };
        let state = committer.refreshed().await?;
        committer.live(&state).await
    }

    /// Returns where one of an endpoint's Delta tables is, as readers are given it.
    #[must_use]
    pub fn table_url(&self, endpoint: &EndpointName, part: Part) -> Url {
        self.inner.store.table_url(&part.of(endpoint))
    }

    /// Commits what waits for its window: no fetch is running any more that could join it.
    pub fn flush(&self) {
        for slot in self.tables().values() {
            if let Some(committer) = slot.get() {
                committer.flush();
            }
        }
    }

    fn settings(&self) -> &LakeSettings {
        &self.inner.settings
    }

    fn waiting_rows(&self) -> &WaitingRows {
        &self.inner.waiting
    }

    fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, HashMap<DeltaTable, Slot>> {
        let tables = self.inner.tables.lock();
        tables.unwrap_or_else(PoisonError::into_inner)
    }

    async fn endpoint_table(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<Arc<Committer>, LakeError> {
        let schema = match part {
            Part::Snapshots | Part::Current => endpoint.schema(),
            Part::Deltas => with_commit_date(&endpoint.schema()),
        };
        self.committer(part.of(endpoint.name()), &schema).await
    }

    /// Returns one of an endpoint's Delta tables if this process has opened it.
    fn opened_table(&self, endpoint: &Endpoint, part: Part) -> Option<Arc<Committer>> {
        let slot = self.tables().get(&part.of(endpoint.name())).cloned()?;
        slot.get().cloned()
    }

    /// Opens one of an endpoint's Delta tables; `None`, and nothing created, where there is none.
    async fn existing_table(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<Option<Arc<Committer>>, LakeError> {
        let table = part.of(endpoint.name());
        let is_open = self
            .tables()
            .get(&table)
            .is_some_and(|slot| slot.initialized());
        if is_open || self.exists(&table).await? {
            return self.endpoint_table(endpoint, part).await.map(Some);
        }
        Ok(None)
    }

    async fn exists(&self, table: &DeltaTable) -> Result<bool, LakeError> {
        let found = DeltaLog::exists(&self.inner.store, table).await;
        found.map_err(|source| log_error(table, source))
    }

    /// Opens a Delta table, once.
    pub(crate) async fn committer(
        &self,
        table: DeltaTable,
        schema: &SchemaRef,
    ) -> Result<Arc<Committer>, LakeError> {
        let slot = Arc::clone(self.tables().entry(table.clone()).or_default());
        let opened = slot
            .get_or_try_init(|| self.open_table(table, Arc::clone(schema)))
            .await?;
        Ok(Arc::clone(opened))
    }

    async fn open_table(
        &self,
        table: DeltaTable,
        schema: SchemaRef,
    ) -> Result<Arc<Committer>, LakeError> {
        let Inner {
            store,
            settings,
            clock,
            ..
        } = &*self.inner;
        let form = file_form(&table, settings);
        let shape = TableShape {
            schema,
            partition_columns: partition_column(&table)
                .map(str::to_owned)
                .into_iter()
                .collect(),
            description: description(&table),
        };
        let log_settings = LogSettings {
            checkpoint_interval: settings.checkpoint_interval,
            clock: Arc::clone(clock),
        };
        let log = DeltaLog::open_with(store, table.clone(), shape, log_settings)
            .await
            .map_err(|source| log_error(&table, source))?;
        let files = DataFiles {
            store: store.clone(),
            table,
            form,
            clock: Arc::clone(clock),
        };
        let window = Duration::from_secs(settings.commit_window_secs);
        Ok(Arc::new(Committer::new(files, log, window)))
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lake({:?})", self.inner.store)
    }
}

impl Part {
    fn of(self, endpoint: &EndpointName) -> DeltaTable {
        match self {
            Self::Snapshots => DeltaTable::Snapshots(endpoint.clone()),
            Self::Deltas => DeltaTable::Deltas(endpoint.clone()),
            Self::Current => DeltaTable::Current(endpoint.clone()),
        }
    }
}

fn log_error(table: &DeltaTable, source: LogError) -> LakeError {
    LakeError::Log {
        table: table.to_string(),
        source: Arc::new(source),
    }
}
