//! Fetches one table from Kombo into a sink. After each fetch, the sink's newest observation of each row is what Kombo
//! showed.
//!
//! [`Ingest::run`] walks a delta ([`delta`]) or a snapshot ([`snapshot`], then [`close`]) and commits it. A
//! [`fetch_run`] accompanies each run: it restarts broken walks and counts what happened to the rows. Both depend on
//! the sink's [`Watermarks`](crate::sink::Watermarks): a decision that was made on one state of a table is committed
//! only onto that state.
//!
//! - [`memory`] knows the rows that this process committed lately, so that rows which are read again unchanged are
//!   dropped. The memory is valid only while the watermarks are those of this process's last commit, and never while a
//!   snapshot of the table is running. Reason: the rows of a snapshot are observed earlier than they become visible, so
//!   a row that seems unchanged may have to be committed again. For rows that the memory does not know, the sink is
//!   asked within a bound, and only when the memory does not reach back as far as the delta: after a start, after a
//!   snapshot, or after a commit of another process. The sink's answer is valid for the same watermarks.
//! - [`bases`] keeps the bases that empty deltas reached, until [`Ingest::flush_bases`] writes them. Such a base
//!   depends on dropped rows, so it becomes invalid with the watermarks, too.
//!
//! A crash on any line loses memory and bases, never a row: rows that are not in the sink are fetched again. The sink
//! owns the truth.

mod bases;
mod close;
mod delta;
mod done;
mod fetch_run;
mod memory;
mod snapshot;
mod tally;
mod walked_snapshot;

pub use done::{Done, FetchEnding, IngestError};

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use self::bases::UnflushedBases;
use self::delta::DeltaRange;
use self::fetch_run::FetchRun;
use self::memory::Memory;
use crate::api::KomboApi;
use crate::catalog::Endpoint;
use crate::decode::DecodeLimits;
use crate::fetch::{Counts, FetchMode, Lane};
use crate::ids::{IntegrationId, TableId};
use crate::plan::{Announced, Kind};
use crate::sink::{Coverage, Sink, SinkError};
use crate::stream::{FetchError, FetchOptions};
use crate::time::Moment;

/// Decoded bytes in the batches of all running fetches, about, and in the batch of one at least and at most.
const BATCH_BYTES: usize = 32 << 20;
const LEAST_BATCH: usize = 512 << 10;
const MOST_BATCH: usize = 8 << 20;

/// Settings of ingestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestSettings {
    /// Number of committed rows that are remembered, for all tables together, to drop them when they are read again
    /// unchanged. A row takes 40 bytes.
    pub memory_rows: usize,
    /// Bytes that one delta may read from the sink, to drop unchanged rows that are not remembered. Such rows are usual
    /// after a start.
    pub lookup_bytes: u64,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            memory_rows: 1_000_000,
            // Enough for a hundred reads of small files, or for the ids of a few hundred thousand rows. A slow store
            // takes about two seconds.
            lookup_bytes: 8 << 20,
        }
    }
}

/// One table to fetch.
#[derive(Clone, Debug)]
pub struct Order {
    /// The table.
    pub table: TableId,
    /// Columns and filters of the table's endpoint.
    pub endpoint: Arc<Endpoint>,
    /// A snapshot or a delta, as [`next_mode`] chose it from the coverage.
    pub mode: FetchMode,
    /// The share of the request budget that pays for the fetch.
    pub lane: Lane,
    /// The result of [`Ingest::covered`]. If another process commits to the table after that, the fetch is superseded.
    pub coverage: Coverage,
    /// The notification that waits for an answer while the fetch runs; never one where no listener runs.
    pub announced: Announced,
}

/// Observer of a running fetch. Calls come in the order of the steps; a call must not block.
pub trait Watch: Send + Sync {
    /// Called for each step.
    fn step(&self, step: FetchStep<'_>);
}

/// What a fetch occupies while its pages are received. Dropped once everything is uploaded.
pub trait FetchPlace: Send {
    /// Called when the last page of a walk is received, with the size of the walk's JSON. A place may be given to
    /// another fetch from here on.
    fn received(&mut self, bytes: u64);
}

/// No place: the fetch is not limited.
impl FetchPlace for () {
    fn received(&mut self, _: u64) {}
}

impl<P: FetchPlace> FetchPlace for Option<P> {
    fn received(&mut self, bytes: u64) {
        if let Some(place) = self {
            place.received(bytes);
        }
    }
}

/// An observer that ignores all steps.
impl Watch for () {
    fn step(&self, _: FetchStep<'_>) {}
}

/// A step of the fetch of one table.
#[derive(Clone, Copy, Debug)]
pub enum FetchStep<'a> {
    /// The first request of a walk is sent.
    Started(FetchMode),
    /// A page was decoded.
    Page {
        /// Number of rows on the page.
        rows: u64,
        /// Size of the page's JSON, in bytes.
        bytes: u64,
    },
    /// The walk broke off and starts again.
    Restarted(&'a FetchError),
    /// The last page is received; the commit follows.
    Fetched,
}

/// Joins an API and a sink. Clones share one memory and the unwritten bases.
pub struct Ingest<A, S> {
    api: Arc<A>,
    sink: S,
    limits: DecodeLimits,
    settings: IngestSettings,
    memory: Arc<Mutex<Memory>>,
    bases: Arc<Mutex<UnflushedBases>>,
    random: Arc<Mutex<Rng>>,
    /// Number of running fetches.
    running: Arc<AtomicUsize>,
}

/// A running fetch, counted until it is dropped.
struct RunningFetch(Arc<AtomicUsize>);

impl Drop for RunningFetch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<A, S: Clone> Clone for Ingest<A, S> {
    fn clone(&self) -> Self {
        Self {
            api: Arc::clone(&self.api),
            sink: self.sink.clone(),
            limits: self.limits,
            settings: self.settings,
            memory: Arc::clone(&self.memory),
            bases: Arc::clone(&self.bases),
            random: Arc::clone(&self.random),
            running: Arc::clone(&self.running),
        }
    }
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Joins an API and a sink. `limits` bound what a page may hold.
    pub fn new(api: Arc<A>, sink: S, limits: DecodeLimits, settings: IngestSettings) -> Self {
        Self {
            api,
            sink,
            limits,
            settings,
            memory: Arc::new(Mutex::new(Memory::new(settings.memory_rows))),
            bases: Arc::default(),
            random: Arc::default(),
            running: Arc::default(),
        }
    }

