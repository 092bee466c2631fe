//! Finds rows of a data file by their ids. The file is read in ranges: first its end, then only the pages that may
//! contain one of the ids.
//!
//! Nothing here reads from the store: [`Lookup`] says which ranges it needs, and the caller passes in their bytes.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter, RowSelection, RowSelector};
use parquet::arrow::push_decoder::{
    ParquetPushDecoder, ParquetPushDecoderBuilder, RowGroupSelection,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use crate::delta::delta_error::DECODING;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::footer::{FIRST_READ, ID};

/// Rows that are decoded at a time. Only the few matching rows are kept.
const BATCH_ROWS: usize = 1_024;

/// The ids to look up.
#[derive(Clone)]
pub(crate) struct WantedIds(Arc<[String]>);

impl WantedIds {
    pub(crate) fn new(ids: impl IntoIterator<Item = String>) -> Self {
        let mut ids: Vec<String> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into())
    }

    /// Returns whether one of the ids may lie between two bounds, both included.
    pub(crate) fn any_within(&self, least: &[u8], most: &[u8]) -> bool {
        let first = self.0.partition_point(|id| id.as_bytes() < least);
        let found = self.0.get(first);
        found.is_some_and(|id| id.as_bytes() <= most)
    }

    fn contains(&self, id: &str) -> bool {
        self.0.binary_search_by(|one| one.as_str().cmp(id)).is_ok()
    }
}

impl std::fmt::Debug for WantedIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WantedIds({})", self.0.len())
    }
}

/// A lookup in one file.
pub(crate) struct Lookup {
    wanted: WantedIds,
    columns: &'static [&'static str],
    /// The ranges that were requested last.
    asked: Vec<Range<u64>>,
    phase: LookupPhase,
    found: Vec<RecordBatch>,
}

enum LookupPhase {
    /// Reads the footer. Holds the parts of the file that have been read so far.
    Footer(ParquetMetaDataPushDecoder, Vec<(Range<u64>, Bytes)>),
    /// Reads the pages.
    Rows(ParquetPushDecoder),
}

/// The progress of a lookup.
pub(crate) enum LookupStep {
    /// The bytes of these ranges are needed.
    Needs(Vec<Range<u64>>),
    /// The complete result: all rows of the file that have a wanted id.
    Found(Vec<RecordBatch>),
}

