//! The clocks of a world: the true time, and those that are wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use kombo_source::time::{Clock, Moment, Uptime, format_timestamp};
use tokio::time::Instant;

use crate::dice::Dice;

/// Monday, 2026-01-05, 08:00 UTC, in milliseconds.
const EPOCH_MS: i64 = 1_767_600_000_000;

/// The true time, which follows Tokio's paused clock.
#[derive(Clone)]
pub(crate) struct Clocks {
    home: ThreadId,
    started: Instant,
    /// What the home thread has read last: other threads have no virtual time.
    last_ms: Arc<AtomicI64>,
}

impl Clocks {
    /// Starts the clocks. Only this thread sees time pass; while another thread works, this one waits.
    pub(crate) fn start() -> Self {
        Self {
            home: thread::current().id(),
            started: Instant::now(),
            last_ms: Arc::new(AtomicI64::new(EPOCH_MS)),
        }
    }

    /// Returns the true time, in milliseconds since 1970.
    pub(crate) fn true_now(&self) -> i64 {
        if thread::current().id() == self.home {
            let passed_ms = i64::try_from(self.started.elapsed().as_millis());
            let now_ms = EPOCH_MS + passed_ms.expect("not that long");
            self.last_ms.store(now_ms, Ordering::Relaxed);
        }
        self.last_ms.load(Ordering::Relaxed)
    }

    /// Returns whether the caller is on the thread that has virtual time.
    pub(crate) fn is_home(&self) -> bool {
        thread::current().id() == self.home
    }

    /// Returns the time since the start of the world.
    pub(crate) fn passed(&self) -> Duration {
        let passed_ms = self.true_now() - EPOCH_MS;
        Duration::from_millis(u64::try_from(passed_ms).unwrap_or(0))
    }

    /// Returns a clock that counts from the start of the machine, and is never wrong.
    pub(crate) fn uptime(&self) -> Uptime {
        let clocks = self.clone();
        Uptime::from_fn(move || clocks.passed() + Duration::from_hours(1))
    }
}

/// Writes an instant for people.
pub(crate) fn shown(at_ms: i64) -> String {
    format_timestamp(at_ms * 1_000)
}

/// The wall clock of one machine, which somebody may set.
#[derive(Clone)]
pub(crate) struct WallClock {
    clocks: Clocks,
    ahead_ms: Arc<AtomicI64>,
}

impl WallClock {
    /// Returns a clock that is ahead by some milliseconds, or behind.
    pub(crate) fn new(clocks: &Clocks, ahead_ms: i64) -> Self {
        Self {
            clocks: clocks.clone(),
            ahead_ms: Arc::new(AtomicI64::new(ahead_ms)),
        }
    }

    /// Sets the clock.
    pub(crate) fn set_ahead(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Moment {
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        Moment::from_millis(self.clocks.true_now() + ahead_ms)
    }
}

/// Returns by how much a wall clock is wrong: seconds, minutes, hours, or a day.
pub(crate) fn wrong_by(dice: &mut Dice) -> i64 {
    let most = *dice.one_of(&[5_000, 400_000, 7_200_000, 86_400_000]);
    i64::try_from(dice.number(0..2 * most)).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
}
