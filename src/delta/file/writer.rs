//! The home of Parquet: encodes rows as a data file, and decodes complete files.
//! [`reader`](crate::delta::file::reader) reads files in parts.
//!
//! A file is built in memory. The file's size is bounded: callers pass in at most one run of rows (32 MiB decoded),
//! and the rows that wait for a shared file are bounded too. Encoding and decoding are CPU work, so callers run them
//! on `spawn_blocking`.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use crate::delta::delta_error::DeltaError;
use crate::delta::delta_error::{DECODING, ENCODING};
use crate::delta::file::dictionaries::choose_dictionaries;
use crate::delta::file::short_footer::shorten;
use crate::delta::file::stats::{BOUND_CHARS, FileStats};

/// Measured: level 6 takes 1.6 times as long for files 6 % smaller; level 1 takes a fifth less time for files 2 %
/// larger.
const ZSTD_LEVEL: i32 = 3;

/// Measured with 20 applications: 2 % fewer bytes than with level 3, for 7 % more time. Level 9 gains nothing more.
const SMALL_ZSTD_LEVEL: i32 = 6;

/// Decoded size in bytes of a file that readers fetch with one read: its encoded size is then below 64 KiB,
/// which readers fetch first.
/// Such a file has one page per column, so a page index or a bloom filter cannot save a read.
const SMALL_FILE: usize = 128 << 10;

/// The most capacity that a file gets ahead.
const MOST_UNTOUCHED: usize = 64 << 20;

/// Rows that are read back in one batch.
pub(super) const READ_ROWS: usize = 4_096;

/// How the files of a Delta table are written.
#[derive(Clone, Debug)]
pub(crate) struct FileForm {
    /// Keys and values in the metadata of each file.
    pub(crate) metadata: Vec<(&'static str, String)>,
    /// The column that gets a bloom filter.
    pub(crate) looked_up_by: &'static str,
    /// Says, by column name, of which columns the log may hold statistics.
    pub(crate) in_log: fn(&str) -> bool,
    /// Says, by column name, of which columns the file's footer and page index may hold statistics.
    pub(crate) in_files: fn(&str) -> bool,
    /// The partition column. Delta does not store it in the files.
    pub(crate) left_out: Option<&'static str>,
    /// The columns that callers sort rows by. Columns that a file lacks are ignored.
    pub(crate) sorted_by: &'static [&'static str],
    /// Decoded size of a row group in bytes.
    pub(crate) row_group_bytes: usize,
    /// Rows of a page, at most.
    pub(crate) page_rows: usize,
}

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

/// What is expected of a file before its first row is written.
pub(super) struct Expected {
    /// Number of rows.
    pub(super) rows: usize,
    /// Rows of a row group.
    pub(super) group: usize,
    /// Whether the file has a page index and bloom filters.
    pub(super) is_indexed: bool,
}

