//! One planned table with the files that its fold reads.

use std::sync::Arc;

use crate::delta::log::LiveFile;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::sequence::FileRef;

/// One planned table with its files.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) plan: FoldPlan,
    /// Files of the snapshot; empty when no snapshot is folded.
    pub(super) snapshot: Vec<FileRef>,
    /// Files of `current` with rows of this table alone.
    pub(super) files: Vec<Arc<LiveFile>>,
    /// Files of `current` with rows of this table alone that are replaced without being read.
    pub(super) dropped: Vec<Arc<LiveFile>>,
    /// Whether the table is so large that its rows go to files of its own.
    pub(super) is_large: bool,
}

impl Planned {
    /// Chooses the files that a plan needs. `own` are the files of `current` with rows of this table alone.
    pub(super) fn new(
        plan: FoldPlan,
        snapshot: &[Arc<LiveFile>],
        own: Vec<Arc<LiveFile>>,
        is_large: bool,
    ) -> Self {
        let snapshot = snapshot.iter().filter(|_| plan.since_us.is_some());
        let (files, dropped) = if plan.is_rebuilt {
            (Vec::new(), own)
        } else {
            (own, Vec::new())
        };
        Self {
            snapshot: snapshot.map(|file| FileRef::from(&**file)).collect(),
            files,
            dropped,
            is_large,
            plan,
        }
    }

    /// Returns about how many rows the fold reads from files of this table alone.
    pub(super) fn rows(&self) -> u64 {
        rows_of(&self.files) + self.snapshot_rows()
    }

    /// Returns the number of rows of the snapshot; zero when no snapshot is folded.
    pub(super) fn snapshot_rows(&self) -> u64 {
        self.snapshot.iter().map(|file| file.rows).sum()
    }
}

/// Returns the number of rows in files of `current`.
pub(super) fn rows_of(files: &[Arc<LiveFile>]) -> u64 {
    files.iter().filter_map(|file| file.num_records).sum()
}
