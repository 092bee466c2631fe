//! Reads the rows of `deltas` that wait to be folded, in one pass for all due tables. Keeps the rows in memory up to a
//! budget.
//!
//! Three filters avoid reading rows that are not wanted: the bounds of a file in the log, the bounds of a row group in
//! the footer, and the position of an integration for a row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{filter_record_batch, interleave_record_batch};
use arrow::datatypes::SchemaRef;

use crate::catalog::SystemColumn;
use crate::decode::{texts, times};
use crate::delta::delta_error::{DECODING, DeltaError, ENCODING};
use crate::delta::file::data_files::DataFiles;
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::log::LiveFile;
use crate::lake::conform::conform;
use crate::lake::fold::porter::Porter;
use crate::lake::fold::sequence::{FileRef, batch_rows, group_bytes, open};

/// Which observations of an integration a fold needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Wants observations after this instant (the fold position), in microseconds since the epoch.
    pub(super) after_us: i64,
    /// Also wants observations from this instant on, folded or not: the start of a snapshot that is folded now.
    pub(super) since_us: Option<i64>,
}

/// Where the rows of `deltas` are, and the schema that they are converted to.
#[derive(Clone)]
pub(super) struct PendingRows {
    pub(super) porter: Porter,
    pub(super) files: Arc<DataFiles>,
    pub(super) live: Arc<[Arc<LiveFile>]>,
    pub(super) schema: SchemaRef,
}

/// Result of [`PendingRows::load`].
pub(super) enum Loaded {
    /// The rows of each integration, sorted by id and observation.
    All(HashMap<String, RecordBatch>),
    /// The rows exceed the budget; one row takes about this many decoded bytes.
    TooMany { bytes_per_row: usize },
}

impl Wanted {
    fn wants(self, observed_us: i64) -> bool {
        observed_us > self.after_us || self.since_us.is_some_and(|since| observed_us >= since)
    }

    /// Returns the earliest wanted observation.
    fn earliest_us(self) -> i64 {
        let after = self.after_us.saturating_add(1);
        self.since_us.map_or(after, |since| since.min(after))
    }
}

impl PendingRows {
    /// Reads the wanted rows, unless they exceed `budget` decoded bytes.
    pub(super) fn load(
        &self,
        wanted: &BTreeMap<String, Wanted>,
        budget: usize,
    ) -> Result<Loaded, DeltaError> {
        let mut found: HashMap<String, Vec<RecordBatch>> = HashMap::new();
        let (mut bytes, mut rows) = (0, 0);
        let each = self.each(wanted, &mut |key, batch| {
            bytes += decoded_bytes(&batch);
            rows += batch.num_rows();
            found.entry(key.to_owned()).or_default().push(batch);
            Ok(bytes <= budget)
        })?;
        if !each {
            return Ok(Loaded::TooMany {
                bytes_per_row: (bytes / rows.max(1)).max(1),
            });
        }
        let sorted = found
            .into_iter()
            .map(|(key, batches)| Ok((key, sorted(&batches)?)));
        Ok(Loaded::All(sorted.collect::<Result<_, DeltaError>>()?))
    }

    /// Returns ids, ascending, that divide one integration's rows into parts of about `rows_per_part` rows.
    pub(super) fn cuts(
        &self,
        key: &str,
        wanted: Wanted,
        rows_per_part: usize,
    ) -> Result<Vec<String>, DeltaError> {
        let mut ids: Vec<String> = Vec::new();
        self.each(
            &BTreeMap::from([(key.to_owned(), wanted)]),
            &mut |_, batch| {
                ids.extend(text(&batch, "id")?.iter().flatten().map(str::to_owned));
                Ok(true)
            },
        )?;
        ids.sort_unstable();
        let mut cuts: Vec<String> = ids
            .into_iter()
            .step_by(rows_per_part.max(1))
            .skip(1)
            .collect();
        cuts.dedup();
        Ok(cuts)
    }

    /// Reads the rows of one integration with `least <= id < end`, sorted.
    pub(super) fn part(
        &self,
        key: &str,
        wanted: Wanted,
        least: Option<&str>,
        end: Option<&str>,
    ) -> Result<Option<RecordBatch>, DeltaError> {
        let mut found = Vec::new();
        self.each(
            &BTreeMap::from([(key.to_owned(), wanted)]),
            &mut |_, batch| {
                let ids = text(&batch, "id")?;
                let within: BooleanArray = ids
                    .iter()
                    .map(|id| {
                        let id = id.unwrap_or_default();
                        Some(
                            least.is_none_or(|least| id >= least) && end.is_none_or(|end| id < end),
                        )
                    })
                    .collect();
                found.push(filter_record_batch(&batch, &within).map_err(|_| DECODING)?);
                Ok(true)
            },
        )?;
        found.retain(|batch| batch.num_rows() > 0);
        if found.is_empty() {
            return Ok(None);
        }
        sorted(&found).map(Some)
    }

