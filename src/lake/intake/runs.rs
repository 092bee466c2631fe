//! Sorts the rows of a fetch without holding all of them in memory.
//!
//! Rows are collected in runs of bounded size. Each run is sorted and becomes a data file at once. Of a run only the
//! hashes of its ids stay in memory, 8 bytes per row. Rows may shift between Kombo's pages, so an id can come twice.
//! Within a run the older observation is dropped while sorting. Across runs [`repeated`] finds the hashes that occur
//! twice, and a [`Contest`](super::contest::Contest) over the ids with these hashes finds the older rows. Only the files of these rows are
//! written again. Two ids with the same hash cost extra reads and nothing else, because the contest compares ids.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::{interleave, interleave_record_batch};
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::SystemColumn;
use crate::decode::{RowOp, texts, times};
use crate::delta::delta_error::{DeltaError, ENCODING};
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::file_form::FileForm;
use crate::delta::file::writer::EncodedFile;

/// Decoded bytes that are put in order at a time.
const CHUNK_BYTES: usize = 4 << 20;

/// Rows that show what the values of a run are like.
const SAMPLE_ROWS: usize = 2_048;

/// Rows of one or several integrations, sorted by integration and id, one row per id.
pub(crate) struct Sorted {
    batches: Vec<RecordBatch>,
    /// Batch and row of each sorted row.
    order: Vec<(usize, usize)>,
    bytes_per_row: usize,
}

impl Sorted {
    /// Sorts rows. Keeps the latest observation of each id.
    pub(crate) fn new(batches: Vec<RecordBatch>) -> Self {
        let order = ordered(&batches);
        let bytes: usize = batches.iter().map(decoded_bytes).sum();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        Self {
            order,
            bytes_per_row: bytes / rows.max(1),
            batches,
        }
    }

    /// Returns the number of rows without duplicates.
    pub(crate) fn rows(&self) -> usize {
        self.order.len()
    }

    /// Returns the average decoded size of a row in bytes.
    pub(crate) fn bytes_per_row(&self) -> usize {
        self.bytes_per_row
    }

    /// Takes out the rows that are not upserts (deleted or absent), as sorted copies.
    pub(crate) fn split_off_gone(&mut self) -> Result<Vec<RecordBatch>, DeltaError> {
        let is_gone = self.is_gone();
        let (gone, order): (Vec<_>, Vec<_>) = self.order.iter().partition(|row| is_gone(row));
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let copies = gone.chunks(self.rows_of_chunk());
        let copies = copies.map(|part| copied(&batches, part)).collect();
        drop(is_gone);
        self.order = order;
        copies
    }

    /// Returns the hashes of all ids, ascending.
    pub(crate) fn id_hashes(&self) -> Vec<u64> {
        self.hashes(|_| true)
    }

    /// Returns the hashes of the ids of rows that are not upserts (deleted or absent), ascending.
    pub(crate) fn gone_hashes(&self) -> Vec<u64> {
        self.hashes(self.is_gone())
    }

    fn is_gone(&self) -> impl Fn(&(usize, usize)) -> bool {
        let ops = self.columns(SystemColumn::Op.name());
        move |&(batch, row)| RowOp::of(ops[batch].value(row)) != RowOp::Upsert
    }

    fn hashes(&self, of: impl Fn(&(usize, usize)) -> bool) -> Vec<u64> {
        let ids = self.columns("id");
        let rows = self.order.iter().filter(|row| of(row));
        let mut hashes: Vec<u64> = rows
            .map(|&(batch, row)| hash(ids[batch].value(row)))
            .collect();
        hashes.sort_unstable();
        // They are kept until the fetch ends, and the number of rows is not known before.
        hashes.shrink_to_fit();
        hashes
    }

    /// Returns one column of each batch.
    fn columns(&self, name: &str) -> Vec<&StringArray> {
        let batches = self.batches.iter();
        batches.map(|batch| text(batch, name)).collect()
    }

    /// Copies the rows into sorted batches.
    pub(crate) fn into_batches(self) -> Result<Vec<RecordBatch>, DeltaError> {
        self.chunks().collect()
    }

