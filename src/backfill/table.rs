//! One table of a backfill: how it is fetched, when it is fetched again, and its result.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::outcome::{TableEnding, TableOutcome};
use super::targets::Target;
use crate::api::KomboApi;
use crate::fetch::FetchMode;
use crate::ingest::{Done, FetchStep, Ingest, IngestError, Watch};
use crate::plan::Kind;
use crate::service::{FetchSlot, Fetching};
use crate::sink::{Coverage, Sink};
use crate::time::{MAX_SERVER_LEAD, Tier};

/// The most fetches of one table, the first one included, if its deltas lose races against another writer.
const MAX_FETCHES: u32 = 3;

/// A table that has not ended yet.
pub(super) struct OpenTable {
    pub(super) target: Target,
    pub(super) outcome: TableOutcome,
    /// Fetches that are left if deltas lose a race.
    left: u32,
    /// Whether a second snapshot has to confirm the first one.
    again: bool,
    /// Whether the next snapshot is the confirming one. That one is taken whatever the first one covers.
    confirming: bool,
}

/// The result of one fetch.
pub(super) struct Fetched {
    pub(super) fetching: Fetching,
    pub(super) open: OpenTable,
    /// `None` if the table was skipped, because the lake's coverage of it is young enough.
    pub(super) result: Result<Option<Done>, IngestError>,
}

impl OpenTable {
    pub(super) fn new(target: Target, confirm: bool) -> Self {
        Self {
            outcome: TableOutcome::new(&target),
            target,
            left: MAX_FETCHES,
            again: confirm,
            confirming: false,
        }
    }

    pub(super) fn ended(self, ending: TableEnding) -> TableOutcome {
        TableOutcome {
            ending,
            ..self.outcome
        }
    }

    /// Returns whether the table is fetched once more.
    pub(super) fn goes_on(&mut self, mode: FetchMode, ending: &TableEnding) -> bool {
        let snapshot = mode == FetchMode::Snapshot;
        match ending {
            TableEnding::Superseded => !snapshot && self.left > 0,
            TableEnding::Committed(_) if snapshot && self.again => {
                (self.again, self.confirming) = (false, true);
                true
            }
            _ => false,
        }
    }

    /// Fetches the table once. The slot is given back once everything is uploaded.
    pub(super) async fn fetch<A, S>(
        mut self,
        fetching: Fetching,
        ingest: Ingest<A, S>,
        slot: Option<FetchSlot>,
        skip_newer_than: Option<Duration>,
        watch: impl Watch,
    ) -> Fetched
    where
        A: KomboApi + 'static,
        S: Sink + Clone + 'static,
    {
        let started = Instant::now();
        self.left = self.left.saturating_sub(1);
        let limit = skip_newer_than.filter(|_| !self.confirming);
        let counted = Counted {
            watch,
            outcome: Mutex::new(&mut self.outcome),
        };
        let result = match fetching.covered(&ingest).await {
            Ok(coverage) if is_young(&coverage, &fetching, limit) => Ok(None),
            Ok(coverage) => {
                let run = fetching.run(&ingest, coverage, slot, &counted);
                run.await.map(Some)
            }
            Err(error) => Err(error),
        };
        self.outcome.elapsed += started.elapsed();
        Fetched {
            fetching,
            open: self,
            result,
        }
    }
}

/// Returns whether the coverage is young enough to skip the table.
fn is_young(coverage: &Coverage, fetching: &Fetching, limit: Option<Duration>) -> bool {
    let covered = match fetching.work.kind {
        Kind::Snapshot => coverage.snapshot_base,
        Kind::Delta => coverage.bases.get(Tier::Ordinary),
    };
    let (Some(limit), Some(base)) = (limit, covered) else {
        return false;
    };
    let (base, now) = (base.moment(), fetching.started);
    // A base far ahead of the server's time is wrong, so it covers nothing.
    base + limit > now && base < now + MAX_SERVER_LEAD
}

/// Counts the pages and rows of a fetch, and passes each step on. For a failed table these counts are all that is
/// known.
struct Counted<'a, W> {
    watch: W,
    outcome: Mutex<&'a mut TableOutcome>,
}

impl<W: Watch> Watch for Counted<'_, W> {
    fn step(&self, step: FetchStep<'_>) {
        // Counters stay valid after a panic elsewhere.
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            FetchStep::Started(mode) => outcome.begin(mode),
            FetchStep::Page { rows, bytes } => outcome.count_page(rows, bytes),
            FetchStep::Restarted(_) | FetchStep::Fetched => {}
        }
        drop(outcome);
        self.watch.step(step);
    }
}
