//! What follows the pages of a snapshot, before it is committed.
//!
//! While it was walked rows may have shifted from a page that was still to come to one that was over. A delta from the
//! snapshot's own base brings those that shifted because they changed. The others show as ids that were known before and
//! that this snapshot lacks: they are asked for by their ids ([`reads`](super::reads)). What is not there, either, is gone,
//! and a row says so; [`witness`](super::witness) has the rules. What the snapshot itself shows as deleted needs no
//! question: its rows are said again, later, for those who follow `deltas`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use async_stream::try_stream;
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};

use super::reads::Reads;
use super::sieve::Sieve;
use super::witness::{Caught, is_cut_short, rest_rests_on_looks};
use super::{FetchError, FetchEvent, FetchOptions, fetch};
use crate::api::KomboApi;
use crate::catalog::Endpoint;
use crate::decode::{absent_rows, seen_again};
use crate::fetch::{Fetch, FetchEnd};
use crate::time::ObservedAt;

/// Rows in a batch of those that nobody was asked for.
const UNASKED_ROWS: usize = 10_000;

/// What was known before a snapshot, and what it lacks of that or shows as deleted.
pub struct Lacking {
    /// How many rows it lacks.
    pub total: u64,
    /// To be asked for: all of them, or a random sample in a random order. None where nobody can be asked.
    pub ids: Vec<String>,
    /// Those of them that an earlier full fetch lacks as well, begun long enough before: gone, if no answer proves anything.
    pub twice: HashSet<String>,
    /// Rows that the walk has seen.
    pub canaries: Caught,
    /// Told when further ids of that kind are wanted; dropped when they are not.
    pub wanted: oneshot::Sender<()>,
    /// Those ids, some at a time, until the sender is dropped; some may have been asked for.
    pub rest: mpsc::Receiver<Vec<String>>,
    /// Rows that were known and that the snapshot shows as deleted; some at a time, until the sender is dropped.
    pub shown: mpsc::Receiver<RecordBatch>,
}

/// Says which rows are gone, asks for the ids that are missing, then walks `delta`, where the endpoint can be asked for
/// changes.
///
/// In this order, since the walk is what the snapshot's age is counted from: the less passes between it and the commit,
/// the less another process can say meanwhile that the snapshot sets back. And whoever is back is observed after it was
/// gone. Every row is kept: it was observed after the snapshot's. The end carries no base, since a snapshot that is not
/// committed may yet leave a gap before it. After a snapshot that is known to be cut short nothing is walked.
pub fn closing<A: KomboApi + 'static>(
    api: Arc<A>,
    endpoint: Arc<Endpoint>,
    delta: Fetch,
    walked: bool,
    lacking: Lacking,
    options: FetchOptions,
) -> impl Stream<Item = Result<FetchEvent, FetchError>> + Send {
    try_stream! {
        let (mut options, mut shown_rows, mut gone) = (options, 0, 0);
        let Lacking { total, ids, twice, canaries, wanted, mut rest, mut shown } = lacking;
        let mut end = FetchEnd::after(options.last_seen.unwrap_or(ObservedAt::EARLIEST));
        while let Some(rows) = shown.recv().await {
            shown_rows += rows.num_rows() as u64;
            let again = seen_again(&rows, end.seen.next());
            end.seen = end.seen.later_by(rows.num_rows());
            yield FetchEvent::Batch(again);
        }
        options.last_seen = Some(end.seen);
        let from = (Arc::clone(&api), Arc::clone(&endpoint));
        let mut reads = Reads::new(from, delta.clone(), options.clone(), (&ids, total), twice, canaries);
        while let Some(events) = reads.next(&mut end).await? {
            for event in events {
                yield event;
            }
        }
        let Reads { verdicts, settled, proven, .. } = reads;
        let unasked = total.saturating_sub(settled.len() as u64);
        let is_cut_short = is_cut_short(verdicts.found, unasked);
        let is_wanted = !is_cut_short && rest_rests_on_looks(endpoint.ids, verdicts.asked, proven);
        // Dropped when it is not wanted.
        let wanted = (unasked > 0 && is_wanted).then_some(wanted);
        if wanted.is_some_and(|wanted| wanted.send(()).is_ok()) {
            while let Some(mut ids) = rest.recv().await {
                ids.retain(|id| !settled.contains(id));
                for ids in ids.chunks(UNASKED_ROWS) {
                    gone += ids.len() as u64;
                    let rows = absent_rows(&endpoint, &delta, ids, end.seen.next());
                    end.seen = end.seen.later_by(ids.len());
                    yield FetchEvent::Batch(rows);
                }
            }
        }
        let verdicts = verdicts.with_rest(unasked, gone).with_shown(shown_rows);
        yield FetchEvent::Asked { verdicts, is_cut_short };
        if walked && !is_cut_short {
            options.last_seen = Some(end.seen);
            let sieve = Arc::new(Mutex::new(Sieve::keeping(options.remembered_rows)));
            for await event in fetch(api, endpoint, delta, options, Some(sieve)) {
                match event? {
                    FetchEvent::End(walk) => end = followed_by(end, walk),
                    event => yield event,
                }
            }
        }
        yield FetchEvent::End(end);
    }
}

/// Returns the end of two walks, the second of which observed its rows later. Without a base.
fn followed_by(end: FetchEnd, walk: FetchEnd) -> FetchEnd {
    FetchEnd {
        base: None,
        seen: walk.seen,
        pages: end.pages + walk.pages,
        rows: end.rows + walk.rows,
        quarantined: end.quarantined + walk.quarantined,
        rest_values: end.rest_values + walk.rest_values,
    }
}
