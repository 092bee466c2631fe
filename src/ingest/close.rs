//! What a snapshot may have missed and what is gone: committed to `deltas` before the snapshot itself.
//!
//! Rows that shifted while it was walked are found again, and ids that were known and that it lacks are looked into
//! ([`stream::closing`](crate::stream::closing())). All of it is compared with the table as it is at that moment: whoever
//! commits to `deltas` meanwhile may have brought back what is about to be called gone, so it is done again.

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::try_join;
use tracing::warn;

use super::snapshot::Whole;
use super::tally::Tally;
use super::{Ingest, Order, Progress, Watch, restarts};
use crate::api::KomboApi;
use crate::fetch::{Counts, Fetch, FetchMode};
use crate::lake::{LakeError, Missing, Receipt};
use crate::sink::{Sink, Staged, WriteError};
use crate::stream::{FetchOptions, Lacking, closing};
use crate::time::{Tier, UpdatedAfter};

/// Ids that are asked for one by one. More are missing for another reason than paging.
const MISSING_IDS: usize = 1_000;

/// Closing deltas of one snapshot, the first included, when others of the table are faster. They are short, and what is at
/// stake is not.
const MAX_CLOSINGS: u32 = 10;

/// What a closing delta brought.
#[derive(Clone, Copy, Default)]
pub(super) struct Closed {
    /// Rows that changed meanwhile.
    pub(super) rows: u64,
    /// Rows that the snapshot lacks and that are there.
    pub(super) found: u64,
    /// Rows that are not.
    pub(super) gone: u64,
    /// Rows of which nobody can tell.
    pub(super) unconfirmed: u64,
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Commits to `deltas` what a snapshot lacks; `None` when somebody else kept committing there. Those rows are true
    /// observations and harm nobody if the snapshot is never committed.
    pub(super) async fn close(
        &self,
        order: &Order,
        whole: &mut Whole<S::Staged>,
        slot: impl Send,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Option<Closed>, WriteError> {
        let (mut slot, mut walk) = (Some(slot), 1);
        for _ in 0..MAX_CLOSINGS {
            let compared = compared(order, &mut whole.staged).await;
            let missing = compared.map_err(WriteError::Store)?;
            // Rows of one page cannot shift to another.
            if whole.walk.end.pages <= 1 && missing.total == 0 {
                if slot.take().is_some() {
                    watch.step(Progress::Fetched);
                }
                return Ok(Some(Closed::default()));
            }
            let walked = self
                .walk_closing(order, whole, &missing, watch, counts)
                .await;
            let (delta, tally) = match walked {
                Ok(walked) => walked,
                Err(error) if restarts(order, walk, &error, watch) => {
                    walk += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if slot.take().is_some() {
                watch.step(Progress::Fetched);
            }
            let commit = self.commit_closing(order, delta, &missing, &tally).await;
            match commit {
                Ok(Some(rows)) => {
                    tally.commit(rows, None, counts);
                    return Ok(Some(closed(order, &missing, &tally, rows)));
                }
                // A delta of the same table was faster. What it brought is older than what this one has to say.
                Ok(None) => tally.abandon(counts),
                Err(error) => {
                    tally.abandon(counts);
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Returns how many rows are visible now; `None` when somebody else was faster.
    async fn commit_closing(
        &self,
        order: &Order,
        delta: S::Staged,
        missing: &Missing,
        tally: &Tally,
    ) -> Result<Option<u64>, WriteError> {
        if tally.is_empty() {
            return Ok(Some(0));
        }
        // From the beginning of the closing delta on the sink itself sees to it that nobody comes in between; what two
        // snapshots lack was looked up before.
        if missing.lacked_before > 0 && self.marks(order).await?.deltas != missing.as_of {
            return Ok(None);
        }
        match delta.commit().await.map_err(WriteError::Store)? {
            Receipt::Committed { rows, .. } => Ok(Some(rows)),
            Receipt::Superseded => Ok(None),
        }
    }

    async fn walk_closing(
        &self,
        order: &Order,
        whole: &mut Whole<S::Staged>,
        missing: &Missing,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<(S::Staged, Tally), WriteError> {
        let Whole { staged, walk } = whole;
        let covered = self.sink.covered(&order.endpoint, &order.table.integration);
        let seen = covered.await.map_err(WriteError::Store)?.seen;
        let options = FetchOptions {
            // Later than every row of the snapshot, whatever the clocks say: these are the newer ones.
            last_seen: seen.max(Some(walk.end.seen)),
            ..self.options(order)
        };
        let updated_after = walk.end.base.filter(|_| walk.end.pages > 1);
        let updated_after = updated_after.map(|base| base.updated_after(Tier::Ordinary));
        let walked = order.endpoint.updated_after && updated_after.is_some();
        // Under the snapshot's own id: whoever compares the two later has to know which rows belong together.
        let request = Fetch {
            mode: FetchMode::Delta {
                tier: Tier::Ordinary,
                // Not sent when there is no delta to walk.
                updated_after: updated_after.unwrap_or(UpdatedAfter::from_millis(0)),
            },
            ..walk.fetch.clone()
        };
        let (chunks, unasked) = mpsc::channel(1);
        let events = closing(
            self.api.clone(),
            order.endpoint.clone(),
            request.clone(),
            walked,
            lacking(order, missing, unasked),
            options,
        );
        let mut tally = Tally::default();
        let events = events.inspect(|event| tally.see(event, watch));
        let staging = self.sink.stage(&request, &order.endpoint, events);
        let listing = async {
            if asks(order, missing) || missing.lacked_before == 0 {
                drop(chunks);
                return Ok(());
            }
            let listed = staged.lacked_twice(chunks).await;
            listed.map_err(WriteError::Store)
        };
        match try_join!(staging, listing) {
            Ok((staged, ())) => Ok((staged, tally)),
            Err(error) => {
                tally.abandon(counts);
                Err(error)
            }
        }
    }
}

/// Returns what to look into.
fn lacking(order: &Order, missing: &Missing, unasked: mpsc::Receiver<Vec<String>>) -> Lacking {
    let ids = if asks(order, missing) {
        &missing.ids[..]
    } else {
        &[]
    };
    let twice = ids.iter().filter(|missing| missing.lacked_before);
    Lacking {
        ids: ids.iter().map(|missing| missing.id.clone()).collect(),
        twice: twice.map(|missing| missing.id.clone()).collect(),
        unasked,
    }
}

/// Returns what became of it, `rows` of which are visible.
fn closed(order: &Order, missing: &Missing, tally: &Tally, rows: u64) -> Closed {
    let (found, gone) = (tally.found, tally.gone);
    let unasked = if asks(order, missing) {
        0
    } else {
        missing.total - missing.lacked_before
    };
    Closed {
        rows: rows.saturating_sub(found + gone),
        found,
        gone,
        unconfirmed: tally.unconfirmed + unasked,
    }
}

/// Says whether Kombo is asked for what is missing.
fn asks(order: &Order, missing: &Missing) -> bool {
    order.endpoint.ids && missing.total <= MISSING_IDS as u64
}

/// Compares the snapshot with what is known. The one before is about to go: if it is damaged, the new one mends it, and
/// nothing is compared.
async fn compared(order: &Order, staged: &mut impl Staged) -> Result<Missing, LakeError> {
    match staged.missing(MISSING_IDS).await {
        Err(error) if !error.is_retryable() => {
            let table = &order.table;
            warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = &error as &dyn std::error::Error, "the snapshot of {table} could not be compared with the one before");
            Ok(Missing::default())
        }
        compared => compared,
    }
}
