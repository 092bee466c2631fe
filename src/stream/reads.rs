//! Requests for single rows, by their ids. What an answer is worth is said in [`witness`](super::witness).
//!
//! Errors, answers that go on without an end and rows nobody asked for confirm nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::walk::PageWalk;
use super::witness::{Caught, IDS_PER_QUESTION, Question, Verdicts, asked_again, goes_on};
use super::{FetchError, FetchEvent, FetchOptions};
use crate::api::{ApiError, KomboApi};
use crate::catalog::Endpoint;
use crate::decode::{PageDecoder, absent_rows};
use crate::fetch::{Fetch, FetchEnd};

/// Requests for single rows.
pub(super) struct Reads<A> {
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    options: FetchOptions,
    /// How many rows are missing in all.
    missing: u64,
    chunks: VecDeque<Vec<String>>,
    canaries: Caught,
    /// Those that did not come with an answer that says what is there; what that is worth is found out at the end.
    missed: Vec<String>,
    /// Answered 404 when they alone were asked for; what that is worth is found out at the end.
    refused: Vec<String>,
    /// Of the ids, those that are gone without an answer, too.
    twice: HashSet<String>,
    /// Those of which no answer proves anything; what that is worth is found out at the end, too.
    doubtful: Vec<String>,
    /// How many of those nobody asked for.
    doubtful_unasked: u64,
    decoder: Option<PageDecoder>,
    /// Ids about which nothing more is to be said.
    pub(super) settled: HashSet<String>,
    /// How many an answer has proven to be gone.
    pub(super) proven: u64,
    pub(super) verdicts: Verdicts,
}

/// What is handed on of one question.
type Events = Vec<FetchEvent>;

