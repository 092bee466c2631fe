//! What can be damaged in a table's log.

use std::fmt;

use crate::delta::object_key::{ObjectKey, TablePath};

/// A damaged part of a table's log. Names the file and what is wrong with it, never its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// The path below the lake's root: of the damaged or missing file, or of the log's folder where no single file is
    /// damaged.
    pub file: String,
    /// The version of that file. `None` for the log's folder.
    pub version: Option<u64>,
    /// What is wrong.
    pub kind: LogDamageKind,
}

/// What is wrong with a part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogDamageKind {
    /// An entry holds no action: it has no bytes, or only blank lines and empty objects.
    EmptyEntry,
    /// An entry holds a line that is not a Delta action: it is cut in the middle of a line, or was overwritten.
    GarbledEntry,
    /// An entry holds fewer or more actions than it was written with.
    CutEntry,
    /// An entry is missing: newer entries are there, or it was read before.
    MissingEntry,
    /// The first entries are missing, and no checkpoint that can be read covers them. The file is the oldest entry
    /// that is there.
    MissingStart,
    /// A checkpoint cannot be read, and entries that could replace it are missing.
    UnreadableCheckpoint,
    /// The actions in force lack something that each table has, or something in them cannot be read.
    State(&'static str),
    /// The log's folder holds neither an entry nor a checkpoint, and the table has data files or leftovers of a log.
    MissingLog,
    /// Nothing is left of the table, and another table of the lake knows it.
    MissingTable {
        /// The path below the lake's root of what knows the table.
        known_by: String,
    },
}

impl LogDamage {
    /// Damage of an entry.
    pub(super) fn of_entry(table: &TablePath, version: u64, kind: LogDamageKind) -> Self {
        Self {
            file: ObjectKey::LogEntry(table, version).to_string(),
            version: Some(version),
            kind,
        }
    }

    /// Damage of the log as a whole.
    pub(super) fn of_log(table: &TablePath, kind: LogDamageKind) -> Self {
        Self {
            file: ObjectKey::Log(table).to_string(),
            version: None,
            kind,
        }
    }
}

impl fmt::Display for LogDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.kind {
            LogDamageKind::EmptyEntry => write!(f, "{file} holds no action"),
            LogDamageKind::GarbledEntry => {
                write!(f, "{file} holds a line that is not a Delta action")
            }
            LogDamageKind::CutEntry => {
                write!(
                    f,
                    "{file} does not hold the actions that it was written with"
                )
            }
            LogDamageKind::MissingEntry => {
                write!(f, "{file} is missing, although it was committed")
            }
            LogDamageKind::MissingStart => {
                write!(
                    f,
                    "{file} is the oldest entry, and no checkpoint holds what came before it"
                )
            }
            LogDamageKind::UnreadableCheckpoint => {
                write!(
                    f,
                    "{file} cannot be read, and entries that could replace it are missing"
                )
            }
            LogDamageKind::State(what) => f.write_str(what),
            LogDamageKind::MissingLog => {
                write!(f, "{file} is missing or empty, but the table has files")
            }
            LogDamageKind::MissingTable { known_by } => {
                write!(f, "the table is missing, but {known_by} knows it")
            }
        }
    }
}
