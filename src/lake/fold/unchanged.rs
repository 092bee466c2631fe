//! Takes a full fetch that changes little into `current` without decoding the values of the rows that stay equal.
//!
//! Of the columns only ids, hashes and times are read, of the full fetch and of `current`. A file in which every row comes
//! again, with an equal hash, keeps its values as they are stored: only the columns that say when and by which fetch a row
//! was observed are written anew. The other files are merged with the rows of the full fetch in their range of ids.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};

use crate::catalog::SystemColumn;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::column_copy::{FreshColumn, copy_columns};
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::log::LiveFile;
use crate::delta::object_key::Partition;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::sequence::{FileRef, IdRange, Sequence};
use crate::lake::fold::source_cursor::{RowSource, SourceCursor};
use crate::lake::fold::sources::{TableReader, least};
use crate::versions::winner::Observation;

/// The columns that say whether a row changed.
const COLUMNS: &[&str] = &[
    "id",
    SystemColumn::Op.name(),
    SystemColumn::FetchedAt.name(),
    SystemColumn::FetchId.name(),
    SystemColumn::Hash.name(),
];

/// Most files of a full fetch that are read side by side. Each holds the bytes of a row group.
const MOST_FILES: usize = 32;

/// Most ranges of ids that are merged one by one. The full fetch is decoded for each of them.
const MOST_RANGES: usize = 4;

/// A full fetch, and the rows of `current` that it meets.
pub(super) struct Comparing<'a> {
    pub(super) reader: &'a TableReader<'a>,
    pub(super) snapshots: &'a Arc<DataFiles>,
    pub(super) snapshot: &'a [FileRef],
    /// The files of `current`, in the order of their ids.
    pub(super) files: &'a [Arc<LiveFile>],
    /// Ids, ascending, of rows with observations in `deltas`.
    pub(super) newer: Option<&'a StringArray>,
}

/// What the full fetch does to the rows of a table.
#[derive(Default)]
pub(super) struct Settled {
    /// Copies of files with equal rows.
    pub(super) written: Vec<Written>,
    /// The files that the copies replace.
    pub(super) replaced: Vec<Arc<LiveFile>>,
    /// Number of ids that were compared in these ranges.
    pub(super) compared: u64,
    /// Neighbouring files in which rows change, and their range of ids.
    pub(super) changing: Vec<(Vec<Arc<LiveFile>>, IdRange)>,
}

/// The rows of one file, after the full fetch.
#[derive(Default)]
struct Outcome {
    /// Whether a row is new, changed, gone or missing.
    differs: bool,
    compared: u64,
    /// When each row was last observed, and by which fetch.
    times: Vec<i64>,
    fetches: Vec<String>,
}

