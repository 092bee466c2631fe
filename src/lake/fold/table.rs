//! One table folded: its sources opened, merged, and merged again when what they would take away is held.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::log::LiveFile;
use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::fold::cursor::{Cursor, Origin, Rows};
use crate::lake::fold::merge::Merge;
use crate::lake::fold::output::Output;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::pending::{PendingRows, Wanted};
use crate::lake::fold::porter::Porter;
use crate::lake::fold::segment::{Segment, segments, sort_by_ids};
use crate::lake::fold::sequence::{FileRef, Sequence};
use crate::lake::fold::task::{Columns, Tally, Task};
use crate::lake::layout::of_integration;
use crate::versions::judge::Background;
use crate::versions::looks::Looks;
use crate::versions::losses::Withheld;

/// Sources that are merged at once. More snapshot files are merged to fewer first.
const FAN_IN: usize = 16;

/// A file of less than one in so many of its decoded size, as it is stored, is small: rows take about a sixth there.
const SMALL_ONE_IN: usize = 24;

/// What is to be done with one table.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) key: IntegrationKey,
    /// The snapshot's files and its first observation, when it is folded.
    pub(super) snapshot: Option<(Vec<FileRef>, i64)>,
    pub(super) compared: Option<Background>,
    pub(super) wanted: Wanted,
    /// What `current` has.
    pub(super) files: Vec<Arc<LiveFile>>,
    /// What it has that is replaced without being read.
    pub(super) dropped: Vec<Arc<LiveFile>>,
    /// What is held when it begins.
    pub(super) withheld: Option<Withheld>,
    pub(super) is_held: bool,
    /// When the snapshot began, and earlier ones did.
    pub(super) looks: Option<Looks>,
    /// Rows that went within the last day, unasked.
    pub(super) gone_today: u64,
    pub(super) accepted_us: Option<i64>,
    pub(super) drops_unconfirmed: bool,
}

/// The rows of `deltas` for one table.
pub(super) enum Pending {
    /// All of them, sorted; `None` when there are none.
    Held(Option<RecordBatch>),
    /// They are read part by part, from cut to cut.
    InParts {
        rows: PendingRows,
        cuts: Vec<String>,
    },
}

/// One table's fold, not visible yet.
pub(super) struct Folded {
    pub(super) tally: Tally,
    pub(super) withheld: Option<Withheld>,
    pub(super) written: Vec<Written>,
    pub(super) replaced: Vec<Arc<LiveFile>>,
    /// Rows that `current` has afterwards, and had before.
    pub(super) rows: u64,
    pub(super) rows_before: u64,
    pub(super) fetch_id: Option<String>,
    /// Whose rows they are, as the rows say.
    pub(super) integration: Option<IntegrationId>,
}

/// Where files are.
pub(super) struct Shelves {
    pub(super) snapshots: Option<Arc<DataFiles>>,
    pub(super) current: Arc<DataFiles>,
    pub(super) columns: Columns,
    /// Decoded bytes of a file of `current`.
    pub(super) file_bytes: usize,
}

/// Folds one table.
pub(super) fn fold(
    porter: &Porter,
    pace: &mut Pace,
    shelves: &Shelves,
    order: Order,
    pending: &Pending,
) -> Result<Folded, DeltaError> {
    let mut fold = TableFold {
        porter,
        pace,
        shelves,
        order,
        pending,
        merged: Vec::new(),
        integration: None,
    };
    let folded = fold.run();
    // What many files were merged to on the way is of no use any more.
    for written in &fold.merged {
        porter.discard(&shelves.current, written);
    }
    folded
}

struct TableFold<'a> {
    porter: &'a Porter,
    pace: &'a mut Pace,
    shelves: &'a Shelves,
    order: Order,
    pending: &'a Pending,
    merged: Vec<Written>,
    integration: Option<IntegrationId>,
}

