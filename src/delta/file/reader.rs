//! Rows of a data file, a row group at a time: what is held is one row group's bytes, and what is decoded of it.
//!
//! Nothing here fetches. Whoever reads a file hands in its end first ([`OpenedFile::parse`] says how much of it), then the
//! bytes of each row group that is wanted.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::delta::delta_error::DECODING;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::footer::FIRST_READ;

/// What ends a Parquet file: the length of its metadata, and `PAR1`.
const FOOTER_SIZE: usize = 8;

/// A data file whose footer is known.
pub(crate) struct OpenedFile {
    size: u64,
    metadata: ArrowReaderMetadata,
    /// The part of the file that is held already.
    tail: FilePart,
}

/// What came of reading a file's end.
pub(crate) enum Opening {
    /// The footer is known.
    Opened(OpenedFile),
    /// It begins before what was read: this much of the end is needed.
    NeedsEnd(u64),
}

/// A part of a file, at its place.
#[derive(Clone)]
struct FilePart {
    size: u64,
    start: u64,
    bytes: Bytes,
}

impl OpenedFile {
    /// Returns how much of the end of a file of this size to read first.
    pub(crate) fn first_read(size: u64) -> u64 {
        size.min(FIRST_READ)
    }

    /// Reads the footer out of the end of a file of `size` bytes.
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

    /// Returns how many row groups it has.
    pub(crate) fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Returns where a row group lies in the file.
    pub(crate) fn range(&self, group: usize) -> Range<u64> {
        let (mut start, mut end) = (u64::MAX, 0);
        for column in self.group(group).columns() {
            let (from, length) = column.byte_range();
            start = start.min(from);
            end = end.max(from + length);
        }
        start.min(end)..end
    }

    /// Returns whether a row group may hold a text between two, both included, in a column. It may where nothing is known.
    pub(crate) fn may_hold(&self, group: usize, column: &str, least: &str, most: &str) -> bool {
        let columns = self.group(group).columns().iter();
        let found = columns
            .filter(|chunk| chunk.column_path().string() == column)
            .find_map(|chunk| chunk.statistics());
        let bounds = found.and_then(|stats| stats.min_bytes_opt().zip(stats.max_bytes_opt()));
        // A greatest value that was cut is raised by the writer, so both bounds hold.
        bounds.is_none_or(|(min, max)| min <= most.as_bytes() && max >= least.as_bytes())
    }

    /// Returns the bytes of a row group if they came with the footer.
    pub(crate) fn held(&self, range: &Range<u64>) -> Option<Bytes> {
        let length = usize::try_from(range.end - range.start).ok()?;
        self.tail.get(range.start, length)
    }

    /// Decodes a row group in batches of so many rows.
    pub(crate) fn rows(
        &self,
        group: usize,
        bytes: Bytes,
        batch_rows: usize,
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
                .with_batch_size(batch_rows)
                .build()
                .map_err(|_| DECODING)?;
        Ok(reader.map(|batch| batch.map_err(|_| DECODING)))
    }

    fn group(&self, group: usize) -> &RowGroupMetaData {
        self.metadata.metadata().row_group(group)
    }
}

/// Returns how much of a file's end its footer takes; `None` when it is no Parquet file.
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
            .ok_or_else(|| ParquetError::EOF("outside of what was read".to_owned()))
    }
}
