//! Folds one table: opens the sources, merges them, and merges again when the guard holds losses.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;

use crate::decode::texts;
use crate::delta::delta_error::{DECODING, DeltaError};
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::log::LiveFile;
use crate::ids::IntegrationId;
use crate::lake::fold::merge::Merge;
use crate::lake::fold::merged_table::MergedTable;
use crate::lake::fold::output::Laid;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::pending::PendingRows;
use crate::lake::fold::planned::{Planned, rows_of};
use crate::lake::fold::porter::Porter;
use crate::lake::fold::segment::{Segment, segments};
use crate::lake::fold::sequence::{FileRef, IdRange};
use crate::lake::fold::shared_output::SMALL_TABLE_BYTES;
use crate::lake::fold::source_cursor::{RowSource, Rows, SourceCursor};
use crate::lake::fold::sources::{FewSources, TableReader, chains, sort_by_ids};
use crate::lake::fold::task::{MergeTally, Shelves, Task};
use crate::lake::fold::unchanged::{Comparing, Settled};
use crate::versions::losses::Withheld;

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

/// What the fold of one table reads.
pub(super) struct TableInput<'a> {
    pub(super) planned: Planned,
    pub(super) pending: &'a PendingOfTable,
    /// Rows of `current` from files that small tables share, ordered by id.
    pub(super) carried: &'a [RecordBatch],
}

/// Folds one table.
pub(super) fn fold(
    porter: &Porter,
    pace: &mut Pace,
    shelves: &Shelves,
    input: TableInput<'_>,
) -> Result<MergedTable, DeltaError> {
    let mut fold = TableFold {
        reader: TableReader {
            porter,
            shelves,
            key: input.planned.plan.key.clone(),
        },
        pace,
        planned: input.planned,
        pending: input.pending,
        carried: input.carried,
        temporary: Vec::new(),
        integration: None,
    };
    let folded = fold.run();
    // The intermediate files of a merge of many files are not needed any more.
    for written in &fold.temporary {
        porter.discard(&shelves.current, written);
    }
    folded
}

struct TableFold<'a> {
    reader: TableReader<'a>,
    pace: &'a mut Pace,
    planned: Planned,
    pending: &'a PendingOfTable,
    carried: &'a [RecordBatch],
    /// Files that exist for this fold only.
    temporary: Vec<Written>,
    integration: Option<IntegrationId>,
}

/// A part of a table that is rewritten.
struct Stretch {
    files: Vec<Arc<LiveFile>>,
    /// The waiting rows of this part; `None` without rows, or when they are read in parts.
    rows: Option<RecordBatch>,
    /// The ids of this part.
    within: IdRange,
}

