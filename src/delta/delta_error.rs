//! What can go wrong with a Delta table, by what the caller can do about it.

use std::sync::Arc;

use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::LogError;

/// Why a Delta table did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// A table's log failed.
    #[error("the Delta log of {table} failed")]
    Log {
        /// The table's folder.
        table: String,
        /// Why; shared, since one commit may carry the work of many.
        #[source]
        source: Arc<LogError>,
    },
    /// A data file could not be written. Nothing of it is visible.
    #[error("writing a data file of {table} failed; nothing of it is visible")]
    Upload {
        /// The table's folder.
        table: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A data file could not be read back.
    #[error("the data file {table}/{path} cannot be read")]
    Download {
        /// The table's folder.
        table: String,
        /// The file, below it.
        path: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A data file is there and is not what was written.
    #[error("the data file {table}/{path} is damaged")]
    DamagedFile {
        /// The table's folder.
        table: String,
        /// The file, below it.
        path: String,
    },
    /// Files that nothing names could not be listed or deleted.
    #[error("files of {table} that nothing names could not be listed or deleted")]
    Vacuum {
        /// The table's folder.
        table: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The store's clock could not be read, and without it nothing is known to be old.
    #[error("the store's clock could not be read, and without it nothing is known to be old")]
    Clock {
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// Rows could not be written as Parquet, or Parquet not read. The library's text is left out: it may quote values.
    #[error("{doing} failed inside the Parquet library")]
    Parquet {
        /// What it was to do.
        doing: &'static str,
    },
    /// Other processes changed a table each time it had been read.
    #[error("other processes kept changing {table}")]
    Contended {
        /// The table's folder.
        table: String,
    },
    /// The process is going down: whoever did the work ended before it answered.
    #[error("the lake was closed before the commit was answered")]
    Closed,
}

impl From<LogError> for DeltaError {
    fn from(source: LogError) -> Self {
        Self::Log {
            table: source.table().to_owned(),
            source: Arc::new(source),
        }
    }
}

impl DeltaError {
    /// Returns whether the same work may succeed later without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Log { source, .. } => source.is_retryable(),
            Self::Closed | Self::Contended { .. } => true,
            _ => self.fault().is_some_and(StoreFault::is_retryable),
        }
    }

    /// Returns whether a log entry or a data file is missing or is not what was written: that does not pass by itself, and
    /// says nothing of other files.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log { source, .. } => matches!(**source, LogError::Damaged { .. }),
            Self::Download { source, .. } => source.reason() == FaultReason::NotFound,
            Self::DamagedFile { .. } => true,
            _ => false,
        }
    }

    /// Returns the folder of the table that failed; `None` where no single one did.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Log { table, .. }
            | Self::Upload { table, .. }
            | Self::Download { table, .. }
            | Self::DamagedFile { table, .. }
            | Self::Vacuum { table, .. }
            | Self::Contended { table } => Some(table),
            Self::Clock { .. } | Self::Parquet { .. } | Self::Closed => None,
        }
    }

    /// Returns the data file that cannot be read, below its table's folder.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Download { path, .. } | Self::DamagedFile { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Returns whether a file's content was met that is not what was written.
    pub(crate) fn is_decoding(&self) -> bool {
        matches!(self, Self::Parquet { doing } if *doing == READING_BACK)
    }

    /// Returns the store's own reason, where it was the store that failed.
    #[must_use]
    pub fn fault(&self) -> Option<&StoreFault> {
        match self {
            Self::Upload { source, .. }
            | Self::Download { source, .. }
            | Self::Vacuum { source, .. }
            | Self::Clock { source } => Some(source),
            Self::Log { source, .. } => match &**source {
                LogError::Read { source, .. }
                | LogError::Refused { source, .. }
                | LogError::OutcomeUnknown { source, .. }
                | LogError::Kernel { source, .. } => Some(source),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Rows that Parquet did not take.
pub(crate) const ENCODING: DeltaError = DeltaError::Parquet {
    doing: "writing rows",
};

/// Parquet that did not give rows. Whoever knows the file names it
/// ([`DataFiles::named`](crate::delta::file::data_files::DataFiles::named)).
pub(crate) const DECODING: DeltaError = DeltaError::Parquet {
    doing: READING_BACK,
};

const READING_BACK: &str = "reading rows back";
