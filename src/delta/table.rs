//! One Delta table: its log and its data files, and the one way to change it.

use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::DataFiles;
use crate::delta::file::file_form::FileForm;
use crate::delta::log::{DeltaLog, LiveFile, LogSettings, LogState, TableShape};
use crate::delta::object_key::TablePath;
use crate::delta::store::TableStore;
use crate::time::Clock;

const MS_PER_DAY: i64 = 86_400_000;

/// An opened Delta table. One `Table` per table and process is enough.
pub(crate) struct Table {
    pub(crate) files: DataFiles,
    pub(crate) log: DeltaLog,
}

impl Table {
    /// Opens a table. Creates the table where it does not exist.
    pub(crate) async fn open(
        store: &TableStore,
        path: TablePath,
        shape: TableShape,
        form: FileForm,
        settings: LogSettings,
    ) -> Result<Self, DeltaError> {
        let clock = Arc::clone(&settings.clock);
        let log = DeltaLog::open(store, path.clone(), shape, settings).await?;
        Ok(Self::over(store, path, form, clock, log))
    }

    /// Opens an existing table. `None` when the table does not exist; then nothing is created.
    pub(crate) async fn open_existing(
        store: &TableStore,
        path: TablePath,
        shape: TableShape,
        form: FileForm,
        settings: LogSettings,
    ) -> Result<Option<Self>, DeltaError> {
        let clock = Arc::clone(&settings.clock);
        let log = DeltaLog::open_existing(store, path.clone(), shape, settings).await?;
        Ok(log.map(|log| Self::over(store, path, form, clock, log)))
    }

    fn over(
        store: &TableStore,
        table: TablePath,
        form: FileForm,
        clock: Arc<dyn Clock>,
        log: DeltaLog,
    ) -> Self {
        let files = DataFiles {
            store: store.clone(),
            table,
            form,
            clock,
        };
        Self { files, log }
    }

    /// Returns the names of all application transactions of a table. Empty when the table does not exist.
    pub(crate) async fn stored_txns(
        store: &TableStore,
        path: &TablePath,
    ) -> Result<Vec<String>, DeltaError> {
        Ok(DeltaLog::stored_txns(store, path).await?)
    }

    /// Returns whether the table exists. Creates nothing.
    pub(crate) async fn exists(store: &TableStore, path: &TablePath) -> Result<bool, DeltaError> {
        Ok(DeltaLog::exists(store, path).await?)
    }

    /// Returns the table's folder.
    pub(crate) fn path(&self) -> &TablePath {
        &self.files.table
    }

    /// Returns the last state of the table that this process has read or committed.
    pub(crate) fn state(&self) -> Arc<LogState> {
        self.log.state()
    }

    /// Returns today's date by the process's clock, in days since the epoch.
    pub(crate) fn today(&self) -> i32 {
        let days = self.files.clock.now().as_millis().div_euclid(MS_PER_DAY);
        i32::try_from(days).unwrap_or(i32::MAX)
    }

    /// Reads the commits of other writers, and returns the newest state.
    pub(crate) async fn refreshed(&self) -> Result<Arc<LogState>, DeltaError> {
        Ok(self.log.refresh().await?)
    }

    /// Lists the live files of a state.
    pub(crate) async fn live(&self, state: &LogState) -> Result<Vec<Arc<LiveFile>>, DeltaError> {
        Ok(self.log.live_files(state).await?)
    }

    /// Lists the live files of a state that may hold rows of a key.
    pub(crate) async fn live_of(
        &self,
        state: &LogState,
        key: &str,
    ) -> Result<Vec<Arc<LiveFile>>, DeltaError> {
        Ok(self.log.live_files_of(state, key).await?)
    }
}
