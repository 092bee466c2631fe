//! Every key of a Delta table below its store's root, and the names of its folders and files.
//!
//! No other module builds a key.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use object_store::path::Path;
use uuid::Uuid;

use crate::chance::fresh_uuid;

/// The folder of a Delta table below the store's root: `ats_tags/deltas`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TablePath(Arc<str>);

impl TablePath {
    /// Takes the name of a folder. Each part of the name is a plain word.
    #[must_use]
    pub fn new(folder: &str) -> Self {
        Self(folder.into())
    }

    /// Returns the folder's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folder as a path of the object store.
    #[must_use]
    pub fn folder(&self) -> Path {
        Path::from(self.as_str())
    }
}

impl fmt::Display for TablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The partition of a data file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Partition {
    /// The table is not partitioned.
    Whole,
    /// `<column>=<value>`. The value is a plain word.
    Of(Cow<'static, str>, String),
}

/// How the name of a data file begins and ends. Its id is between.
const PREFIX: &str = "part-";
const SUFFIX: &str = ".zstd.parquet";

/// The name of a data file within its table: `<partition>/part-<uuid>.zstd.parquet`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataFileName {
    partition: Partition,
    id: Uuid,
}

impl DataFileName {
    /// Returns a new name that no other file has.
    #[must_use]
    pub fn fresh(partition: Partition) -> Self {
        Self {
            partition,
            id: fresh_uuid(),
        }
    }

    /// Returns whether the last part of a path is a name as [`fresh`](Self::fresh) makes them.
    #[must_use]
    pub fn is_fresh_form(path: &Path) -> bool {
        let id = path.filename().and_then(|name| {
            let id = name.strip_prefix(PREFIX)?;
            id.strip_suffix(SUFFIX)
        });
        // `parse_str` also takes other spellings, which we never write.
        id.is_some_and(|id| Uuid::parse_str(id).is_ok_and(|uuid| uuid.to_string() == id))
    }

    #[cfg(test)]
    pub(crate) fn named(partition: Partition, id: Uuid) -> Self {
        Self { partition, id }
    }

    /// Returns the partition's column and value, as an add action holds them.
    #[must_use]
    pub fn partition_value(&self) -> Option<(&str, &str)> {
        match &self.partition {
            Partition::Whole => None,
            Partition::Of(column, value) => Some((column, value)),
        }
    }

    /// Returns the file's path below the table's folder, as an add action names the file.
    #[must_use]
    pub fn path(&self) -> String {
        let name = format!("{PREFIX}{}{SUFFIX}", self.id);
        match &self.partition {
            Partition::Whole => name,
            Partition::Of(column, value) => format!("{column}={value}/{name}"),
        }
    }
}

/// Every key of a Delta table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKey<'a> {
    /// `<table>/_delta_log`
    Log(&'a TablePath),
    /// `<table>/_delta_log/<version, 20 digits>.json`
    LogEntry(&'a TablePath, u64),
    /// `<table>/_delta_log/<version, 20 digits>.checkpoint.parquet`
    Checkpoint(&'a TablePath, u64),
    /// `<table>/_delta_log/_last_checkpoint`
    LastCheckpoint(&'a TablePath),
    /// `<table>/<partition>/part-<uuid>.zstd.parquet`
    Data(&'a TablePath, &'a DataFileName),
    /// `<table>/<path>`: a file by its decoded path in a log entry.
    Listed(&'a TablePath, &'a str),
}

impl ObjectKey<'_> {
    /// Returns the key for the store.
    #[must_use]
    pub fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for ObjectKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(table) => write!(f, "{table}/_delta_log"),
            Self::LogEntry(table, version) => write!(f, "{table}/_delta_log/{version:020}.json"),
            Self::Checkpoint(table, version) => {
                write!(f, "{table}/_delta_log/{version:020}.checkpoint.parquet")
            }
            Self::LastCheckpoint(table) => write!(f, "{table}/_delta_log/_last_checkpoint"),
            Self::Data(table, file) => write!(f, "{table}/{}", file.path()),
            Self::Listed(table, path) => write!(f, "{table}/{path}"),
        }
    }
}