    /// Writes the rows to one file. `None` when there are no rows.
    pub(crate) fn encode(self, form: &FileForm) -> Result<Option<EncodedFile>, DeltaError> {
        let mut file = form.begin(self.rows(), self.bytes_per_row);
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        if self.order.len() <= self.rows_of_chunk() {
            if !self.order.is_empty() {
                file.write(&copied(&batches, &self.order)?)?;
            }
            return file.finish();
        }
        let sample = copied(&batches, &self.sample())?;
        for part in self.order.chunks(form.group_rows(self.bytes_per_row)) {
            let column = |position: usize| {
                let columns = batches.iter().map(|batch| batch.column(position));
                copied_column(&columns.collect::<Vec<_>>(), part)
            };
            file.write_group(&sample, part.len(), column)?;
        }
        file.finish()
    }

    /// Returns some rows from all over the run.
    fn sample(&self) -> Vec<(usize, usize)> {
        let step = self.order.len().div_ceil(SAMPLE_ROWS).max(1);
        self.order.iter().step_by(step).copied().collect()
    }

    fn chunks(&self) -> impl Iterator<Item = Result<RecordBatch, DeltaError>> {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let parts = self.order.chunks(self.rows_of_chunk());
        parts.map(move |part| copied(&batches, part))
    }

    fn rows_of_chunk(&self) -> usize {
        (CHUNK_BYTES / self.bytes_per_row.max(1)).max(1)
    }
}

/// Copies rows into one batch. Rows that lie together already are not copied: they may be in order, and a single row
/// may have many megabytes.
fn copied(batches: &[&RecordBatch], rows: &[(usize, usize)]) -> Result<RecordBatch, DeltaError> {
    match together(rows) {
        Some((batch, row)) => Ok(batches[batch].slice(row, rows.len())),
        None => interleave_record_batch(batches, rows).map_err(|_| ENCODING),
    }
}

/// Copies the values of one column. Values that lie together already are not copied.
fn copied_column(columns: &[&ArrayRef], rows: &[(usize, usize)]) -> Result<ArrayRef, DeltaError> {
    if let Some((batch, row)) = together(rows) {
        return Ok(columns[batch].slice(row, rows.len()));
    }
    let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
    interleave(&columns, rows).map_err(|_| ENCODING)
}

/// Returns the first row if all rows lie together in one batch.
fn together(rows: &[(usize, usize)]) -> Option<(usize, usize)> {
    let follows = |pair: &[(usize, usize)]| pair[1] == (pair[0].0, pair[0].1 + 1);
    let first = rows.first()?;
    rows.windows(2).all(follows).then_some(*first)
}

/// Returns the hashes that occur in more than one run, ascending. Each run must be ascending.
pub(crate) fn repeated(runs: &[&[u64]]) -> Vec<u64> {
    let mut next: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut rest: Vec<_> = runs.iter().map(|run| run.iter().copied()).collect();
    for (run, hashes) in rest.iter_mut().enumerate() {
        next.extend(hashes.next().map(|hash| Reverse((hash, run))));
    }
    let mut repeated = Vec::new();
    let mut last = None;
    while let Some(Reverse((hash, run))) = next.pop() {
        if last.is_some_and(|(seen, in_run)| seen == hash && in_run != run)
            && repeated.last() != Some(&hash)
        {
            repeated.push(hash);
        }
        last = Some((hash, run));
        next.extend(rest[run].next().map(|hash| Reverse((hash, run))));
    }
    repeated
}

struct KeyColumns<'a> {
    integration: &'a StringArray,
    id: &'a StringArray,
    observed: &'a [i64],
}

impl<'a> KeyColumns<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        Self {
            integration: text(batch, SystemColumn::IntegrationKey.name()),
            id: text(batch, "id"),
            observed: observed(batch),
        }
    }
}

/// A row as far as sorting needs it. Most comparisons end within this value: texts in columns would be fetched from
/// memory each time.
#[derive(Clone, Copy)]
struct SortKey {
    /// Place of the integration among the integrations of the rows.
    integration: u32,
    /// The first eight bytes of the id, as a number of the same order.
    prefix: u64,
    row: (usize, usize),
}

