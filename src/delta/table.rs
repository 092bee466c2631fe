//! One Delta table: its log and its data files, and the one way to change it.

use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::DataFiles;
use crate::delta::file::writer::FileForm;
use crate::delta::log::{DeltaLog, LiveFile, LogSettings, LogState, TableShape};
use crate::delta::object_key::TablePath;
use crate::delta::store::TableStore;

const MS_PER_DAY: i64 = 86_400_000;

/// An opened Delta table. One per table and process is enough.
pub(crate) struct Table {
    pub(crate) files: DataFiles,
    pub(crate) log: DeltaLog,
}

impl Table {
    /// Opens a table, creating it where it is not.
    pub(crate) async fn open(
        store: &TableStore,
        path: TablePath,
        shape: TableShape,
        form: FileForm,
        settings: LogSettings,
    ) -> Result<Self, DeltaError> {
        let clock = Arc::clone(&settings.clock);
        let log = DeltaLog::open(store, path.clone(), shape, settings).await?;
        let files = DataFiles {
            store: store.clone(),
            table: path,
            form,
            clock,
        };
        Ok(Self { files, log })
    }

    /// Returns whether a table is there to be opened without being created.
    pub(crate) async fn exists(store: &TableStore, path: &TablePath) -> Result<bool, DeltaError> {
        Ok(DeltaLog::exists(store, path).await?)
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &TablePath {
        &self.files.table
    }

    /// Returns the table as this process knows it.
    pub(crate) fn state(&self) -> Arc<LogState> {
        self.log.state()
    }

    /// Returns the day of a commit made now, in days since the epoch.
    pub(crate) fn today(&self) -> i32 {
        let days = self.files.clock.now().as_millis().div_euclid(MS_PER_DAY);
        i32::try_from(days).unwrap_or(i32::MAX)
    }

    /// Reads what other writers committed.
    pub(crate) async fn refreshed(&self) -> Result<Arc<LogState>, DeltaError> {
        Ok(self.log.refresh().await?)
    }

    /// Lists the table's files as of a state.
    pub(crate) async fn live(&self, state: &LogState) -> Result<Vec<Arc<LiveFile>>, DeltaError> {
        Ok(self.log.live_files(state).await?)
    }
}