impl Comparing<'_> {
    /// Copies the files with equal rows. `None` when too many ranges change, or none stays: then the table is merged as a
    /// whole.
    pub(super) fn settled(&self, pace: &mut Pace) -> Result<Option<Settled>, DeltaError> {
        if self.snapshot.len() > MOST_FILES {
            return Ok(None);
        }
        let mut differ = Vec::new();
        self.each(pace, false, &mut |_, outcome| {
            differ.push(outcome.differs);
            Ok(())
        })?;
        let begins = |at: &usize| differ[*at] && (*at == 0 || !differ[*at - 1]);
        let ranges = (0..differ.len()).filter(begins).count();
        if ranges > MOST_RANGES || !differ.contains(&false) {
            return Ok(None);
        }
        let mut settled = Settled::default();
        self.each(pace, true, &mut |at, outcome| {
            let file = &self.files[at];
            let copy = if outcome.differs {
                None
            } else {
                self.copy(file, &outcome)?
            };
            if let Some(copy) = copy {
                settled.compared += outcome.compared;
                settled.written.push(copy);
                settled.replaced.push(Arc::clone(file));
                return Ok(());
            }
            let range = self.range(at);
            match settled.changing.last_mut() {
                Some((files, last)) if last.end == range.least => {
                    files.push(Arc::clone(file));
                    last.end = range.end;
                }
                _ => settled.changing.push((vec![Arc::clone(file)], range)),
            }
            Ok(())
        })?;
        Ok(Some(settled))
    }

    /// Returns the ids that a file owns: from its own least id, the first file from the beginning.
    fn range(&self, at: usize) -> IdRange {
        let begin = |at: usize| self.files.get(at).map(|file| least(file).to_owned());
        IdRange {
            least: (at > 0).then(|| begin(at)).flatten(),
            end: begin(at + 1),
        }
    }

    /// Compares file after file, and passes on the outcome of each.
    fn each(
        &self,
        pace: &mut Pace,
        with_times: bool,
        receive: &mut dyn FnMut(usize, Outcome) -> Result<(), DeltaError>,
    ) -> Result<(), DeltaError> {
        let mut snapshot = Vec::new();
        for file in self.snapshot {
            snapshot.extend(self.cursor(self.snapshots, file.clone(), RowSource::Snapshot)?);
        }
        for (at, file) in self.files.iter().enumerate() {
            let file = FileRef::from(&**file);
            let mut current =
                self.cursor(&self.reader.shelves.current, file, RowSource::Current)?;
            let range = self.range(at);
            let mut outcome = Outcome {
                differs: self.newer.is_some_and(|newer| range.has_any(newer)),
                ..Outcome::default()
            };
            while let Some(id) = next_id(current.as_ref(), &snapshot, &range) {
                let seen = taken(&mut snapshot, &id)?;
                let known = taken(current.as_mut_slice(), &id)?;
                outcome.meet(known, seen, with_times);
            }
            receive(at, outcome)?;
            pace.rest();
        }
        Ok(())
    }

    fn cursor(
        &self,
        place: &Arc<DataFiles>,
        file: FileRef,
        origin: RowSource,
    ) -> Result<Option<SourceCursor>, DeltaError> {
        let rows = Sequence::narrow(self.reader.porter, place, vec![file], COLUMNS);
        SourceCursor::new(origin, Box::new(rows))
    }

    fn copy(&self, file: &LiveFile, outcome: &Outcome) -> Result<Option<Written>, DeltaError> {
        let current = &self.reader.shelves.current;
        let bytes = self.reader.porter.read(current, &file.path, 0..file.size)?;
        let times = TimestampMicrosecondArray::from(outcome.times.clone()).with_timezone("UTC");
        let fetches: ArrayRef = Arc::new(StringArray::from_iter_values(&outcome.fetches));
        let fresh = [
            (
                SystemColumn::FetchedAt.name(),
                FreshColumn::Values(Arc::new(times)),
            ),
            (SystemColumn::FetchId.name(), FreshColumn::Values(fetches)),
        ];
        let copy = copy_columns(
            &bytes,
            &current.form,
            &self.reader.shelves.columns.schema,
            &fresh,
        );
        match copy.map_err(|error| current.named(&file.path, error))? {
            Some(copy) => self.reader.porter.put(current, copy, Partition::Whole),
            None => Ok(None),
        }
    }
}

impl Outcome {
    /// Adds the observations of one id, each with its fetch.
    fn meet(
        &mut self,
        known: Option<(Observation, String)>,
        seen: Option<(Observation, String)>,
        with_times: bool,
    ) {
        self.compared += 1;
        match (known, seen) {
            // A row that is not in `current` and does not exist stays away.
            (None, Some((seen, _))) => self.differs |= seen.presence.is_there(),
            (Some((known, fetch)), Some((seen, by))) => {
                self.differs |= !seen.presence.is_there() || known.hash != seen.hash;
                if with_times && !self.differs {
                    let is_newer = seen.fetched_at_us >= known.fetched_at_us;
                    self.times.push(seen.fetched_at_us.max(known.fetched_at_us));
                    self.fetches.push(if is_newer { by } else { fetch });
                }
            }
            _ => self.differs = true,
        }
    }
}

/// Returns the least id that waits within a range.
fn next_id(
    current: Option<&SourceCursor>,
    snapshot: &[SourceCursor],
    range: &IdRange,
) -> Option<String> {
    let seen = snapshot.iter().filter_map(SourceCursor::id);
    let seen = seen.filter(|id| range.end.as_deref().is_none_or(|end| *id < end));
    let known = current.and_then(SourceCursor::id);
    seen.chain(known).min().map(str::to_owned)
}

/// Takes the observation of an id from the sources that have it next, and the fetch that made it.
fn taken(
    cursors: &mut [SourceCursor],
    id: &str,
) -> Result<Option<(Observation, String)>, DeltaError> {
    let mut taken = None;
    for cursor in cursors {
        if cursor.id() == Some(id) {
            let fetch = cursor.batch.fetch_id(cursor.row).to_owned();
            taken = Some((cursor.observation(0), fetch));
            cursor.row += 1;
            if cursor.is_exhausted() {
                // An exhausted source has no id any more.
                cursor.refill()?;
            }
        }
    }
    Ok(taken)
}
