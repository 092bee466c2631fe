//! Sorted files in, one sorted file out, holding a few rows of each at a time.
//!
//! Every observation stays: two of the same id stand one after the other, the older first.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use bytes::Bytes;

use crate::catalog::SystemColumn;
use crate::delta::delta_error::DeltaError;
use crate::delta::delta_error::ENCODING;
use crate::delta::file::writer::decoded_bytes;
use crate::delta::file::writer::{EncodedFile, FileForm, FileWriter, read_by};

/// Rows of each file that are decoded at a time.
const INPUT_ROWS: usize = 1_024;

/// Rows that are copied into order at a time.
const OUTPUT_ROWS: usize = 4_096;

/// A file that holds the rows of others.
pub(in crate::lake) struct Merged {
    /// The positions of those others. They all have the same columns.
    pub(in crate::lake) inputs: Vec<usize>,
    pub(in crate::lake) file: EncodedFile,
}

/// Merges those files that have the columns of the first. `None` when they are fewer than two, or one is not sorted: then
/// another program wrote it.
pub(in crate::lake) fn merge(
    files: Vec<Bytes>,
    rows: u64,
    form: &FileForm,
) -> Result<Option<Merged>, DeltaError> {
    let (mut cursors, mut inputs) = (Vec::<Cursor>::new(), Vec::new());
    for (position, file) in files.into_iter().enumerate() {
        let Some(cursor) = Cursor::at_first_row(file)? else {
            continue;
        };
        if cursors
            .first()
            .is_none_or(|first| first.schema() == cursor.schema())
        {
            cursors.push(cursor);
            inputs.push(position);
        }
    }
    if cursors.len() < 2 {
        return Ok(None);
    }
    let bytes_per_row = cursors
        .iter()
        .map(|cursor| decoded_bytes(&cursor.batch) / cursor.batch.num_rows().max(1))
        .max();
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut writer = form.begin(rows, bytes_per_row.unwrap_or(1));
    let Some(written) = write_sorted(&mut cursors, &mut writer)? else {
        return Ok(None);
    };
    let file = writer.finish()?.filter(|file| file.rows == written);
    let file = file.ok_or(ENCODING)?;
    Ok(Some(Merged { inputs, file }))
}

/// Returns how many rows were written; `None` when an input is not sorted.
fn write_sorted(
    cursors: &mut [Cursor],
    writer: &mut FileWriter,
) -> Result<Option<u64>, DeltaError> {
    let (mut order, mut written) = (Vec::new(), 0);
    while let Some(least) = least(cursors) {
        let cursor = &mut cursors[least];
        order.push((least, cursor.row));
        written += 1;
        let left = cursor.row + 1 < cursor.batch.num_rows();
        if !left || order.len() == OUTPUT_ROWS {
            let batches: Vec<&RecordBatch> = cursors.iter().map(|cursor| &cursor.batch).collect();
            let rows = interleave_record_batch(&batches, &order).map_err(|_| ENCODING)?;
            writer.write(&rows)?;
            order.clear();
        }
        if !cursors[least].advance()? {
            return Ok(None);
        }
    }
    Ok(Some(written))
}

fn least(cursors: &[Cursor]) -> Option<usize> {
    (0..cursors.len())
        .filter(|at| cursors[*at].row < cursors[*at].batch.num_rows())
        .min_by(|a, b| cursors[*a].key().cmp(&cursors[*b].key()))
}

/// Where a file has been read up to.
struct Cursor {
    rest: Box<dyn Iterator<Item = Result<RecordBatch, DeltaError>> + Send>,
    batch: RecordBatch,
    row: usize,
}

impl Cursor {
    /// Opens a file. `None` when it has no rows, or not the columns that order them.
    fn at_first_row(file: Bytes) -> Result<Option<Self>, DeltaError> {
        let mut rest = Box::new(read_by(INPUT_ROWS, file, &[])?);
        let Some(batch) = rest.next().transpose()? else {
            return Ok(None);
        };
        let text = |name| {
            let column = batch.column_by_name(name);
            column.is_some_and(|column| column.as_string_opt::<i32>().is_some())
        };
        let observed = batch
            .column_by_name(SystemColumn::FetchedAt.name())
            .is_some_and(|column| {
                column
                    .as_primitive_opt::<TimestampMicrosecondType>()
                    .is_some()
            });
        let ordered = text(SystemColumn::IntegrationKey.name()) && text("id") && observed;
        Ok(ordered.then_some(Self {
            rest,
            batch,
            row: 0,
        }))
    }

    fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    fn key(&self) -> (&str, &str, i64) {
        let column = |name| {
            self.batch
                .column_by_name(name)
                .expect("checked when it was opened")
        };
        let text = |name| column(name).as_string::<i32>().value(self.row);
        let observed =
            column(SystemColumn::FetchedAt.name()).as_primitive::<TimestampMicrosecondType>();
        (
            text(SystemColumn::IntegrationKey.name()),
            text("id"),
            observed.value(self.row),
        )
    }

    /// Goes to the next row, or past the last. `false` when that row comes before this one.
    fn advance(&mut self) -> Result<bool, DeltaError> {
        let (integration, id, _) = self.key();
        let last = (integration.to_owned(), id.to_owned());
        self.row += 1;
        if self.row == self.batch.num_rows() {
            let Some(next) = self.rest.next().transpose()? else {
                return Ok(true);
            };
            (self.batch, self.row) = (next, 0);
        }
        let (integration, id, _) = self.key();
        Ok((integration, id) >= (last.0.as_str(), last.1.as_str()))
    }
}
