//! What the fold of one table gives, before it is visible.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::delta::file::data_files::Written;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationId;
use crate::lake::fold::task::MergeTally;
use crate::versions::losses::Withheld;

/// Result of one table's fold, not visible yet.
pub(super) struct MergedTable {
    pub(super) tally: MergeTally,
    pub(super) withheld: Option<Withheld>,
    /// Files with rows of this table alone.
    pub(super) written: Vec<Written>,
    /// Rows for a file that small tables share.
    pub(super) kept: Vec<RecordBatch>,
    /// Files with rows of this table alone that the fold replaces.
    pub(super) replaced: Vec<Arc<LiveFile>>,
    /// Rows of `current` after the fold.
    pub(super) rows: u64,
    /// Rows of `current` before the fold.
    pub(super) rows_before: u64,
    pub(super) fetch_id: Option<String>,
    /// Integration id, read from the rows.
    pub(super) integration: Option<IntegrationId>,
}

impl MergedTable {
    /// Returns this result after its rows were written to a shared file.
    pub(super) fn without_rows(self) -> Self {
        Self {
            kept: Vec::new(),
            ..self
        }
    }
}
