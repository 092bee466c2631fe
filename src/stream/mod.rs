//! One fetch as a stream: pages go in, Arrow batches and an explicit end come out.
//!
//! A walk is one pass over all pages of a fetch. The stream says when the fetch is complete. A fetch that stops before
//! [`FetchEvent::End`] must commit nothing. The next page is requested as soon as its cursor is known. Meanwhile the
//! current page is decoded on a blocking thread, and the consumer writes. At most one page is in flight ahead of the
//! consumer ([`walk`]).
//!
//! Rows may shift between pages during a walk. So a delta of several pages is walked again until a walk brings nothing
//! new ([`sieve`]). A snapshot of several pages is followed by a closing delta and by questions for the rows that the
//! snapshot may have missed ([`closing()`]). [`witness`] decides when a missing row is gone, and when the snapshot
//! itself must not be trusted.
//!
//! This room does not repair a walk that breaks half-way (a dead cursor, a body that is not JSON), because rows of two
//! walks must never end in one snapshot. The error says whether a fresh walk may succeed ([`FetchError::restarts`]),
//! and the caller begins that walk.
//!
//! The events are the only truth about a fetch: nothing of a fetch is stored here, and dropping the stream leaves
//! nothing.

mod closing;
mod error;
mod new_rows;
mod reads;
mod sieve;
mod walk;
mod witness;

pub use closing::{Lacking, closing};
pub use error::FetchError;
pub use sieve::{AskSink, KnownHash, KnownRows, RowKey, SharedSieve, Sieve};
pub use witness::{Canaries, Caught, MOST_ASKED, Verdicts};

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use async_stream::try_stream;
use futures_util::Stream;

use self::walk::PageWalk;
use crate::api::KomboApi;
use crate::catalog::Endpoint;
use crate::decode::{DecodeLimits, PageDecoder, QuarantinedRow};
use crate::fetch::{Fetch, FetchEnd, FetchMode, Lane};
use crate::time::ObservedAt;

/// Largest number of walks of a delta, the first one included. More walks would chase a table that changes all the
/// time.
const MAX_WALKS: u32 = 3;

/// What a fetch brings, in order. [`End`](Self::End) comes last and once.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchEvent {
    /// A page was decoded. Its rows follow in a later [`Batch`](Self::Batch), unless a sieve drops them.
    Page {
        /// Number of rows on the page, without quarantined rows.
        rows: u64,
        /// Size of the page's JSON in bytes.
        bytes: u64,
    },
    /// Rows in the order in which Kombo sent them, with the endpoint's schema.
    Batch(RecordBatch),
    /// Rows without a usable id.
    Quarantine(Vec<QuarantinedRow>),
    /// The rows that a snapshot lacks or shows as deleted were checked. The batches before this event hold the rows
    /// that exist and, with `absent` or `delete` in `_op`, the rows that are gone.
    Asked {
        /// The outcome of the check.
        verdicts: Verdicts,
        /// The snapshot is known to have ended early and must not be committed.
        is_cut_short: bool,
    },
    /// The last page was reached. Everything before this event may be committed now.
    End(FetchEnd),
}

/// How a fetch runs.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// The lane whose share of the request budget pays for the fetch.
    pub lane: Lane,
    /// Limits on the content of a page.
    pub limits: DecodeLimits,
    /// Decoded bytes from which a batch is handed on.
    pub batch_bytes: usize,
    /// The greatest age of a walk. An older walk stops, and the caller starts again, because the base of the first page
    /// grows old together with the walk.
    pub max_age: Duration,
    /// The newest `_fetched_at` of the table. Every row of this fetch gets a later one.
    pub last_seen: Option<ObservedAt>,
    /// Number of rows of one fetch that are remembered in order to recognise repeats. Each costs 40 bytes.
    pub remembered_rows: usize,
}

impl FetchOptions {
    /// Returns the defaults for a lane: batches of 8 MiB, walks of at most 24 hours.
    #[must_use]
    pub fn new(lane: Lane) -> Self {
        Self {
            lane,
            limits: DecodeLimits::default(),
            batch_bytes: 8 << 20,
            max_age: Duration::from_hours(24),
            last_seen: None,
            remembered_rows: 250_000,
        }
    }
}

/// Walks the pages of one table: once without a sieve, and with a sieve as often as a delta needs.
///
/// Dropping the stream cancels the request under way. Only the API client retries requests; this function does not.
pub fn fetch<A: KomboApi + 'static>(
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    options: FetchOptions,
    sieve: Option<SharedSieve>,
) -> impl Stream<Item = Result<FetchEvent, FetchError>> + Send {
    try_stream! {
        let mut decoder = PageDecoder::new(Arc::clone(&endpoint), &fetch, options.limits);
        if let Some(last) = options.last_seen {
            decoder = decoder.with_last_seen(last);
        }
        let mut end = FetchEnd::after(decoder.last_seen());
        for number in 1..=MAX_WALKS {
            let mut walk = PageWalk::new(Arc::clone(&api), Arc::clone(&endpoint), &fetch, &options);
            if let Some(sieve) = &sieve {
                held(sieve).begin_walk();
            }
            walk.ask(None);
            loop {
                let page = walk.next_page().await?;
                // The base comes from the first walk: rows of a later walk may have changed after their pages had
                // passed.
                if end.pages == 0 {
                    end.base = page.base;
                }
                let (bytes, observed_at) = (page.body.len() as u64, page.observed_at);
                let (summary, back, reserved) = walk.decode(decoder, page).await?;
                decoder = back;
                end.pages += 1;
                end.rows += summary.rows;
                end.quarantined += summary.quarantined.len() as u64;
                end.rest_values += summary.rest_values;
                end.seen = end.seen.max(observed_at).max(decoder.last_seen());
                yield FetchEvent::Page { rows: summary.rows, bytes };
                if !summary.quarantined.is_empty() {
                    yield FetchEvent::Quarantine(summary.quarantined);
                }
                let last = summary.next.is_none();
                if last || decoder.pending_bytes() >= options.batch_bytes {
                    while let Some(batch) = decoder.take_batch() {
                        if let Some(batch) = sifted(sieve.as_ref(), batch).await {
                            yield FetchEvent::Batch(batch);
                        }
                    }
                }
                // The consumer has the rows now. The next page may wait for these very bytes.
                drop(reserved);
                if last {
                    break;
                }
            }
            if !walks_again(&fetch, sieve.as_ref(), number, walk.pages()) {
                break;
            }
        }
        yield FetchEvent::End(end);
    }
}

/// Rows cannot shift between pages when there is only one page.
fn walks_again(fetch: &Fetch, sieve: Option<&SharedSieve>, walk: u32, pages: u64) -> bool {
    let delta = matches!(fetch.mode, FetchMode::Delta { .. });
    let Some(sieve) = sieve.filter(|_| delta) else {
        return false;
    };
    if walk == 1 {
        pages > 1
    } else {
        held(sieve).brought_news()
    }
}

async fn sifted(sieve: Option<&SharedSieve>, batch: RecordBatch) -> Option<RecordBatch> {
    let Some(sieve) = sieve else {
        return Some(batch);
    };
    let question = held(sieve).question(&batch);
    if let Some(question) = question {
        let answer = question.await;
        held(sieve).answered(answer);
    }
    held(sieve).sift(batch)
}

/// The sieve decides about one row at a time, so a panic elsewhere leaves the sieve in a correct state.
fn held(sieve: &SharedSieve) -> MutexGuard<'_, Sieve> {
    sieve.lock().unwrap_or_else(PoisonError::into_inner)
}
