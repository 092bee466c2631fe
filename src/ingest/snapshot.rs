//! Everything: walked once, followed by what shifted while it was walked, then committed.

use futures_util::StreamExt;
use tracing::warn;

use super::done::{Done, Ending};
use super::memory::Flight;
use super::tally::Tally;
use super::{Ingest, Order, Progress, Watch, restarts};
use crate::api::KomboApi;
use crate::fetch::{Counts, Fetch, FetchEnd, FetchMode};
use crate::lake::{Circumstances, LakeError, Missing, Receipt};
use crate::sink::{Sink, Staged, WriteError};
use crate::stream::{FetchOptions, closing, fetch};
use crate::time::{Tier, UpdatedAfter};

/// Ids that are asked for one by one. More are missing for another reason than paging.
const MISSING_IDS: usize = 1_000;

/// Closing deltas of one snapshot, the first included, when others of the table are faster. They are short, and what is at
/// stake is not.
const MAX_CLOSINGS: u32 = 10;

/// A snapshot whose last page is there.
struct Whole<S> {
    staged: S,
    walk: Walked,
}

/// How it was walked.
struct Walked {
    fetch: Fetch,
    tally: Tally,
    end: FetchEnd,
}

/// What a closing delta brought.
#[derive(Clone, Copy, Default)]
struct Closed {
    rows: u64,
    found: u64,
    unconfirmed: u64,
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    pub(super) async fn snapshot(
        &self,
        order: &Order,
        slot: impl Send,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Done, WriteError> {
        let flight = Flight::begin(&self.memory, &order.table);
        let mut whole = self.walk_whole(order, watch, counts).await?;
        let closed = self.close(order, &mut whole, slot, watch, counts).await;
        let Whole { staged, walk } = whole;
        let tally = walk.tally;
        let ended = match closed {
            Ok(Some(closed)) => self
                .commit_snapshot(order, staged, flight)
                .await
                .map(|receipt| (receipt, closed)),
            Ok(None) => Ok((Receipt::Superseded, Closed::default())),
            Err(error) => Err(error),
        };
        let (ending, closed) = match ended {
            Ok((
                Receipt::Committed {
                    version,
                    rows,
                    files,
                    bytes,
                    ..
                },
                closed,
            )) => {
                tally.commit(rows, None, counts);
                (
                    Ending::Committed {
                        version,
                        files,
                        bytes,
                    },
                    closed,
                )
            }
            Ok((Receipt::Superseded, closed)) => {
                tally.abandon(counts);
                (Ending::Superseded, closed)
            }
            Err(error) => {
                tally.abandon(counts);
                return Err(error);
            }
        };
        Ok(Done {
            closing_rows: closed.rows,
            found_missing: closed.found,
            unconfirmed_missing: closed.unconfirmed,
            ..tally.done(FetchMode::Snapshot, ending)
        })
    }

    /// Until this has answered nothing is left out of the table's deltas.
    async fn commit_snapshot(
        &self,
        order: &Order,
        mut staged: S::Staged,
        flight: Flight,
    ) -> Result<Receipt, WriteError> {
        staged.note(Circumstances {
            prior: order.coverage.bases.get(Tier::Ordinary),
            announced_ms: order.announced.get(),
        });
        let receipt = staged.commit().await.map_err(WriteError::Store)?;
        if matches!(receipt, Receipt::Committed { .. }) {
            flight.committed();
        }
        Ok(receipt)
    }

    async fn walk_whole(
        &self,
        order: &Order,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Whole<S::Staged>, WriteError> {
        let mut walk = 1;
        loop {
            match self.walk_snapshot(order, watch, counts).await {
                Err(error) if restarts(order, walk, &error, watch) => walk += 1,
                walked => return walked,
            }
        }
    }

    async fn walk_snapshot(
        &self,
        order: &Order,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Whole<S::Staged>, WriteError> {
        let request = Fetch::new(order.table.clone(), FetchMode::Snapshot);
        watch.step(Progress::Started(FetchMode::Snapshot));
        let mut tally = Tally::default();
        let events = fetch(
            self.api.clone(),
            order.endpoint.clone(),
            request.clone(),
            self.options(order),
            None,
        );
        let events = events.inspect(|event| tally.see(event, watch));
        match self.sink.stage(&request, &order.endpoint, events).await {
            Ok(staged) => {
                let end = tally.end.expect("a sink stages what has reached its end");
                let walk = Walked {
                    fetch: request,
                    tally,
                    end,
                };
                Ok(Whole { staged, walk })
            }
            Err(error) => {
                tally.abandon(counts);
                Err(error)
            }
        }
    }

    /// Commits to `deltas` what a snapshot of several pages may have missed; `None` when somebody else kept committing
    /// there. Those rows are true observations and harm nobody if the snapshot is never committed.
    async fn close(
        &self,
        order: &Order,
        whole: &mut Whole<S::Staged>,
        slot: impl Send,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Option<Closed>, WriteError> {
        if whole.walk.end.pages <= 1 {
            watch.step(Progress::Fetched);
            return Ok(Some(Closed::default()));
        }
        let missing = missing(order, &mut whole.staged)
            .await
            .map_err(WriteError::Store)?;
        let asks = order.endpoint.ids && missing.total <= MISSING_IDS as u64;
        let ids = if asks { missing.ids } else { Vec::new() };
        let (mut slot, mut walk) = (Some(slot), 1);
        for _ in 0..MAX_CLOSINGS {
            let walked = self
                .walk_closing(order, &whole.walk, ids.clone(), watch, counts)
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
            let mut closed = Closed {
                rows: 0,
                found: tally.asked.0,
                unconfirmed: if asks { tally.asked.1 } else { missing.total },
            };
            if tally.is_empty() {
                tally.commit(0, None, counts);
                return Ok(Some(closed));
            }
            match delta.commit().await {
                Ok(Receipt::Committed { rows, .. }) => {
                    tally.commit(rows, None, counts);
                    closed.rows = rows.saturating_sub(closed.found);
                    return Ok(Some(closed));
                }
                // A delta of the same table was faster. What it brought is older than what this one has to say.
                Ok(Receipt::Superseded) => tally.abandon(counts),
                Err(error) => {
                    tally.abandon(counts);
                    return Err(WriteError::Store(error));
                }
            }
        }
        Ok(None)
    }

    async fn walk_closing(
        &self,
        order: &Order,
        whole: &Walked,
        missing: Vec<String>,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<(S::Staged, Tally), WriteError> {
        let end = &whole.end;
        let covered = self.sink.covered(&order.endpoint, &order.table.integration);
        let seen = covered.await.map_err(WriteError::Store)?.seen;
        let options = FetchOptions {
            // Later than every row of the snapshot, whatever the clocks say: these are the newer ones.
            last_seen: seen.max(Some(end.seen)),
            ..self.options(order)
        };
        let updated_after = end.base.map(|base| base.updated_after(Tier::Ordinary));
        let walked = order.endpoint.updated_after && updated_after.is_some();
        let mode = FetchMode::Delta {
            tier: Tier::Ordinary,
            // Not sent when there is no delta to walk.
            updated_after: updated_after.unwrap_or(UpdatedAfter::from_millis(0)),
        };
        // Under the snapshot's own id: whoever compares the two later has to know which rows belong together.
        let request = Fetch {
            mode,
            ..whole.fetch.clone()
        };
        let mut tally = Tally::default();
        let events = closing(
            self.api.clone(),
            order.endpoint.clone(),
            request.clone(),
            walked,
            missing,
            options,
        );
        let events = events.inspect(|event| tally.see(event, watch));
        match self.sink.stage(&request, &order.endpoint, events).await {
            Ok(staged) => Ok((staged, tally)),
            Err(error) => {
                tally.abandon(counts);
                Err(error)
            }
        }
    }
}

/// Compares the snapshot with the one before. That one is about to go: if it is damaged, the new one mends it, and
/// nothing is compared.
async fn missing(order: &Order, staged: &mut impl Staged) -> Result<Missing, LakeError> {
    match staged.missing(MISSING_IDS).await {
        Err(error) if !error.is_retryable() => {
            let table = &order.table;
            warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = &error as &dyn std::error::Error, "the snapshot of {table} could not be compared with the one before");
            Ok(Missing::default())
        }
        compared => compared,
    }
}