impl<A: KomboApi + 'static> Reads<A> {
    /// Asks for `ids`, which are all of the `missing` or a random sample of them in a random order.
    pub(super) fn new(
        (api, endpoint): (Arc<A>, Arc<Endpoint>),
        fetch: Fetch,
        options: FetchOptions,
        (ids, missing): (&[String], u64),
        twice: HashSet<String>,
        canaries: Caught,
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
            missing,
            chunks: ids.chunks(IDS_PER_QUESTION).map(<[_]>::to_vec).collect(),
            canaries,
            missed: Vec::new(),
            refused: Vec::new(),
            twice,
            doubtful: Vec::new(),
            doubtful_unasked: 0,
            decoder: Some(decoder),
            settled: HashSet::new(),
            proven: 0,
            verdicts: Verdicts::default(),
        }
    }

    /// Asks for the next ids; `None` when all have been, or when more need not be asked.
    ///
    /// Older documentation has one unknown id answered with 404 for the whole request: such a request is halved until
    /// each half says what it can. Any other error confirms nothing, and nothing more is asked.
    pub(super) async fn next(&mut self, end: &mut FetchEnd) -> Result<Option<Events>, FetchError> {
        let asked = self.verdicts.asked + self.refused.len() as u64;
        if !goes_on(self.missing, asked, self.verdicts.found) {
            self.chunks.clear();
        }
        let Some(ids) = self.chunks.pop_front() else {
            return if !self.refused.is_empty() {
                self.judge_refused(end).await.map(Some)
            } else if !self.missed.is_empty() {
                self.judge_missed(end).await.map(Some)
            } else {
                Ok(self.judge_doubtful(end))
            };
        };
        self.settled.extend(ids.iter().cloned());
        let mut events = Events::new();
        let mut question = Question::new(&ids, &self.canaries.draw());
        match self.ask(&mut question, &mut events, end).await {
            Ok(()) => self.judge(question),
            Err(FetchError::Page {
                source: ApiError::NotFound { .. },
                ..
            }) => {
                if ids.len() > 1 {
                    let (left, right) = ids.split_at(ids.len() / 2);
                    self.chunks.push_front(right.to_vec());
                    self.chunks.push_front(left.to_vec());
                } else {
                    self.refused.extend(ids);
                }
            }
            Err(stopped @ FetchError::Stopped { .. }) => return Err(stopped),
            Err(_) => {
                question.spoil();
                self.judge(question);
                self.give_up();
            }
        }
        Ok(Some(events))
    }

    /// Says what became of the ids of a question whose answer is over.
    fn judge(&mut self, question: Question) {
        let (found, proves) = (question.found(), question.proves());
        let left = question.left();
        self.verdicts.asked += found + left.len() as u64;
        self.verdicts.found += found;
        if proves {
            self.missed.extend(left);
        } else {
            self.are_unproven(left);
        }
    }

    /// An answer that is cut short shows some of the missing rows, canaries among them, and keeps quiet of others. So once
    /// some of the missing rows live, those that did not come are asked for again, a few at a time. When one of them comes
    /// then, no answer proves anything.
    async fn judge_missed(&mut self, end: &mut FetchEnd) -> Result<Events, FetchError> {
        let (mut events, mut missed) = (Events::new(), std::mem::take(&mut self.missed));
        let again = asked_again(&missed, self.verdicts.found);
        let mut proves = self.decoder.is_some() || again.is_empty();
        for ids in again {
            if !proves {
                break;
            }
            let mut question = Question::new(&ids, &self.canaries.draw());
            self.ask_or_spoil(&mut question, &mut events, end).await?;
            let found = question.found();
            proves = question.proves() && found == 0;
            self.verdicts.found += found;
            let left: HashSet<String> = question.left().into_iter().collect();
            missed.retain(|id| left.contains(id) || !ids.contains(id));
        }
        if proves {
            self.proven += missed.len() as u64;
            self.are_gone(missed, &mut events, end);
        } else {
            self.are_unproven(missed);
        }
        Ok(events)
    }

    /// A 404 for one id may be one for every id, and a canary of that question may be gone itself. So all canaries are asked
    /// for, alone and afterwards.
    async fn judge_refused(&mut self, end: &mut FetchEnd) -> Result<Events, FetchError> {
        let mut events = Events::new();
        let mut question = Question::new(&[], &self.canaries.all());
        // Without a decoder an answer before could not be read.
        if question.most_rows() > 0 && self.decoder.is_some() {
            self.ask_or_spoil(&mut question, &mut events, end).await?;
        }
        let refused = std::mem::take(&mut self.refused);
        self.verdicts.asked += refused.len() as u64;
        if question.proves() {
            self.proven += refused.len() as u64;
            self.are_gone(refused, &mut events, end);
        } else {
            self.are_unproven(refused);
        }
        Ok(events)
    }

    /// Says what became of those that two full fetches lack and of which no answer proves anything; `None` without any. A
    /// walk that lacks rows which live, as others have shown meanwhile, is no look that counts.
    fn judge_doubtful(&mut self, end: &mut FetchEnd) -> Option<Events> {
        if self.doubtful.is_empty() {
            return None;
        }
        let mut events = Events::new();
        let doubtful = std::mem::take(&mut self.doubtful);
        if self.verdicts.found == 0 {
            self.are_gone(doubtful, &mut events, end);
        } else {
            self.verdicts.unconfirmed += doubtful.len() as u64;
            self.verdicts.unasked += self.doubtful_unasked;
        }
        Some(events)
    }

    /// Asks no more.
    fn give_up(&mut self) {
        let left: Vec<String> = self.chunks.drain(..).flatten().collect();
        self.settled.extend(left.iter().cloned());
        let (before, doubtful) = (self.verdicts.unconfirmed, self.doubtful.len());
        self.are_unproven(left);
        self.verdicts.unasked += self.verdicts.unconfirmed - before;
        self.doubtful_unasked += (self.doubtful.len() - doubtful) as u64;
    }

    /// Says of rows that they are not there.
    fn are_gone(&mut self, mut ids: Vec<String>, events: &mut Events, end: &mut FetchEnd) {
        if ids.is_empty() {
            return;
        }
        ids.sort_unstable();
        let rows = absent_rows(&self.endpoint, &self.fetch, &ids, end.seen.next());
        end.seen = end.seen.later_by(ids.len());
        self.decoder = (self.decoder.take()).map(|decoder| decoder.with_last_seen(end.seen));
        self.verdicts.gone += ids.len() as u64;
        events.push(FetchEvent::Batch(rows));
    }

    /// No answer proves anything: only what two full fetches lack may be gone.
    fn are_unproven(&mut self, ids: Vec<String>) {
        let all = ids.into_iter();
        let (twice, once): (Vec<_>, Vec<_>) = all.partition(|id| self.twice.contains(id));
        self.verdicts.unconfirmed += once.len() as u64;
        self.doubtful.extend(twice);
    }

    /// Asks. An answer that cannot be had or read proves nothing.
    async fn ask_or_spoil(
        &mut self,
        question: &mut Question,
        events: &mut Events,
        end: &mut FetchEnd,
    ) -> Result<(), FetchError> {
        match self.ask(question, events, end).await {
            Err(stopped @ FetchError::Stopped { .. }) => return Err(stopped),
            Err(_) => question.spoil(),
            Ok(()) => {}
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        question: &mut Question,
        events: &mut Events,
        end: &mut FetchEnd,
    ) -> Result<(), FetchError> {
        let (api, endpoint) = (Arc::clone(&self.api), Arc::clone(&self.endpoint));
        let walk = PageWalk::new(api, endpoint, &self.fetch, &self.options);
        let mut walk = walk.of_ids(question.ids());
        walk.ask(None);
        let mut rows = 0;
        loop {
            let page = walk.next_page().await?;
            let (bytes, observed_at) = (page.body.len() as u64, page.observed_at);
            let decoder = self.decoder.take().ok_or(FetchError::Stopped { page: 0 })?;
            let (summary, mut decoder) = walk.decode(decoder, page).await?;
            let batch = decoder.take_batch().map(|batch| question.meet(&batch));
            end.seen = end.seen.max(observed_at).max(decoder.last_seen());
            self.decoder = Some(decoder);
            rows += summary.rows;
            // Canaries are seen and not stored.
            let kept = batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
            end.pages += 1;
            end.rows += kept;
            end.quarantined += summary.quarantined.len() as u64;
            end.rest_values += summary.rest_values;
            events.push(FetchEvent::Page { rows: kept, bytes });
            if !summary.quarantined.is_empty() {
                // It may be one of those that were asked for.
                question.spoil();
                events.push(FetchEvent::Quarantine(summary.quarantined));
            }
            events.extend(batch.filter(|_| kept > 0).map(FetchEvent::Batch));
            if summary.next.is_none() {
                return Ok(());
            }
            // As many rows as ids: either all are there, or the filter was not heeded and the rest is no answer.
            if rows >= question.most_rows() {
                question.spoil();
                return Ok(());
            }
        }
    }
}
