//! Everything: walked once, followed by what shifted while it was walked, then committed.

use futures_util::StreamExt;

use super::close::Closed;
use super::done::{Done, Ending};
use super::memory::Flight;
use super::tally::Tally;
use super::{Ingest, Order, Progress, Watch, restarts};
use crate::api::KomboApi;
use crate::fetch::{Counts, Fetch, FetchEnd, FetchMode};
use crate::sink::{Provenance, Receipt, Sink, Staged, WriteError};
use crate::stream::{Canaries, Caught, FetchEvent, fetch};
use crate::time::{Moment, Tier};

/// A snapshot whose last page is there.
pub(super) struct Whole<S> {
    pub(super) staged: S,
    pub(super) walk: Walked,
}

/// A snapshot, and what was found out about the rows that it lacks: `None` when others were always faster.
type WalkedAndClosed<S> = (Whole<S>, Result<Option<Closed>, WriteError>);

/// How it was walked.
pub(super) struct Walked {
    pub(super) fetch: Fetch,
    tally: Tally,
    pub(super) end: FetchEnd,
    /// Rows of it that have to come back when they are asked for.
    pub(super) canaries: Caught,
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
        let (whole, closed) = self.walk_and_close(order, slot, watch, counts).await?;
        let Whole { staged, walk } = whole;
        let tally = walk.tally;
        let ended = match closed {
            Ok(Some(closed)) => self
                .commit_snapshot(order, staged, closed, flight)
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
            missing: closed.verdicts,
            ..tally.done(FetchMode::Snapshot, ending)
        })
    }

    /// Walks it, and walks it again when it is known to have ended early. Fails with the walk itself.
    async fn walk_and_close(
        &self,
        order: &Order,
        slot: impl Send,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<WalkedAndClosed<S::Staged>, WriteError> {
        let (mut slot, mut walk) = (Some(slot), 1);
        loop {
            let mut whole = self.walk_whole(order, &mut walk, watch, counts).await?;
            // Boxed: it would make the future of every fetch larger.
            let closing = Box::pin(self.close(order, &mut whole, &mut slot, watch, counts));
            match closing.await {
                Err(error) if error.is_cut_short() && restarts(order, walk, &error, watch) => {
                    whole.walk.tally.abandon(counts);
                    walk += 1;
                }
                closed => return Ok((whole, closed)),
            }
        }
    }

    /// Until this has answered nothing is left out of the table's deltas.
    async fn commit_snapshot(
        &self,
        order: &Order,
        mut staged: S::Staged,
        closed: Closed,
        flight: Flight,
    ) -> Result<Receipt, WriteError> {
        if closed.verdicts.unconfirmed > 0 {
            staged.take_over().await?;
        }
        staged.note(Provenance {
            prior: order.coverage.bases.get(Tier::Ordinary),
            announced_ms: order.announced.get().map(Moment::as_millis),
        });
        let receipt = staged.commit().await?;
        if matches!(receipt, Receipt::Committed { .. }) {
            flight.committed();
        }
        Ok(receipt)
    }

    async fn walk_whole(
        &self,
        order: &Order,
        walk: &mut u32,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Whole<S::Staged>, WriteError> {
        loop {
            match self.walk_snapshot(order, watch, counts).await {
                Err(error) if restarts(order, *walk, &error, watch) => *walk += 1,
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
        let (mut tally, mut canaries) = (Tally::default(), Canaries::new(self.random()));
        let events = fetch(
            self.api.clone(),
            order.endpoint.clone(),
            request.clone(),
            self.options(order),
            None,
        );
        let events = events.inspect(|event| {
            tally.see(event, watch);
            if let Ok(FetchEvent::Batch(rows)) = event {
                canaries.meet(rows);
            }
        });
        match self.sink.stage(&request, &order.endpoint, events).await {
            Ok(staged) => {
                let end = tally.end.expect("a sink stages what has reached its end");
                let walk = Walked {
                    fetch: request,
                    tally,
                    end,
                    canaries: canaries.caught(),
                };
                Ok(Whole { staged, walk })
            }
            Err(error) => {
                tally.abandon(counts);
                Err(error)
            }
        }
    }
}
