//! The Delta tables of a lake. Each is opened once, at its first use.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use tokio::sync::OnceCell;
use url::Url;

use crate::catalog::Endpoint;
use crate::delta::log::{LiveFile, LogSettings, LogState, TableShape};
use crate::delta::store::TableStore;
use crate::delta::table::Table;
use crate::ids::EndpointName;
use crate::lake::form::{bounded, description, file_form, partition_column, with_commit_date};
use crate::lake::layout::LakeTable;
use crate::lake::siblings::Siblings;
use crate::lake::{LakeError, LakeSettings};
use crate::time::{Clock, Moment};

/// One of the Delta tables of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// One live snapshot per integration.
    Snapshots,
    /// The changes, append-only.
    Deltas,
    /// One current row per record, folded from `snapshots` and `deltas`. Can be rebuilt from them.
    Current,
}

impl Part {
    /// Returns this part of an endpoint, as a table of the lake.
    #[must_use]
    pub fn of(self, endpoint: &EndpointName) -> LakeTable {
        match self {
            Self::Snapshots => LakeTable::Snapshots(endpoint.clone()),
            Self::Deltas => LakeTable::Deltas(endpoint.clone()),
            Self::Current => LakeTable::Current(endpoint.clone()),
        }
    }

    /// Returns the columns that this build writes to this part of an endpoint.
    #[must_use]
    pub fn schema(self, endpoint: &Endpoint) -> SchemaRef {
        match self {
            Self::Snapshots | Self::Current => endpoint.schema(),
            Self::Deltas => with_commit_date(&endpoint.schema()),
        }
    }
}

/// An opened Delta table, and its name in the lake. Cheap to clone.
#[derive(Clone)]
pub(in crate::lake) struct OpenTable {
    /// The table's name.
    pub(in crate::lake) name: LakeTable,
    /// The opened table.
    pub(in crate::lake) table: Arc<Table>,
    /// When its log was first read, as a number that grows with each opened table.
    read: u64,
}

impl Deref for OpenTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

/// The Delta tables of a lake.
pub(in crate::lake) struct Tables {
    /// The store of the lake.
    pub(in crate::lake) store: TableStore,
    /// How the lake is written.
    pub(in crate::lake) settings: LakeSettings,
    /// The clock for timestamps of files and entries.
    pub(in crate::lake) clock: Arc<dyn Clock>,
    /// Set once `kombo_drift` and `kombo_holds` are known to exist.
    pub(in crate::lake) drift_and_holds: OnceCell<()>,
    /// What the tables know of each other.
    siblings: Siblings,
    /// Number of tables whose opening has begun.
    begun: AtomicU64,
    /// The opened tables. The first caller opens a table, and other callers wait for it.
    cells: Mutex<HashMap<LakeTable, Arc<OnceCell<OpenTable>>>>,
}

impl Tables {
    /// Starts with no table opened.
    pub(in crate::lake) fn new(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
        siblings: Siblings,
    ) -> Self {
        Self {
            siblings,
            store,
            settings: settings.clone(),
            clock,
            drift_and_holds: OnceCell::new(),
            begun: AtomicU64::default(),
            cells: Mutex::default(),
        }
    }

    /// Returns the time of this machine's clock.
    pub(in crate::lake) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Returns the address of a table, in the form that readers take.
    pub(in crate::lake) fn url(&self, table: &LakeTable) -> Url {
        self.store.table_url(&table.path())
    }

    /// Opens a table. Creates the table where it does not exist.
    pub(in crate::lake) async fn open(
        &self,
        table: &LakeTable,
        schema: &SchemaRef,
    ) -> Result<OpenTable, LakeError> {
        let cell = Arc::clone(self.cells().entry(table.clone()).or_default());
        let opened = cell
            .get_or_try_init(|| self.open_anew(table, Arc::clone(schema)))
            .await?;
        Ok(opened.clone())
    }

    /// Opens one of an endpoint's tables. Creates the table where it does not exist.
    pub(in crate::lake) async fn of_endpoint(
        &self,
        endpoint: &Endpoint,
        part: Part,
    ) -> Result<OpenTable, LakeError> {
        let table = part.of(endpoint.name());
        self.open(&table, &part.schema(endpoint)).await
    }

    /// Opens one of an endpoint's tables. `None` when the table does not exist; then nothing is created.
    pub(in crate::lake) async fn existing(
        &self,
        endpoint: &Endpoint,
        part: Part,
    ) -> Result<Option<OpenTable>, LakeError> {
        let table = part.of(endpoint.name());
        let cell = self.cells().get(&table).cloned();
        let is_open = cell.is_some_and(|cell| cell.initialized());
        if is_open || self.exists(&table).await? {
            return self.of_endpoint(endpoint, part).await.map(Some);
        }
        Ok(None)
    }

