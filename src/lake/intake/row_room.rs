//! Bounds what all fetches together hold in memory, and how many runs are encoded at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Decoded bytes of rows that all fetches together gather before they are written, about.
const GATHERED_BYTES: usize = 40 << 20;

/// Decoded bytes that a fetch may gather in any case. A file of fewer rows is not worth it.
const LEAST_BYTES: usize = 1 << 20;

/// What the fetches of a lake share. Cheap to clone.
#[derive(Clone)]
pub(in crate::lake) struct RowRoom {
    /// Number of fetches that gather rows.
    fetches: Arc<AtomicUsize>,
    encoding: Arc<Semaphore>,
}

/// The place of one fetch that gathers rows, until it is dropped.
pub(in crate::lake) struct RowPlace(RowRoom);

impl RowRoom {
    pub(in crate::lake) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            fetches: Arc::default(),
            encoding: Arc::new(Semaphore::new(cores.max(2))),
        }
    }

    /// Adds a fetch.
    pub(in crate::lake) fn enter(&self) -> RowPlace {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        RowPlace(self.clone())
    }
}

impl RowPlace {
    /// Returns the decoded bytes that make a run now: `run_bytes` for few fetches, and less for many.
    pub(in crate::lake) fn run_bytes(&self, run_bytes: usize) -> usize {
        let fetches = self.0.fetches.load(Ordering::Relaxed).max(1);
        (GATHERED_BYTES / fetches).max(LEAST_BYTES).min(run_bytes)
    }

    /// Waits for a turn to encode a run. An encoder holds the pages of each column in memory.
    pub(in crate::lake) fn turn(
        &self,
    ) -> impl Future<Output = Option<OwnedSemaphorePermit>> + use<> {
        let encoding = Arc::clone(&self.0.encoding);
        // The semaphore is never closed.
        async move { encoding.acquire_owned().await.ok() }
    }
}

impl Drop for RowPlace {
    fn drop(&mut self) {
        self.0.fetches.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_fetches_gather_less_each() {
        const RUN: usize = 32 << 20;
        let room = RowRoom::new();
        let one = room.enter();
        assert_eq!(one.run_bytes(RUN), RUN);
        let more: Vec<_> = (0..3).map(|_| room.enter()).collect();
        assert_eq!(one.run_bytes(RUN), 10 << 20);
        let many: Vec<_> = (0..1_000).map(|_| room.enter()).collect();
        assert_eq!(one.run_bytes(RUN), 1 << 20);
        assert_eq!(one.run_bytes(1), 1, "a smaller setting counts");
        drop((more, many));
        assert_eq!(one.run_bytes(RUN), RUN);
    }
}
