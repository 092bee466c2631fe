//! How the files of a Delta table are written: columns, row groups, compression, statistics and bloom filters.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use crate::delta::delta_error::{DeltaError, ENCODING};
use crate::delta::file::dictionaries::choose_dictionaries;
use crate::delta::file::stats::BOUND_CHARS;

/// The rows of a shared file are written again with each fold of a change, so time counts more than the last bytes.
/// Measured: level 3 takes a quarter more time to encode for files 2 % smaller, level 6 twice as long for files 8 % smaller.
const ZSTD_LEVEL: i32 = 1;

/// Measured with 20 applications: 2 % fewer bytes than with level 3, for 7 % more time. Level 9 gains nothing more.
const SMALL_ZSTD_LEVEL: i32 = 6;

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

/// What is expected of a file before its first row is written.
pub(super) struct Expected {
    /// Number of rows.
    pub(super) rows: usize,
    /// Rows of a row group.
    pub(super) group: usize,
    /// Whether the file has a page index and bloom filters.
    pub(super) is_indexed: bool,
}

impl FileForm {
    /// Returns the number of rows of a row group, of rows with this average decoded size in bytes.
    pub(crate) fn group_rows(&self, bytes_per_row: usize) -> usize {
        (self.row_group_bytes / bytes_per_row.max(1)).max(1)
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
