//! One fetch as a stream: pages in, Arrow batches out, an explicit end.
//!
//! The stream says when it is complete. Whatever stops short of [`FetchEvent::End`] must commit nothing. The next page
//! is asked for as soon as its cursor is known, while the current one is decoded on a blocking thread and while the
//! consumer writes; at most one page is in flight ahead of the consumer.
//!
//! A walk that breaks half-way (a dead cursor, a body that is not JSON) is not patched up here: rows of two walks must
//! not end in one snapshot. The error says that a fresh walk may do ([`FetchError::restarts`]), and the caller begins
//! one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_stream::try_stream;
use futures_util::Stream;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::api::{ApiError, KomboApi, Page, PageRequest};
use crate::catalog::Endpoint;
use crate::decode::{DecodeError, DecodeLimits, PageDecoder, PageSummary, QuarantinedRow};
use crate::fetch::{Fetch, FetchEnd, FetchMode, Lane};
use crate::ids::Cursor;
use crate::time::ObservedAt;

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
        }
    }
}

/// Why a fetch did not reach its last page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Kombo did not give the page.
    #[error("fetching page {page} failed")]
    Page {
        /// Counted from 1.
        page: u64,
        /// Why.
        #[source]
        source: ApiError,
    },
    /// The page could not be read.
    #[error("decoding page {page} failed")]
    Decode {
        /// Counted from 1.
        page: u64,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A cursor came a second time, so the walk would never end.
    #[error("page {page} points back to a page this walk has already seen")]
    CursorLoop {
        /// Counted from 1.
        page: u64,
    },
    /// The walk took too long for its base.
    #[error("the walk is older than {max_age_secs} s at page {page}")]
    TooOld {
        /// Counted from 1.
        page: u64,
        /// The bound.
        max_age_secs: u64,
    },
    /// A task of the fetch was stopped: the program is shutting down.
    #[error("the fetch was stopped at page {page}")]
    Stopped {
        /// Counted from 1.
        page: u64,
    },
}

impl FetchError {
    /// Returns whether a fresh walk from the first page may succeed at once.
    #[must_use]
    pub fn restarts(&self) -> bool {
        match self {
            Self::Page { page, source } => {
                matches!(source, ApiError::NotJson) || (*page > 1 && source.is_dead_cursor())
            }
            Self::Decode { source, .. } => source.is_retryable(),
            Self::CursorLoop { .. } | Self::TooOld { .. } => true,
            Self::Stopped { .. } => false,
        }
    }

    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Page { source, .. } => source.advice(),
            Self::Decode {
                source: DecodeError::PageTooBig { .. },
                ..
            } => "raise request.max_page_bytes, or lower request.page_size",
            Self::Decode { .. } => {
                "check that the address is Kombo's and no proxy answers for it; if it is, report the endpoint to Kombo"
            }
            Self::CursorLoop { .. } => {
                "run it again; if it stays, report the endpoint to Kombo: its paging does not end"
            }
            Self::TooOld { .. } => "raise the rate limit or fetch fewer tables at once",
            Self::Stopped { .. } => "run it again: nothing of this fetch was committed",
        }
    }
}

/// Walks the pages of one table.
///
/// Dropping the stream cancels the request under way. Nothing is retried here but what the API client retries.
pub fn fetch<A: KomboApi + 'static>(
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    options: FetchOptions,
) -> impl Stream<Item = Result<FetchEvent, FetchError>> + Send {
    try_stream! {
        let mut walk = Walk::new(api, Arc::clone(&endpoint), &fetch, &options);
        let mut decoder = PageDecoder::new(endpoint, &fetch, options.limits);
        if let Some(last) = options.last_seen {
            decoder = decoder.with_last_seen(last);
        }
        let mut end = FetchEnd { base: None, seen: decoder.last_seen(), pages: 0, rows: 0, quarantined: 0, rest_values: 0 };
        walk.ask(None);
        loop {
            let page = walk.next_page().await?;
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
            if (last || decoder.pending_bytes() >= options.batch_bytes) && let Some(batch) = decoder.take_batch() {
                yield FetchEvent::Batch(batch);
            }
            if last {
                break;
            }
        }
        yield FetchEvent::End(end);
    }
}

/// The requests of one walk: at most one under way.
struct Walk<A> {
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    lane: Lane,
    max_age: Duration,
    started: Instant,
    page: u64,
    seen: HashSet<Cursor>,
    under_way: JoinSet<Result<Page, ApiError>>,
}

impl<A: KomboApi + 'static> Walk<A> {
    fn new(api: Arc<A>, endpoint: Arc<Endpoint>, fetch: &Fetch, options: &FetchOptions) -> Self {
        Self {
            api,
            endpoint,
            fetch: fetch.clone(),
            lane: options.lane,
            max_age: options.max_age,
            started: Instant::now(),
            page: 0,
            seen: HashSet::new(),
            under_way: JoinSet::new(),
        }
    }

    /// Sends off the request for a page. Its task ends with the walk.
    fn ask(&mut self, cursor: Option<Cursor>) {
        let (api, endpoint, table, lane) = (
            Arc::clone(&self.api),
            Arc::clone(&self.endpoint),
            self.fetch.table.clone(),
            self.lane,
        );
        let updated_after = match self.fetch.mode {
            FetchMode::Snapshot => None,
            FetchMode::Delta { updated_after, .. } => Some(updated_after),
        };
        self.under_way.spawn(async move {
            let (integration, endpoint, cursor) = (&table.integration, &*endpoint, cursor.as_ref());
            api.page(PageRequest {
                integration,
                endpoint,
                updated_after,
                ids: &[],
                cursor,
                lane,
            })
            .await
        });
    }

    async fn next_page(&mut self) -> Result<Page, FetchError> {
        self.page += 1;
        let page = self.page;
        let answer = self
            .under_way
            .join_next()
            .await
            .ok_or(FetchError::Stopped { page })?;
        answer
            .map_err(|error| stopped(page, error))?
            .map_err(|source| FetchError::Page { page, source })
    }

    /// Decodes a page on a blocking thread, and asks for the next one as soon as the decoder has met its cursor.
    async fn decode(
        &mut self,
        mut decoder: PageDecoder,
        page: Page,
    ) -> Result<(PageSummary, PageDecoder), FetchError> {
        let number = self.page;
        let (cursor_found, cursor) = oneshot::channel();
        let decoding = tokio::task::spawn_blocking(move || {
            let summary = decoder.page(&page.body, page.observed_at, |next| {
                // The walk may be gone already; then nobody needs the cursor.
                drop(cursor_found.send(next));
            });
            (summary, decoder)
        });
        if let Ok(Some(next)) = cursor.await {
            self.check(&next)?;
            self.ask(Some(next));
        }
        let (summary, decoder) = decoding.await.map_err(|error| stopped(number, error))?;
        Ok((
            summary.map_err(|source| FetchError::Decode {
                page: number,
                source,
            })?,
            decoder,
        ))
    }

    fn check(&mut self, next: &Cursor) -> Result<(), FetchError> {
        if !self.seen.insert(next.clone()) {
            return Err(FetchError::CursorLoop { page: self.page });
        }
        if self.started.elapsed() > self.max_age {
            return Err(FetchError::TooOld {
                page: self.page,
                max_age_secs: self.max_age.as_secs(),
            });
        }
        Ok(())
    }
}

/// A panic goes on where it can be seen; a task that was only stopped is an error.
fn stopped(page: u64, error: JoinError) -> FetchError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => FetchError::Stopped { page },
    }
}
