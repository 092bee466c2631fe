//! What a snapshot may have missed and what is gone: committed to `deltas` before the snapshot itself.
//!
//! Rows that shifted while it was walked are found again, ids that were known and that it lacks are looked into, and what it
//! shows as deleted is said again ([`stream::closing`](crate::stream::closing())). All of it is compared with the table as it is at that moment: whoever
//! commits to `deltas` meanwhile may have brought back what is about to be called gone, so it is done again.
//!
//! When so much of what it lacks lives that it is known to have ended early, what was found is committed and the snapshot
//! is not.

use arrow::array::RecordBatch;
use fastrand::Rng;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::try_join;
use tracing::warn;

use super::fetch_run::FetchRun;
use super::tally::Tally;
use super::walked_snapshot::WalkedSnapshot;
use super::{FetchStep, Ingest, Order, Watch};
use crate::api::KomboApi;
use crate::fetch::{Fetch, FetchEnd, FetchMode};
use crate::sink::{MissingRows, Receipt, Sink, SinkError, Staged, WriteError};
use crate::stream::{Caught, FetchError, FetchOptions, Lacking, MOST_ASKED, Verdicts, closing};
use crate::time::{Tier, UpdatedAfter};

/// Closing deltas of one snapshot, the first included, when others of the table are faster. They are short, and what is at
/// stake is not.
const MAX_CLOSINGS: u32 = 10;

/// What a closing delta brought.
#[derive(Clone, Copy, Default)]
pub(super) struct Closed {
    /// Rows that changed meanwhile.
    pub(super) rows: u64,
    /// What became of the rows that the snapshot lacks or shows as deleted.
    pub(super) verdicts: Verdicts,
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Commits to `deltas` what a snapshot lacks; `None` when somebody else kept committing there. Those rows are true
    /// observations and harm nobody if the snapshot is never committed. Drops the slot once all is uploaded.
    pub(super) async fn close(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        whole: &mut WalkedSnapshot<S::Staged>,
        slot: &mut Option<impl Send>,
    ) -> Result<Option<Closed>, WriteError> {
        let (order, watch, mut walk) = (run.order, run.watch, 1);
        for _ in 0..MAX_CLOSINGS {
            let missing = compared(order, &mut whole.staged, self.random()).await?;
            // Rows of one page cannot shift to another.
            if whole.end.pages <= 1 && missing.is_empty() {
                if slot.take().is_some() {
                    watch.step(FetchStep::Fetched);
                }
                return Ok(Some(Closed::default()));
            }
            let (delta, tally) = match self.walk_closing(run, whole, &missing).await {
                Ok(walked) => walked,
                Err(error) if run.restarts(&mut walk, &error) => continue,
                Err(error) => return Err(error),
            };
            if !tally.is_cut_short && slot.take().is_some() {
                watch.step(FetchStep::Fetched);
            }
            let committed = self.commit_closing(order, delta, &missing, &tally).await;
            match committed.inspect_err(|_| tally.abandon(&mut run.counts))? {
                Some(rows) => {
                    tally.commit(rows, None, &mut run.counts);
                    return closed(&whole.end, &tally, rows).map(Some);
                }
                // A delta of the same table was faster. What it brought is older than what this one has to say.
                None => tally.abandon(&mut run.counts),
            }
        }
        Ok(None)
    }

    /// Returns how many rows are visible now; `None` when somebody else was faster.
    async fn commit_closing(
        &self,
        order: &Order,
        delta: S::Staged,
        missing: &MissingRows,
        tally: &Tally,
    ) -> Result<Option<u64>, WriteError> {
        if tally.is_empty() {
            return Ok(Some(0));
        }
        // From the beginning of the closing delta on the sink itself sees to it that nobody comes in between; what two
        // snapshots lack, and what this one shows as deleted, was looked up before.
        let was_looked_up = missing.lacked_twice > 0 || missing.shown > 0;
        if was_looked_up && self.watermarks(order).await?.deltas != missing.as_of {
            return Ok(None);
        }
        match delta.commit().await? {
            Receipt::Committed { rows, .. } => Ok(Some(rows)),
            Receipt::Superseded => Ok(None),
        }
    }

