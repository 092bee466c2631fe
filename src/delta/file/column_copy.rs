//! Copies the columns of a finished data file into a new file, as they are encoded. Nothing is decoded or compressed.
//!
//! A column chunk keeps its pages, its bounds, its part of the page index and its bloom filter. Row groups stay. The
//! footer is new: it has the metadata and the sorting columns of the new file's form. Only columns that the new file
//! does not take from the old one are encoded.
//!
//! The pages are copied unread. So a file that is damaged within a page gives a file that is damaged too.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataReader,
};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::delta::delta_error::{DECODING, DeltaError, ENCODING};
use crate::delta::file::file_form::{Expected, FileForm, parquet_schema};
use crate::delta::file::stats::FileStats;
use crate::delta::file::writer::{EncodedFile, read};

/// The first bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// Where the first column chunk of a file begins.
const FIRST_CHUNK: i64 = 4;

/// The values of a column that is not copied.
#[derive(Clone, Debug)]
pub(crate) enum FreshColumn {
    /// All rows have this text.
    Text(String),
    /// One value for each row.
    Values(ArrayRef),
}

/// Makes a file in the form `form` with the rows of the file `source`. Its columns are those of `schema`, in that
/// order: the columns that `fresh` names are written anew, all others are copied.
///
/// `None` when the rows have to be decoded instead: the file has no rows, lacks a column of `schema` or has it with
/// another type, has a column that the new file would not have, or is laid out as another program lays out files.
pub(crate) fn copy_columns(
    source: &Bytes,
    form: &FileForm,
    schema: &SchemaRef,
    fresh: &[(&str, FreshColumn)],
) -> Result<Option<EncodedFile>, DeltaError> {
    let source = ChunkSource::open(source.clone())?;
    let schema = form.stored(schema);
    if source.rows()? == 0 || !source.is_laid_out() {
        return Ok(None);
    }
    let Some(columns) = matched(&source, &schema, fresh)? else {
        return Ok(None);
    };
    let encoded = source.encode(fresh, form, &schema)?;
    let held = encoded.as_ref().map_or(0, |encoded| encoded.bytes.len());
    // The new footer may be longer than the old one by the fresh columns only.
    let mut bytes = Vec::with_capacity(source.bytes.len() + 2 * held);
    let footer = write_chunks(
        &source,
        encoded.as_ref(),
        &columns,
        form,
        &schema,
        &mut bytes,
    )?;
    let bytes = Bytes::from(bytes);
    let stats = if let Some(stats) = FileStats::of_footer(form.in_log, &schema, &footer) {
        stats
    } else {
        decoded_stats(&bytes, form, &schema)?
    };
    // A row that the source has and the copy lacks would be lost.
    if stats.rows() != source.rows()? {
        return Err(ENCODING);
    }
    Ok(Some(EncodedFile {
        bytes,
        rows: stats.rows(),
        stats: stats.to_json(),
    }))
}

/// Where a leaf column of the new file comes from, and its position among the leaf columns there.
#[derive(Clone, Copy)]
enum Leaf {
    Copied(usize),
    Fresh(usize),
}

/// Finds each leaf column of the new file. `None` when the columns do not allow a copy.
fn matched(
    source: &ChunkSource,
    schema: &Schema,
    fresh: &[(&str, FreshColumn)],
) -> Result<Option<Vec<Leaf>>, DeltaError> {
    let target = parquet_schema(schema)?;
    let is_fresh = |name: &str| fresh.iter().any(|(column, _)| *column == name);
    let held = source.metadata.file_metadata().schema_descr();
    let roots = held.root_schema().get_fields();
    let unwanted = |name: &str| !is_fresh(name) && schema.index_of(name).is_err();
    if roots.iter().any(|root| unwanted(root.name())) {
        return Ok(None);
    }
    let (mut leaves, mut encoded) = (Vec::with_capacity(target.num_columns()), 0);
    for (at, wanted) in target.root_schema().get_fields().iter().enumerate() {
        let width =
            (0..target.num_columns()).filter(|leaf| target.get_column_root_idx(*leaf) == at);
        let width = width.count();
        if is_fresh(wanted.name()) {
            leaves.extend((encoded..encoded + width).map(Leaf::Fresh));
            encoded += width;
            continue;
        }
        // The types are equal with their field ids and the names within them.
        let Some(root) = roots.iter().position(|root| root == wanted) else {
            return Ok(None);
        };
        let found = (0..held.num_columns()).filter(|leaf| held.get_column_root_idx(*leaf) == root);
        leaves.extend(found.map(Leaf::Copied));
    }
    Ok(Some(leaves))
}

