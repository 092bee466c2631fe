//! Reads the rows of a data file, one row group at a time. Memory holds the bytes of one row group, and the rows
//! decoded from them.
//!
//! Nothing here reads from the store. The caller passes in the end of the file first ([`OpenedFile::parse`] says how
//! many bytes), then the bytes of each wanted row group.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::delta::delta_error::DECODING;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::footer::FIRST_READ;

/// Size in bytes of the end of a Parquet file: the length of the metadata, and `PAR1`.
const FOOTER_SIZE: usize = 8;

/// A data file with a parsed footer.
pub(crate) struct OpenedFile {
    size: u64,
    metadata: ArrowReaderMetadata,
    /// The end of the file, which was read with the footer.
    tail: FilePart,
}

/// The result of parsing a file's end.
pub(crate) enum Opening {
    /// The footer is complete.
    Opened(OpenedFile),
    /// The footer begins before the bytes that were read. This many bytes of the end are needed.
    NeedsEnd(u64),
}

/// A part of a file, and its position in the file.
#[derive(Clone)]
struct FilePart {
    size: u64,
    start: u64,
    bytes: Bytes,
}

impl OpenedFile {
    /// Returns how many bytes of the end of a file to read first. `size` is the size of the file in bytes.
    pub(crate) fn first_read(size: u64) -> u64 {
        size.min(FIRST_READ)
    }

    /// Parses the footer from the end of a file of `size` bytes.
    pub(crate) fn parse(size: u64, end: Bytes) -> Result<Opening, DeltaError> {
        let start = size.checked_sub(end.len() as u64).ok_or(DECODING)?;
        let tail = FilePart {
            size,
            start,
            bytes: end,
        };
        let needed = footer_length(&tail.bytes).ok_or(DECODING)?;
        if needed > tail.bytes.len() as u64 {
            return if needed <= size {
                Ok(Opening::NeedsEnd(needed))
            } else {
                Err(DECODING)
            };
        }
        let parsed = ParquetMetaDataReader::new().parse_and_finish(&tail);
        let parsed = Arc::new(parsed.map_err(|_| DECODING)?);
        let metadata = ArrowReaderMetadata::try_new(parsed, ArrowReaderOptions::new());
        Ok(Opening::Opened(Self {
            size,
            metadata: metadata.map_err(|_| DECODING)?,
            tail,
        }))
    }

    /// Returns the number of row groups.
    pub(crate) fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Returns the byte range of a row group.
    pub(crate) fn range(&self, group: usize) -> Range<u64> {
        let (mut start, mut end) = (u64::MAX, 0);
        for column in self.group(group).columns() {
            let (from, length) = column.byte_range();
            start = start.min(from);
            end = end.max(from + length);
        }
        start.min(end)..end
    }

    /// Returns whether a row group may contain a text between `least` and `most`, both included, in a column. Returns
    /// `true` when the file has no bounds for the column.
    pub(crate) fn may_hold(&self, group: usize, column: &str, least: &str, most: &str) -> bool {
        let columns = self.group(group).columns().iter();
        let found = columns
            .filter(|chunk| chunk.column_path().string() == column)
            .find_map(|chunk| chunk.statistics());
        let bounds = found.and_then(|stats| stats.min_bytes_opt().zip(stats.max_bytes_opt()));
        // The writer shortens a long greatest value and rounds it up, so both bounds hold.
        bounds.is_none_or(|(min, max)| min <= most.as_bytes() && max >= least.as_bytes())
    }

    /// Returns the bytes of a row group, if they were read together with the footer.
    pub(crate) fn held(&self, range: &Range<u64>) -> Option<Bytes> {
        let length = usize::try_from(range.end - range.start).ok()?;
        self.tail.get(range.start, length)
    }

    /// Decodes a row group in batches of `batch_rows` rows.
    pub(crate) fn rows(
        &self,
        group: usize,
        bytes: Bytes,
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, DeltaError>> + Send + use<>, DeltaError>
    {
        self.masked_rows(group, bytes, batch_rows, ProjectionMask::all())
    }

    /// Decodes some columns of a row group. Columns that the file lacks are missing in the result.
    pub(crate) fn columns(
        &self,
        group: usize,
        bytes: Bytes,
        batch_rows: usize,
        columns: &[&str],
    ) -> Result<impl Iterator<Item = Result<RecordBatch, DeltaError>> + Send + use<>, DeltaError>
    {
        let schema = self.metadata.parquet_schema();
        let mask = ProjectionMask::columns(schema, columns.iter().copied());
        self.masked_rows(group, bytes, batch_rows, mask)
    }

    fn masked_rows(
        &self,
        group: usize,
        bytes: Bytes,
        batch_rows: usize,
        mask: ProjectionMask,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, DeltaError>> + Send + use<>, DeltaError>
    {
        let window = FilePart {
            size: self.size,
            start: self.range(group).start,
            bytes,
        };
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(window, self.metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(mask)
                .with_batch_size(batch_rows)
                .build()
                .map_err(|_| DECODING)?;
        let (mut reader, mut rows) = (Some(reader), self.group(group).num_rows());
        Ok(std::iter::from_fn(move || {
            let batch = reader.as_mut()?.next()?;
            rows -= batch
                .as_ref()
                .map_or(0, |batch| i64::try_from(batch.num_rows()).unwrap_or(rows));
            if rows <= 0 {
                // The bytes of the group and its last page are not needed beside the last rows.
                reader = None;
            }
            Some(batch.map_err(|_| DECODING))
        }))
    }

    fn group(&self, group: usize) -> &RowGroupMetaData {
        self.metadata.metadata().row_group(group)
    }
}

/// Returns how many bytes at a file's end its footer takes. `None` when the file is not Parquet.
fn footer_length(end: &Bytes) -> Option<u64> {
    let last: [u8; FOOTER_SIZE] = end.last_chunk().copied()?;
    if !last.ends_with(b"PAR1") {
        return None;
    }
    let length = u32::from_le_bytes([last[0], last[1], last[2], last[3]]);
    Some(u64::from(length) + FOOTER_SIZE as u64)
}

impl FilePart {
    fn get(&self, start: u64, length: usize) -> Option<Bytes> {
        let from = usize::try_from(start.checked_sub(self.start)?).ok()?;
        let end = from.checked_add(length)?;
        (end <= self.bytes.len()).then(|| self.bytes.slice(from..end))
    }
}

impl Length for FilePart {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for FilePart {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let left = (self.start + self.bytes.len() as u64).saturating_sub(start);
        self.get_bytes(start, usize::try_from(left).unwrap_or(usize::MAX))
            .map(Buf::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.get(start, length)
            .ok_or_else(|| ParquetError::EOF("outside of the bytes that were read".to_owned()))
    }
}
