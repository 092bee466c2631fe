//! Lets a world follow real time, plus the spans that a test skipped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::shared_world::SharedWorld;
use crate::company::World;

/// A world whose time follows Tokio's clock, and how far the world is ahead of that clock.
#[derive(Clone, Debug)]
pub(super) struct WorldClock {
    world: SharedWorld,
    started: Instant,
    ahead_ms: Arc<AtomicU64>,
}

impl WorldClock {
    /// Starts the clock at the present time of the world.
    pub(super) fn start(world: SharedWorld) -> Self {
        let since = {
            let world = world.lock();
            world.now().since(world.settings().start)
        };
        Self {
            world,
            started: Instant::now(),
            ahead_ms: Arc::new(AtomicU64::new(millis(since))),
        }
    }

    /// Waits for the world and makes the changes that are due.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock();
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        world.advance_to(self.started.elapsed().saturating_add(ahead));
        world
    }

    /// Moves the world forward by a span, and returns it.
    pub(super) fn skip(&self, by: Duration) -> MutexGuard<'_, World> {
        self.ahead_ms.fetch_add(millis(by), Ordering::Relaxed);
        self.world()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
