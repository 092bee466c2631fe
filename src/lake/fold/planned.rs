//! One table that is about to be folded, with the files that this takes.

use std::sync::Arc;

use crate::delta::log::LiveFile;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::sequence::FileRef;

/// One table that is about to be folded.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) plan: FoldPlan,
    /// The files of the snapshot, when it is folded.
    pub(super) snapshot: Vec<FileRef>,
    /// What `current` has and is read.
    pub(super) files: Vec<Arc<LiveFile>>,
    /// What `current` has and is replaced without being read.
    pub(super) dropped: Vec<Arc<LiveFile>>,
}

impl Planned {
    /// Says which of a table's files are needed.
    pub(super) fn new(
        plan: FoldPlan,
        snapshot: &[Arc<LiveFile>],
        current: Vec<Arc<LiveFile>>,
    ) -> Self {
        let snapshot = snapshot.iter().filter(|_| plan.since_us.is_some());
        let (files, dropped) = if plan.is_rebuilt {
            (Vec::new(), current)
        } else {
            (current, Vec::new())
        };
        Self {
            snapshot: snapshot.map(|file| FileRef::from(&**file)).collect(),
            files,
            dropped,
            plan,
        }
    }

    /// Returns about how many rows are read for it.
    pub(super) fn rows(&self) -> u64 {
        rows_of(&self.files) + self.snapshot_rows()
    }

    /// Returns how many rows the snapshot has, when it is folded.
    pub(super) fn snapshot_rows(&self) -> u64 {
        self.snapshot.iter().map(|file| file.rows).sum()
    }
}

/// Returns how many rows are in files of `current`.
pub(super) fn rows_of(files: &[Arc<LiveFile>]) -> u64 {
    files.iter().filter_map(|file| file.num_records).sum()
}