/// Returns batch and row of each row, sorted by integration and id, with the latest observation of each id only.
fn ordered(batches: &[RecordBatch]) -> Vec<(usize, usize)> {
    let columns: Vec<KeyColumns<'_>> = batches.iter().map(KeyColumns::of).collect();
    let integrations = places(&columns);
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut keys: Vec<SortKey> = Vec::with_capacity(rows);
    for (batch, column) in columns.iter().enumerate() {
        keys.extend((0..column.observed.len()).map(|row| SortKey {
            integration: match integrations.len() {
                0 | 1 => 0,
                _ => integrations[column.integration.value(row)],
            },
            prefix: prefix(column.id.value(row)),
            row: (batch, row),
        }));
    }
    let id = |key: &SortKey| columns[key.row.0].id.value(key.row.1);
    let by_id = |a: &SortKey, b: &SortKey| {
        let begin = (a.integration, a.prefix).cmp(&(b.integration, b.prefix));
        begin.then_with(|| id(a).cmp(id(b)))
    };
    let observed = |key: &SortKey| columns[key.row.0].observed[key.row.1];
    // The position breaks ties: rows that came later were observed later.
    keys.sort_unstable_by(|a, b| {
        by_id(a, b).then_with(|| (observed(a), a.row).cmp(&(observed(b), b.row)))
    });
    // Of equal ids the last row is the newest.
    let is_newest = |row: usize| {
        let next = keys.get(row + 1);
        next.is_none_or(|next| by_id(&keys[row], next).is_ne())
    };
    let newest = (0..keys.len()).filter(|row| is_newest(*row));
    newest.map(|row| keys[row].row).collect()
}

/// Returns the place of each integration in the order of their keys.
fn places<'a>(columns: &[KeyColumns<'a>]) -> HashMap<&'a str, u32> {
    let mut found = BTreeSet::new();
    for column in columns {
        let mut last = None;
        for key in column.integration.iter().flatten() {
            // Rows of one integration mostly come together.
            if last.replace(key) != Some(key) {
                found.insert(key);
            }
        }
    }
    found.into_iter().zip(0..).collect()
}

fn prefix(id: &str) -> u64 {
    let mut first = [0; 8];
    let len = id.len().min(8);
    first[..len].copy_from_slice(&id.as_bytes()[..len]);
    u64::from_be_bytes(first)
}

pub(super) fn text<'a>(batch: &'a RecordBatch, name: &str) -> &'a StringArray {
    texts(batch, name).expect("staging checked the columns")
}

pub(super) fn observed(batch: &RecordBatch) -> &[i64] {
    times(batch).expect("staging checked the columns")
}

pub(crate) fn hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::TimestampMicrosecondArray;

    use super::*;

    fn batch(rows: &[(&str, &str, i64)]) -> RecordBatch {
        let text = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.2));
        RecordBatch::try_from_iter([
            (
                "integration_key",
                text(rows.iter().map(|row| row.0).collect()),
            ),
            ("id", text(rows.iter().map(|row| row.1).collect())),
            ("_fetched_at", Arc::new(times) as ArrayRef),
        ])
        .expect("columns of one length")
    }

    #[test]
    fn rows_are_in_the_order_of_integration_and_id_and_the_newest_stays() {
        let batches = vec![
            batch(&[("b", "12345678", 1), ("b", "123456789", 2), ("a", "x", 3)]),
            batch(&[("a", "", 4), ("b", "12345678", 5), ("a", "x\0", 6)]),
            batch(&[
                ("b", "ü", 9),
                ("a", "x", 2),
                ("b", "12345678a", 7),
                ("b", "1", 8),
            ]),
        ];
        let order = ordered(&batches);
        let expected = [
            (1, 0),
            (0, 2),
            (1, 2),
            (2, 3),
            (1, 1),
            (0, 1),
            (2, 2),
            (2, 0),
        ];
        assert_eq!(order, expected);
        let (tied, later) = (batch(&[("a", "1", 5)]), batch(&[("a", "1", 5)]));
        assert_eq!(ordered(&[tied, later]), [(1, 0)], "the later row stays");
        assert!(ordered(&[]).is_empty());
    }

    #[test]
    fn rows_that_are_in_order_are_not_copied() {
        let rows = batch(&[("a", "1", 1), ("a", "2", 2), ("a", "3", 3)]);
        let ids = |batch: &RecordBatch| text(batch, "id").values().as_ptr();
        let sorted = Sorted::new(vec![rows.clone()]);
        let [copy] = sorted
            .into_batches()
            .expect("sorted")
            .try_into()
            .expect("one");
        assert_eq!((&copy, ids(&copy)), (&rows, ids(&rows)));
        let apart = copied(&[&rows], &[(0, 0), (0, 2)]).expect("copied");
        assert_eq!(apart, batch(&[("a", "1", 1), ("a", "3", 3)]));
    }

    #[test]
    fn a_hash_is_repeated_when_two_runs_have_it() {
        let runs: [&[u64]; 4] = [&[1, 3, 3, 9], &[2, 9], &[], &[1, 9, 10]];
        assert_eq!(repeated(&runs), [1, 9], "3 is twice in one run only");
        assert!(repeated(&[]).is_empty());
    }
}
