//! Requests for single rows, by their ids.
//!
//! An id is gone when a complete answer to a question that was heeded does not hold it, or when it alone is answered 404.
//! Errors, answers that go on without an end and rows nobody asked for confirm nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};

use super::closing::after;
use super::walk::Walk;
use super::{FetchError, FetchEvent, FetchOptions};
use crate::api::{ApiError, KomboApi};
use crate::catalog::Endpoint;
use crate::decode::{PageDecoder, absent_rows};
use crate::fetch::{Fetch, FetchEnd};
use crate::time::{ObservedAt, ServerNow};

/// Ids in one request: an address stays below 3 KB.
const IDS_PER_REQUEST: usize = 100;

/// Requests for single rows.
pub(super) struct Reads<A> {
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    options: FetchOptions,
    chunks: VecDeque<Vec<String>>,
    /// Of the ids, those that are gone without an answer, too.
    twice: HashSet<String>,
    decoder: Option<PageDecoder>,
    pub(super) found: u64,
    pub(super) gone: u64,
    pub(super) unconfirmed: u64,
}

/// What one request is about, and what was told.
struct Question {
    asked: HashSet<String>,
    /// Of those, what did not come.
    left: HashSet<String>,
    /// Whatever did not come is not there.
    complete: bool,
    events: Vec<FetchEvent>,
}

impl<A: KomboApi + 'static> Reads<A> {
    pub(super) fn new(
        api: Arc<A>,
        endpoint: Arc<Endpoint>,
        fetch: Fetch,
        options: FetchOptions,
        ids: &[String],
        twice: HashSet<String>,
    ) -> Self {
        let mut decoder = PageDecoder::new(Arc::clone(&endpoint), &fetch, options.limits);
        if let Some(last) = options.last_seen {
            decoder = decoder.with_last_seen(last);
        }
        Self {
            api,
            endpoint,
            fetch,
            options,
            chunks: ids.chunks(IDS_PER_REQUEST).map(<[_]>::to_vec).collect(),
            twice,
            decoder: Some(decoder),
            found: 0,
            gone: 0,
            unconfirmed: 0,
        }
    }

    /// Asks for the next ids; `None` when all have been.
    ///
    /// Older documentation has one unknown id answered with 404 for the whole request: such a request is halved until
    /// each half says what it can. Any other error confirms nothing, of these ids or of those that are left.
    pub(super) async fn next(
        &mut self,
        end: &mut FetchEnd,
    ) -> Result<Option<Vec<FetchEvent>>, FetchError> {
        let Some(ids) = self.chunks.pop_front() else {
            return Ok(None);
        };
        let mut question = Question::about(&ids);
        match self.ask(&ids, &mut question, end).await {
            Ok(()) if question.complete => self.are_gone(&mut question, end, after(end.seen)),
            Ok(()) => self.are_unconfirmed(&mut question, end),
            Err(FetchError::Page {
                source: ApiError::NotFound { .. },
                ..
            }) => {
                if ids.len() > 1 {
                    let (left, right) = ids.split_at(ids.len() / 2);
                    self.chunks.push_front(right.to_vec());
                    self.chunks.push_front(left.to_vec());
                } else {
                    // Such an answer bears no instant.
                    let now = self.api.server_now();
                    let now = now.map_or(end.seen, ServerNow::observed);
                    self.are_gone(&mut question, end, now.max(after(end.seen)));
                }
            }
            Err(stopped @ FetchError::Stopped { .. }) => return Err(stopped),
            Err(_) => {
                question.left.extend(self.chunks.drain(..).flatten());
                self.are_unconfirmed(&mut question, end);
            }
        }
        Ok(Some(question.events))
    }

    /// Says of what did not come that it is not there.
    fn are_gone(&mut self, question: &mut Question, end: &mut FetchEnd, first: ObservedAt) {
        let mut ids: Vec<String> = question.left.drain().collect();
        if ids.is_empty() {
            return;
        }
        ids.sort_unstable();
        let rows = absent_rows(&self.endpoint, &self.fetch, &ids, first);
        let further = i64::try_from(ids.len() - 1).unwrap_or(i64::MAX);
        end.seen = ObservedAt::from_micros(first.as_micros().saturating_add(further));
        self.decoder = (self.decoder.take()).map(|decoder| decoder.with_last_seen(end.seen));
        self.gone += ids.len() as u64;
        question.events.push(FetchEvent::Batch(rows));
    }

    /// Nobody said whether what did not come is there: only what two snapshots lack is gone.
    fn are_unconfirmed(&mut self, question: &mut Question, end: &mut FetchEnd) {
        let asked = question.left.len();
        question.left.retain(|id| self.twice.contains(id));
        self.unconfirmed += (asked - question.left.len()) as u64;
        self.are_gone(question, end, after(end.seen));
    }

    async fn ask(
        &mut self,
        ids: &[String],
        question: &mut Question,
        end: &mut FetchEnd,
    ) -> Result<(), FetchError> {
        let (api, endpoint) = (Arc::clone(&self.api), Arc::clone(&self.endpoint));
        let mut walk = Walk::new(api, endpoint, &self.fetch, &self.options).of_ids(ids.to_vec());
        walk.ask(None);
        let mut rows = 0;
        loop {
            let page = walk.next_page().await?;
            let (bytes, observed_at) = (page.body.len() as u64, page.observed_at);
            let decoder = self.decoder.take().ok_or(FetchError::Stopped { page: 0 })?;
            let (summary, mut decoder) = walk.decode(decoder, page).await?;
            let batch = decoder.take_batch();
            end.seen = end.seen.max(observed_at).max(decoder.last_seen());
            self.decoder = Some(decoder);
            end.pages += 1;
            end.rows += summary.rows;
            end.quarantined += summary.quarantined.len() as u64;
            end.rest_values += summary.rest_values;
            rows += summary.rows;
            question.events.push(FetchEvent::Page {
                rows: summary.rows,
                bytes,
            });
            if !summary.quarantined.is_empty() {
                // It may be one of those that were asked for.
                question.complete = false;
                let rows = FetchEvent::Quarantine(summary.quarantined);
                question.events.push(rows);
            }
            if let Some(batch) = batch {
                self.found += question.meet(&batch);
                question.events.push(FetchEvent::Batch(batch));
            }
            if summary.next.is_none() {
                return Ok(());
            }
            // As many rows as ids: either all are there, or the filter was not heeded and the rest is no answer.
            if rows >= ids.len() as u64 {
                question.complete = false;
                return Ok(());
            }
        }
    }
}

impl Question {
    fn about(ids: &[String]) -> Self {
        let asked: HashSet<String> = ids.iter().cloned().collect();
        Self {
            left: asked.clone(),
            asked,
            complete: true,
            events: Vec::new(),
        }
    }

    /// Takes in the rows of an answer, and returns how many of those that were asked for had not come before.
    fn meet(&mut self, batch: &RecordBatch) -> u64 {
        let before = self.left.len();
        let ids = batch.column_by_name("id");
        let ids = ids
            .expect("every endpoint's schema has it")
            .as_string::<i32>();
        for id in ids.iter().flatten() {
            self.left.remove(id);
            // The filter was not heeded.
            self.complete &= self.asked.contains(id);
        }
        (before - self.left.len()) as u64
    }
}
