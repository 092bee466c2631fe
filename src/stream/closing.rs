//! What follows the pages of a snapshot, before it is committed.
//!
//! While it was walked rows may have shifted from a page that was still to come to one that was over. A delta from the
//! snapshot's own base brings those that shifted because they changed. The others show as ids that were known before and
//! that this snapshot lacks: they are asked for one by one ([`reads`](super::reads)). What is not there, either, is gone,
//! and a row says so. Where nobody can be asked, it is gone once two snapshots in a row lack it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_stream::try_stream;
use futures_util::Stream;
use tokio::sync::mpsc;

use super::reads::Reads;
use super::sieve::Sieve;
use super::{FetchError, FetchEvent, FetchOptions, fetch};
use crate::api::KomboApi;
use crate::catalog::Endpoint;
use crate::decode::absent_rows;
use crate::fetch::{Fetch, FetchEnd};
use crate::time::ObservedAt;

/// Rows in a batch of those that nobody was asked for.
const UNASKED_ROWS: usize = 10_000;

/// What was known before a snapshot and what it lacks.
#[derive(Debug)]
pub struct Lacking {
    /// To be asked for.
    pub ids: Vec<String>,
    /// Those of them that the snapshot before lacked, too: gone, if no answer is to be had.
    pub twice: HashSet<String>,
    /// Others of that kind, for which nobody is asked; some at a time, until the sender is dropped.
    pub unasked: mpsc::Receiver<Vec<String>>,
}

/// Says which rows are gone, asks for the ids that are missing, then walks `delta`, where the endpoint can be asked for
/// changes.
///
/// In this order, since the walk is what the snapshot's age is counted from: the less passes between it and the commit,
/// the less another process can say meanwhile that the snapshot sets back. And whoever is back is observed after it was
/// gone. Every row is kept: it was observed after the snapshot's. The end carries no base, since a snapshot that is not
/// committed may yet leave a gap before it.
pub fn closing<A: KomboApi + 'static>(
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    delta: Fetch,
    walked: bool,
    lacking: Lacking,
    options: FetchOptions,
) -> impl Stream<Item = Result<FetchEvent, FetchError>> + Send {
    try_stream! {
        let (mut options, mut gone) = (options, 0);
        let Lacking { ids, twice, mut unasked } = lacking;
        let seen = options.last_seen.unwrap_or(ObservedAt::from_micros(i64::MIN));
        let mut end = FetchEnd { base: None, seen, pages: 0, rows: 0, quarantined: 0, rest_values: 0 };
        while let Some(ids) = unasked.recv().await {
            for ids in ids.chunks(UNASKED_ROWS) {
                gone += ids.len() as u64;
                let rows = absent_rows(&endpoint, &delta, ids, after(end.seen));
                end.seen = last_of(end.seen, ids);
                yield FetchEvent::Batch(rows);
            }
        }
        options.last_seen = Some(end.seen);
        let (for_reads, columns) = (Arc::clone(&api), Arc::clone(&endpoint));
        let mut reads = Reads::new(for_reads, columns, delta.clone(), options.clone(), &ids, twice);
        while let Some(events) = reads.next(&mut end).await? {
            for event in events {
                yield event;
            }
        }
        let (found, unconfirmed) = (reads.found, reads.unconfirmed);
        yield FetchEvent::Asked { found, gone: gone + reads.gone, unconfirmed };
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

/// Returns the first instant after one.
pub(super) fn after(seen: ObservedAt) -> ObservedAt {
    ObservedAt::from_micros(seen.as_micros().saturating_add(1))
}

/// Returns when the last of some rows is observed, one a microsecond from the first instant after `seen`.
fn last_of(seen: ObservedAt, ids: &[String]) -> ObservedAt {
    let rows = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    ObservedAt::from_micros(seen.as_micros().saturating_add(rows))
}