impl TableFold<'_> {
    fn run(&mut self) -> Result<Folded, DeltaError> {
        let snapshot = self.snapshot_sources()?;
        let task = self.task(&snapshot)?;
        let segments = self.segments();
        let rows_before = rows_of(&self.order.files);
        let mut withheld = self.order.withheld.clone();
        loop {
            let (tally, written) = self.pass(&task, withheld.as_ref(), &snapshot, &segments)?;
            let due = tally.losses.withheld(rows_before, self.order.gone_today);
            // What is held changes which rows stand: all is done again, once or twice.
            if due != withheld {
                for written in &written {
                    self.porter.discard(&self.shelves.current, written);
                }
                withheld = due;
                continue;
            }
            let replaced: Vec<_> = segments
                .iter()
                .flat_map(|segment| self.order.files[segment.files.clone()].iter().cloned())
                .collect();
            let rows = rows_before - rows_of(&replaced) + tally.rows;
            let dropped = self.order.dropped.iter().cloned();
            return Ok(Folded {
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
    ) -> Result<(Tally, Vec<Written>), DeltaError> {
        let (mut tally, mut written) = (Tally::default(), Vec::new());
        for segment in segments {
            let files = &self.order.files[segment.files.clone()];
            let mut sources: Vec<(Origin, Rows)> = Vec::new();
            if !files.is_empty() {
                let files = files.iter().map(|file| FileRef::from(&**file)).collect();
                sources.push((Origin::Current, self.sequence(&self.shelves.current, files)));
            }
            for files in snapshot {
                let rows = self.sequence(self.shelf(), files.clone());
                sources.push((Origin::Snapshot, rows));
            }
            sources.extend(self.deltas(segment).map(|rows| (Origin::Deltas, rows)));
            let mut cursors = Vec::with_capacity(sources.len());
            for (origin, rows) in sources {
                cursors.extend(Cursor::new(origin, rows)?);
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

    /// A snapshot of many files becomes one of few sorted sequences, in as many rounds as it takes.
    fn snapshot_sources(&mut self) -> Result<Vec<Vec<FileRef>>, DeltaError> {
        let Some((files, _)) = &self.order.snapshot else {
            return Ok(Vec::new());
        };
        let mut sources: Vec<Vec<FileRef>> = files.iter().map(|file| vec![file.clone()]).collect();
        while sources.len() > FAN_IN {
            let task = self.task(&[])?;
            let (place, used) = (Arc::clone(self.shelf()), std::mem::take(&mut self.merged));
            let mut merged = Vec::new();
            for part in sources.chunks(FAN_IN) {
                let mut cursors = Vec::new();
                for files in part {
                    let rows = self.sequence(&place, files.clone());
                    cursors.extend(Cursor::new(Origin::Snapshot, rows)?);
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

    /// Returns where the snapshot's files are: those that were merged first lie with `current`'s.
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
            let first = Cursor::new(Origin::Snapshot, rows)?;
            fetch_id = first.map(|first| first.batch.fetch_id(0).to_owned());
        }
        let order = &self.order;
        Ok(Task {
            columns: self.shelves.columns.clone(),
            since_us: order.snapshot.as_ref().map(|(_, since)| *since),
            looks: order.looks,
            compared: order.compared,
            fetch_id,
            accepted_us: order.accepted_us,
            drops_unconfirmed: order.drops_unconfirmed,
            is_held: order.is_held,
        })
    }

    /// With a snapshot everything is written anew, without one only what changes.
    fn segments(&mut self) -> Vec<Segment> {
        let is_sorted = sort_by_ids(&mut self.order.files);
        let whole = |rows: usize| Segment {
            files: 0..self.order.files.len(),
            rows: 0..rows,
        };
        match &self.pending {
            Pending::Held(rows) => {
                let rows = rows.as_ref();
                if self.order.snapshot.is_some() || !is_sorted {
                    return vec![whole(rows.map_or(0, RecordBatch::num_rows))];
                }
                let ids = rows.and_then(|rows| rows.column_by_name("id"));
                let small_bytes = (self.shelves.file_bytes / SMALL_ONE_IN) as u64;
                let files = &self.order.files;
                ids.map_or_else(Vec::new, |ids| {
                    segments(files, ids.as_string(), small_bytes)
                })
            }
            Pending::InParts { .. } => vec![whole(0)],
        }
    }

    fn deltas(&self, segment: &Segment) -> Option<Rows> {
        match self.pending {
            Pending::Held(rows) => {
                let rows = rows.as_ref()?;
                let part = rows.slice(segment.rows.start, segment.rows.len());
                Some(Box::new(std::iter::once(Ok(part))))
            }
            Pending::InParts { rows, cuts } => {
                let (rows, cuts) = (rows.clone(), cuts.clone());
                let (key, wanted) = (self.order.key.to_string(), self.order.wanted);
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
        let current = rows_of(&self.order.files[segment.files.clone()]);
        let snapshot = self.order.snapshot.as_ref();
        let snapshot = snapshot.map_or(0, |(files, _)| files.iter().map(|file| file.rows).sum());
        current.max(snapshot) + segment.rows.len() as u64
    }

    fn sequence(&self, place: &Arc<DataFiles>, files: Vec<FileRef>) -> Rows {
        let schema = &self.shelves.columns.schema;
        let key = self.order.key.as_str();
        Box::new(Sequence::new(self.porter, place, files, schema, key))
    }

    fn output(&self, expected_rows: u64) -> Output {
        let partition = of_integration(&self.order.key);
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

fn rows_of(files: &[Arc<LiveFile>]) -> u64 {
    files.iter().filter_map(|file| file.num_records).sum()
}