/// Writes the new file. Returns its footer.
fn write_chunks(
    source: &ChunkSource,
    encoded: Option<&ChunkSource>,
    columns: &[Leaf],
    form: &FileForm,
    schema: &SchemaRef,
    bytes: &mut Vec<u8>,
) -> Result<ParquetMetaData, DeltaError> {
    let root = parquet_schema(schema)?.root_schema_ptr();
    let properties = form.file_properties(schema, source.is_indexed()).build();
    let writer = SerializedFileWriter::new(bytes, root, Arc::new(properties));
    let mut writer = writer.map_err(|_| ENCODING)?;
    for group in 0..source.metadata.num_row_groups() {
        let mut chunks = writer.next_row_group().map_err(|_| ENCODING)?;
        for column in columns {
            match column {
                Leaf::Copied(leaf) => source.append(group, *leaf, &mut chunks)?,
                Leaf::Fresh(leaf) => {
                    let encoded = encoded.ok_or(ENCODING)?;
                    encoded.append(group, *leaf, &mut chunks)?;
                }
            }
        }
        chunks.close().map_err(|_| ENCODING)?;
    }
    writer.close().map_err(|_| ENCODING)
}

/// Statistics of the columns whose footer has no exact bounds, such as texts that were cut.
fn decoded_stats(file: &Bytes, form: &FileForm, schema: &Schema) -> Result<FileStats, DeltaError> {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let told: Vec<&str> = names.filter(|name| (form.in_log)(name)).collect();
    let mut stats = FileStats::new(form.in_log);
    for batch in read(file.clone(), &told)? {
        stats.add(&batch?);
    }
    Ok(stats)
}

/// A file whose column chunks are copied.
struct ChunkSource {
    bytes: Bytes,
    metadata: ParquetMetaData,
}

impl ChunkSource {
    fn open(bytes: Bytes) -> Result<Self, DeltaError> {
        // Only complete lists are copied.
        let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let reader = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_metadata_options(Some(options));
        let metadata = reader.parse_and_finish(&bytes).map_err(|_| DECODING)?;
        Ok(Self { bytes, metadata })
    }

    fn is_indexed(&self) -> bool {
        self.metadata.page_index().is_some()
    }

    fn rows(&self) -> Result<u64, DeltaError> {
        let mut groups = self.metadata.row_groups().iter();
        let rows = groups.try_fold(0_u64, |rows, group| {
            rows.checked_add(u64::try_from(group.num_rows()).ok()?)
        });
        rows.ok_or(DECODING)
    }

