//! One table of a backfill: how it is fetched, when it is walked again, what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::{info, warn};

use super::outcome::{Commit, Ending, Outcome};
use super::targets::Target;
use super::{Backfill, BackfillMode, Observer, Step};
use crate::api::{ApiError, KomboApi};
use crate::fetch::{Fetch, FetchMode, Lane};
use crate::lake::{Coverage, Receipt};
use crate::sink::{Sink, WriteError};
use crate::stream::{FetchError, FetchEvent, FetchOptions, fetch};
use crate::time::{MAX_SERVER_LEAD, Tier};

/// Walks of one table, the first included, when walks break or lose a race.
const MAX_WALKS: u32 = 3;

impl<A, S, O> Backfill<A, S, O>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
    O: Observer + 'static,
{
    /// Fetches a table and tells everybody what became of it.
    pub(super) async fn table(
        &self,
        target: Target,
        slot: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
    ) -> Outcome {
        let started = Instant::now();
        let mut outcome = Outcome::new(&target);
        outcome.ending = self.walks(&target, &mut outcome, slot, slots).await;
        outcome.elapsed = started.elapsed();
        self.observer.step(&target, Step::Ended(&outcome));
        log_outcome(&outcome);
        outcome
    }

    /// Walks the table, again when a walk breaks or loses a race, a few times at most.
    async fn walks(
        &self,
        target: &Target,
        outcome: &mut Outcome,
        slot: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
    ) -> Ending {
        let mut slot = Some(slot);
        let mut walk = 0;
        loop {
            walk += 1;
            if let Some(reason) = self.blocked.reason(&target.table.integration) {
                return Ending::NotTried { reason };
            }
            let coverage = match self
                .sink
                .covered(&target.endpoint, &target.table.integration)
                .await
            {
                Ok(coverage) => coverage,
                Err(error) => return Ending::Failed(WriteError::Store(error).into()),
            };
            let Some(mode) = self.mode(target, &coverage) else {
                return Ending::Skipped;
            };
            let permit = match slot.take() {
                Some(permit) => permit,
                None => Arc::clone(slots)
                    .acquire_owned()
                    .await
                    .expect("nobody closes the slots"),
            };
            match self.walk(target, outcome, mode, &coverage, permit).await {
                Ok(Receipt::Committed {
                    version,
                    files,
                    bytes,
                    ..
                }) => {
                    return Ending::Committed(Commit {
                        version,
                        files,
                        bytes,
                    });
                }
                Ok(Receipt::Superseded) if mode == FetchMode::Snapshot => {
                    return Ending::Superseded;
                }
                Ok(Receipt::Superseded) if walk < MAX_WALKS => {}
                Ok(Receipt::Superseded) => return Ending::Superseded,
                Err(WriteError::Fetch(error)) if error.restarts() && walk < MAX_WALKS => {
                    warn!(table = %target.table, walk, error = &error as &dyn std::error::Error, "walk broke, starting again");
                    self.observer.step(target, Step::Restarted(&error));
                }
                Err(error) => return self.failed(target, error),
            }
        }
    }

    async fn walk(
        &self,
        target: &Target,
        outcome: &mut Outcome,
        mode: FetchMode,
        coverage: &Coverage,
        permit: OwnedSemaphorePermit,
    ) -> Result<Receipt, WriteError> {
        let request = Fetch::new(target.table.clone(), mode);
        let options = FetchOptions {
            limits: self.settings.limits,
            last_seen: coverage.seen,
            ..FetchOptions::new(Lane::Backfill)
        };
        self.observer.step(target, Step::Started(mode));
        outcome.begin(mode);
        let walk = fetch(
            Arc::clone(&self.api),
            Arc::clone(&target.endpoint),
            request.clone(),
            options,
        );
        let events = walk.inspect(|event| match event {
            Ok(FetchEvent::Page { rows, bytes }) => {
                outcome.count_page(*rows, *bytes);
                self.observer.step(target, Step::Page { rows: *rows });
            }
            Ok(FetchEvent::End(end)) => {
                outcome.end = Some(*end);
                self.observer.step(target, Step::Fetched);
            }
            Ok(_) | Err(_) => {}
        });
        // The slot goes back when the sink needs the stream no more.
        let events = holding(events, permit);
        self.sink.write(&request, &target.endpoint, events).await
    }

    /// Decides how to fetch a table; `None` when what is covered is young enough to leave it alone.
    fn mode(&self, target: &Target, coverage: &Coverage) -> Option<FetchMode> {
        let now_ms = target.server_now_ms();
        let covered = match self.settings.mode {
            BackfillMode::Full => coverage.snapshot_base,
            BackfillMode::Delta => coverage.bases.get(Tier::Ordinary),
        };
        // A base far ahead of the server covers nothing.
        let young = |limit: Duration| {
            covered.is_some_and(|base| {
                let age_ms = now_ms.saturating_sub(base.as_millis());
                let (limit, lead) = (limit.as_millis(), MAX_SERVER_LEAD.as_millis());
                i128::from(age_ms) < i128::try_from(limit).unwrap_or(i128::MAX)
                    && i128::from(age_ms) > -i128::try_from(lead).unwrap_or(i128::MAX)
            })
        };
        if self.settings.skip_newer_than.is_some_and(young) {
            return None;
        }
        let delta = match self.settings.mode {
            BackfillMode::Delta if target.endpoint.updated_after => {
                coverage.bases.next_delta(now_ms)
            }
            BackfillMode::Delta | BackfillMode::Full => None,
        };
        Some(delta.map_or(FetchMode::Snapshot, |(tier, updated_after)| {
            FetchMode::Delta {
                tier,
                updated_after,
            }
        }))
    }

    fn failed(&self, target: &Target, error: WriteError) -> Ending {
        if let WriteError::Fetch(FetchError::Page { source, .. }) = &error {
            if let ApiError::SkipEndpoint { reason, .. } = source {
                let (reason, advice) = (*reason, source.advice());
                return Ending::LeftOut { reason, advice };
            }
            self.blocked.learn(&target.table.integration, source);
        }
        Ending::Failed(error.into())
    }
}

/// Keeps something for as long as a stream is there.
fn holding<S: Stream, T>(events: S, kept: T) -> impl Stream<Item = S::Item> {
    events.map(move |event| {
        let _kept = &kept;
        event
    })
}

fn log_outcome(outcome: &Outcome) {
    let (table, rows, pages) = (&outcome.table, outcome.rows, outcome.pages);
    let elapsed_ms = u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX);
    match &outcome.ending {
        Ending::Failed(error) => {
            warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = %error, "{table} failed");
        }
        ending => {
            let ending = ending.as_str();
            info!(integration.id = %table.integration, endpoint = %table.endpoint, rows, pages, elapsed_ms, "{table}: {ending}");
        }
    }
}