/// A file that is being written.
pub(crate) struct FileWriter {
    form: FileForm,
    rows: usize,
    bytes_per_row: usize,
    stats: FileStats,
    parquet: Option<ArrowWriter<Vec<u8>>>,
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
            parquet: None,
        }
    }

    /// Returns the columns that a file stores, of the columns of its table.
    pub(super) fn stored(&self, schema: &SchemaRef) -> SchemaRef {
        let fields = schema.fields().iter();
        let stored = fields.filter(|field| Some(field.name().as_str()) != self.left_out);
        Arc::new(Schema::new_with_metadata(
            stored.cloned().collect::<Fields>(),
            schema.metadata().clone(),
        ))
    }

    /// Returns what a file's footer says in any case. No column has statistics or a bloom filter yet.
    pub(super) fn file_properties(
        &self,
        schema: &SchemaRef,
        is_indexed: bool,
    ) -> WriterPropertiesBuilder {
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
        WriterProperties::builder()
            .set_created_by(
                concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
            )
            .set_key_value_metadata(Some(metadata.collect()))
            .set_sorting_columns(self.sorting_columns(schema))
            .set_offset_index_disabled(!is_indexed)
    }

    /// Returns how a file is written, by its first rows.
    pub(super) fn properties(&self, first: &RecordBatch, expected: &Expected) -> WriterProperties {
        let level = if expected.is_indexed {
            ZSTD_LEVEL
        } else {
            SMALL_ZSTD_LEVEL
        };
        let level = ZstdLevel::try_new(level).expect("a valid level");
        let mut properties = self
            .file_properties(&first.schema(), expected.is_indexed)
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(expected.group))
            .set_data_page_row_count_limit(self.page_rows)
            .set_statistics_truncate_length(Some(BOUND_CHARS))
            .set_statistics_enabled(EnabledStatistics::None);
        let level = if expected.is_indexed {
            EnabledStatistics::Page
        } else {
            EnabledStatistics::Chunk
        };
        for field in first.schema().fields() {
            if !field.data_type().is_nested() && (self.in_files)(field.name()) {
                let column = ColumnPath::from(field.name().as_str());
                properties = properties.set_column_statistics_enabled(column, level);
            }
        }
        if expected.is_indexed && first.column_by_name(self.looked_up_by).is_some() {
            // Each row group has its own filter, so the count is that of a row group.
            let count = expected.group.min(expected.rows) as u64;
            properties =
                properties.set_column_bloom_filter_max_ndv(self.looked_up_by.into(), count);
        }
        let is_complete = first.num_rows() >= expected.rows;
        choose_dictionaries(properties, first, is_complete).build()
    }

    /// Returns the sorting columns as positions among the leaf columns. Parquet counts leaves, and one nested column
    /// has several. `None` when a sorting column is missing.
    fn sorting_columns(&self, schema: &SchemaRef) -> Option<Vec<SortingColumn>> {
        let mut sorting = Vec::new();
        for name in self.sorted_by {
            if Some(*name) == self.left_out {
                continue;
            }
            let position = schema.index_of(name).ok()?;
            let leaf: usize = schema.fields()[..position]
                .iter()
                .map(|field| leaves(field.data_type()))
                .sum();
            sorting.push(SortingColumn {
                column_idx: i32::try_from(leaf).ok()?,
                descending: false,
                nulls_first: false,
            });
        }
        (!sorting.is_empty()).then_some(sorting)
    }
}

impl FileWriter {
    /// Writes rows, in the order that they have in the file.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), DeltaError> {
        let batch = without(batch, self.form.left_out);
        if self.parquet.is_none() {
            // Callers may expect fewer rows than they have.
            self.rows = self.rows.max(batch.num_rows());
        }
        let is_indexed = self.is_indexed();
        let parquet = if let Some(parquet) = &mut self.parquet {
            parquet
        } else {
            let expected = Expected {
                rows: self.rows,
                group: (self.form.row_group_bytes / self.bytes_per_row.max(1)).max(1),
                is_indexed,
            };
            let properties = self.form.properties(&batch, &expected);
            // The Arrow schema says nothing that the Parquet schema does not say, and takes 14 KB.
            let options = ArrowWriterOptions::new()
                .with_properties(properties)
                .with_skip_arrow_metadata(true);
            // Compressed rows are smaller than decoded ones. Capacity that stays untouched costs no memory, and a growing
            // buffer would be copied with both copies in memory.
            let size = self.rows.saturating_mul(self.bytes_per_row);
            let file = Vec::with_capacity(size.min(MOST_UNTOUCHED));
            let fresh = ArrowWriter::try_new_with_options(file, batch.schema(), options);
            self.parquet.insert(fresh.map_err(|_| ENCODING)?)
        };
        self.stats.add(&batch);
        parquet.write(&batch).map_err(|_| ENCODING)
    }

    /// Returns whether the file gets a page index and a bloom filter.
    fn is_indexed(&self) -> bool {
        self.rows.saturating_mul(self.bytes_per_row) > SMALL_FILE
    }

    /// Closes the file. `None` when no row was written.
    pub(crate) fn finish(self) -> Result<Option<EncodedFile>, DeltaError> {
        let is_indexed = self.is_indexed();
        let Some(mut parquet) = self.parquet else {
            return Ok(None);
        };
        let footer = parquet.finish().map_err(|_| ENCODING)?;
        let mut bytes = std::mem::take(parquet.inner_mut());
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

/// Returns the size in bytes of a batch's values. Unused space in the batch's buffers does not count.
pub(crate) fn decoded_bytes(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| {
            column
                .to_data()
                .get_slice_memory_size()
                .unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum()
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

/// Returns the columns of a file as Parquet names them.
pub(super) fn parquet_schema(schema: &Schema) -> Result<SchemaDescriptor, DeltaError> {
    let converted = ArrowSchemaConverter::new().convert(schema);
    converted.map_err(|_| ENCODING)
}

fn leaves(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        DataType::List(element) => leaves(element.data_type()),
        _ => 1,
    }
}