    /// Encodes the fresh columns of `schema` as a file of their own, with the same row groups.
    fn encode(
        &self,
        fresh: &[(&str, FreshColumn)],
        form: &FileForm,
        schema: &Schema,
    ) -> Result<Option<Self>, DeltaError> {
        let rows = usize::try_from(self.rows()?).map_err(|_| DECODING)?;
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for field in schema.fields() {
            let Some((_, values)) = fresh.iter().find(|(name, _)| name == field.name()) else {
                continue;
            };
            fields.push(Arc::clone(field));
            arrays.push(match values {
                FreshColumn::Text(text) => repeated(text, rows),
                FreshColumn::Values(values) => Arc::clone(values),
            });
        }
        if fields.is_empty() {
            return Ok(None);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
        let batch = batch.map_err(|_| ENCODING)?;
        if batch.num_rows() != rows {
            return Err(ENCODING);
        }
        let groups = self.metadata.row_groups().iter();
        let groups = groups.map(|group| usize::try_from(group.num_rows()).unwrap_or(rows));
        let largest = groups.clone().max().unwrap_or(rows).max(1);
        let expected = Expected {
            rows,
            group: largest,
            is_indexed: self.is_indexed(),
        };
        let properties = form.properties(&batch, &expected);
        let writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties));
        let (mut writer, mut from) = (writer.map_err(|_| ENCODING)?, 0);
        for rows in groups {
            let part = batch.slice(from, rows);
            writer.write(&part).map_err(|_| ENCODING)?;
            writer.flush().map_err(|_| ENCODING)?;
            from += rows;
        }
        let bytes = writer.into_inner().map_err(|_| ENCODING)?;
        Self::open(bytes.into()).map(Some)
    }

    /// Returns whether the column chunks of each row group follow one another from the file's start, as we write them,
    /// and whether all that is copied lies before the footer. A file that lacks a part is not laid out so.
    fn is_laid_out(&self) -> bool {
        let Some(end) = self.end_of_chunks() else {
            return false;
        };
        let mut next = FIRST_CHUNK;
        for group in self.metadata.row_groups() {
            let starts = group.columns().iter().map(first_page).min();
            next = starts.map_or(next, |start| start.max(next));
            for chunk in group.columns() {
                let (start, length) = (first_page(chunk), chunk.compressed_size());
                let filter = chunk.bloom_filter_offset().unwrap_or_default();
                let filter_length = chunk.bloom_filter_length().unwrap_or(1).into();
                let filter_end = filter.checked_add(filter_length);
                if start != next || length < 0 || filter < 0 || filter_end.is_none_or(|at| at > end)
                {
                    return false;
                }
                next = start.saturating_add(length);
            }
        }
        self.bytes.starts_with(MAGIC) && next <= end
    }

    /// Returns where the footer begins. `None` when the file has no footer.
    fn end_of_chunks(&self) -> Option<i64> {
        let last: [u8; 8] = self.bytes.last_chunk().copied()?;
        let footer = i64::from(u32::from_le_bytes([last[0], last[1], last[2], last[3]]));
        let length = i64::try_from(self.bytes.len()).ok()?;
        Some(length - footer - 8)
    }

    /// Appends a column chunk to a row group of a new file.
    fn append<W: std::io::Write + Send>(
        &self,
        group: usize,
        leaf: usize,
        chunks: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), DeltaError> {
        let rows = self.metadata.row_group(group).num_rows();
        let chunk = self.metadata.row_group(group).column(leaf);
        let index = self.metadata.page_index_for_row_group(group);
        let filter = Sbbf::read_from_column_chunk(chunk, &self.bytes).map_err(|_| DECODING)?;
        let close = ColumnCloseResult {
            bytes_written: u64::try_from(chunk.compressed_size()).map_err(|_| DECODING)?,
            rows_written: u64::try_from(rows).map_err(|_| DECODING)?,
            metadata: chunk.clone(),
            bloom_filter: filter,
            column_index: index.column_index(leaf).cloned(),
            offset_index: index.offset_index(leaf).cloned(),
        };
        let appended = chunks.append_column(&self.bytes, close);
        appended.map_err(|_| ENCODING)
    }
}

/// Returns where the pages of a chunk begin.
fn first_page(chunk: &ColumnChunkMetaData) -> i64 {
    let dictionary = chunk.dictionary_page_offset();
    dictionary.unwrap_or_else(|| chunk.data_page_offset())
}

fn repeated(text: &str, rows: usize) -> ArrayRef {
    let texts = std::iter::repeat_n(text, rows);
    Arc::new(StringArray::from_iter_values(texts))
}

#[cfg(test)]
mod tests;
