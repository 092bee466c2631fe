//! What can go wrong with one Delta table's log.

use crate::delta::fault::StoreFault;
use crate::delta::object_key::{ObjectKey, TablePath};

/// Why a table's log could not be read or written.
///
/// Only [`OutcomeUnknown`](Self::OutcomeUnknown) leaves open whether an entry is visible. After any of them the same
/// work may be done again: whoever does reads the log first and finds what is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log cannot be read.
    #[error("the log of {table} cannot be read")]
    Read {
        /// The table's folder.
        table: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A log entry or checkpoint holds something else than the Delta protocol says.
    #[error("the log of {table} is damaged: {what}")]
    Damaged {
        /// The table's folder.
        table: String,
        /// Which part, without its content.
        what: String,
    },
    /// Another program raised the table's protocol.
    #[error(
        "{table} asks for more than Delta reader 1 and writer 2, which is all this build writes: another program has changed the table"
    )]
    Protocol {
        /// The table's folder.
        table: String,
    },
    /// The table is partitioned by other columns.
    #[error("{table} is partitioned by {found:?}, not by {expected:?}")]
    Partitioning {
        /// The table's folder.
        table: String,
        /// The table's columns.
        found: Vec<String>,
        /// Ours.
        expected: Vec<String>,
    },
    /// A column cannot be in the table as we have it.
    #[error("the schema of {table} does not go with ours")]
    Schema {
        /// The table's folder.
        table: String,
        /// Which column, and how.
        #[source]
        source: SchemaError,
    },
    /// The store does not take the entry, for a reason that does not pass. Nothing of it is visible.
    #[error("the store refused version {version} of {table}; nothing of it is visible")]
    Refused {
        /// The table's folder.
        table: String,
        /// The version that was to be.
        version: u64,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The entry was sent and the store could not be asked whether it arrived.
    #[error(
        "it is unknown whether version {version} of {table} was committed; running again is safe, since the log is read first"
    )]
    OutcomeUnknown {
        /// The table's folder.
        table: String,
        /// The version that may be ours.
        version: u64,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The Delta kernel failed.
    #[error("the Delta kernel failed at {doing} {table}")]
    Kernel {
        /// The table's folder.
        table: String,
        /// What it was to do.
        doing: &'static str,
        /// Why; the kernel's text is left out, since it may quote statistics.
        #[source]
        source: StoreFault,
    },
}

impl LogError {
    /// Returns the folder of the table.
    #[must_use]
    pub fn table(&self) -> &str {
        match self {
            Self::Read { table, .. }
            | Self::Damaged { table, .. }
            | Self::Protocol { table }
            | Self::Partitioning { table, .. }
            | Self::Schema { table, .. }
            | Self::Refused { table, .. }
            | Self::OutcomeUnknown { table, .. }
            | Self::Kernel { table, .. } => table,
        }
    }

    pub(super) fn read(table: &TablePath, source: StoreFault) -> Self {
        Self::Read {
            table: table.to_string(),
            source,
        }
    }

    /// Names an entry that holds something else than actions, as its file is called.
    pub(super) fn damaged_entry(table: &TablePath, version: u64) -> Self {
        let file = ObjectKey::LogEntry(table, version);
        Self::Damaged {
            table: table.to_string(),
            what: format!("{file} holds a line that is no action"),
        }
    }

    /// Returns whether the same call may succeed later without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read { source, .. } | Self::Kernel { source, .. } => source.is_retryable(),
            Self::OutcomeUnknown { .. } => true,
            _ => false,
        }
    }
}

/// Why a schema cannot be a Delta table's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The table has the column with another type.
    #[error("column {column} is {found} in the table and {expected} here")]
    TypeConflict {
        /// Path of the column, with dots.
        column: String,
        /// The table's type.
        found: String,
        /// Ours.
        expected: String,
    },
    /// The table has the column under a name that differs in case only, which Delta does not tell apart.
    #[error("column {column} is {found} in the table: Delta does not tell case apart")]
    CaseConflict {
        /// Path of the column here, with dots.
        column: String,
        /// The table's name of it.
        found: String,
    },
    /// An Arrow type without a Delta type at reader 1 and writer 2.
    #[error(
        "column {column} has the type {found}, which Delta tables of writer version 2 do not have"
    )]
    Unsupported {
        /// Path of the column, with dots.
        column: String,
        /// The Arrow type.
        found: String,
    },
}
