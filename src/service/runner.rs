//! Runs fetches, each in a slot of its lane, and other tasks beside them. The service and a backfill both own a runner.
//! The owner decides which fetch is next and what an ended fetch means; the runner starts fetches, runs them and hands
//! their results back.
//!
//! Everything is in one `JoinSet`. Dropping the set is safe at any time: rows that are not committed are not visible.

use std::collections::HashSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fetching::Fetching;
use super::slots::{FetchSlot, Slots};
use crate::api::KomboApi;
use crate::fetch::Lane;
use crate::ids::TableId;
use crate::ingest::Ingest;
use crate::plan::{Kind, Work};
use crate::sink::Sink;

/// The most fetches that run or wait for their commit. More of them would only hold memory. When so many do, the sink is
/// asked to commit what it has.
const MAX_RUNNING: usize = 1_000;

/// How often the sink is asked again to commit what it has.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// Runs tasks. Each task returns an `R`.
pub(crate) struct Runner<A, S, R> {
    pub(crate) ingest: Ingest<A, S>,
    pub(crate) slots: Slots,
    pub(crate) tasks: JoinSet<R>,
    running: HashSet<(TableId, Kind)>,
}

impl<A, S, R> Runner<A, S, R>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
    R: Send + 'static,
{
    /// Returns a runner without tasks.
    pub(crate) fn new(ingest: Ingest<A, S>, slots: Slots) -> Self {
        Self {
            ingest,
            slots,
            tasks: JoinSet::new(),
            running: HashSet::new(),
        }
    }

    /// Returns whether a fetch of this lane could begin now.
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        self.running.len() < MAX_RUNNING && self.slots.has_room(lane)
    }

    /// Starts a fetch in a slot. The fetch gives its slot back after the upload, so waiting for a group commit does not
    /// block other fetches.
    pub(crate) fn begin<F>(
        &mut self,
        fetching: Fetching,
        fetch: impl FnOnce(Fetching, Ingest<A, S>, Option<FetchSlot>) -> F,
    ) where
        F: Future<Output = R> + Send + 'static,
    {
        let Work {
            table, kind, lane, ..
        } = &fetching.work;
        self.running.insert((table.clone(), *kind));
        let slot = self.slots.take(*lane);
        self.tasks.spawn(fetch(fetching, self.ingest.clone(), slot));
    }

    /// Runs a task beside the fetches. `brings` converts its result.
    pub(crate) fn beside<T: 'static>(
        &mut self,
        task: impl Future<Output = T> + Send + 'static,
        brings: fn(T) -> R,
    ) {
        self.tasks.spawn(async move { brings(task.await) });
    }

    /// Removes an ended fetch from the running ones.
    pub(crate) fn ended(&mut self, fetching: &Fetching) {
        let work = &fetching.work;
        self.running.remove(&(work.table.clone(), work.kind));
    }

    /// Returns the fetches that run or wait for their commit.
    pub(crate) fn running(&self) -> &HashSet<(TableId, Kind)> {
        &self.running
    }

    /// Waits until a task ends, and returns its result; or until a slot is given back, and returns `None`. With `flush`
    /// the owner says that no further fetch will share a commit: the sink is asked to commit at once, and again every
    /// 100 ms, since a fetch may reach its commit a little later. The same happens when no further fetch may begin.
    ///
    /// Cancelling is safe: no result of a task is lost.
    pub(crate) async fn step(&mut self, flush: bool) -> Option<R> {
        let flush = flush || self.running.len() >= MAX_RUNNING;
        if flush {
            self.ingest.sink().flush();
        }
        tokio::select! {
            // Results are taken in first: what a fetch has found out counts before the next fetch begins in its slot.
            biased;
            Some(ended) = self.tasks.join_next() => match ended {
                Ok(brought) => Some(brought),
                // A panic is a bug and has left unknown state behind, so the service must not go on.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => None,
            },
            () = self.slots.freed() => None,
            () = sleep(FLUSH_EVERY), if flush => None,
        }
    }
}
