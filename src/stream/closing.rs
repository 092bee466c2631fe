//! What follows the pages of a snapshot, before it is committed.
//!
//! While it was walked rows may have shifted from a page that was still to come to one that was over. A delta from the
//! snapshot's own base brings those that shifted because they changed. The others show as ids that the snapshot before
//! had and this one lacks: they are asked for one by one.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, RecordBatch};
use async_stream::try_stream;
use futures_util::Stream;

use super::sieve::Sieve;
use super::walk::Walk;
use super::{FetchError, FetchEvent, FetchOptions, fetch};
use crate::api::{ApiError, KomboApi};
use crate::catalog::Endpoint;
use crate::decode::PageDecoder;
use crate::fetch::{Fetch, FetchEnd};
use crate::time::ObservedAt;

/// Ids in one request: an address stays below 3 KB.
const IDS_PER_REQUEST: usize = 100;

/// Asks for the ids that are missing, then walks `delta`, where the endpoint can be asked for changes.
///
/// In this order, since the walk is what the snapshot's age is counted from: the less passes between it and the commit,
/// the less another process can say meanwhile that the snapshot sets back. Every row is kept: it was observed after the
/// snapshot's. The end carries no base, since a snapshot that is not committed may yet leave a gap before it.
pub fn closing<A: KomboApi + 'static>(
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    delta: Fetch,
    walked: bool,
    missing: Vec<String>,
    options: FetchOptions,
) -> impl Stream<Item = Result<FetchEvent, FetchError>> + Send {
    try_stream! {
        let mut options = options;
        let seen = options.last_seen.unwrap_or(ObservedAt::from_micros(i64::MIN));
        let mut end = FetchEnd { base: None, seen, pages: 0, rows: 0, quarantined: 0, rest_values: 0 };
        let (for_reads, columns) = (Arc::clone(&api), Arc::clone(&endpoint));
        let mut reads = Reads::new(for_reads, columns, delta.clone(), options.clone(), &missing);
        while let Some(events) = reads.next(&mut end).await? {
            for event in events {
                yield event;
            }
        }
        yield FetchEvent::Asked { found: reads.found, unconfirmed: reads.unconfirmed };
        if walked {
            options.last_seen = Some(end.seen);
            let sieve = Arc::new(Mutex::new(Sieve::keeping(options.remembered_rows)));
            for await event in fetch(api, endpoint, delta, options, Some(sieve)) {
                match event? {
                    FetchEvent::End(walk) => {
                        end.seen = walk.seen;
                        end.pages += walk.pages;
                        end.rows += walk.rows;
                        end.quarantined += walk.quarantined;
                        end.rest_values += walk.rest_values;
                    }
                    event => yield event,
                }
            }
        }
        yield FetchEvent::End(end);
    }
}

/// Takes the ids of a batch off a list, and returns how many were on it.
fn found(missing: &mut HashSet<String>, batch: &RecordBatch) -> u64 {
    let before = missing.len();
    let ids = batch.column_by_name("id");
    let ids = ids
        .expect("every endpoint's schema has it")
        .as_string::<i32>();
    for id in ids.iter().flatten() {
        missing.remove(id);
    }
    (before - missing.len()) as u64
}

/// Requests for single rows.
struct Reads<A> {
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    fetch: Fetch,
    options: FetchOptions,
    chunks: VecDeque<Vec<String>>,
    decoder: Option<PageDecoder>,
    found: u64,
    unconfirmed: u64,
}

impl<A: KomboApi + 'static> Reads<A> {
    fn new(
        api: Arc<A>,
        endpoint: Arc<Endpoint>,
        fetch: Fetch,
        options: FetchOptions,
        ids: &[String],
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
            decoder: Some(decoder),
            found: 0,
            unconfirmed: 0,
        }
    }

    /// Asks for the next ids; `None` when all have been.
    ///
    /// Older documentation has one unknown id answered with 404 for the whole request: such a request is halved until
    /// each half says what it can. Any other error confirms nothing, of these ids or of those that are left.
    async fn next(&mut self, end: &mut FetchEnd) -> Result<Option<Vec<FetchEvent>>, FetchError> {
        let Some(ids) = self.chunks.pop_front() else {
            return Ok(None);
        };
        let mut wanted: HashSet<String> = ids.iter().cloned().collect();
        let mut events = Vec::new();
        match self.ask(&ids, &mut wanted, end, &mut events).await {
            Ok(()) => {}
            Err(FetchError::Page {
                source: ApiError::NotFound { .. },
                ..
            }) => {
                if ids.len() > 1 {
                    let (left, right) = ids.split_at(ids.len() / 2);
                    self.chunks.push_front(right.to_vec());
                    self.chunks.push_front(left.to_vec());
                }
            }
            Err(stopped @ FetchError::Stopped { .. }) => return Err(stopped),
            Err(_) => {
                let left: usize = self.chunks.drain(..).map(|ids| ids.len()).sum();
                self.unconfirmed += (wanted.len() + left) as u64;
            }
        }
        Ok(Some(events))
    }

    async fn ask(
        &mut self,
        ids: &[String],
        wanted: &mut HashSet<String>,
        end: &mut FetchEnd,
        events: &mut Vec<FetchEvent>,
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
            events.push(FetchEvent::Page {
                rows: summary.rows,
                bytes,
            });
            if !summary.quarantined.is_empty() {
                events.push(FetchEvent::Quarantine(summary.quarantined));
            }
            if let Some(batch) = batch {
                self.found += found(wanted, &batch);
                events.push(FetchEvent::Batch(batch));
            }
            // As many rows as ids: either all are there, or the filter was not heeded and the rest is no answer.
            if summary.next.is_none() || rows >= ids.len() as u64 {
                return Ok(());
            }
        }
    }
}
