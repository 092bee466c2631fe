//! One fetch as a stream: pages in, Arrow batches out, an explicit end.
//!
//! The stream says when it is complete. Whatever stops short of [`FetchEvent::End`] must commit nothing. The next page
//! is asked for as soon as its cursor is known, while the current one is decoded on a blocking thread and while the
//! consumer writes; at most one page is in flight ahead of the consumer ([`walk`]).
//!
//! Rows may shift between pages while they are walked. So a delta of several pages is walked again until a walk brings
//! nothing new ([`sieve`]), and a snapshot of several pages is followed by what it may have missed ([`closing()`]); when a
//! row that it lacks is gone, and when the snapshot itself is not to be believed, says [`witness`].
//!
//! A walk that breaks half-way (a dead cursor, a body that is not JSON) is not patched up here: rows of two walks must
//! not end in one snapshot. The error says that a fresh walk may do ([`FetchError::restarts`]), and the caller begins
//! one.

mod closing;
mod error;
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

/// Walks of a delta, the first included. More would chase a table that never stands still.
const MAX_WALKS: u32 = 3;

/// What a fetch brings, in order. `End` comes last and once.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchEvent {
    /// A page was decoded; its rows are in a batch now or later.
    Page {
        /// Rows on it, without those in quarantine.
        rows: u64,
        /// Bytes of JSON.
        bytes: u64,
    },
    /// Rows, in the order Kombo sent them, with the endpoint's schema.
    Batch(RecordBatch),
    /// Rows without a usable id.
    Quarantine(Vec<QuarantinedRow>),
    /// The rows that a snapshot lacks or shows as deleted were looked into; the batches before hold those that are there
    /// and, with `absent` or `delete` in `_op`, those that are gone.
    Asked {
        /// What became of them.
        verdicts: Verdicts,
        /// The snapshot is known to have ended early: it must not be committed.
        is_cut_short: bool,
    },
    /// The last page was reached: everything before may be committed now.
    End(FetchEnd),
}

/// How a fetch runs.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Which share of the request budget pays.
    pub lane: Lane,
    /// Bounds on what a page may hold.
    pub limits: DecodeLimits,
    /// Decoded bytes at which a batch is handed on.
    pub batch_bytes: usize,
    /// The age at which a walk starts again, since the base of its first page grows old with it.
    pub max_age: Duration,
    /// The newest `_fetched_at` the table holds: rows brought now are later.
    pub last_seen: Option<ObservedAt>,
    /// Rows of one fetch that are told from others when they come again: 40 bytes each.
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

/// Walks the pages of one table: once without a sieve, with one as often as a delta needs.
///
/// Dropping the stream cancels the request under way. Nothing is retried here but what the API client retries.
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
                // Of the first walk: what a later one brings may have changed after its pages had passed.
                if end.pages == 0 {
                    end.base = page.base;
                }
                let (bytes, observed_at) = (page.body.len() as u64, page.observed_at);
                let (summary, back) = walk.decode(decoder, page).await?;
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
                if (last || decoder.pending_bytes() >= options.batch_bytes)
                    && let Some(batch) = decoder.take_batch()
                    && let Some(batch) = sifted(sieve.as_ref(), batch).await
                {
                    yield FetchEvent::Batch(batch);
                }
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

/// Rows of one page cannot shift to another.
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

/// Every row is decided as a whole, so a panic elsewhere leaves it right.
fn held(sieve: &SharedSieve) -> MutexGuard<'_, Sieve> {
    sieve.lock().unwrap_or_else(PoisonError::into_inner)
}
