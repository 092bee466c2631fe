//! What can go wrong with the log of one Delta table.

use crate::delta::fault::StoreFault;
use crate::delta::log::log_damage::{LogDamage, LogDamageKind};
use crate::delta::object_key::TablePath;

/// Why a table's log could not be read or written.
///
/// Only [`OutcomeUnknown`](Self::OutcomeUnknown) leaves open whether an entry is visible. After every error the same
/// work may be repeated: the repetition reads the log first and finds what is committed.
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
    /// A part of the log is missing, or its content does not follow the Delta protocol.
    #[error("the log of {table} is damaged: {damage}")]
    Damaged {
        /// The table's folder.
        table: String,
        /// The damaged part, without its content.
        damage: LogDamage,
    },
    /// Another program raised the protocol version of the table.
    #[error(
        "{table} requires a newer Delta protocol than reader 1 and writer 2, the newest that this build writes: another program has upgraded the table"
    )]
    Protocol {
        /// The table's folder.
        table: String,
    },
    /// The table is partitioned by columns other than expected.
    #[error("{table} is partitioned by {found:?}, not by {expected:?}")]
    Partitioning {
        /// The table's folder.
        table: String,
        /// The columns that partition the table on the store.
        found: Vec<String>,
        /// The columns that this build expects.
        expected: Vec<String>,
    },
    /// A column of this build cannot be added to the table.
    #[error("the schema of {table} does not match the columns of this build")]
    Schema {
        /// The table's folder.
        table: String,
        /// The column, and the reason.
        #[source]
        source: SchemaError,
    },
    /// The store refused the entry for a lasting reason. No part of the entry is visible.
    #[error("the store refused version {version} of {table}; no part of it is visible")]
    Refused {
        /// The table's folder.
        table: String,
        /// The version that the entry would have had.
        version: u64,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The entry was sent, and the store could not say whether it arrived.
    #[error(
        "it is unknown whether version {version} of {table} was committed; running again is safe, since the log is read first"
    )]
    OutcomeUnknown {
        /// The table's folder.
        table: String,
        /// The version that may hold our entry.
        version: u64,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The Delta kernel failed.
    #[error("{doing} {table} failed inside the Delta library")]
    Kernel {
        /// The table's folder.
        table: String,
        /// What failed: opening, reading or writing a checkpoint.
        doing: &'static str,
        /// Why. Without the kernel's text, which may quote statistics.
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

    /// Makes the error for a damaged part of a table's log.
    pub(super) fn damaged(table: &TablePath, damage: LogDamage) -> Self {
        Self::Damaged {
            table: table.to_string(),
            damage,
        }
    }

    /// Makes the error for a table of which nothing is left, although another table knows it.
    pub(crate) fn missing_table(table: &TablePath, known_by: String) -> Self {
        let kind = LogDamageKind::MissingTable { known_by };
        Self::damaged(table, LogDamage::of_log(table, kind))
    }

    /// Returns the damaged part of the log, when the log is damaged.
    #[must_use]
    pub fn damage(&self) -> Option<&LogDamage> {
        match self {
            Self::Damaged { damage, .. } => Some(damage),
            _ => None,
        }
    }

    /// Returns whether a file of the log was not there when it was read.
    #[must_use]
    pub fn is_of_missing_file(&self) -> bool {
        match self {
            Self::Read { source, .. } | Self::Kernel { source, .. } => source.is_not_found(),
            _ => false,
        }
    }

    /// Returns whether the same call may succeed later without anyone's help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read { source, .. } | Self::Kernel { source, .. } => source.is_retryable(),
            Self::OutcomeUnknown { .. } => true,
            _ => false,
        }
    }
}

/// Why a schema cannot be the schema of a Delta table.
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
        /// The type in this build.
        expected: String,
    },
    /// The table has the column under a name that differs in case only. Delta compares names without case.
    #[error("column {column} is {found} in the table: Delta compares column names without case")]
    CaseConflict {
        /// Path of the column in this build, with dots.
        column: String,
        /// The column's name in the table.
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
