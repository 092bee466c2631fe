//! A batch of fetches: every chosen table once, then done.
//!
//! [`targets`] turns integrations and endpoint patterns into tables, [`Backfill`] runs them with bounded concurrency,
//! [`outcome`] says what became of each. A fetch holds its slot only until its last page: waiting for a group commit
//! keeps nobody from fetching.

pub mod outcome;
pub mod plan;
pub mod targets;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::api::{ApiError, ErrorReach, KomboApi};
use crate::fetch::{Fetch, FetchMode, Lane};
use crate::lake::{Coverage, Receipt};
use crate::sink::{Sink, WriteError};
use crate::stream::{FetchError, FetchEvent, FetchOptions, fetch};

use outcome::{Commit, Ending, Outcome};
use targets::Target;

/// Tables whose fetch has ended and that wait for their commit; more would only hold memory.
const MAX_WAITING: usize = 1_000;

/// How often the sink is told again that nothing is left to wait for.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// Fresh walks after one that broke half-way.
const MAX_WALKS: u32 = 3;

/// What a backfill asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackfillMode {
    /// A snapshot of every table.
    Full,
    /// A delta from the stored bases; a snapshot where there are none.
    Delta,
}

/// How a backfill runs.
#[derive(Clone, Debug)]
pub struct BackfillSettings {
    /// Everything, or what changed.
    pub mode: BackfillMode,
    /// Leaves tables alone whose last snapshot is younger, so that a killed backfill goes on where it stopped.
    pub skip_newer_than: Option<Duration>,
    /// Tables fetched at once.
    pub concurrency: usize,
}

/// Told what happens, for progress displays.
pub trait Observer: Send + Sync {
    /// One step of one table.
    fn step(&self, target: &Target, step: Step<'_>);
}

/// A step of one table.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Its first request goes out.
    Started(FetchMode),
    /// A page was decoded.
    Page {
        /// Rows on it.
        rows: u64,
    },
    /// The last page is there; the commit is awaited.
    Fetched,
    /// The walk broke and starts again.
    Restarted(&'a FetchError),
    /// Nothing more will come.
    Ended(&'a Outcome),
}

/// Runs fetches from an API into a sink.
pub struct Backfill<A, S, O> {
    api: Arc<A>,
    sink: S,
    observer: Arc<O>,
    settings: BackfillSettings,
    key_rejected: Arc<AtomicBool>,
}

impl<A, S: Clone, O> Clone for Backfill<A, S, O> {
    fn clone(&self) -> Self {
        Self {
            api: Arc::clone(&self.api),
            sink: self.sink.clone(),
            observer: Arc::clone(&self.observer),
            settings: self.settings.clone(),
            key_rejected: Arc::clone(&self.key_rejected),
        }
    }
}

impl<A, S, O> Backfill<A, S, O>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
    O: Observer + 'static,
{
    /// Joins the parts.
    pub fn new(api: Arc<A>, sink: S, observer: Arc<O>, settings: BackfillSettings) -> Self {
        Self {
            api,
            sink,
            observer,
            settings,
            key_rejected: Arc::default(),
        }
    }

    /// Fetches every target once and returns what became of each, in the order they ended.
    ///
    /// A table that fails does not stop the others; a rejected API key does. Cancelling is safe at any point: what was
    /// not committed is not visible.
    pub async fn run(&self, targets: Vec<Target>) -> Vec<Outcome> {
        let slots = Arc::new(Semaphore::new(self.settings.concurrency.max(1)));
        let mut tables = JoinSet::new();
        let mut outcomes = Vec::with_capacity(targets.len());
        for target in targets {
            while tables.len() >= MAX_WAITING + self.settings.concurrency {
                outcomes.extend(tables.join_next().await.map(ended));
            }
            let slot = Arc::clone(&slots)
                .acquire_owned()
                .await
                .expect("nobody closes the slots");
            let (backfill, slots) = (self.clone(), Arc::clone(&slots));
            tables.spawn(async move { backfill.table(target, slot, &slots).await });
        }
        // All slots back means that every walk has ended: nothing is left to share a commit with.
        let all = u32::try_from(self.settings.concurrency.max(1)).unwrap_or(u32::MAX);
        drop(slots.acquire_many(all).await);
        // A table may reach its commit after one flush, so there are more until the last has answered.
        loop {
            self.sink.flush();
            match timeout(FLUSH_EVERY, tables.join_next()).await {
                Ok(Some(outcome)) => outcomes.push(ended(outcome)),
                Ok(None) => return outcomes,
                Err(_) => {}
            }
        }
    }

    async fn table(
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
            if self.key_rejected.load(Ordering::Relaxed) {
                return Ending::NotTried;
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
                Err(error) => return self.failed(error),
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
        let mut permit = Some(permit);
        let events = walk.inspect(|event| match event {
            Ok(FetchEvent::Page { rows, bytes }) => {
                outcome.count_page(*rows, *bytes);
                self.observer.step(target, Step::Page { rows: *rows });
            }
            Ok(FetchEvent::End(end)) => {
                outcome.end = Some(*end);
                permit = None;
                self.observer.step(target, Step::Fetched);
            }
            Ok(_) => {}
            Err(_) => permit = None,
        });
        self.sink.write(&request, &target.endpoint, events).await
    }

    /// Decides how to fetch a table; `None` when its snapshot is young enough to leave it alone.
    fn mode(&self, target: &Target, coverage: &Coverage) -> Option<FetchMode> {
        let now_ms = target.asked_at.as_micros() / 1000;
        let young = |limit: Duration| {
            coverage.snapshot_base.is_some_and(|base| {
                let age_ms = now_ms.saturating_sub(base.as_millis());
                age_ms < i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)
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

    fn failed(&self, error: WriteError) -> Ending {
        if let WriteError::Fetch(FetchError::Page { source, .. }) = &error {
            if let ApiError::SkipEndpoint { reason, .. } = source {
                return Ending::LeftOut {
                    reason: *reason,
                    advice: source.advice(),
                };
            }
            if source.reach() == ErrorReach::Key {
                self.key_rejected.store(true, Ordering::Relaxed);
            }
        }
        Ending::Failed(error.into())
    }
}

fn ended(outcome: Result<Outcome, tokio::task::JoinError>) -> Outcome {
    match outcome {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
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
        }
    }
}
