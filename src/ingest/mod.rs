//! One table from Kombo into a sink, so that after each fetch the sink's newest observation of a row is what Kombo showed.
//!
//! [`Ingest::run`] walks a delta ([`delta`]) or a snapshot ([`snapshot`], then [`close`]) and commits it; a [`fetch_run`]
//! goes along, which says when a broken walk begins again and what became of the rows. Both lean on the sink's
//! [`Watermarks`](crate::sink::Watermarks): what is decided on one state of a table is committed only onto that state.
//!
//! - [`memory`] knows the rows this process committed lately, so that re-reads which bring nothing are left out. It counts
//!   only while the watermarks are those that our own last commit left, and never while a snapshot of the table is under way:
//!   its rows were observed earlier than they become visible, so a row that seems unchanged may have to be said again.
//!   Of rows that it does not know, and only where it does not reach back as far as the delta asks (after a start, after a
//!   snapshot, once another process has committed), the sink is asked within a bound. The answer counts for the same watermarks.
//! - [`bases`] holds how far deltas that found nothing have covered, until [`Ingest::flush_bases`]. Such a base rests on
//!   rows that were left out, so it falls with the watermarks, too.
//!
//! A crash on any line loses memory and bases, never a row: what is not in the sink is asked for again.

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

/// How rows are brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestSettings {
    /// Committed rows that are remembered in all, to leave them out when they come again unchanged: 40 bytes each.
    pub memory_rows: usize,
    /// Bytes that a delta may read of the sink, to leave out rows that are unchanged and not remembered: those of a process
    /// that has just started.
    pub lookup_bytes: u64,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            memory_rows: 1_000_000,
            // A hundred reads of small files, or the ids of a few hundred thousand rows: two seconds of a slow store.
            lookup_bytes: 8 << 20,
        }
    }
}

/// One table to fetch.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which table.
    pub table: TableId,
    /// Its columns and filters.
    pub endpoint: Arc<Endpoint>,
    /// Everything, or what changed: as [`next_mode`] picked it from the coverage.
    pub mode: FetchMode,
    /// Which share of the request budget pays.
    pub lane: Lane,
    /// What [`Ingest::covered`] said. If anybody commits to the table after that, the fetch is superseded.
    pub coverage: Coverage,
    /// Which notification waits for an answer, while it runs; never one where nobody listens.
    pub announced: Announced,
}

/// Told what happens while a table is fetched.
pub trait Watch: Send + Sync {
    /// One step.
    fn step(&self, step: FetchStep<'_>);
}

/// Tells nobody.
impl Watch for () {
    fn step(&self, _: FetchStep<'_>) {}
}

/// A step of one table.
#[derive(Clone, Copy, Debug)]
pub enum FetchStep<'a> {
    /// The first request of a walk goes out.
    Started(FetchMode),
    /// A page was decoded.
    Page {
        /// Rows on it.
        rows: u64,
        /// Bytes of JSON.
        bytes: u64,
    },
    /// The walk broke and starts again.
    Restarted(&'a FetchError),
    /// The last page is there; the commit is awaited.
    Fetched,
}

/// Joins an API and a sink. Clones share what they remember.
pub struct Ingest<A, S> {
    api: Arc<A>,
    sink: S,
    limits: DecodeLimits,
    settings: IngestSettings,
    memory: Arc<Mutex<Memory>>,
    bases: Arc<Mutex<UnflushedBases>>,
    random: Arc<Mutex<Rng>>,
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
        }
    }
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Joins the two. The limits bound what a page may hold.
    pub fn new(api: Arc<A>, sink: S, limits: DecodeLimits, settings: IngestSettings) -> Self {
        Self {
            api,
            sink,
            limits,
            settings,
            memory: Arc::new(Mutex::new(Memory::new(settings.memory_rows))),
            bases: Arc::default(),
            random: Arc::default(),
        }
    }

    /// Draws samples with this, so that a run can be repeated.
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

    /// Returns up to which instants a table is covered: what the sink says, raised by deltas that found nothing.
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

    /// Fetches a table and commits what it brings.
    ///
    /// The slot is dropped once all is uploaded: waiting for a group commit keeps nobody from fetching. A walk that breaks
    /// starts again a few times. Dropping the future is safe at any point: the fetch is committed as a whole or not at
    /// all, and what is remembered is right in both cases.
    pub async fn run(
        &self,
        order: Order,
        slot: impl Send,
        watch: &impl Watch,
    ) -> Result<Done, IngestError> {
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

    /// Commits the bases that deltas without rows have reached: one log entry per endpoint. Tables that `skip` names are
    /// left for the next time: a fetch of theirs that is under way would be superseded.
    ///
    /// Goes on with the other endpoints after an error, and returns the first one.
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
        FetchOptions {
            limits: self.limits,
            last_seen: order.coverage.seen,
            ..FetchOptions::new(order.lane)
        }
    }

    /// Every change of it is whole before the lock is given back, so a panic elsewhere leaves it right.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a source of randomness of one's own.
    fn random(&self) -> Rng {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.fork()
    }

    fn bases(&self) -> MutexGuard<'_, UnflushedBases> {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Picks how to fetch a table: a delta where one is wanted and can be asked for, a snapshot otherwise.
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
