//! One table of a backfill: how it is fetched, when it is fetched again, what becomes of it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::{info, warn};

use super::outcome::{Ending, Outcome, log_missing};
use super::targets::Target;
use super::{Backfill, BackfillMode, Observer, Step};
use crate::api::{ApiError, KomboApi};
use crate::fetch::{FetchMode, Lane};
use crate::ingest::{IngestError, Order, Progress, Watch, next_mode};
use crate::lake::Coverage;
use crate::plan::{Announced, Kind};
use crate::sink::{Sink, WriteError};
use crate::time::{MAX_SERVER_LEAD, ServerNow, Tier};

/// Fetches of one table, the first included, when deltas lose a race.
const MAX_FETCHES: u32 = 3;

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
        outcome.ending = self.fetches(&target, &mut outcome, slot, slots).await;
        outcome.elapsed = started.elapsed();
        self.observer.step(&target, Step::Ended(&outcome));
        log_outcome(&outcome);
        outcome
    }

    /// Fetches the table, again when a delta lost a race, a few times at most.
    async fn fetches(
        &self,
        target: &Target,
        outcome: &mut Outcome,
        slot: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
    ) -> Ending {
        let mut slot = Some(slot);
        // The second of the two fetches that confirm each other is made whatever the first one has covered.
        let mut again = self.settings.confirm;
        let mut left = MAX_FETCHES;
        let mut confirming = false;
        loop {
            left = left.saturating_sub(1_u32);
            if let Some(reason) = self.blocked.reason(&target.table.integration) {
                return Ending::NotTried { reason };
            }
            let (endpoint, integration) = (&target.endpoint, &target.table.integration);
            let coverage = match self.ingest.covered(endpoint, integration).await {
                Ok(coverage) => coverage,
                Err(error) => return Ending::Failed(WriteError::Store(error).into()),
            };
            if !confirming && self.is_young(target, &coverage) {
                return Ending::Skipped;
            }
            let permit = match slot.take() {
                Some(permit) => permit,
                None => Arc::clone(slots)
                    .acquire_owned()
                    .await
                    .expect("nobody closes the slots"),
            };
            let mode = self.mode(target, &coverage);
            let order = Order {
                table: target.table.clone(),
                endpoint: Arc::clone(&target.endpoint),
                mode,
                lane: Lane::Backfill,
                coverage,
                announced: Announced::default(),
            };
            let watched = Watched::new(target, &*self.observer, outcome);
            let done = self.ingest.run(order, permit, &watched).await;
            match done {
                Ok(done) => {
                    outcome.finish(&done);
                    let snapshot = mode == FetchMode::Snapshot;
                    let ending = Ending::of(&done);
                    match ending {
                        Ending::Superseded if !snapshot && left > 0 => {}
                        Ending::Committed(_) if snapshot && again => {
                            (again, confirming) = (false, true);
                        }
                        ending => return ending,
                    }
                }
                Err(error) => return self.failed(target, error),
            }
        }
    }

    /// Decides whether what is covered is young enough to leave the table alone.
    fn is_young(&self, target: &Target, coverage: &Coverage) -> bool {
        let covered = match self.settings.mode {
            BackfillMode::Full => coverage.snapshot_base,
            BackfillMode::Delta => coverage.bases.get(Tier::Ordinary),
        };
        let (Some(limit), Some(base)) = (self.settings.skip_newer_than, covered) else {
            return false;
        };
        let age_ms = i128::from(self.server_now_ms(target).saturating_sub(base.as_millis()));
        let (limit, lead) = (limit.as_millis(), MAX_SERVER_LEAD.as_millis());
        // A base far ahead of the server covers nothing.
        age_ms < i128::try_from(limit).unwrap_or(i128::MAX)
            && age_ms > -i128::try_from(lead).unwrap_or(i128::MAX)
    }

    fn mode(&self, target: &Target, coverage: &Coverage) -> FetchMode {
        let want = match self.settings.mode {
            BackfillMode::Full => Kind::Snapshot,
            BackfillMode::Delta => Kind::Delta,
        };
        next_mode(coverage, &target.endpoint, self.server_now_ms(target), want)
    }

    /// Returns the time on Kombo's clock. Where no answer has told it, the time at which the integration answered serves.
    fn server_now_ms(&self, target: &Target) -> i64 {
        let now = self.ingest.api().server_now();
        now.map_or_else(|| target.server_now_ms(), ServerNow::as_millis)
    }

    fn failed(&self, target: &Target, error: IngestError) -> Ending {
        if let Some(source) = error.api() {
            if let ApiError::SkipEndpoint { reason, .. } = source {
                let (reason, advice) = (*reason, source.advice());
                return Ending::LeftOut { reason, advice };
            }
            self.blocked.learn(&target.table.integration, source);
        }
        Ending::Failed(error.source.into())
    }
}

/// Passes on what happens, and counts it: of a table that fails nothing else is known.
struct Watched<'a, O> {
    target: &'a Target,
    observer: &'a O,
    outcome: Mutex<&'a mut Outcome>,
}

impl<'a, O> Watched<'a, O> {
    fn new(target: &'a Target, observer: &'a O, outcome: &'a mut Outcome) -> Self {
        Self {
            target,
            observer,
            outcome: Mutex::new(outcome),
        }
    }
}

impl<O: Observer> Watch for Watched<'_, O> {
    fn step(&self, step: Progress<'_>) {
        // Counters survive a panic elsewhere.
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let step = match step {
            Progress::Started(mode) => {
                outcome.begin(mode);
                Step::Started(mode)
            }
            Progress::Page { rows, bytes } => {
                outcome.count_page(rows, bytes);
                Step::Page { rows }
            }
            Progress::Restarted(error) => Step::Restarted(error),
            Progress::Fetched => Step::Fetched,
        };
        drop(outcome);
        self.observer.step(self.target, step);
    }
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
            if let Some(done) = &outcome.done {
                log_missing(table, done);
            }
        }
    }
}
