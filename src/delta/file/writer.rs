//! The home of Parquet: encodes rows as a data file, and decodes complete files.
//! [`reader`](crate::delta::file::reader) reads files in parts.
//!
//! A file is built in memory. The file's size is bounded: callers pass in at most one run of rows (32 MiB decoded),
//! and the rows that wait for a shared file are bounded too. Encoding and decoding are CPU work, so callers run them
//! on `spawn_blocking`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::delta::delta_error::DeltaError;
use crate::delta::delta_error::{DECODING, ENCODING};
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::file_form::{Expected, FileForm};
use crate::delta::file::row_groups::RowGroups;
use crate::delta::file::short_footer::shorten;
use crate::delta::file::stats::FileStats;

/// Decoded size in bytes of a file that readers fetch with one read: its encoded size is then below 64 KiB,
/// which readers fetch first.
/// Such a file has one page per column, so a page index or a bloom filter cannot save a read.
const SMALL_FILE: usize = 128 << 10;

/// The most capacity that a file gets ahead.
const MOST_UNTOUCHED: usize = 64 << 20;

/// Rows that are read back in one batch.
pub(super) const READ_ROWS: usize = 4_096;

/// A finished file that is not on the store yet.
#[derive(Debug)]
pub(crate) struct EncodedFile {
    /// The Parquet file.
    pub(crate) bytes: Bytes,
    /// Number of rows in the file.
    pub(crate) rows: u64,
    /// The text of `add.stats`.
    pub(crate) stats: String,
}

/// A file that is being written.
pub(crate) struct FileWriter {
    form: FileForm,
    rows: usize,
    bytes_per_row: usize,
    stats: FileStats,
    groups: Option<RowGroups>,
    /// Rows of the next row group.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
}

impl FileForm {
    /// Starts a file. The expected number of rows and their average decoded size in bytes set the row groups and the
    /// bloom filter.
    pub(crate) fn begin(&self, rows: usize, bytes_per_row: usize) -> FileWriter {
        FileWriter {
            form: self.clone(),
            rows,
            bytes_per_row,
            stats: FileStats::new(self.in_log),
            groups: None,
            waiting: Vec::new(),
            waiting_rows: 0,
        }
    }
}

impl FileWriter {
    /// Writes rows, in the order that they have in the file. A row group is encoded once it has all its rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), DeltaError> {
        let batch = without(batch, self.form.left_out);
        if self.groups.is_none() {
            // Callers may expect fewer rows than they have.
            self.rows = self.rows.max(batch.num_rows());
            self.begin_by(&batch)?;
        }
        self.stats.add(&batch);
        self.waiting_rows += batch.num_rows();
        self.waiting.push(batch);
        let group = self.form.group_rows(self.bytes_per_row);
        while self.waiting_rows >= group {
            self.write_waiting(group)?;
        }
        Ok(())
    }

    /// Writes a row group whose columns are made one at a time, so that only one is in memory. `column` returns the
    /// values of the column at a position of `sample`, which has all columns and shows what the rows are like. Not
    /// mixed with [`write`](Self::write) in one file.
    pub(crate) fn write_group(
        &mut self,
        sample: &RecordBatch,
        rows: usize,
        column: impl Fn(usize) -> Result<ArrayRef, DeltaError>,
    ) -> Result<(), DeltaError> {
        let stored: Vec<usize> = (0..sample.num_columns())
            .filter(|at| Some(sample.schema_ref().field(*at).name().as_str()) != self.form.left_out)
            .collect();
        if self.groups.is_none() {
            self.begin_by(&without(sample, self.form.left_out))?;
        }
        let groups = self.groups.as_mut().ok_or(ENCODING)?;
        self.stats.add_rows(sample.schema_ref(), rows);
        let stats = std::cell::RefCell::new(&mut self.stats);
        groups.write(|position| {
            let position = stored[position];
            let values = column(position)?;
            let name = sample.schema_ref().field(position).name();
            stats.borrow_mut().add_column(name, values.as_ref());
            Ok(vec![values])
        })
    }

    /// Begins the file, by a sample of its rows.
    fn begin_by(&mut self, sample: &RecordBatch) -> Result<(), DeltaError> {
        let expected = Expected {
            rows: self.rows,
            group: self.form.group_rows(self.bytes_per_row),
            is_indexed: self.is_indexed(),
        };
        let properties = self.form.properties(sample, &expected);
        // Compressed rows are smaller than decoded ones. Capacity that stays untouched costs no memory, and a growing
        // buffer would be copied with both copies in memory.
        let size = self.rows.saturating_mul(self.bytes_per_row);
        let groups = RowGroups::begin(&sample.schema(), properties, size.min(MOST_UNTOUCHED))?;
        self.groups = Some(groups);
        Ok(())
    }

    /// Writes a row group of the first `rows` rows that wait.
    fn write_waiting(&mut self, rows: usize) -> Result<(), DeltaError> {
        let (mut group, mut left) = (Vec::new(), rows);
        let mut rest = Vec::new();
        for batch in std::mem::take(&mut self.waiting) {
            let taken = left.min(batch.num_rows());
            if taken > 0 {
                group.push(batch.slice(0, taken));
            }
            if taken < batch.num_rows() {
                rest.push(batch.slice(taken, batch.num_rows() - taken));
            }
            left -= taken;
        }
        self.waiting = rest;
        self.waiting_rows -= rows - left;
        let groups = self.groups.as_mut().ok_or(ENCODING)?;
        groups.write(|position| {
            let parts = group.iter().map(|batch| Arc::clone(batch.column(position)));
            Ok(parts.collect())
        })
    }

    /// Returns whether the file gets a page index and a bloom filter.
    fn is_indexed(&self) -> bool {
        self.rows.saturating_mul(self.bytes_per_row) > SMALL_FILE
    }

    /// Closes the file. `None` when no row was written.
    pub(crate) fn finish(mut self) -> Result<Option<EncodedFile>, DeltaError> {
        let is_indexed = self.is_indexed();
        if self.waiting_rows > 0 {
            self.write_waiting(self.waiting_rows)?;
        }
        let Some(groups) = self.groups else {
            return Ok(None);
        };
        let (mut bytes, footer) = groups.finish()?;
        if !is_indexed {
            shorten(&mut bytes, &footer)?;
        }
        Ok(Some(EncodedFile {
            bytes: bytes.into(),
            rows: self.stats.rows(),
            stats: self.stats.to_json(),
        }))
    }
}

