//! Decodes the bytes of a page into Arrow batches, in one pass.
//!
//! Nothing is lost, and no page is refused because of a value in it. A value takes its column only if writing the column
//! back gives the same string or the same exact number. Every other value, every unknown field and every duplicate key
//! goes to `_rest`. So [`rebuild()`] can restore Kombo's JSON from the columns alone. Kombo's page owns the truth; no
//! error and no `Debug` output may quote a value of it.
//!
//! The parts work together like this. `scan` reads tokens from the text. `envelope` finds the rows and the cursor.
//! `row` fills the columns of one row, including the system columns. `page_reader` puts a value into its `column` or
//! into `rest`, and computes the `hash` of the value. Flat columns are in `values`, objects and lists in
//! `column::nested`; the rules are in `number` and `text`. `rebuild` is the inverse of decoding. `absent` makes the
//! rows of records that Kombo no longer sends. `observed_rows` reads the common columns of a batch.
//!
//! An instant may come in another form than Kombo's usual one. Then the column holds the instant, and `_rest` holds the
//! text as sent. Such a value counts as fitting, and two rows that differ only in `forms` count as unchanged. Their
//! `_hash` differs, because the hash covers the text.
//!
//! The parser is part of this crate because no known parser offers all of these in one pass and without a tree: the
//! text of numbers, slices of free JSON, duplicate keys, lone surrogates (JavaScript may send `"\ud800"`), and a limit
//! on depth.

mod absent;
mod column;
mod envelope;
mod error;
mod forms;
mod hash;
mod number;
mod observed_rows;
mod page_reader;
mod rebuild;
mod rest;
mod row;
mod scan;
mod text;
mod values;

pub use absent::{absent_rows, seen_again};
pub use error::DecodeError;
pub use forms::same_but_for_forms;
pub use hash::hash_of_id;
pub use observed_rows::{ObservedRow, RowOp, observed_rows, texts, times};
pub use rebuild::{RebuildError, rebuild};

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;

use self::envelope::PageEnvelope;
use self::page_reader::PageReader;
use self::row::{RowColumns, RowOutcome};
use self::scan::Scanner;
use crate::catalog::Endpoint;
use crate::fetch::Fetch;
use crate::ids::Cursor;
use crate::time::ObservedAt;

/// A page fails when more than one row in this many has no usable id.
const ROWS_PER_QUARANTINED: u64 = 100;

/// The upper bound of every depth limit. Deeper recursion would use up the stack of a thread.
const MAX_DEPTH: usize = 512;

/// Decoded bytes from which the rows of a large page become a batch of their own, while the page is read. Columns that
/// grow to the size of the page would be copied again and again.
const LARGE_BATCH: usize = 8 << 20;

/// Limits on a page, so that memory does not depend on the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Largest page, in bytes.
    pub page_bytes: usize,
    /// Deepest nesting, including the three levels of the envelope. At most 512.
    pub depth: usize,
    /// Largest number of rows in a page. Kombo sends 250.
    pub page_rows: usize,
    /// Largest number of list elements of a page that become values in columns. Further lists go to `_rest` unchanged.
    pub page_elements: usize,
}

impl DecodeLimits {
    /// The default of `page_bytes`: 64 MiB.
    pub const PAGE_BYTES: usize = 64 << 20;
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            page_bytes: Self::PAGE_BYTES,
            depth: 128,
            page_rows: 1000,
            page_elements: 1_000_000,
        }
    }
}

/// Decodes the pages of one fetch. Collects rows over several pages until a batch is taken.
pub struct PageDecoder {
    endpoint: Arc<Endpoint>,
    limits: DecodeLimits,
    full: FullBatches,
    rows: RowColumns,
    last_seen: ObservedAt,
}

/// Batches that were made and not taken yet, the oldest first.
#[derive(Default)]
struct FullBatches {
    batches: VecDeque<RecordBatch>,
    /// About how many bytes each batch takes.
    bytes: VecDeque<usize>,
}

impl FullBatches {
    /// Makes a batch of the rows in the columns, if there are any.
    fn take_in(&mut self, rows: &mut RowColumns) {
        if rows.len() > 0 {
            self.bytes.push_back(rows.bytes());
            self.batches.push_back(rows.finish());
        }
    }

    fn pop(&mut self) -> Option<RecordBatch> {
        self.bytes.pop_front();
        self.batches.pop_front()
    }

    fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.batches.truncate(len);
    }
}

/// The result of decoding one page.
#[derive(Debug, Default)]
pub struct PageSummary {
    /// Number of rows that will be in a batch.
    pub rows: u64,
    /// Hashes of the ids of these rows, in the order of the rows.
    pub ids: Vec<u64>,
    /// Rows without a usable id. They will not be in a batch.
    pub quarantined: Vec<QuarantinedRow>,
    /// Number of values that did not fit their column and were written to `_rest`.
    pub rest_values: u64,
    /// The cursor of the next page. `None` on the last page.
    pub next: Option<Cursor>,
}

impl PageSummary {
    /// Counts a row that will be in a batch.
    fn keep(&mut self, id: u64, rest_values: u64) {
        self.rows += 1;
        self.ids.push(id);
        self.rest_values += rest_values;
    }
}

/// A row without a usable id, which cannot be distinguished from other rows.
#[derive(Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// The problem with the row.
    pub reason: &'static str,
    /// The JSON of the row, as sent.
    pub raw: String,
    /// The server's time of the row's page.
    pub observed_at: ObservedAt,
}

