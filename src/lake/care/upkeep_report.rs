//! Report of an upkeep, table by table.

use tracing::warn;

use crate::lake::layout::LakeTable;
use crate::lake::{LakeError, SetAside};
use crate::words::with_causes;

/// What an upkeep did, or would do in a dry run.
#[derive(Clone, Debug, Default)]
pub struct UpkeepReport {
    /// Tables with something to do.
    pub tables: Vec<TableUpkeep>,
    /// Tables with a failed or incomplete upkeep, and why. Other tables are done.
    pub failed: Vec<SetAside<String>>,
}

/// Upkeep of one Delta table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableUpkeep {
    /// The table's folder.
    pub table: String,
    /// Number of expired rows that were removed.
    pub left_rows: u64,
    /// Number of files with removed rows: deleted from the table, or rewritten without these rows.
    pub left_files: u64,
    /// Removed rows per file; only in a dry run.
    pub leaving: Vec<Left>,
    /// Number of small files that were merged.
    pub merged_files: u64,
    /// Number of files after merging. Zero in a dry run.
    pub merged_into: u64,
    /// Number of unreferenced data files that were deleted.
    pub deleted_files: u64,
    /// Size of the deleted data files, in bytes.
    pub deleted_bytes: u64,
    /// Keys of the deleted data files, relative to the lake's root; only in a dry run.
    pub listed: Vec<String>,
    /// Keys of files and symbolic links in the table's folder that the table never had. They stay.
    pub foreign: Vec<String>,
    /// Number of deleted log entries and checkpoints.
    pub deleted_log_entries: u64,
}

/// Rows that are removed from one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Key of the file, relative to the lake's root.
    pub file: String,
    /// Number of removed rows.
    pub rows: u64,
    /// Number of rows before the removal.
    pub of: u64,
}

impl TableUpkeep {
    pub(super) fn is_nothing(&self) -> bool {
        self.left_files + self.merged_files + self.deleted_files + self.deleted_log_entries == 0
    }

    pub(super) fn leave(&mut self, left: &Left) {
        self.left_rows += left.rows;
        self.left_files += 1;
    }
}

impl UpkeepReport {
    /// Reports a table with a failed upkeep, once per error.
    pub(super) fn set_aside(&mut self, name: &LakeTable, error: LakeError) {
        let mut known = self
            .failed
            .iter()
            .filter(|aside| aside.member == name.to_string());
        if known.any(|aside| aside.error.to_string() == error.to_string()) {
            return;
        }
        warn!(table = %name, error = with_causes(&error), advice = error.advice(), "upkeep of {name} failed; its rows are unchanged");
        let member = name.to_string();
        self.failed.push(SetAside { member, error });
    }

    /// Returns the value that was read of a table. On an error, reports the table and returns `None`.
    pub(super) fn read<T>(&mut self, name: &LakeTable, read: Result<T, LakeError>) -> Option<T> {
        read.map_err(|error| self.set_aside(name, error)).ok()
    }
}