    /// Returns the live data files of one of an endpoint's tables. Empty when the table does not exist.
    pub(in crate::lake) async fn files(
        &self,
        endpoint: &Endpoint,
        part: Part,
    ) -> Result<Vec<Arc<LiveFile>>, LakeError> {
        match self.newest(endpoint, part).await? {
            Some((table, state)) => Ok(table.live(&state).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Returns one of an endpoint's tables with a state that was read after this call. `None` when the table does not
    /// exist. A table that this very call opens is not read a second time.
    pub(in crate::lake) async fn newest(
        &self,
        endpoint: &Endpoint,
        part: Part,
    ) -> Result<Option<(OpenTable, Arc<LogState>)>, LakeError> {
        let called = self.begun.load(Ordering::SeqCst);
        let Some(table) = self.existing(endpoint, part).await? else {
            return Ok(None);
        };
        let is_just_read = table.read > called;
        let state = if is_just_read {
            table.state()
        } else {
            table.refreshed().await?
        };
        Ok(Some((table, state)))
    }

    /// Returns the endpoints that have a folder in the lake, with one request. Returns all of them when the folders
    /// cannot be listed: the first table that is read then says why.
    pub(in crate::lake) async fn there(&self, endpoints: &[Arc<Endpoint>]) -> Vec<Arc<Endpoint>> {
        let folders = self.store.folders().await.ok();
        let is_there = |endpoint: &&Arc<Endpoint>| {
            let folder = endpoint.name().table_name();
            folders
                .as_ref()
                .is_none_or(|folders| folders.contains(&folder))
        };
        endpoints.iter().filter(is_there).cloned().collect()
    }

    /// Returns whether a table exists.
    ///
    /// # Errors
    /// Fails when the table does not exist any more: another table knows it.
    pub(in crate::lake) async fn exists(&self, table: &LakeTable) -> Result<bool, LakeError> {
        if self.is_there(table).await? {
            return Ok(true);
        }
        self.siblings.must_be_new(&self.store, table).await?;
        Ok(false)
    }

    /// Returns whether a table is there. Does not ask other tables about one that is not.
    pub(in crate::lake) async fn is_there(&self, table: &LakeTable) -> Result<bool, LakeError> {
        Ok(Table::exists(&self.store, &table.path()).await?)
    }

    /// Returns one of an endpoint's tables, if this process has opened it already.
    pub(in crate::lake) fn opened(&self, endpoint: &Endpoint, part: Part) -> Option<OpenTable> {
        let cell = self.cells().get(&part.of(endpoint.name())).cloned()?;
        cell.get().cloned()
    }

    /// Forgets an opened table: its log was repaired, and the copy of its state is wrong.
    pub(in crate::lake) fn forget(&self, table: &LakeTable) {
        self.cells().remove(table);
    }

    async fn open_anew(
        &self,
        table: &LakeTable,
        schema: SchemaRef,
    ) -> Result<OpenTable, LakeError> {
        let read = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let shape = shape(table, schema);
        let log = LogSettings {
            checkpoint_interval: self.settings.checkpoint_interval,
            clock: Arc::clone(&self.clock),
            bounded: bounded(table),
        };
        let form = file_form(table, &self.settings);
        let (store, path) = (&self.store, table.path());
        let (new_shape, new_form, new_log) = (shape.clone(), form.clone(), log.clone());
        let existing = Table::open_existing(store, path.clone(), shape, form, log).await?;
        let opened = if let Some(existing) = existing {
            existing
        } else {
            self.siblings.must_be_new(store, table).await?;
            Table::open(store, path, new_shape, new_form, new_log).await?
        };
        Ok(OpenTable {
            name: table.clone(),
            table: Arc::new(opened),
            read,
        })
    }

    /// Cells are inserted completely, so a panic elsewhere leaves the map intact.
    fn cells(&self) -> MutexGuard<'_, HashMap<LakeTable, Arc<OnceCell<OpenTable>>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the shape that a table has in this build.
pub(in crate::lake) fn shape(table: &LakeTable, schema: SchemaRef) -> TableShape {
    TableShape {
        schema,
        partition_columns: partition_column(table)
            .map(str::to_owned)
            .into_iter()
            .collect(),
        description: description(table),
    }
}
