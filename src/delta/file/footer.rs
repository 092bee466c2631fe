//! The description at the end of a data file: row groups, columns, pages, filters. Only ranges of the file are read,
//! never the complete file.
//!
//! Nothing here reads from the store: [`FooterReader`] says which ranges it needs, and the caller passes in their
//! bytes.

use std::ops::Range;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;

use crate::delta::delta_error::DECODING;
use crate::delta::delta_error::DeltaError;

/// The column by which records are looked up.
pub(crate) const ID: &str = "id";

/// A data file's description of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Size of the footer in bytes, without the page index.
    pub(crate) bytes: u64,
    /// The row groups, in file order.
    pub(crate) groups: Vec<Group>,
    /// The keys of the file's metadata.
    pub(crate) keys: Vec<String>,
}

/// One row group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Number of rows.
    pub(crate) rows: u64,
    /// Size in bytes before compression.
    pub(crate) decoded_bytes: u64,
    /// Whether the row group names the columns that its rows are sorted by.
    pub(crate) is_sorted: bool,
    /// The leaf columns, in file order.
    pub(crate) columns: Vec<LeafColumn>,
    /// The position of `id` among the leaf columns.
    pub(crate) id: Option<usize>,
}

/// One column of a row group.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct LeafColumn {
    /// Size in bytes of all pages, the dictionary included.
    pub(crate) bytes: u64,
    /// Size in bytes of the dictionary, or zero when the page index does not say where the dictionary ends.
    pub(crate) dictionary_bytes: u64,
    /// Size in bytes of the column's part of the page index.
    pub(crate) index_bytes: u64,
    /// The data pages. Empty when the file has no page index.
    pub(crate) pages: Vec<DataPage>,
    /// The least and greatest value. Set for `id` only.
    pub(crate) bounds: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether the row group states a least and a greatest value.
    pub(crate) has_bounds: bool,
    /// The byte range of the bloom filter.
    pub(crate) filter: Option<Range<u64>>,
}

/// One data page.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct DataPage {
    pub(crate) first_row: u64,
    pub(crate) bytes: u64,
    /// The least and greatest value. Set for `id` only.
    pub(crate) bounds: Option<(Vec<u8>, Vec<u8>)>,
}

/// Number of bytes that are read first, from the end of the file. These bytes hold the complete footer of most files,
/// and all of a small file.
pub(crate) const FIRST_READ: u64 = 64 << 10;

/// Size in bytes of the end of a Parquet file: the length of the metadata, and `PAR1`.
const LAST_BYTES: u64 = 8;

/// Reads a footer, range by range.
pub(crate) struct FooterReader {
    decoder: ParquetMetaDataPushDecoder,
    wanted: Vec<Range<u64>>,
    /// Size in bytes of the metadata. Zero until the end of the file has been read.
    bytes: u64,
}

/// The progress of a reader.
pub(crate) enum Reading {
    /// The bytes of these ranges are needed.
    Needs(Vec<Range<u64>>),
    /// The footer is complete.
    Done(Footer),
}

impl FooterReader {
    /// Starts with the size of a file in bytes. Returns the first range to read.
    pub(crate) fn new(size: u64) -> Result<(Self, Vec<Range<u64>>), DeltaError> {
        let decoder = ParquetMetaDataPushDecoder::try_new(size).map_err(|_| DECODING)?;
        let first = size.saturating_sub(FIRST_READ)..size;
        let reader = Self {
            decoder: decoder.with_page_index_policy(PageIndexPolicy::Optional),
            wanted: vec![first.clone()],
            bytes: 0,
        };
        Ok((reader, vec![first]))
    }

    /// Takes the bytes of the ranges that were needed.
    pub(crate) fn go_on(&mut self, bytes: Vec<Bytes>) -> Result<Reading, DeltaError> {
        if let (0, Some(end)) = (self.bytes, bytes.first()) {
            let last: [u8; 8] = *end.last_chunk().ok_or(DECODING)?;
            let length = u32::from_le_bytes([last[0], last[1], last[2], last[3]]);
            self.bytes = LAST_BYTES + u64::from(length);
        }
        let wanted = std::mem::take(&mut self.wanted);
        let pushed = self.decoder.push_ranges(wanted, bytes);
        pushed.map_err(|_| DECODING)?;
        match self.decoder.try_decode().map_err(|_| DECODING)? {
            DecodeResult::NeedsData(ranges) => {
                self.wanted.clone_from(&ranges);
                Ok(Reading::Needs(ranges))
            }
            DecodeResult::Data(metadata) => Ok(Reading::Done(Footer {
                bytes: self.bytes,
                ..described(&metadata)
            })),
            DecodeResult::Finished => Err(DECODING),
        }
    }
}

