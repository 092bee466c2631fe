//! One walk over the pages of one table. The next page is requested while the current page is decoded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::new_rows::NewRows;
use super::{FetchError, FetchOptions};
use crate::api::{ApiError, KomboApi, Page, PageRequest, PageReservation};
use crate::catalog::Endpoint;
use crate::cpu::CpuWork;
use crate::decode::{PageDecoder, PageSummary};
use crate::fetch::{Fetch, FetchMode, Lane};
use crate::ids::Cursor;

/// The requests of one walk. At most one request is under way.
pub(super) struct PageWalk<A> {
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    ids: Vec<String>,
    lane: Lane,
    max_age: Duration,
    started: Instant,
    page: u64,
    seen: HashSet<Cursor>,
    new_rows: NewRows,
    under_way: JoinSet<Result<Page, ApiError>>,
}

impl<A: KomboApi + 'static> PageWalk<A> {
    pub(super) fn new(
        api: Arc<A>,
        endpoint: Arc<Endpoint>,
        fetch: &Fetch,
        options: &FetchOptions,
    ) -> Self {
        Self {
            api,
            endpoint,
            fetch: fetch.clone(),
            ids: Vec::new(),
            lane: options.lane,
            max_age: options.max_age,
            started: Instant::now(),
            page: 0,
            seen: HashSet::new(),
            new_rows: NewRows::new(),
            under_way: JoinSet::new(),
        }
    }

    /// Restricts the walk to these ids, without `updated_after`.
    pub(super) fn of_ids(mut self, ids: Vec<String>) -> Self {
        self.ids = ids;
        self
    }

    /// Returns the number of pages that the walk has asked for.
    pub(super) fn pages(&self) -> u64 {
        self.page
    }

    /// Sends the request for a page. Dropping the walk stops the request's task.
    pub(super) fn ask(&mut self, cursor: Option<Cursor>) {
        let (api, endpoint, table, lane) = (
            Arc::clone(&self.api),
            Arc::clone(&self.endpoint),
            self.fetch.table.clone(),
            self.lane,
        );
        let ids = self.ids.clone();
        let updated_after = match self.fetch.mode {
            FetchMode::Delta { updated_after, .. } if ids.is_empty() => Some(updated_after),
            _ => None,
        };
        self.under_way.spawn(async move {
            let (integration, endpoint, cursor) = (&table.integration, &*endpoint, cursor.as_ref());
            api.page(PageRequest {
                integration,
                endpoint,
                updated_after,
                ids: &ids,
                cursor,
                lane,
            })
            .await
        });
    }

    pub(super) async fn next_page(&mut self) -> Result<Page, FetchError> {
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

    /// Decodes a page on a blocking thread. Requests the next page as soon as the decoder has found the cursor.
    ///
    /// The caller keeps the returned reservation until it has handed on the rows of the page, and drops it before it
    /// waits for the next page.
    pub(super) async fn decode(
        &mut self,
        mut decoder: PageDecoder,
        page: Page,
    ) -> Result<(PageSummary, PageDecoder, PageReservation), FetchError> {
        let number = self.page;
        let (cursor_found, cursor) = oneshot::channel();
        let decoding = CpuWork::begin(move || {
            let summary = decoder.page(&page.body, page.observed_at, |next| {
                // The walk may have been dropped; then the cursor is not needed.
                drop(cursor_found.send(next));
            });
            (summary, decoder, page.reserved)
        });
        if let Ok(Some(next)) = cursor.await {
            self.check(&next)?;
            self.ask(Some(next));
        }
        let done = decoding.await;
        let (summary, decoder, reserved) =
            done.map_err(|_| FetchError::Stopped { page: number })?;
        let summary = summary.map_err(|source| FetchError::Decode {
            page: number,
            source,
        })?;
        if summary.next.is_some() {
            let page = self.new_rows.page(&summary.ids);
            page.map_err(|pages| FetchError::NothingNew {
                page: number,
                pages,
            })?;
        }
        Ok((summary, decoder, reserved))
    }

    fn check(&mut self, next: &Cursor) -> Result<(), FetchError> {
        if !self.seen.insert(next.clone()) {
            return Err(FetchError::CursorLoop { page: self.page });
        }
        if self.started.elapsed() > self.max_age {
            return Err(FetchError::TooOld {
                page: self.page,
                max_age: self.max_age,
            });
        }
        Ok(())
    }
}

/// Resumes a panic of the task, so that the panic is seen. A task that was only stopped becomes an error.
fn stopped(page: u64, error: JoinError) -> FetchError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => FetchError::Stopped { page },
    }
}
