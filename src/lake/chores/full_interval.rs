//! The interval between full fetches, which a reload of the service may change while a chore runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The interval between full fetches. Clones share the value.
#[derive(Clone, Debug)]
pub struct FullInterval(Arc<AtomicU64>);

impl FullInterval {
    /// Returns an interval, in whole seconds.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(interval.as_secs())))
    }

    /// Replaces the interval, also for the chores that have a clone.
    pub fn set(&self, interval: Duration) {
        self.0.store(interval.as_secs(), Ordering::Relaxed);
    }

    /// Returns the interval.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}
