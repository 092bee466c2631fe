//! Requests for single rows by their ids. [`witness`](super::witness) says what an answer proves.
//!
//! Three kinds of answers confirm nothing: errors, answers that continue without an end, and answers with rows that
//! were not asked for.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::walk::PageWalk;
use super::witness::{Caught, IDS_PER_QUESTION, Question, Verdicts, asked_again, goes_on};
use super::{FetchError, FetchEvent, FetchOptions};
use crate::api::{ApiError, KomboApi};
use crate::catalog::Endpoint;
use crate::decode::{PageDecoder, absent_rows};
use crate::fetch::{Fetch, FetchEnd};

/// Asks for single rows by their ids and collects the verdicts.
pub(super) struct Reads<A> {
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    options: FetchOptions,
    /// Number of rows that the snapshot lacks, whether asked for or not.
    missing: u64,
    chunks: VecDeque<Vec<String>>,
    canaries: Caught,
    /// Ids that were missing in an answer that proves something. The last step decides whether these rows are gone.
    missed: Vec<String>,
    /// Ids that Kombo answered with 404 when the request named no other missing row. The last step decides whether
    /// these rows are gone.
    refused: Vec<String>,
    /// Ids that two full fetches lack. Such a row is gone even when no answer proves anything.
    twice: HashSet<String>,
    /// Ids of `twice` for which no answer proves anything. The last step decides whether these rows are gone.
    doubtful: Vec<String>,
    /// Number of doubtful rows that Kombo was not asked for.
    doubtful_unasked: u64,
    decoder: Option<PageDecoder>,
    /// Ids that have a verdict or wait for the last step. No further question names them.
    pub(super) settled: HashSet<String>,
    /// Number of rows that an answer has proven to be gone.
    pub(super) proven: u64,
    pub(super) verdicts: Verdicts,
}

/// The events of one question.
type Events = Vec<FetchEvent>;

impl<A: KomboApi + 'static> Reads<A> {
    /// Prepares the questions for `ids`: all of the `missing` rows, or a random sample of them in a random order.
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

    /// Asks for the next ids. Returns `None` when all ids were asked for or when more questions are not needed.
    ///
    /// In older documentation of Kombo one unknown id makes the answer to the complete request a 404. Such a request is
    /// halved until each part has a clear answer. Any other error confirms nothing, and no further question is sent.
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

    /// Records the verdicts for one question whose answer is complete.
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

    /// Decides about the ids in `missed`. An answer that is cut short shows some of the missing rows, canaries among
    /// them, and omits others. So once some of the missing rows exist, the ids that did not come are asked for again, a
    /// few at a time. When one of these rows comes now, no earlier answer proves anything.
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

    /// Decides about the ids in `refused`. Kombo may answer 404 for every id, and a canary of the question may itself
    /// be gone. So all canaries are asked for afterwards, in a request without any missing id.
    async fn judge_refused(&mut self, end: &mut FetchEnd) -> Result<Events, FetchError> {
        let mut events = Events::new();
        let mut question = Question::new(&[], &self.canaries.all());
        // A missing decoder means that an earlier answer could not be read.
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

    /// Decides about the ids in `doubtful`. Returns `None` when there are none. When one missing row was found to
    /// exist, the walk missed rows, and so the walk does not count as one of the two full fetches.
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

    /// Sends no further question. The remaining ids stay without proof.
    fn give_up(&mut self) {
        let left: Vec<String> = self.chunks.drain(..).flatten().collect();
        self.settled.extend(left.iter().cloned());
        let (before, doubtful) = (self.verdicts.unconfirmed, self.doubtful.len());
        self.are_unproven(left);
        self.verdicts.unasked += self.verdicts.unconfirmed - before;
        self.doubtful_unasked += (self.doubtful.len() - doubtful) as u64;
    }

    /// Makes rows that say that these ids are absent.
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

    /// Records ids for which no answer proves anything. Only ids that two full fetches lack may still be gone.
    fn are_unproven(&mut self, ids: Vec<String>) {
        let all = ids.into_iter();
        let (twice, once): (Vec<_>, Vec<_>) = all.partition(|id| self.twice.contains(id));
        self.verdicts.unconfirmed += once.len() as u64;
        self.doubtful.extend(twice);
    }

    /// Sends a question. Marks the question as spoilt when the answer cannot be had or read: such an answer proves
    /// nothing.
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
            let (summary, mut decoder, reserved) = walk.decode(decoder, page).await?;
            let batches = std::iter::from_fn(|| decoder.take_batch());
            // Canaries only test the answer. They are not stored.
            let batches = batches.map(|batch| question.meet(&batch));
            let batches: Vec<_> = batches.filter(|batch| batch.num_rows() > 0).collect();
            drop(reserved);
            end.seen = end.seen.max(observed_at).max(decoder.last_seen());
            self.decoder = Some(decoder);
            rows += summary.rows;
            let kept = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            end.pages += 1;
            end.rows += kept;
            end.quarantined += summary.quarantined.len() as u64;
            end.rest_values += summary.rest_values;
            events.push(FetchEvent::Page { rows: kept, bytes });
            if !summary.quarantined.is_empty() {
                // The quarantined row may be one of the asked rows.
                question.spoil();
                events.push(FetchEvent::Quarantine(summary.quarantined));
            }
            events.extend(batches.into_iter().map(FetchEvent::Batch));
            if summary.next.is_none() {
                return Ok(());
            }
            // As many rows as ids have come. Either all rows came, or Kombo ignored the filter and the further pages
            // are no answer.
            if rows >= question.most_rows() {
                question.spoil();
                return Ok(());
            }
        }
    }
}
