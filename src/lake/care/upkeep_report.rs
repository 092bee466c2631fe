//! What an upkeep did, table by table.

use tracing::warn;

use crate::lake::layout::LakeTable;
use crate::lake::{LakeError, SetAside};

/// What was done, or would be.
#[derive(Clone, Debug, Default)]
pub struct UpkeepReport {
    /// Tables with something to do.
    pub tables: Vec<TableUpkeep>,
    /// Tables that could not be kept up, or not wholly, and why; the others were.
    pub failed: Vec<SetAside<String>>,
}

/// What was done at one Delta table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableUpkeep {
    /// The table's folder.
    pub table: String,
    /// Rows that left the table.
    pub left_rows: u64,
    /// The files they left: removed, or written again without them.
    pub left_files: u64,
    /// The same file by file; in a dry run only.
    pub leaving: Vec<Left>,
    /// Small files whose rows are in larger ones now.
    pub merged_files: u64,
    /// The larger ones. Zero in a dry run.
    pub merged_into: u64,
    /// Data files that nothing names any more and that were deleted.
    pub deleted_files: u64,
    /// Their size.
    pub deleted_bytes: u64,
    /// Their keys below the lake's root; in a dry run only.
    pub listed: Vec<String>,
    /// Log entries and checkpoints that were deleted.
    pub deleted_log_entries: u64,
}

/// Rows that leave a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The file's key below the lake's root.
    pub file: String,
    /// How many leave.
    pub rows: u64,
    /// How many it has.
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
    /// Sets a table aside that could not be kept up, once for one reason.
    pub(super) fn set_aside(&mut self, name: &LakeTable, error: LakeError) {
        let mut known = self
            .failed
            .iter()
            .filter(|aside| aside.member == name.to_string());
        if known.any(|aside| aside.error.to_string() == error.to_string()) {
            return;
        }
        warn!(table = %name, error = &error as &dyn std::error::Error, advice = error.advice(), "{name} could not be kept up; its rows are as they were");
        let member = name.to_string();
        self.failed.push(SetAside { member, error });
    }

    /// Takes in what was read of a table that others are judged by; `None` when it could not be.
    pub(super) fn read<T>(&mut self, name: &LakeTable, read: Result<T, LakeError>) -> Option<T> {
        read.map_err(|error| self.set_aside(name, error)).ok()
    }
}
