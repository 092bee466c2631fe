//! A batch of fetches: every chosen table once, then done.
//!
//! [`targets`] turns integrations and endpoint patterns into tables, [`Backfill`] runs them with bounded concurrency,
//! [`outcome`] says what became of each. A fetch holds its slot until all of it is uploaded: waiting for a group commit
//! keeps nobody from fetching.

mod blocked;
pub mod missing;
pub mod outcome;
pub mod plan;
mod table;
pub mod targets;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use crate::api::KomboApi;
use crate::decode::DecodeLimits;
use crate::fetch::FetchMode;
use crate::ingest::{Ingest, IngestSettings};
use crate::sink::Sink;
use crate::stream::FetchError;

use blocked::Blocked;
use outcome::Outcome;
use targets::Target;

/// Tables whose fetch has ended and that wait for their commit; more would only hold memory.
const MAX_WAITING: usize = 1_000;

/// How often the sink is told again that nothing is left to wait for.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

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
    /// Takes every snapshot twice: what the second one finds gone is gone.
    pub confirm: bool,
    /// Tables fetched at once.
    pub concurrency: usize,
    /// Bounds on what a page may hold.
    pub limits: DecodeLimits,
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
    ingest: Ingest<A, S>,
    observer: Arc<O>,
    settings: BackfillSettings,
    blocked: Arc<Blocked>,
}

impl<A, S: Clone, O> Clone for Backfill<A, S, O> {
    fn clone(&self) -> Self {
        Self {
            ingest: self.ingest.clone(),
            observer: Arc::clone(&self.observer),
            settings: self.settings.clone(),
            blocked: Arc::clone(&self.blocked),
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
        let ingest = IngestSettings {
            limits: settings.limits,
            ..IngestSettings::default()
        };
        Self {
            ingest: Ingest::new(api, sink, ingest),
            observer,
            settings,
            blocked: Arc::default(),
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
        // All slots back means that every fetch is uploaded: nothing more will share a commit.
        let all = u32::try_from(self.settings.concurrency.max(1)).unwrap_or(u32::MAX);
        drop(slots.acquire_many(all).await);
        // A table may reach its commit after one flush, so there are more until the last has answered.
        loop {
            self.ingest.sink().flush();
            match timeout(FLUSH_EVERY, tables.join_next()).await {
                Ok(Some(outcome)) => outcomes.push(ended(outcome)),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        // Without them the next deltas ask for what these have found nothing in; no row depends on it.
        if let Err(error) = self.ingest.flush_bases(|_| false).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "bases of deltas that found nothing were not written"
            );
        }
        outcomes
    }
}

fn ended(outcome: Result<Outcome, tokio::task::JoinError>) -> Outcome {
    match outcome {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
