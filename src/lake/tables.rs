//! The Delta tables of a lake, each opened once by whoever needs it first.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use tokio::sync::OnceCell;
use url::Url;

use crate::catalog::Endpoint;
use crate::delta::log::{LiveFile, LogSettings, TableShape};
use crate::delta::store::TableStore;
use crate::delta::table::Table;
use crate::ids::EndpointName;
use crate::lake::form::{BOUNDED, description, file_form, partition_column, with_commit_date};
use crate::lake::layout::LakeTable;
use crate::lake::{LakeError, LakeSettings};
use crate::time::{Clock, Moment};

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

impl Part {
    /// Returns this table of an endpoint.
    #[must_use]
    pub fn of(self, endpoint: &EndpointName) -> LakeTable {
        match self {
            Self::Snapshots => LakeTable::Snapshots(endpoint.clone()),
            Self::Deltas => LakeTable::Deltas(endpoint.clone()),
            Self::Current => LakeTable::Current(endpoint.clone()),
        }
    }

    /// Returns the columns that this build writes to this table of an endpoint.
    #[must_use]
    pub fn schema(self, endpoint: &Endpoint) -> SchemaRef {
        match self {
            Self::Snapshots | Self::Current => endpoint.schema(),
            Self::Deltas => with_commit_date(&endpoint.schema()),
        }
    }
}

/// An opened Delta table, and which of the lake's it is. Cheap to clone.
#[derive(Clone)]
pub(in crate::lake) struct OpenTable {
    /// Which it is.
    pub(in crate::lake) name: LakeTable,
    /// The table itself.
    pub(in crate::lake) table: Arc<Table>,
}

impl Deref for OpenTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

/// The Delta tables of a lake.
pub(in crate::lake) struct Tables {
    /// Where they lie.
    pub(in crate::lake) store: TableStore,
    /// How the lake is written to.
    pub(in crate::lake) settings: LakeSettings,
    /// Stamps files and entries.
    pub(in crate::lake) clock: Arc<dyn Clock>,
    /// Each is opened by whoever needs it first; the others wait for that.
    cells: Mutex<HashMap<LakeTable, Arc<OnceCell<OpenTable>>>>,
}

impl Tables {
    /// Begins with none opened.
    pub(in crate::lake) fn new(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            settings: settings.clone(),
            clock,
            cells: Mutex::default(),
        }
    }

    /// Returns the time of this machine's clock.
    pub(in crate::lake) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Returns where a table is, as readers are given it.
    pub(in crate::lake) fn url(&self, table: &LakeTable) -> Url {
        self.store.table_url(&table.path())
    }

    /// Opens a table, creating it where it is not.
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

    /// Opens one of an endpoint's tables, creating it where it is not.
    pub(in crate::lake) async fn of_endpoint(
        &self,
        endpoint: &Endpoint,
        part: Part,
    ) -> Result<OpenTable, LakeError> {
        let table = part.of(endpoint.name());
        self.open(&table, &part.schema(endpoint)).await
    }

    /// Opens one of an endpoint's tables; `None`, and nothing created, where there is none.
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

    /// Returns the live data files of one of an endpoint's tables; none where there is no table.
    pub(in crate::lake) async fn files(
        &self,
        endpoint: &Endpoint,
        part: Part,
    ) -> Result<Vec<Arc<LiveFile>>, LakeError> {
        let Some(table) = self.existing(endpoint, part).await? else {
            return Ok(Vec::new());
        };
        let state = table.refreshed().await?;
        Ok(table.live(&state).await?)
    }

    /// Returns whether a table is there.
    pub(in crate::lake) async fn exists(&self, table: &LakeTable) -> Result<bool, LakeError> {
        Ok(Table::exists(&self.store, &table.path()).await?)
    }

    /// Returns one of an endpoint's tables if this process has opened it.
    pub(in crate::lake) fn opened(&self, endpoint: &Endpoint, part: Part) -> Option<OpenTable> {
        let cell = self.cells().get(&part.of(endpoint.name())).cloned()?;
        cell.get().cloned()
    }

    async fn open_anew(
        &self,
        table: &LakeTable,
        schema: SchemaRef,
    ) -> Result<OpenTable, LakeError> {
        let shape = TableShape {
            schema,
            partition_columns: partition_column(table)
                .map(str::to_owned)
                .into_iter()
                .collect(),
            description: description(table),
        };
        let log = LogSettings {
            checkpoint_interval: self.settings.checkpoint_interval,
            clock: Arc::clone(&self.clock),
            bounded: BOUNDED,
        };
        let form = file_form(table, &self.settings);
        let opened = Table::open(&self.store, table.path(), shape, form, log).await?;
        Ok(OpenTable {
            name: table.clone(),
            table: Arc::new(opened),
        })
    }

    /// Cells are put whole, so a panic elsewhere leaves them right.
    fn cells(&self) -> MutexGuard<'_, HashMap<LakeTable, Arc<OnceCell<OpenTable>>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
