//! What runs: fetches, each in a slot of its lane, and whatever its owner has running beside them. The service and a
//! backfill are two owners of it: which fetch is next and what an ended one means is theirs, how it begins, runs and comes
//! back is not.
//!
//! Everything is in one `JoinSet`. Dropping it is safe at any time: what is not committed is not visible.

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

/// Fetches that run or wait for their commit; more would only hold memory.
const MAX_RUNNING: usize = 1_000;

/// How often the sink is told again that nothing is left to wait for.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// What runs, and brings back an `R`.
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
    /// Begins with nothing.
    pub(crate) fn new(ingest: Ingest<A, S>, slots: Slots) -> Self {
        Self {
            ingest,
            slots,
            tasks: JoinSet::new(),
            running: HashSet::new(),
        }
    }

    /// Returns whether a fetch of a lane could begin now.
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        self.running.len() < MAX_RUNNING && self.slots.has_room(lane)
    }

    /// Begins a fetch: it is given its slot, and gives it back once all is uploaded. So waiting for a group commit keeps
    /// nobody from fetching.
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

    /// Runs something beside the fetches, and brings back what it says.
    pub(crate) fn beside<T: 'static>(
        &mut self,
        task: impl Future<Output = T> + Send + 'static,
        brings: fn(T) -> R,
    ) {
        self.tasks.spawn(async move { brings(task.await) });
    }

    /// Takes in that a fetch has ended.
    pub(crate) fn ended(&mut self, fetching: &Fetching) {
        let work = &fetching.work;
        self.running.remove(&(work.table.clone(), work.kind));
    }

    /// Returns which fetches run, or wait for their commit.
    pub(crate) fn running(&self) -> &HashSet<(TableId, Kind)> {
        &self.running
    }

    /// Waits until a task ends and returns what it brings, or until a slot is given back. An owner that knows that no
    /// further fetch will share a commit says so with `flush`: the sink is told now and, since a fetch may reach its
    /// commit a little later, again after each 100 ms.
    ///
    /// Cancelling is safe: nothing that a task brings is lost.
    pub(crate) async fn step(&mut self, flush: bool) -> Option<R> {
        if flush {
            self.ingest.sink().flush();
        }
        tokio::select! {
            // What a fetch has found out counts before the next one begins in its slot.
            biased;
            Some(ended) = self.tasks.join_next() => match ended {
                Ok(brought) => Some(brought),
                // A bug must not go on as if nothing had happened: what it left behind nobody knows.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => None,
            },
            () = self.slots.freed() => None,
            () = sleep(FLUSH_EVERY), if flush => None,
        }
    }
}