/// Returns whether a row group may contain a value, by the bytes of its bloom filter. Returns `true` when the bytes
/// are not a bloom filter.
pub(crate) fn filter_may_hold(filter: &[u8], value: &str) -> bool {
    Sbbf::from_bytes(filter).map_or(true, |filter| filter.check(value))
}

fn described(metadata: &ParquetMetaData) -> Footer {
    let pairs = metadata.file_metadata().key_value_metadata();
    let groups = (0..metadata.num_row_groups()).map(|group| described_group(metadata, group));
    Footer {
        bytes: 0,
        groups: groups.collect(),
        keys: pairs.map_or_else(Vec::new, |pairs| {
            pairs.iter().map(|pair| pair.key.clone()).collect()
        }),
    }
}

fn described_group(metadata: &ParquetMetaData, at: usize) -> Group {
    let group = metadata.row_group(at);
    let index = metadata.page_index_for_row_group(at);
    let id = group
        .columns()
        .iter()
        .position(|chunk| chunk.column_path().string() == ID);
    let columns = group.columns().iter().enumerate().map(|(leaf, chunk)| {
        let of_id = Some(leaf) == id;
        let offsets = index.offset_index(leaf);
        let values = index.column_index(leaf).filter(|_| of_id);
        described_column(chunk, offsets, values, of_id)
    });
    Group {
        rows: count(group.num_rows()),
        decoded_bytes: count(group.total_byte_size()),
        is_sorted: group.sorting_columns().is_some(),
        columns: columns.collect(),
        id,
    }
}

fn described_column(
    chunk: &ColumnChunkMetaData,
    offsets: Option<&OffsetIndexMetaData>,
    values: Option<&ColumnIndexMetaData>,
    of_id: bool,
) -> LeafColumn {
    let (start, bytes) = chunk.byte_range();
    let pages: Vec<DataPage> = offsets.map_or_else(Vec::new, |offsets| {
        let locations = offsets.page_locations().iter().enumerate();
        locations
            .map(|(at, page)| DataPage {
                first_row: count(page.first_row_index),
                bytes: count(page.compressed_page_size.into()),
                bounds: values.and_then(|values| page_bounds(values, at)),
            })
            .collect()
    });
    let first = offsets.and_then(|offsets| offsets.page_locations().first());
    let dictionary = first.map_or(0, |page| count(page.offset).saturating_sub(start));
    let bounds = chunk.statistics().and_then(|stats| {
        let (least, most) = (stats.min_bytes_opt()?, stats.max_bytes_opt()?);
        Some((least.to_vec(), most.to_vec()))
    });
    let index = |length: Option<i32>| count(length.unwrap_or_default().into());
    let filter = chunk.bloom_filter_offset().zip(chunk.bloom_filter_length());
    LeafColumn {
        bytes,
        dictionary_bytes: dictionary,
        index_bytes: index(chunk.column_index_length()) + index(chunk.offset_index_length()),
        pages,
        has_bounds: bounds.is_some(),
        bounds: bounds.filter(|_| of_id),
        filter: filter.map(|(offset, length)| {
            let start = count(offset);
            start..start + count(length.into())
        }),
    }
}

fn page_bounds(values: &ColumnIndexMetaData, page: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    match values {
        ColumnIndexMetaData::BYTE_ARRAY(index) => {
            let (least, most) = (index.min_value(page)?, index.max_value(page)?);
            Some((least.to_vec(), most.to_vec()))
        }
        _ => None,
    }
}

/// Converts a number of a footer. The numbers of an intact file are never negative; a negative number becomes zero.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl std::fmt::Debug for LeafColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Bounds are row values, so they are not printed.
        write!(
            f,
            "LeafColumn({} bytes, {} pages)",
            self.bytes,
            self.pages.len()
        )
    }
}
