//! What can go wrong with a Delta table. The variants say what the caller can do.

use std::sync::Arc;

use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::{LogDamage, LogError};

/// Why an operation on a Delta table failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// A table's log failed.
    #[error("reading or writing the Delta log of {table} failed")]
    Log {
        /// The table's folder.
        table: String,
        /// The cause. Shared, because one commit may carry the work of many callers.
        #[source]
        source: Arc<LogError>,
    },
    /// A data file could not be written. No part of the file is visible.
    #[error("writing a data file of {table} failed; no part of it is visible")]
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
        /// The file's path below the table's folder.
        path: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A data file exists, but its content is not what was written.
    #[error("the data file {table}/{path} is damaged")]
    DamagedFile {
        /// The table's folder.
        table: String,
        /// The file's path below the table's folder.
        path: String,
    },
    /// Unreferenced files could not be listed or deleted.
    #[error("unreferenced files of {table} could not be listed or deleted")]
    Vacuum {
        /// The table's folder.
        table: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The store's clock could not be read. Without it the age of a file is not known.
    #[error("the store's clock could not be read; without it the age of a file is not known")]
    Clock {
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// Rows could not be written as Parquet, or Parquet could not be read. The error omits the library's text, which
    /// may quote values.
    #[error("{doing} failed inside the Parquet library")]
    Parquet {
        /// What failed: writing or reading.
        doing: &'static str,
    },
    /// Other processes changed the table after each read of it.
    #[error("other processes kept changing {table}")]
    Contended {
        /// The table's folder.
        table: String,
    },
    /// The process is shutting down. The task that does the work ended before it answered.
    #[error("the program ended before the store confirmed the commit")]
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
    /// Returns whether the same operation may succeed later without anyone's help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Log { source, .. } => source.is_retryable(),
            Self::Closed | Self::Contended { .. } => true,
            _ => self.fault().is_some_and(StoreFault::is_retryable),
        }
    }

    /// Returns whether a log entry or a data file is missing or is not what was written. Such damage does not pass by
    /// itself, and other files may be intact.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log { source, .. } => matches!(**source, LogError::Damaged { .. }),
            Self::Download { source, .. } => source.reason() == FaultReason::NotFound,
            Self::DamagedFile { .. } => true,
            _ => false,
        }
    }

    /// Returns the folder of the table that failed. `None` when the error concerns no single table.
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

    /// Returns the path, below its table's folder, of the data file that cannot be read.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Download { path, .. } | Self::DamagedFile { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Returns the damaged part of the table's log, when its log is damaged.
    #[must_use]
    pub fn log_damage(&self) -> Option<&LogDamage> {
        match self {
            Self::Log { source, .. } => source.damage(),
            _ => None,
        }
    }

    /// Returns whether the content of a file is not what was written.
    pub(crate) fn is_decoding(&self) -> bool {
        matches!(self, Self::Parquet { doing } if *doing == READING_BACK)
    }

    /// Returns the store's own reason, when the store failed.
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

/// Parquet refused the rows.
pub(crate) const ENCODING: DeltaError = DeltaError::Parquet {
    doing: "writing rows",
};

/// The Parquet content could not be decoded. A caller that knows the file adds its name
/// ([`DataFiles::named`](crate::delta::file::data_files::DataFiles::named)).
pub(crate) const DECODING: DeltaError = DeltaError::Parquet {
    doing: READING_BACK,
};

const READING_BACK: &str = "reading rows back";
