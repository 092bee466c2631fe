//! One table of a backfill: how it is fetched, when it is fetched again, what becomes of it.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::Backfill;
use super::outcome::{Ending, Outcome};
use super::targets::Target;
use crate::api::{ApiError, ErrorReach, KomboApi};
use crate::fetch::FetchMode;
use crate::ingest::{IngestError, Order, Progress, Watch, next_mode};
use crate::plan::{Announced, Kind, Work};
use crate::service::Slot;
use crate::sink::{Coverage, Sink};
use crate::time::{MAX_SERVER_LEAD, ServerNow, Tier};
use crate::words::with_causes;

/// Fetches of one table, the first included, when deltas lose a race.
const MAX_FETCHES: u32 = 3;

/// A table that has not ended yet.
pub(super) struct OpenTable {
    target: Target,
    outcome: Outcome,
    /// Fetches that may still be made when deltas lose a race.
    left: u32,
    /// A second snapshot has to confirm the first.
    again: bool,
    /// That is made whatever the first one has covered.
    confirming: bool,
}

/// A fetch that ended, and what follows.
pub(super) struct Fetched {
    pub(super) work: Work,
    pub(super) open: OpenTable,
    pub(super) then: AfterFetch,
}

/// What follows a fetch.
pub(super) enum AfterFetch {
    /// The table is fetched once more.
    Again,
    Ended(Ending),
    /// The table has ended, and how far the error reaches, told with its causes.
    Refused(ErrorReach, String, Ending),
}

impl OpenTable {
    pub(super) fn new(target: Target, confirm: bool) -> Self {
        Self {
            outcome: Outcome::new(&target),
            target,
            left: MAX_FETCHES,
            again: confirm,
            confirming: false,
        }
    }

    pub(super) fn ended(self, ending: Ending) -> Outcome {
        Outcome {
            ending,
            ..self.outcome
        }
    }
}

impl<A, S> Backfill<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Fetches a table once. The slot goes back once all is uploaded.
    pub(super) async fn fetch(
        self,
        work: Work,
        mut open: OpenTable,
        slot: Option<Slot>,
        watch: impl Watch,
    ) -> Fetched {
        let started = Instant::now();
        open.left = open.left.saturating_sub(1);
        let then = self.once(&work, &mut open, slot, &watch).await;
        open.outcome.elapsed += started.elapsed();
        Fetched { work, open, then }
    }

    async fn once(
        &self,
        work: &Work,
        open: &mut OpenTable,
        slot: Option<Slot>,
        watch: &impl Watch,
    ) -> AfterFetch {
        let target = &open.target;
        let (endpoint, integration) = (&target.endpoint, &target.table.integration);
        let coverage = match self.ingest.covered(endpoint, integration).await {
            Ok(coverage) => coverage,
            Err(error) => return failed(IngestError::unread(error)),
        };
        if !open.confirming && self.is_young(target, &coverage) {
            return AfterFetch::Ended(Ending::Skipped);
        }
        let now_ms = self.server_now_ms(target);
        let mode = next_mode(&coverage, endpoint, now_ms, work.kind);
        let order = Order {
            table: target.table.clone(),
            endpoint: endpoint.clone(),
            mode,
            lane: work.lane,
            coverage,
            announced: Announced::default(),
        };
        let counted = Counted::new(watch, &mut open.outcome);
        let done = match self.ingest.run(order, slot, &counted).await {
            Ok(done) => done,
            Err(error) => return failed(error),
        };
        open.outcome.finish(&done);
        let snapshot = mode == FetchMode::Snapshot;
        match Ending::of(&done) {
            Ending::Superseded if !snapshot && open.left > 0 => AfterFetch::Again,
            Ending::Committed(_) if snapshot && open.again => {
                (open.again, open.confirming) = (false, true);
                AfterFetch::Again
            }
            ending => AfterFetch::Ended(ending),
        }
    }

    /// Decides whether what is covered is young enough to leave the table alone.
    fn is_young(&self, target: &Target, coverage: &Coverage) -> bool {
        let covered = match self.settings.want {
            Kind::Snapshot => coverage.snapshot_base,
            Kind::Delta => coverage.bases.get(Tier::Ordinary),
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

    /// Returns the time on Kombo's clock. Where no answer has told it, the time at which the integration answered serves.
    fn server_now_ms(&self, target: &Target) -> i64 {
        let now = self.ingest.api().server_now();
        now.map_or_else(|| target.server_now_ms(), ServerNow::as_millis)
    }
}

fn failed(error: IngestError) -> AfterFetch {
    let Some(source) = error.api() else {
        return AfterFetch::Ended(Ending::Failed(error.into()));
    };
    if let ApiError::SkipEndpoint { reason, .. } = source {
        let (reason, advice) = (*reason, source.advice());
        return AfterFetch::Ended(Ending::LeftOut { reason, advice });
    }
    let (reach, message) = (source.reach(), with_causes(source));
    AfterFetch::Refused(reach, message, Ending::Failed(error.into()))
}

/// Passes on what happens, and counts it: of a table that fails nothing else is known.
struct Counted<'a, W> {
    watch: &'a W,
    outcome: Mutex<&'a mut Outcome>,
}

impl<'a, W> Counted<'a, W> {
    fn new(watch: &'a W, outcome: &'a mut Outcome) -> Self {
        Self {
            watch,
            outcome: Mutex::new(outcome),
        }
    }
}

impl<W: Watch> Watch for Counted<'_, W> {
    fn step(&self, step: Progress<'_>) {
        // Counters survive a panic elsewhere.
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Progress::Started(mode) => outcome.begin(mode),
            Progress::Page { rows, bytes } => outcome.count_page(rows, bytes),
            Progress::Restarted(_) | Progress::Fetched => {}
        }
        drop(outcome);
        self.watch.step(step);
    }
}