impl PageDecoder {
    /// Makes a decoder for one fetch.
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>, fetch: &Fetch, limits: DecodeLimits) -> Self {
        Self {
            rows: RowColumns::new(Arc::clone(&endpoint), fetch),
            endpoint,
            limits,
            full: FullBatches::default(),
            last_seen: ObservedAt::EARLIEST,
        }
    }

    /// Sets the last `_fetched_at` of the table, which may come from before a restart. Every row gets a later
    /// `_fetched_at`.
    #[must_use]
    pub fn with_last_seen(mut self, last: ObservedAt) -> Self {
        self.last_seen = last;
        self
    }

    /// Decodes one page.
    ///
    /// `on_next` is called once on success, as soon as `data.next` is known, so that the next page can be requested
    /// meanwhile. That is before the rows when `data.next` stands before the rows. Without `data.next`, the call comes
    /// at the end with `None`.
    ///
    /// # Errors
    /// A page is taken as a whole or not at all. After an error the decoder holds what it held before; `on_next` may
    /// have been called. The fetch has failed all the same, because one of its pages is missing. A page fails when more
    /// than one row in a hundred has no usable id, even if the page has few rows.
    pub fn page(
        &mut self,
        body: &[u8],
        observed_at: ObservedAt,
        on_next: impl FnOnce(Option<Cursor>),
    ) -> Result<PageSummary, DecodeError> {
        let is_large = body.len() > LARGE_BATCH;
        if is_large {
            // Batches then hold rows of one page only, so an error takes back whole batches.
            self.full.take_in(&mut self.rows);
        }
        let (rows, last_seen) = (self.rows.len(), self.last_seen);
        let full = self.full.batches.len();
        let result = self.read_page(body, observed_at, is_large, on_next);
        if result.is_err() {
            self.rows.truncate(rows);
            self.full.truncate(full);
            self.last_seen = last_seen;
        }
        result
    }

    /// Returns the number of rows that were not taken yet.
    #[must_use]
    pub fn pending_rows(&self) -> usize {
        let full = self.full.batches.iter().map(RecordBatch::num_rows);
        full.sum::<usize>() + self.rows.len()
    }

    /// Returns about how many bytes these rows take in Arrow.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.full.bytes.iter().sum::<usize>() + self.rows.bytes()
    }

    /// Takes the next rows as a batch with the endpoint's schema. Most rows come in one batch, the rows of a large page
    /// in several. Returns `None` when all rows were taken.
    pub fn take_batch(&mut self) -> Option<RecordBatch> {
        if self.full.batches.is_empty() {
            self.full.take_in(&mut self.rows);
        }
        self.full.pop()
    }

    /// Returns the `_fetched_at` of the last row. Before the first row, returns the value of [`Self::with_last_seen`]
    /// or the earliest instant.
    #[must_use]
    pub fn last_seen(&self) -> ObservedAt {
        self.last_seen
    }

    fn read_page(
        &mut self,
        body: &[u8],
        observed_at: ObservedAt,
        is_large: bool,
        on_next: impl FnOnce(Option<Cursor>),
    ) -> Result<PageSummary, DecodeError> {
        let limits = self.limits;
        if body.len() > limits.page_bytes {
            return Err(DecodeError::PageTooBig {
                bytes: body.len(),
                limit: limits.page_bytes,
            });
        }
        let text = std::str::from_utf8(body).map_err(|error| DecodeError::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        let scan = Scanner::new(text, limits.depth.min(MAX_DEPTH));
        let mut reader = PageReader::new(scan, limits.page_elements);
        let mut summary = PageSummary::default();
        let mut count = 0;
        let mut fetched_at = observed_at
            .as_micros()
            .max(self.last_seen.as_micros().saturating_add(1));
        summary.next =
            PageEnvelope::new(&self.endpoint.results, on_next).read(&mut reader, |reader| {
                count += 1;
                if count > limits.page_rows {
                    return Err(DecodeError::TooManyRows {
                        limit: limits.page_rows,
                    });
                }
                match self.rows.read(reader, fetched_at)? {
                    RowOutcome::Kept { id, rest_values } => {
                        summary.keep(id, rest_values);
                        self.last_seen = ObservedAt::from_micros(fetched_at);
                        fetched_at = fetched_at.saturating_add(1);
                        if is_large && self.rows.bytes() >= LARGE_BATCH {
                            self.full.take_in(&mut self.rows);
                        }
                    }
                    RowOutcome::Quarantined { reason, raw } => {
                        summary.quarantined.push(QuarantinedRow {
                            reason,
                            raw: raw.to_owned(),
                            observed_at,
                        });
                    }
                }
                Ok(())
            })?;
        let without_id = summary.quarantined.len() as u64;
        let rows = summary.rows + without_id;
        if without_id * ROWS_PER_QUARANTINED > rows {
            return Err(DecodeError::RowsWithoutId { rows, without_id });
        }
        Ok(summary)
    }
}

impl fmt::Debug for PageDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PageDecoder({}, {} rows)",
            self.endpoint.name(),
            self.pending_rows()
        )
    }
}

impl fmt::Debug for QuarantinedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "QuarantinedRow({}, {} bytes)",
            self.reason,
            self.raw.len()
        )
    }
}

#[cfg(test)]
mod tests;
