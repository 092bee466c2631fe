//! Page bytes become Arrow batches, in one pass.
//!
//! Nothing is lost and no page is refused for its content: a value takes its column only if writing the column back
//! gives the same string or the same exact number. Everything else, every unknown field and every duplicate key goes to
//! `_rest`, so that [`rebuild()`] can give Kombo's JSON back from the columns alone.
//!
//! `scan` pulls tokens out of the text, `envelope` finds the rows and the cursor, `row` fills one row's columns and the
//! system columns. `page_reader` brings a value into its `column` (flat ones in `values`, objects and lists in `column::nested`) by
//! the rules of `number` and `text`, or into `rest`, and takes its `hash` on the way. `rebuild` is the inverse. `absent` makes
//! the rows of records that Kombo does not send any more. `observed_rows` reads what every row has out of a batch.
//!
//! An instant in another form than Kombo's usual one is in its column and, as it was sent, in `_rest`: it is no misfit, and
//! rows that differ in `forms` alone are no change. Their `_hash` differs, since it is that of the text.
//!
//! The parser is our own because no parser at hand gives, in one pass and without a tree: the text of numbers, slices of
//! free JSON, duplicate keys, lone surrogates (JavaScript may send `"\ud800"`), and a bound on depth.

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

/// The share of a page's rows that may have no usable id: one in this many.
const ROWS_PER_QUARANTINED: u64 = 100;

/// The depth beyond which no limit goes: recursion would use up the stack of a thread.
const MAX_DEPTH: usize = 512;

/// How much of a page is taken, whatever anyone sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The longest page, in bytes.
    pub page_bytes: usize,
    /// The deepest nesting, the envelope's three levels included. Never more than 512.
    pub depth: usize,
    /// The most rows in a page. Kombo serves 250.
    pub page_rows: usize,
    /// The most list elements of a page that become values in columns; lists beyond go to `_rest` as they are.
    pub page_elements: usize,
}

impl DecodeLimits {
    /// The longest page where nothing else is said: 64 MiB.
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

/// Decodes the pages of one fetch. Rows gather over pages until a batch is taken.
pub struct PageDecoder {
    endpoint: Arc<Endpoint>,
    limits: DecodeLimits,
    rows: RowColumns,
    last_seen: ObservedAt,
}

/// What a page brought.
#[derive(Debug)]
pub struct PageSummary {
    /// Rows that are on their way into a batch.
    pub rows: u64,
    /// Rows without a usable id, which are not.
    pub quarantined: Vec<QuarantinedRow>,
    /// Values that did not fit their column and are in `_rest`.
    pub rest_values: u64,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Cursor>,
}

/// A row that cannot be told from others.
#[derive(Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// What is wrong with it.
    pub reason: &'static str,
    /// Its JSON, as sent.
    pub raw: String,
    /// The server's time of its page.
    pub observed_at: ObservedAt,
}

impl PageDecoder {
    /// Starts a fetch.
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>, fetch: &Fetch, limits: DecodeLimits) -> Self {
        Self {
            rows: RowColumns::new(Arc::clone(&endpoint), fetch),
            endpoint,
            limits,
            last_seen: ObservedAt::EARLIEST,
        }
    }

    /// Makes `_fetched_at` of every row later than this: the table's last value, also across restarts.
    #[must_use]
    pub fn with_last_seen(mut self, last: ObservedAt) -> Self {
        self.last_seen = last;
        self
    }

    /// Decodes one page.
    ///
    /// `on_next` is called once on success, as soon as `data.next` is known, so that the next page can be asked for
    /// meanwhile: before the rows when it stands before them, at the end with `None` when it stands nowhere.
    ///
    /// # Errors
    /// A page is taken as a whole or not at all: after an error, which `on_next` may have preceded, the decoder holds
    /// what it held before. The fetch has still failed, since a page of it is missing. A page of which more than one row
    /// in a hundred has no usable id fails, however few rows it has.
    pub fn page(
        &mut self,
        body: &[u8],
        observed_at: ObservedAt,
        on_next: impl FnOnce(Option<Cursor>),
    ) -> Result<PageSummary, DecodeError> {
        let (rows, last_seen) = (self.rows.len(), self.last_seen);
        let result = self.read_page(body, observed_at, on_next);
        if result.is_err() {
            self.rows.truncate(rows);
            self.last_seen = last_seen;
        }
        result
    }

    /// Returns how many rows wait to be taken.
    #[must_use]
    pub fn pending_rows(&self) -> usize {
        self.rows.len()
    }

    /// Returns about how many bytes they take in Arrow.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Takes all rows that wait, in the endpoint's schema. `None` when there are none.
    pub fn take_batch(&mut self) -> Option<RecordBatch> {
        (self.rows.len() > 0).then(|| self.rows.finish())
    }

    /// Returns the `_fetched_at` of the last row; before the first, what was given at the start, or the lowest instant.
    #[must_use]
    pub fn last_seen(&self) -> ObservedAt {
        self.last_seen
    }

    fn read_page(
        &mut self,
        body: &[u8],
        observed_at: ObservedAt,
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
        let mut summary = PageSummary {
            rows: 0,
            quarantined: Vec::new(),
            rest_values: 0,
            next: None,
        };
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
                    RowOutcome::Kept { rest_values } => {
                        summary.rows += 1;
                        summary.rest_values += rest_values;
                        self.last_seen = ObservedAt::from_micros(fetched_at);
                        fetched_at = fetched_at.saturating_add(1);
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
            self.rows.len()
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
