//! Commits to `deltas`, before a snapshot is committed, the rows that the snapshot missed and the rows that are gone.
//!
//! The closing delta finds rows that shifted between pages during the walk. It asks Kombo about ids that were known and
//! that the snapshot lacks, and repeats the rows that the snapshot shows as deleted
//! ([`stream::closing`](crate::stream::closing())). All of this is compared with the table at that moment. If another
//! process commits to `deltas` meanwhile, it may have brought a row back that is about to be marked as gone, so the
//! closing delta starts again.
//!
//! When so many missing rows exist that the walk is known to have ended early, the closing delta is committed and the
//! snapshot is not.

use arrow::array::RecordBatch;
use fastrand::Rng;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::try_join;
use tracing::warn;

use super::fetch_run::FetchRun;
use super::tally::Tally;
use super::walked_snapshot::WalkedSnapshot;
use super::{FetchPlace, FetchStep, Ingest, Order, Watch};
use crate::api::KomboApi;
use crate::fetch::{Fetch, FetchEnd, FetchMode};
use crate::sink::{MissingRows, Receipt, Sink, SinkError, Staged, WriteError};
use crate::stream::{Caught, FetchError, FetchOptions, Lacking, MOST_ASKED, Verdicts, closing};
use crate::time::{Tier, UpdatedAfter};
use crate::words::with_causes;

/// Most closing deltas of one snapshot, the first included, when other deltas of the table are faster. Many are
/// allowed: a closing delta is short, and a failure costs the complete snapshot.
const MAX_CLOSINGS: u32 = 10;

/// Result of a closing delta.
#[derive(Clone, Copy, Default)]
pub(super) struct Closed {
    /// Number of rows that changed during the walk.
    pub(super) rows: u64,
    /// Results for the rows that the snapshot lacks or shows as deleted.
    pub(super) verdicts: Verdicts,
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Commits the closing delta; `None` when another process kept committing to `deltas`. The rows are true
    /// observations, so they do no harm if the snapshot is never committed. Drops the slot once everything is uploaded.
    pub(super) async fn close(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        whole: &mut WalkedSnapshot<S::Staged>,
        slot: &mut Option<impl FetchPlace>,
    ) -> Result<Option<Closed>, WriteError> {
        let (order, watch, mut walk) = (run.order, run.watch, 1);
        for _ in 0..MAX_CLOSINGS {
            let missing = compared(order, &mut whole.staged, self.random()).await?;
            // With one page, rows cannot shift between pages.
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
                // A delta of the same table was faster. Its rows are older than the rows of this one.
                None => tally.abandon(&mut run.counts),
            }
        }
        Ok(None)
    }

    /// Returns the number of rows that became visible; `None` when another process was faster.
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
        // The sink itself rejects the commit if another process committed after the closing delta began. But the rows
        // that two snapshots lack, and the rows that this snapshot shows as deleted, were compared before that. So the
        // watermarks are checked here.
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
            // Later than every row of the snapshot, whatever the clocks say, because these rows are newer.
            last_seen: seen.max(Some(walk.end.seen)),
            ..self.options(order)
        };
        let updated_after = walk.end.base.filter(|_| walk.end.pages > 1);
        let updated_after = updated_after.map(|base| base.updated_after(Tier::Ordinary));
        let walked = order.endpoint.updated_after && updated_after.is_some();
        // Uses the id of the snapshot's fetch, because a later comparison must know which rows belong together.
        let request = Fetch {
            mode: FetchMode::Delta {
                tier: Tier::Ordinary,
                // Not sent when no delta is walked.
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

/// Channels on which a staged snapshot answers the questions of its closing delta.
struct ClosingAnswers {
    shown: mpsc::Sender<RecordBatch>,
    wanted: oneshot::Receiver<()>,
    rest: mpsc::Sender<Vec<String>>,
}

impl ClosingAnswers {
    /// Sends the rows that the snapshot shows as deleted, then the ids that two snapshots lack, if these are asked for.
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

/// Returns the rows to ask Kombo about, and the channels for further ones.
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

/// Returns the result of the closing delta, of which `rows` rows are visible. Returns an error when the snapshot is
/// known to have ended early.
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

/// Compares the snapshot with the known rows. If the previous snapshot is damaged, nothing is compared: the new
/// snapshot replaces and thereby repairs it.
async fn compared(
    order: &Order,
    staged: &mut impl Staged,
    random: Rng,
) -> Result<MissingRows, SinkError> {
    match staged.missing(MOST_ASKED, random).await {
        Err(error) if !error.is_retryable() => {
            let table = &order.table;
            warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = with_causes(&error), "the snapshot of {table} could not be compared with the previous one; the new snapshot replaces the damaged one");
            Ok(MissingRows::default())
        }
        compared => compared,
    }
}