    /// Passes the wanted rows to `receive`, one integration per call. Stops when `receive` returns false, and then
    /// returns false.
    fn each(
        &self,
        wanted: &BTreeMap<String, Wanted>,
        receive: &mut dyn FnMut(&str, RecordBatch) -> Result<bool, DeltaError>,
    ) -> Result<bool, DeltaError> {
        let Some(range) = Range::of(wanted) else {
            return Ok(true);
        };
        for live in self.live.iter().filter(|file| range.meets(file)) {
            let file = FileRef::from(&**live);
            let read = self.each_of(&file, &range, wanted, receive);
            if !read.map_err(|error| self.files.named(&file.path, error))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn each_of(
        &self,
        file: &FileRef,
        range: &Range<'_>,
        wanted: &BTreeMap<String, Wanted>,
        receive: &mut dyn FnMut(&str, RecordBatch) -> Result<bool, DeltaError>,
    ) -> Result<bool, DeltaError> {
        let opened = open(&self.porter, &self.files, file)?;
        for group in 0..opened.groups() {
            let key = SystemColumn::IntegrationKey.name();
            if !opened.may_hold(group, key, range.least, range.most) {
                continue;
            }
            let bytes = group_bytes(&self.porter, &self.files, file, &opened, group)?;
            for batch in opened.rows(group, bytes, batch_rows(file))? {
                if !self.of_batch(&batch?, wanted, receive)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Handles each run of rows of one integration together; rows are sorted by integration.
    fn of_batch(
        &self,
        batch: &RecordBatch,
        wanted: &BTreeMap<String, Wanted>,
        receive: &mut dyn FnMut(&str, RecordBatch) -> Result<bool, DeltaError>,
    ) -> Result<bool, DeltaError> {
        let keys = text(batch, SystemColumn::IntegrationKey.name())?.clone();
        let mut from = 0;
        while from < keys.len() {
            let key = keys.value(from);
            let same = (from..keys.len()).take_while(|row| keys.value(*row) == key);
            let run = batch.slice(from, same.count());
            from += run.num_rows();
            let Some(wanted) = wanted.get(key) else {
                continue;
            };
            let observed = observed(&run)?;
            let keep: BooleanArray = observed.iter().map(|at| Some(wanted.wants(*at))).collect();
            if keep.true_count() == 0 {
                continue;
            }
            let kept = filter_record_batch(&run, &keep).map_err(|_| DECODING)?;
            if !receive(key, conform(&kept, &self.schema, key)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Bounds that contain every wanted observation.
struct Range<'a> {
    least: &'a str,
    most: &'a str,
    from_us: i64,
}

impl<'a> Range<'a> {
    fn of(wanted: &'a BTreeMap<String, Wanted>) -> Option<Self> {
        let (least, _) = wanted.first_key_value()?;
        let (most, _) = wanted.last_key_value()?;
        let from_us = wanted.values().map(|wanted| wanted.earliest_us()).min()?;
        Some(Self {
            least,
            most,
            from_us,
        })
    }

    fn meets(&self, file: &LiveFile) -> bool {
        let keys = file.bounds.keys.as_ref();
        let within = keys
            .is_none_or(|(least, most)| least.as_str() <= self.most && most.as_str() >= self.least);
        let observed = file.bounds.observed_us;
        within && observed.is_none_or(|(_, last)| last >= self.from_us)
    }
}

impl From<&LiveFile> for FileRef {
    fn from(file: &LiveFile) -> Self {
        Self {
            path: file.path.clone(),
            size: file.size,
            rows: file.num_records.unwrap_or(1),
        }
    }
}

/// Sorts rows by id and observation.
pub(super) fn sorted(batches: &[RecordBatch]) -> Result<RecordBatch, DeltaError> {
    let columns = batches
        .iter()
        .map(|batch| Ok((text(batch, "id")?, observed(batch)?)))
        .collect::<Result<Vec<_>, DeltaError>>()?;
    let mut order: Vec<(usize, usize)> = batches
        .iter()
        .enumerate()
        .flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row)))
        .collect();
    let key = |&(batch, row): &(usize, usize)| {
        let (ids, observed): &(&StringArray, &[i64]) = &columns[batch];
        (ids.value(row), observed[row])
    };
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    interleave_record_batch(&batches, &order).map_err(|_| ENCODING)
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, DeltaError> {
    texts(batch, name).ok_or(DECODING)
}

fn observed(batch: &RecordBatch) -> Result<&[i64], DeltaError> {
    times(batch).ok_or(DECODING)
}