/// Writes a file of `rows` rows again without the rows `losers`, which are in ascending order. `None` when no row is
/// left.
pub(crate) fn encode_without(
    file: Bytes,
    rows: usize,
    losers: &[usize],
    form: &FileForm,
    bytes_per_row: usize,
) -> Result<Option<EncodedFile>, DeltaError> {
    let kept_rows = rows.saturating_sub(losers.len());
    let (mut first_row, mut losers) = (0, losers.iter().copied().peekable());
    rewrite(file, kept_rows, Some(bytes_per_row), form, |batch| {
        let keep: BooleanArray = (first_row..first_row + batch.num_rows())
            .map(|row| Some(losers.next_if_eq(&row).is_none()))
            .collect();
        first_row += batch.num_rows();
        filter_record_batch(&batch, &keep).map_err(|_| ENCODING)
    })
}

/// Writes a file again, with each batch replaced by the result of `change`. `None` when no row is left. `rows` and
/// `bytes_per_row` are the expected number of rows and their average decoded size. Without `bytes_per_row` the size
/// of the first rows is used.
pub(crate) fn rewrite(
    file: Bytes,
    rows: usize,
    bytes_per_row: Option<usize>,
    form: &FileForm,
    mut change: impl FnMut(RecordBatch) -> Result<RecordBatch, DeltaError>,
) -> Result<Option<EncodedFile>, DeltaError> {
    let (mut writer, mut handed) = (None, 0);
    for batch in read(file, &[])? {
        let batch = change(batch?)?;
        if batch.num_rows() > 0 {
            handed += batch.num_rows() as u64;
            let size = || bytes_per_row.unwrap_or_else(|| decoded_bytes(&batch) / batch.num_rows());
            let writer: &mut FileWriter = writer.get_or_insert_with(|| form.begin(rows, size()));
            writer.write(&batch)?;
        }
    }
    let Some(writer) = writer else {
        return Ok(None);
    };
    // A row that was read and not written would be lost.
    let file = writer.finish()?.filter(|file| file.rows == handed);
    file.ok_or(ENCODING).map(Some)
}

/// Reads the rows of a data file in their order. Reads all columns when `columns` is empty.
pub(crate) fn read(
    file: Bytes,
    columns: &[&str],
) -> Result<impl Iterator<Item = Result<RecordBatch, DeltaError>> + use<>, DeltaError> {
    read_by(READ_ROWS, file, columns)
}

/// Reads like [`read`], in batches of `rows` rows.
pub(crate) fn read_by(
    rows: usize,
    file: Bytes,
    columns: &[&str],
) -> Result<impl Iterator<Item = Result<RecordBatch, DeltaError>> + Send + use<>, DeltaError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|_| DECODING)?;
    let mask = if columns.is_empty() {
        ProjectionMask::all()
    } else {
        ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied())
    };
    let reader = builder
        .with_projection(mask)
        .with_batch_size(rows)
        .build()
        .map_err(|_| DECODING)?;
    Ok(reader.map(|batch| batch.map_err(|_| DECODING)))
}

fn without(batch: &RecordBatch, left_out: Option<&str>) -> RecordBatch {
    let Some(position) = left_out.and_then(|name| batch.schema().index_of(name).ok()) else {
        return batch.clone();
    };
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|column| *column != position)
        .collect();
    batch
        .project(&kept)
        .expect("the positions come from the batch")
}
