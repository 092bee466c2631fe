//! Folds one table: opens the sources, merges them, and merges again when the guard holds losses.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::log::LiveFile;
use crate::ids::IntegrationId;
use crate::lake::fold::merge::Merge;
use crate::lake::fold::output::Output;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::pending::PendingRows;
use crate::lake::fold::planned::{Planned, rows_of};
use crate::lake::fold::porter::Porter;
use crate::lake::fold::segment::{Segment, segments, sort_by_ids};
use crate::lake::fold::sequence::{FileRef, Sequence};
use crate::lake::fold::source_cursor::{RowSource, Rows, SourceCursor};
use crate::lake::fold::task::{MergeTally, Task, ValueColumns};
use crate::lake::layout::of_integration;
use crate::versions::losses::Withheld;

/// Sources that are merged at once. A snapshot with more files is first merged into fewer.
const SOURCES_AT_ONCE: usize = 16;

/// A stored file is small when it is below this fraction of the target decoded size. Stored rows take about a sixth of
/// their decoded size.
const SMALL_ONE_IN: usize = 24;

/// The rows of `deltas` for one table.
pub(super) enum PendingOfTable {
    /// All rows, sorted; `None` when there are none.
    Held(Option<RecordBatch>),
    /// The rows are read part by part; `cuts` are the ids between the parts.
    InParts {
        rows: PendingRows,
        cuts: Vec<String>,
    },
}

/// Result of one table's fold, not visible yet.
pub(super) struct MergedTable {
    pub(super) tally: MergeTally,
    pub(super) withheld: Option<Withheld>,
    pub(super) written: Vec<Written>,
    pub(super) replaced: Vec<Arc<LiveFile>>,
    /// Rows of `current` after the fold.
    pub(super) rows: u64,
    /// Rows of `current` before the fold.
    pub(super) rows_before: u64,
    pub(super) fetch_id: Option<String>,
    /// Integration id, read from the rows.
    pub(super) integration: Option<IntegrationId>,
}

/// Where a fold reads and writes data files.
pub(super) struct Shelves {
    pub(super) snapshots: Option<Arc<DataFiles>>,
    pub(super) current: Arc<DataFiles>,
    pub(super) columns: ValueColumns,
    /// Target size of a file of `current`, in decoded bytes.
    pub(super) file_bytes: usize,
}

/// Folds one table.
pub(super) fn fold(
    porter: &Porter,
    pace: &mut Pace,
    shelves: &Shelves,
    planned: Planned,
    pending: &PendingOfTable,
) -> Result<MergedTable, DeltaError> {
    let mut fold = TableFold {
        porter,
        pace,
        shelves,
        planned,
        pending,
        merged: Vec::new(),
        integration: None,
    };
    let folded = fold.run();
    // The intermediate files of a merge of many snapshot files are not needed any more.
    for written in &fold.merged {
        porter.discard(&shelves.current, written);
    }
    folded
}

struct TableFold<'a> {
    porter: &'a Porter,
    pace: &'a mut Pace,
    shelves: &'a Shelves,
    planned: Planned,
    pending: &'a PendingOfTable,
    merged: Vec<Written>,
    integration: Option<IntegrationId>,
}

