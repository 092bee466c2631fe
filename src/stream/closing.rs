//! The steps after the last page of a snapshot, before the snapshot is committed.
//!
//! During the walk rows may have shifted from a later page to a page that was already read. A closing delta from the
//! snapshot's own base brings the rows that shifted because they changed. Other shifted rows appear as ids that the
//! sink knew before and that the snapshot lacks. Kombo is asked for these rows by their ids ([`reads`](super::reads)).
//! A row that does not come either is gone, and a row with `absent` in `_op` records that; [`witness`](super::witness)
//! has the rules. Rows that the snapshot itself shows as deleted need no question. They are written to `deltas` again
//! with a later `_fetched_at`, for readers that follow `deltas`.

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

/// Rows in a batch of absent rows that Kombo was not asked for.
const UNASKED_ROWS: usize = 10_000;

/// The rows that the sink knew before a snapshot and that the snapshot lacks or shows as deleted.
pub struct Lacking {
    /// Number of rows that the snapshot lacks.
    pub total: u64,
    /// Ids to ask for: all missing ids, or a random sample in a random order. Empty when the endpoint cannot be asked
    /// by ids.
    pub ids: Vec<String>,
    /// Ids of `ids` that an earlier full fetch, begun long enough before, lacks as well. Such a row is gone even when
    /// no answer proves anything.
    pub twice: HashSet<String>,
    /// Rows that the walk has seen, used to test the answers.
    pub canaries: Caught,
    /// Used to request the ids in `rest`. Dropped when these ids are not needed.
    pub wanted: oneshot::Sender<()>,
    /// All ids that two full fetches lack, some at a time, until the sender is dropped. Some of them may have been
    /// asked for already.
    pub rest: mpsc::Receiver<Vec<String>>,
    /// Rows that the sink knew as present and that the snapshot shows as deleted, some at a time, until the sender is
    /// dropped.
    pub shown: mpsc::Receiver<RecordBatch>,
}

/// Writes the rows that the snapshot shows as deleted, asks for the missing ids, and then walks `delta`.
///
/// The caller sets `walked` to false when there is nothing to walk: the endpoint does not support `updated_after`, or the
/// snapshot has a single page or no base. The walk is also skipped after a snapshot that is known to be cut short.
///
/// The order matters for two reasons. The age of the snapshot counts from the walk: the less time passes between the
/// walk and the commit, the fewer commits of other processes the snapshot can set back. And a record that came back is
/// observed after the row that says the record was gone.
///
/// Every row is kept, because each was observed after the snapshot's rows. The end carries no base: if the snapshot is
/// not committed after all, a base could leave a gap before it.
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
        // Dropping `wanted` tells the sink that the ids are not needed.
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

/// Returns the end of two walks without a base. The second walk observed its rows later than the first one.
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
