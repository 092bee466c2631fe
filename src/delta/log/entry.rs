//! What one log entry says: files added and removed, and bases.

use std::collections::BTreeMap;

use crate::delta::log::state::LiveFile;

/// One atomic change of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What happened, for people who read the history: `APPEND SNAPSHOT`.
    pub operation: &'static str,
    /// Files that become visible.
    pub adds: Vec<AddFile>,
    /// Files that stop being visible.
    pub removes: Vec<RemoveFile>,
    /// Rows only change files: whoever follows the table's changes passes the entry over.
    pub rearranges: bool,
    /// Application transactions: `appId` and version. Each replaces the one before it.
    pub txns: Vec<(String, i64)>,
}

/// A data file that becomes visible. It is on the store already.
#[derive(Clone, PartialEq, Eq)]
pub struct AddFile {
    /// Path below the table's folder, not encoded.
    pub path: String,
    /// Value of each partition column.
    pub partition_values: BTreeMap<String, String>,
    /// Size in bytes.
    pub size: u64,
    /// When it was written, in milliseconds since the epoch.
    pub modification_time_ms: i64,
    /// Statistics, JSON by the Delta protocol.
    pub stats: String,
    /// Free notes about the file.
    pub tags: BTreeMap<String, String>,
}

impl std::fmt::Debug for AddFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Statistics hold row values.
        write!(f, "AddFile({}, {} bytes)", self.path, self.size)
    }
}

/// A file that stops being visible. Made from a [`LiveFile`], so that it names the file as the log does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveFile {
    pub(super) logged_path: String,
    pub(super) partition_values: BTreeMap<String, Option<String>>,
    pub(super) size: u64,
}

impl From<&LiveFile> for RemoveFile {
    fn from(file: &LiveFile) -> Self {
        Self {
            logged_path: file.logged_path.clone(),
            partition_values: file.partition_values.clone(),
            size: file.size,
        }
    }
}
