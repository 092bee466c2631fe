//! How a world follows real time: from its start on, and ahead of it by what a test skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::serve::SharedWorld;
use crate::company::World;

/// Real time, and how far the world is ahead of it.
#[derive(Clone, Debug)]
pub(super) struct WorldClock {
    started: Instant,
    ahead_ms: Arc<AtomicU64>,
}

impl WorldClock {
    /// Goes on from the world's time.
    pub(super) fn start(world: &SharedWorld) -> Self {
        let world = world.lock();
        let since = world.now_ms().saturating_sub(world.settings().start_ms);
        Self {
            started: Instant::now(),
            ahead_ms: Arc::new(AtomicU64::new(u64::try_from(since).unwrap_or(0))),
        }
    }

    /// Lets happen in the world what is due by now.
    pub(super) fn keep(&self, world: &mut World) {
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        world.advance_to(self.started.elapsed().saturating_add(ahead));
    }

    /// Skips a while.
    pub(super) fn skip(&self, by: Duration, world: &mut World) {
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
        self.keep(world);
    }
}
