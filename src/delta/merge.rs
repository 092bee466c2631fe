//! Merges sorted files into one sorted file, and holds only a few rows of each file in memory at a time.
//!
//! Every observation stays. Two observations of the same id follow one another, the older first.

use arrow::array::{AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;

use crate::delta::delta_error::{DeltaError, ENCODING};
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::file_form::FileForm;
use crate::delta::file::writer::{EncodedFile, FileWriter, read_by};
use crate::delta::log::BoundedColumns;

/// Rows of each input file that are decoded at a time.
const INPUT_ROWS: usize = 1_024;

/// Rows of the output file that are put in order at a time.
const OUTPUT_ROWS: usize = 4_096;

/// A file that holds the rows of several input files.
pub(super) struct Merged {
    /// The positions of the input files. All of them have the same columns.
    pub(super) inputs: Vec<usize>,
    pub(super) file: EncodedFile,
}

/// Merges the files that have the columns of the first file, by key, id and observation time. `None` when fewer than
/// two files have these columns, or when one file is not sorted: another program wrote that file.
pub(super) fn merge(
    files: Vec<Bytes>,
    rows: u64,
    form: &FileForm,
    order: BoundedColumns,
) -> Result<Option<Merged>, DeltaError> {
    let (mut sources, mut inputs) = (Vec::<SortedFile>::new(), Vec::new());
    for (position, file) in files.into_iter().enumerate() {
        let Some(source) = SortedFile::open(file, order)? else {
            continue;
        };
        let first = sources.first();
        if first.is_none_or(|first| first.batch.schema() == source.batch.schema()) {
            sources.push(source);
            inputs.push(position);
        }
    }
    if sources.len() < 2 {
        return Ok(None);
    }
    let size = |source: &SortedFile| decoded_bytes(&source.batch) / source.batch.num_rows().max(1);
    let bytes_per_row = sources.iter().map(size).max();
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut writer = form.begin(rows, bytes_per_row.unwrap_or(1));
    let Some(written) = write_sorted(&mut sources, &mut writer)? else {
        return Ok(None);
    };
    let file = writer.finish()?.filter(|file| file.rows == written);
    let file = file.ok_or(ENCODING)?;
    Ok(Some(Merged { inputs, file }))
}

/// Returns how many rows were written; `None` when an input is not sorted.
fn write_sorted(
    sources: &mut [SortedFile],
    writer: &mut FileWriter,
) -> Result<Option<u64>, DeltaError> {
    let (mut order, mut written) = (Vec::new(), 0);
    while let Some(least) = least(sources) {
        let source = &mut sources[least];
        order.push((least, source.row));
        written += 1;
        let left = source.row + 1 < source.batch.num_rows();
        if !left || order.len() == OUTPUT_ROWS {
            let batches: Vec<&RecordBatch> = sources.iter().map(|source| &source.batch).collect();
            let rows = interleave_record_batch(&batches, &order).map_err(|_| ENCODING)?;
            writer.write(&rows)?;
            order.clear();
        }
        if !sources[least].advance()? {
            return Ok(None);
        }
    }
    Ok(Some(written))
}

fn least(sources: &[SortedFile]) -> Option<usize> {
    (0..sources.len())
        .filter(|at| sources[*at].row < sources[*at].batch.num_rows())
        .min_by(|a, b| sources[*a].key().cmp(&sources[*b].key()))
}

/// A file, and the position of the next row to read.
struct SortedFile {
    rest: Box<dyn Iterator<Item = Result<RecordBatch, DeltaError>> + Send>,
    batch: RecordBatch,
    row: usize,
    order: BoundedColumns,
}

impl SortedFile {
    /// Opens a file at its first row. `None` when the file has no rows, or lacks the columns that order rows.
    fn open(file: Bytes, order: BoundedColumns) -> Result<Option<Self>, DeltaError> {
        let mut rest = Box::new(read_by(INPUT_ROWS, file, &[])?);
        let Some(batch) = rest.next().transpose()? else {
            return Ok(None);
        };
        let is_ordered = ordering(&batch, order).is_some();
        Ok(is_ordered.then_some(Self {
            rest,
            batch,
            row: 0,
            order,
        }))
    }

    fn key(&self) -> (&str, &str, i64) {
        let (keys, ids, observed) =
            ordering(&self.batch, self.order).expect("`open` checked the columns");
        (
            keys.value(self.row),
            ids.value(self.row),
            observed.value(self.row),
        )
    }

    /// Moves to the next row, or past the last one. Returns `false` when the next row sorts before the current one.
    fn advance(&mut self) -> Result<bool, DeltaError> {
        let (key, id, _) = self.key();
        let last = (key.to_owned(), id.to_owned());
        self.row += 1;
        if self.row == self.batch.num_rows() {
            let Some(next) = self.rest.next().transpose()? else {
                return Ok(true);
            };
            (self.batch, self.row) = (next, 0);
        }
        let (key, id, _) = self.key();
        Ok((key, id) >= (last.0.as_str(), last.1.as_str()))
    }
}

/// Returns the columns that order rows.
fn ordering(
    batch: &RecordBatch,
    order: BoundedColumns,
) -> Option<(&StringArray, &StringArray, &TimestampMicrosecondArray)> {
    let text = |name| batch.column_by_name(name)?.as_string_opt::<i32>();
    let observed = batch.column_by_name(order.observed)?;
    let observed = observed.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some((text(order.key)?, text(order.id)?, observed))
}