    /// Sets the source of randomness for samples, so that a run can be repeated.
    #[must_use]
    pub fn with_random(self, random: Rng) -> Self {
        Self {
            random: Arc::new(Mutex::new(random)),
            ..self
        }
    }

    /// Returns the API.
    pub fn api(&self) -> &Arc<A> {
        &self.api
    }

    /// Returns the sink.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// Returns the coverage of a table: the sink's coverage, raised by bases of empty deltas.
    pub async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, SinkError> {
        let mut coverage = self.sink.covered(endpoint, integration).await?;
        let table = TableId {
            integration: integration.clone(),
            endpoint: endpoint.name().clone(),
        };
        self.bases().raise(&table, &mut coverage);
        Ok(coverage)
    }

    /// Fetches a table and commits the rows.
    ///
    /// The place is dropped once everything is uploaded, so that waiting for a group commit does not block other
    /// fetches. A walk that breaks off starts again a few times. The future may be dropped at any point: the fetch is
    /// committed completely or not at all, and the memory is right in both cases.
    pub async fn run(
        &self,
        order: Order,
        slot: impl FetchPlace,
        watch: &impl Watch,
    ) -> Result<Done, IngestError> {
        self.running.fetch_add(1, Ordering::Relaxed);
        let _counted = RunningFetch(Arc::clone(&self.running));
        let mut run = FetchRun {
            order: &order,
            watch,
            counts: Counts::default(),
        };
        let ended = match order.mode {
            FetchMode::Snapshot => self.snapshot(&mut run, slot).await,
            FetchMode::Delta {
                tier,
                updated_after,
            } => {
                let asked = DeltaRange {
                    tier,
                    updated_after,
                };
                self.delta(&mut run, asked, slot).await
            }
        };
        let counts = run.counts;
        match ended {
            Ok(done) => Ok(Done { counts, ..done }),
            Err(source) => Err(IngestError { counts, source }),
        }
    }

    /// Commits the bases that empty deltas reached: one log entry per endpoint. Skips tables that `skip` selects,
    /// because the commit would supersede a running fetch of such a table.
    ///
    /// Continues with the other endpoints after an error, and returns the first error.
    pub async fn flush_bases(&self, skip: impl Fn(&TableId) -> bool) -> Result<(), SinkError> {
        let waiting = self.bases().waiting(skip);
        let mut result = Ok(());
        for (endpoint, advances) in waiting {
            match self.sink.advance(&endpoint, &advances).await {
                Ok(()) => self.bases().flushed(&endpoint, &advances),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    fn options(&self, order: &Order) -> FetchOptions {
        let running = self.running.load(Ordering::Relaxed).max(1);
        FetchOptions {
            batch_bytes: (BATCH_BYTES / running).clamp(LEAST_BATCH, MOST_BATCH),
            limits: self.limits,
            last_seen: order.coverage.seen,
            ..FetchOptions::new(order.lane)
        }
    }

    /// Locks the memory. Each change is complete before the lock is released, so a panic elsewhere leaves the memory
    /// consistent.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an independent source of randomness.
    fn random(&self) -> Rng {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.fork()
    }

    fn bases(&self) -> MutexGuard<'_, UnflushedBases> {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Chooses the mode of a fetch: a delta if `want` is a delta and the endpoint and the bases allow it, else a snapshot.
#[must_use]
pub fn next_mode(
    coverage: &Coverage,
    endpoint: &Endpoint,
    server_now: Moment,
    want: Kind,
) -> FetchMode {
    let delta = match want {
        Kind::Delta if endpoint.updated_after => coverage.bases.next_delta(server_now),
        Kind::Delta | Kind::Snapshot => None,
    };
    delta.map_or(FetchMode::Snapshot, |(tier, updated_after)| {
        FetchMode::Delta {
            tier,
            updated_after,
        }
    })
}