impl Lookup {
    /// Starts with the size of a file in bytes. Returns the first range to read. Columns that the file lacks are
    /// missing in the result.
    pub(crate) fn new(
        size: u64,
        wanted: WantedIds,
        columns: &'static [&'static str],
    ) -> Result<(Self, Vec<Range<u64>>), DeltaError> {
        let footer = ParquetMetaDataPushDecoder::try_new(size).map_err(|_| DECODING)?;
        let footer = footer.with_page_index_policy(PageIndexPolicy::Optional);
        let first = size.saturating_sub(FIRST_READ)..size;
        let lookup = Self {
            wanted,
            columns,
            asked: vec![first.clone()],
            phase: LookupPhase::Footer(footer, Vec::new()),
            found: Vec::new(),
        };
        Ok((lookup, vec![first]))
    }

    /// Takes the bytes of the ranges that were needed.
    pub(crate) fn go_on(&mut self, bytes: Vec<Bytes>) -> Result<LookupStep, DeltaError> {
        let asked = std::mem::take(&mut self.asked);
        let needed = match &mut self.phase {
            LookupPhase::Footer(footer, held) => {
                held.extend(asked.iter().cloned().zip(bytes.iter().cloned()));
                let pushed = footer.push_ranges(asked, bytes);
                pushed.map_err(|_| DECODING)?;
                match footer.try_decode().map_err(|_| DECODING)? {
                    DecodeResult::NeedsData(ranges) => Some(ranges),
                    DecodeResult::Data(metadata) => {
                        let held = std::mem::take(held);
                        self.open(metadata, held)?;
                        self.read()?
                    }
                    DecodeResult::Finished => return Err(DECODING),
                }
            }
            LookupPhase::Rows(rows) => {
                rows.push_ranges(asked, bytes).map_err(|_| DECODING)?;
                self.read()?
            }
        };
        Ok(match needed {
            Some(ranges) => {
                self.asked.clone_from(&ranges);
                LookupStep::Needs(ranges)
            }
            None => LookupStep::Found(std::mem::take(&mut self.found)),
        })
    }

    /// Decodes the rows whose bytes are present. Returns the ranges that are needed next; `None` at the end of the
    /// file.
    fn read(&mut self) -> Result<Option<Vec<Range<u64>>>, DeltaError> {
        let LookupPhase::Rows(rows) = &mut self.phase else {
            return Err(DECODING);
        };
        loop {
            match rows.try_decode().map_err(|_| DECODING)? {
                DecodeResult::NeedsData(ranges) => return Ok(Some(ranges)),
                DecodeResult::Data(batch) => self.found.push(batch),
                DecodeResult::Finished => return Ok(None),
            }
        }
    }

    /// Goes on to the pages. Parts of the file that were read with the footer are not requested again.
    fn open(
        &mut self,
        metadata: ParquetMetaData,
        held: Vec<(Range<u64>, Bytes)>,
    ) -> Result<(), DeltaError> {
        let groups = 0..metadata.num_row_groups();
        let selections = groups
            .filter_map(|group| {
                let rows = self.rows_of(&metadata, group)?;
                Some(RowGroupSelection::new(group, rows))
            })
            .collect();
        let builder = ParquetPushDecoderBuilder::try_new_decoder(Arc::new(metadata));
        let builder = builder.map_err(|_| DECODING)?;
        let mask = |columns: &[&str]| {
            ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied())
        };
        let (columns, id) = (mask(self.columns), mask(&[ID]));
        let wanted = self.wanted.clone();
        let filter = ArrowPredicateFn::new(id, move |batch| is_wanted(&wanted, &batch));
        let mut rows = builder
            .with_projection(columns)
            .with_batch_size(BATCH_ROWS)
            .with_row_filter(RowFilter::new(vec![Box::new(filter)]))
            .with_row_group_selections(selections)
            .build()
            .map_err(|_| DECODING)?;
        let (ranges, bytes) = held.into_iter().unzip();
        rows.push_ranges(ranges, bytes).map_err(|_| DECODING)?;
        self.phase = LookupPhase::Rows(rows);
        Ok(())
    }

    /// Returns which rows of a row group are in pages that may contain a wanted id. `None` when there are no such
    /// pages, and all rows when the file has no bounds.
    #[expect(
        clippy::option_option,
        reason = "the Parquet library's value for all rows is `None`"
    )]
    fn rows_of(&self, metadata: &ParquetMetaData, group: usize) -> Option<Option<RowSelection>> {
        let row_group = metadata.row_group(group);
        let mut columns = row_group.columns().iter();
        let leaf = columns.position(|chunk| chunk.column_path().string() == ID)?;
        let stats = row_group.column(leaf).statistics();
        let bounds = stats.and_then(|stats| stats.min_bytes_opt().zip(stats.max_bytes_opt()));
        if bounds.is_some_and(|(least, most)| !self.wanted.any_within(least, most)) {
            return None;
        }
        let index = metadata.page_index_for_row_group(group);
        let pages = index.offset_index(leaf).zip(index.column_index(leaf));
        let Some((offsets, ColumnIndexMetaData::BYTE_ARRAY(values))) = pages else {
            return Some(None);
        };
        let pages = offsets.page_locations().iter();
        let mut edges: Vec<usize> = pages.map(|page| count(page.first_row_index)).collect();
        edges.push(count(row_group.num_rows()));
        let selectors: Vec<RowSelector> = edges
            .windows(2)
            .enumerate()
            .map(|(page, rows)| {
                let bounds = values.min_value(page).zip(values.max_value(page));
                let skip = bounds.is_some_and(|(least, most)| !self.wanted.any_within(least, most));
                let rows = rows[1].saturating_sub(rows[0]);
                if skip {
                    RowSelector::skip(rows)
                } else {
                    RowSelector::select(rows)
                }
            })
            .collect();
        let any = selectors.iter().any(|selector| !selector.skip);
        any.then(|| Some(RowSelection::from(selectors)))
    }
}

fn is_wanted(wanted: &WantedIds, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let ids = batch.column(0).as_string_opt::<i32>();
    let ids = ids.ok_or_else(|| ArrowError::SchemaError("ids are not text".to_owned()))?;
    let found = ids.iter().map(|id| id.map(|id| wanted.contains(id)));
    Ok(found.collect())
}

/// Converts a number of a footer. The numbers of an intact file are never negative; a negative number becomes zero.
fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}