impl TableFold<'_> {
    fn run(&mut self) -> Result<MergedTable, DeltaError> {
        let shelves = self.reader.shelves;
        let copied = self.copied_snapshot()?;
        let is_sorted = sort_by_ids(&mut self.planned.files);
        let settled = self.settled_snapshot(is_sorted)?;
        let task = self.task()?;
        let stretches = match &settled {
            Some(settled) => self.changing(settled),
            None => self.stretches(is_sorted)?,
        };
        let settled = settled.unwrap_or_default();
        let batches = self.carried.iter();
        let carried: u64 = batches.map(|batch| batch.num_rows() as u64).sum();
        let rows_before = rows_of(&self.planned.files) + carried;
        let mut withheld = self.planned.plan.withheld();
        let (mut tally, laid) = loop {
            let (tally, laid) = self.pass(&task, withheld.as_ref(), &stretches)?;
            let gone_today = self.planned.plan.gone_today();
            let due = tally.losses.withheld(rows_before, gone_today);
            if due == withheld {
                break (tally, laid);
            }
            // What is held decides which rows are kept, so the merge runs again, once or twice.
            for written in &laid.written {
                self.reader.porter.discard(&shelves.current, written);
            }
            withheld = due;
        };
        let rows_in = |files: &[Written]| files.iter().map(|written| written.rows).sum::<u64>();
        tally.changed += rows_in(&copied);
        tally.rows += rows_in(&copied) + rows_in(&settled.written);
        if self.planned.plan.compared.is_some() {
            tally.compared += settled.compared;
        }
        let replaced = stretches.into_iter().flat_map(|stretch| stretch.files);
        let replaced: Vec<_> = replaced.chain(settled.replaced).collect();
        let rows = rows_before - carried - rows_of(&replaced) + tally.rows;
        let dropped = self.planned.dropped.iter().cloned();
        Ok(MergedTable {
            rows,
            rows_before,
            tally,
            withheld,
            written: [copied, settled.written, laid.written].concat(),
            kept: laid.kept,
            replaced: replaced.into_iter().chain(dropped).collect(),
            fetch_id: task.fetch_id,
            integration: self.integration.take(),
        })
    }

    /// Copies files of a first snapshot to `current` as they are, if the table is large. Leaves the other files to the
    /// merge.
    fn copied_snapshot(&mut self) -> Result<Vec<Written>, DeltaError> {
        let (shelves, planned) = (self.reader.shelves, &mut self.planned);
        let bytes: u64 = planned.snapshot.iter().map(|file| file.size).sum();
        let is_first = planned.files.is_empty() && self.carried.is_empty();
        let (Some(snapshots), PendingOfTable::Held(pending)) = (&shelves.snapshots, self.pending)
        else {
            return Ok(Vec::new());
        };
        if !is_first || planned.plan.compared.is_some() || bytes <= shelves.small_bytes {
            return Ok(Vec::new());
        }
        let files = std::mem::take(&mut planned.snapshot);
        let newer = pending.as_ref().and_then(|rows| texts(rows, "id"));
        let copied = self.reader.copied(snapshots, files, newer)?;
        planned.snapshot = copied.left;
        planned.is_large |= !copied.written.is_empty();
        let integration = copied.integration;
        self.integration = integration.and_then(|id| IntegrationId::new(&id).ok());
        Ok(copied.written)
    }

    /// Copies the files of `current` in which a later full fetch changes no value. `None` when the table has to be merged
    /// as a whole.
    fn settled_snapshot(&mut self, is_sorted: bool) -> Result<Option<Settled>, DeltaError> {
        let planned = &self.planned;
        let plan = &planned.plan;
        let (Some(snapshots), PendingOfTable::Held(pending)) =
            (&self.reader.shelves.snapshots, self.pending)
        else {
            return Ok(None);
        };
        let is_plain = plan.since_us.is_some() && !plan.is_rebuilt && plan.positions.held == 0;
        let has_files = is_sorted && planned.is_large && planned.files.len() > 1;
        if !is_plain || plan.hold.is_some() || !has_files || !self.carried.is_empty() {
            return Ok(None);
        }
        let comparing = Comparing {
            reader: &self.reader,
            snapshots,
            snapshot: &planned.snapshot,
            files: &planned.files,
            newer: pending.as_ref().and_then(|rows| texts(rows, "id")),
        };
        comparing.settled(self.pace)
    }

    /// Returns the parts of a table in which a full fetch changes rows.
    fn changing(&self, settled: &Settled) -> Vec<Stretch> {
        let PendingOfTable::Held(pending) = self.pending else {
            return Vec::new();
        };
        let stretch = |(files, within): &(Vec<Arc<LiveFile>>, IdRange)| {
            let rows = pending.as_ref().and_then(|rows| {
                let here = within.rows(texts(rows, "id")?);
                (!here.is_empty()).then(|| rows.slice(here.start, here.len()))
            });
            Stretch {
                files: files.clone(),
                rows,
                within: within.clone(),
            }
        };
        settled.changing.iter().map(stretch).collect()
    }

    /// Merges every stretch.
    fn pass(
        &mut self,
        task: &Task,
        withheld: Option<&Withheld>,
        stretches: &[Stretch],
    ) -> Result<(MergeTally, Laid), DeltaError> {
        let (mut tally, mut laid) = (MergeTally::default(), Laid::default());
        let shelves = self.reader.shelves;
        let snapshots = shelves.snapshots.as_ref().unwrap_or(&shelves.current);
        for stretch in stretches {
            let snapshot = self.planned.snapshot.iter();
            let snapshot: Vec<_> = snapshot.map(|file| vec![file.clone()]).collect();
            let mut sources: Vec<(RowSource, Rows)> = Vec::new();
            for (origin, place, files) in [
                (RowSource::Current, &shelves.current, chains(&stretch.files)),
                (RowSource::Snapshot, snapshots, snapshot),
            ] {
                let few = self.few(place, files, &stretch.within)?;
                for files in few.sources {
                    let rows = self.reader.rows(&few.place, files, &stretch.within);
                    sources.push((origin, rows));
                }
            }
            if !self.carried.is_empty() {
                let carried: Vec<_> = self.carried.iter().cloned().map(Ok).collect();
                sources.push((RowSource::Current, Box::new(carried.into_iter())));
            }
            sources.extend(self.deltas(stretch).map(|rows| (RowSource::Deltas, rows)));
            let mut cursors = Vec::with_capacity(sources.len());
            for (origin, rows) in sources {
                cursors.extend(SourceCursor::new(origin, rows)?);
            }
            let rows = self.expected_rows(stretch);
            let output = self.reader.output(rows, self.memory_bytes());
            let merge = Merge::new(task, withheld, cursors, output, self.pace);
            if self.integration.is_none() {
                let id = merge.integration();
                self.integration = id.and_then(|id| IntegrationId::new(&id).ok());
            }
            let (part, output) = merge.run()?;
            tally.add(part);
            laid.add(output.finish()?);
        }
        Ok((tally, laid))
    }

    /// Merges sorted sources until they are few. The intermediate files are discarded at the end of the fold.
    fn few(
        &mut self,
        place: &Arc<DataFiles>,
        sources: Vec<Vec<FileRef>>,
        within: &IdRange,
    ) -> Result<FewSources, DeltaError> {
        let task = Task {
            columns: self.reader.shelves.columns.clone(),
            plan: self.planned.plan.clone(),
            fetch_id: None,
        };
        let few = self.reader.few(self.pace, &task, place, sources, within)?;
        self.temporary.extend(few.temporary.iter().cloned());
        Ok(few)
    }

    fn task(&self) -> Result<Task, DeltaError> {
        let mut fetch_id = None;
        let shelves = self.reader.shelves;
        if let Some(file) = self.planned.snapshot.first() {
            let place = shelves.snapshots.as_ref().unwrap_or(&shelves.current);
            let all = IdRange::default();
            let rows = self.reader.rows(place, vec![file.clone()], &all);
            let first = SourceCursor::new(RowSource::Snapshot, rows)?;
            fetch_id = first.map(|first| first.batch.fetch_id(0).to_owned());
        }
        Ok(Task {
            columns: self.reader.shelves.columns.clone(),
            plan: self.planned.plan.clone(),
            fetch_id,
        })
    }

    /// Returns the parts of the table to rewrite: the complete table when it is small or a snapshot is folded, else only
    /// the files in which rows change.
    fn stretches(&self, is_sorted: bool) -> Result<Vec<Stretch>, DeltaError> {
        let planned = &self.planned;
        let whole = |rows: Option<&RecordBatch>| Stretch {
            files: planned.files.clone(),
            rows: rows.cloned(),
            within: IdRange::default(),
        };
        let PendingOfTable::Held(rows) = self.pending else {
            return Ok(vec![whole(None)]);
        };
        let rows = rows.as_ref();
        let is_whole =
            planned.plan.since_us.is_some() || !planned.is_large || !self.carried.is_empty();
        let ids = rows.and_then(|rows| texts(rows, "id"));
        let (Some(rows), Some(ids), false) = (rows, ids, is_whole) else {
            return Ok(if is_whole {
                vec![whole(rows)]
            } else {
                Vec::new()
            });
        };
        if !is_sorted {
            return self.holders(rows, ids);
        }
        let small_bytes = self.reader.shelves.small_bytes;
        let segments = segments(&planned.files, ids, small_bytes).into_iter();
        let stretch = |segment: Segment| Stretch {
            files: planned.files[segment.files].to_vec(),
            rows: Some(rows.slice(segment.rows.start, segment.rows.len())),
            within: IdRange::default(),
        };
        Ok(segments.map(stretch).collect())
    }

    /// Finds the files that have the waiting rows, when files overlap. Rows that no file has come with the rows of the
    /// first file.
    fn holders(&self, rows: &RecordBatch, ids: &StringArray) -> Result<Vec<Stretch>, DeltaError> {
        let files = &self.planned.files;
        let found = self.reader.holders(files, ids)?;
        let first = found.iter().flatten().min().copied().unwrap_or_default();
        let mut stretches = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let is_here = |row: &Option<usize>| Some(row.unwrap_or(first) == at);
            let here: BooleanArray = found.iter().map(is_here).collect();
            if here.true_count() > 0 {
                stretches.push(Stretch {
                    files: vec![Arc::clone(file)],
                    rows: Some(filter_record_batch(rows, &here).map_err(|_| DECODING)?),
                    within: IdRange::default(),
                });
            }
        }
        Ok(stretches)
    }

    fn deltas(&self, stretch: &Stretch) -> Option<Rows> {
        match self.pending {
            PendingOfTable::Held(_) => {
                let rows = stretch.rows.clone()?;
                Some(Box::new(std::iter::once(Ok(rows))))
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

    fn expected_rows(&self, stretch: &Stretch) -> u64 {
        let current = rows_of(&stretch.files);
        let deltas = stretch.rows.as_ref().map_or(0, RecordBatch::num_rows) as u64;
        current.max(self.planned.snapshot_rows()) + deltas
    }

    /// Returns how many decoded bytes of rows stay in memory, for a file that small tables share.
    fn memory_bytes(&self) -> usize {
        if self.planned.is_large {
            0
        } else {
            SMALL_TABLE_BYTES.min(self.reader.shelves.file_bytes)
        }
    }
}
