//! Fetches a snapshot: walks all pages, then fetches changes during the walk (the closing delta), then commits.

use futures_util::StreamExt;

use super::close::Closed;
use super::done::Done;
use super::fetch_run::FetchRun;
use super::memory::Flight;
use super::tally::Tally;
use super::walked_snapshot::WalkedSnapshot;
use super::{FetchPlace, FetchStep, Ingest, Order, Watch};
use crate::api::KomboApi;
use crate::fetch::{Fetch, FetchMode};
use crate::sink::{Provenance, Receipt, Sink, Staged, WriteError};
use crate::stream::{Canaries, FetchEvent, fetch};
use crate::time::Tier;

/// A walked snapshot and the result of its closing delta; `None` when other commits kept being faster.
type WalkedAndClosed<S> = (WalkedSnapshot<S>, Result<Option<Closed>, WriteError>);

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    pub(super) async fn snapshot(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        slot: impl FetchPlace,
    ) -> Result<Done, WriteError> {
        let flight = Flight::begin(&self.memory, &run.order.table);
        let (whole, closed) = self.walk_and_close(run, slot).await?;
        let WalkedSnapshot { staged, tally, .. } = whole;
        let ended = match closed {
            Ok(Some(closed)) => {
                let receipt = self
                    .commit_snapshot(run.order, staged, closed, flight)
                    .await;
                receipt.map(|receipt| (receipt, closed))
            }
            Ok(None) => Ok((Receipt::Superseded, Closed::default())),
            Err(error) => Err(error),
        };
        let (receipt, closed) = ended.inspect_err(|_| tally.abandon(&mut run.counts))?;
        let ending = tally.settle(&receipt, None, &mut run.counts);
        Ok(Done {
            closing_rows: closed.rows,
            missing: closed.verdicts,
            ..tally.done(FetchMode::Snapshot, ending)
        })
    }

    /// Walks the table, and walks again when the walk is known to have ended early. Fails when the walk fails.
    async fn walk_and_close(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        slot: impl FetchPlace,
    ) -> Result<WalkedAndClosed<S::Staged>, WriteError> {
        let (mut slot, mut walk) = (Some(slot), 1);
        loop {
            let mut whole = self.walk_whole(run, &mut walk, &mut slot).await?;
            // Boxed, because the future is large and every fetch would carry it.
            let closing = Box::pin(self.close(run, &mut whole, &mut slot)).await;
            match closing {
                Err(error) if error.is_cut_short() && run.restarts(&mut walk, &error) => {
                    whole.tally.abandon(&mut run.counts);
                }
                closed => return Ok((whole, closed)),
            }
        }
    }

    /// Commits the snapshot. Until the commit has answered, deltas of the table drop no row as unchanged.
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
            announced: order.announced.get(),
        });
        let receipt = staged.commit().await?;
        if matches!(receipt, Receipt::Committed { .. }) {
            flight.committed();
        }
        Ok(receipt)
    }

    async fn walk_whole(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        walk: &mut u32,
        slot: &mut impl FetchPlace,
    ) -> Result<WalkedSnapshot<S::Staged>, WriteError> {
        loop {
            match self.walk_snapshot(run, slot).await {
                Err(error) if run.restarts(walk, &error) => {}
                walked => return walked,
            }
        }
    }

    async fn walk_snapshot(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        slot: &mut impl FetchPlace,
    ) -> Result<WalkedSnapshot<S::Staged>, WriteError> {
        let (order, watch) = (run.order, run.watch);
        let request = Fetch::new(order.table.clone(), FetchMode::Snapshot);
        watch.step(FetchStep::Started(FetchMode::Snapshot));
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
            tally.free(slot);
            if let Ok(FetchEvent::Batch(rows)) = event {
                canaries.meet(rows);
            }
        });
        let staged = self.sink.stage(&request, &order.endpoint, events).await;
        let staged = staged.inspect_err(|_| tally.abandon(&mut run.counts))?;
        Ok(WalkedSnapshot {
            staged,
            fetch: request,
            end: tally
                .end
                .expect("a sink stages only a walk that has reached its end"),
            tally,
            canaries: canaries.caught(),
        })
    }
}