impl TableFold<'_> {
    fn run(&mut self) -> Result<MergedTable, DeltaError> {
        let snapshot = self.snapshot_sources()?;
        let task = self.task(&snapshot)?;
        let segments = self.segments();
        let rows_before = rows_of(&self.planned.files);
        let mut withheld = self.planned.plan.withheld();
        loop {
            let (tally, written) = self.pass(&task, withheld.as_ref(), &snapshot, &segments)?;
            let due = tally
                .losses
                .withheld(rows_before, self.planned.plan.gone_today());
            // What is held decides which rows are kept, so the merge runs again, once or twice.
            if due != withheld {
                for written in &written {
                    self.porter.discard(&self.shelves.current, written);
                }
                withheld = due;
                continue;
            }
            let replaced: Vec<_> = segments
                .iter()
                .flat_map(|segment| self.planned.files[segment.files.clone()].iter().cloned())
                .collect();
            let rows = rows_before - rows_of(&replaced) + tally.rows;
            let dropped = self.planned.dropped.iter().cloned();
            return Ok(MergedTable {
                rows,
                rows_before,
                tally,
                withheld,
                written,
                replaced: replaced.into_iter().chain(dropped).collect(),
                fetch_id: task.fetch_id,
                integration: self.integration.take(),
            });
        }
    }

    /// Merges every segment.
    fn pass(
        &mut self,
        task: &Task,
        withheld: Option<&Withheld>,
        snapshot: &[Vec<FileRef>],
        segments: &[Segment],
    ) -> Result<(MergeTally, Vec<Written>), DeltaError> {
        let (mut tally, mut written) = (MergeTally::default(), Vec::new());
        for segment in segments {
            let files = &self.planned.files[segment.files.clone()];
            let mut sources: Vec<(RowSource, Rows)> = Vec::new();
            if !files.is_empty() {
                let files = files.iter().map(|file| FileRef::from(&**file)).collect();
                sources.push((
                    RowSource::Current,
                    self.sequence(&self.shelves.current, files),
                ));
            }
            for files in snapshot {
                let rows = self.sequence(self.shelf(), files.clone());
                sources.push((RowSource::Snapshot, rows));
            }
            sources.extend(self.deltas(segment).map(|rows| (RowSource::Deltas, rows)));
            let mut cursors = Vec::with_capacity(sources.len());
            for (origin, rows) in sources {
                cursors.extend(SourceCursor::new(origin, rows)?);
            }
            let output = self.output(self.expected_rows(segment));
            let merge = Merge::new(task, withheld, cursors, output, self.pace);
            if self.integration.is_none() {
                let id = merge.integration();
                self.integration = id.and_then(|id| IntegrationId::new(&id).ok());
            }
            let (part, output) = merge.run()?;
            tally.add(part);
            written.extend(output.finish()?);
        }
        Ok((tally, written))
    }

    /// Merges a snapshot of many files into a few sorted sequences, in as many rounds as needed.
    fn snapshot_sources(&mut self) -> Result<Vec<Vec<FileRef>>, DeltaError> {
        let files = self.planned.snapshot.iter();
        let mut sources: Vec<Vec<FileRef>> = files.map(|file| vec![file.clone()]).collect();
        while sources.len() > SOURCES_AT_ONCE {
            let task = self.task(&[])?;
            let (place, used) = (Arc::clone(self.shelf()), std::mem::take(&mut self.merged));
            let mut merged = Vec::new();
            for part in sources.chunks(SOURCES_AT_ONCE) {
                let mut cursors = Vec::new();
                for files in part {
                    let rows = self.sequence(&place, files.clone());
                    cursors.extend(SourceCursor::new(RowSource::Snapshot, rows)?);
                }
                let output = self.output(part.iter().flatten().map(|file| file.rows).sum());
                let merge = Merge::new(&task, None, cursors, output, self.pace);
                let written = merge.copy()?.finish()?;
                merged.push(written.iter().map(FileRef::from).collect());
                self.merged.extend(written);
            }
            for written in &used {
                self.porter.discard(&self.shelves.current, written);
            }
            sources = merged;
        }
        Ok(sources)
    }

    /// Returns where the snapshot's files are. Intermediate files of a first merge lie with the files of `current`.
    fn shelf(&self) -> &Arc<DataFiles> {
        match &self.shelves.snapshots {
            Some(snapshots) if self.merged.is_empty() => snapshots,
            _ => &self.shelves.current,
        }
    }

    fn task(&self, snapshot: &[Vec<FileRef>]) -> Result<Task, DeltaError> {
        let mut fetch_id = None;
        if let Some(file) = snapshot.iter().flatten().next() {
            let rows = self.sequence(self.shelf(), vec![file.clone()]);
            let first = SourceCursor::new(RowSource::Snapshot, rows)?;
            fetch_id = first.map(|first| first.batch.fetch_id(0).to_owned());
        }
        Ok(Task {
            columns: self.shelves.columns.clone(),
            plan: self.planned.plan.clone(),
            fetch_id,
        })
    }

    /// Returns the parts of the table to rewrite: the complete table when a snapshot is folded, else only the files in
    /// which rows change.
    fn segments(&mut self) -> Vec<Segment> {
        let is_sorted = sort_by_ids(&mut self.planned.files);
        let whole = |rows: usize| Segment {
            files: 0..self.planned.files.len(),
            rows: 0..rows,
        };
        match &self.pending {
            PendingOfTable::Held(rows) => {
                let rows = rows.as_ref();
                if self.planned.plan.since_us.is_some() || !is_sorted {
                    return vec![whole(rows.map_or(0, RecordBatch::num_rows))];
                }
                let ids = rows.and_then(|rows| rows.column_by_name("id"));
                let small_bytes = (self.shelves.file_bytes / SMALL_ONE_IN) as u64;
                let files = &self.planned.files;
                ids.map_or_else(Vec::new, |ids| {
                    segments(files, ids.as_string(), small_bytes)
                })
            }
            PendingOfTable::InParts { .. } => vec![whole(0)],
        }
    }

    fn deltas(&self, segment: &Segment) -> Option<Rows> {
        match self.pending {
            PendingOfTable::Held(rows) => {
                let rows = rows.as_ref()?;
                let part = rows.slice(segment.rows.start, segment.rows.len());
                Some(Box::new(std::iter::once(Ok(part))))
            }
            PendingOfTable::InParts { rows, cuts } => {
                let (rows, cuts) = (rows.clone(), cuts.clone());
                let plan = &self.planned.plan;
                let (key, wanted) = (plan.key.to_string(), plan.wanted());
                let parts = (0..=cuts.len()).filter_map(move |part| {
                    let least = part.checked_sub(1).map(|before| cuts[before].as_str());
                    let end = cuts.get(part).map(String::as_str);
                    rows.part(&key, wanted, least, end).transpose()
                });
                Some(Box::new(parts))
            }
        }
    }

    fn expected_rows(&self, segment: &Segment) -> u64 {
        let current = rows_of(&self.planned.files[segment.files.clone()]);
        current.max(self.planned.snapshot_rows()) + segment.rows.len() as u64
    }

    fn sequence(&self, place: &Arc<DataFiles>, files: Vec<FileRef>) -> Rows {
        let schema = &self.shelves.columns.schema;
        let key = self.planned.plan.key.as_str();
        Box::new(Sequence::new(self.porter, place, files, schema, key))
    }

    fn output(&self, expected_rows: u64) -> Output {
        let partition = of_integration(&self.planned.plan.key);
        let size = (expected_rows, self.shelves.file_bytes);
        Output::new(self.porter, &self.shelves.current, partition, size)
    }
}

impl From<&Written> for FileRef {
    fn from(written: &Written) -> Self {
        Self {
            path: written.add.path.clone(),
            size: written.add.size,
            rows: written.rows,
        }
    }
}