    async fn walk_closing(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        walk: &mut WalkedSnapshot<S::Staged>,
        missing: &MissingRows,
    ) -> Result<(S::Staged, Tally), WriteError> {
        let (order, watch) = (run.order, run.watch);
        let covered = self.sink.covered(&order.endpoint, &order.table.integration);
        let seen = covered.await?.seen;
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
        let (lacking, told) = lacking(order, missing, &walk.canaries);
        let events = closing(
            self.api.clone(),
            order.endpoint.clone(),
            request.clone(),
            walked,
            lacking,
            options,
        );
        let mut tally = Tally::default();
        let events = events.inspect(|event| tally.see(event, watch));
        let staging = self.sink.stage(&request, &order.endpoint, events);
        let joined = try_join!(staging, told.by(&mut walk.staged, missing));
        let (staged, ()) = joined.inspect_err(|_| tally.abandon(&mut run.counts))?;
        Ok((staged, tally))
    }
}

/// Where a staged snapshot tells what the closing delta asks of it.
struct ClosingAnswers {
    shown: mpsc::Sender<RecordBatch>,
    wanted: oneshot::Receiver<()>,
    rest: mpsc::Sender<Vec<String>>,
}

impl ClosingAnswers {
    /// Tells what it shows as deleted, then what two snapshots lack, if that is wanted.
    async fn by(self, staged: &mut impl Staged, missing: &MissingRows) -> Result<(), WriteError> {
        let Self {
            shown,
            wanted,
            rest,
        } = self;
        if missing.shown > 0 {
            staged.tombstones(shown).await?;
        } else {
            drop(shown);
        }
        if missing.lacked_twice == 0 || wanted.await.is_err() {
            return Ok(());
        }
        Ok(staged.lacked_twice(rest).await?)
    }
}

/// Returns what to look into, and where to tell what belongs to it.
fn lacking(order: &Order, missing: &MissingRows, canaries: &Caught) -> (Lacking, ClosingAnswers) {
    let ids = if order.endpoint.ids {
        &missing.ids[..]
    } else {
        &[]
    };
    let twice = ids.iter().filter(|missing| missing.lacked_twice);
    let (shown, shown_to) = mpsc::channel(1);
    let (wanted_by, wanted) = oneshot::channel();
    let (rest, rest_to) = mpsc::channel(1);
    let lacking = Lacking {
        total: missing.total,
        ids: ids.iter().map(|missing| missing.id.clone()).collect(),
        twice: twice.map(|missing| missing.id.clone()).collect(),
        canaries: canaries.clone(),
        wanted: wanted_by,
        rest: rest_to,
        shown: shown_to,
    };
    let told = ClosingAnswers {
        shown,
        wanted,
        rest,
    };
    (lacking, told)
}

/// Returns what became of it, `rows` of which are visible; an error when the snapshot is known to have ended early.
fn closed(walked: &FetchEnd, tally: &Tally, rows: u64) -> Result<Closed, WriteError> {
    let verdicts = tally.verdicts;
    if tally.is_cut_short {
        return Err(WriteError::Fetch(FetchError::CutShort {
            rows: walked.rows,
            found: verdicts.found,
        }));
    }
    Ok(Closed {
        rows: rows.saturating_sub(verdicts.found + verdicts.gone),
        verdicts,
    })
}

/// Compares the snapshot with what is known. The one before is about to go: if it is damaged, the new one mends it, and
/// nothing is compared.
async fn compared(
    order: &Order,
    staged: &mut impl Staged,
    random: Rng,
) -> Result<MissingRows, SinkError> {
    match staged.missing(MOST_ASKED, random).await {
        Err(error) if !error.is_retryable() => {
            let table = &order.table;
            warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = &error as &dyn std::error::Error, "the snapshot of {table} could not be compared with the one before");
            Ok(MissingRows::default())
        }
        compared => compared,
    }
}
