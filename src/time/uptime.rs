//! How long the machine has been up, also while it was suspended.
//!
//! The monotonic clock of Linux stands still while a laptop sleeps or a machine is suspended. A lease that is measured by it
//! would look young afterwards, so a lease is measured by this clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A clock that never goes back. Tests bring their own.
#[derive(Clone)]
pub struct Uptime(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Uptime {
    /// Reads the time since the machine started. Suspended time counts on Linux, and elsewhere as the system's monotonic clock
    /// has it.
    #[must_use]
    pub fn of_machine() -> Self {
        Self(Arc::new(since_start))
    }

    /// Reads another clock.
    #[must_use]
    pub fn from_fn(read: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Returns the time since a fixed instant.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Uptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uptime")
    }
}

#[cfg(target_os = "linux")]
fn since_start() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
#[expect(
    clippy::disallowed_methods,
    reason = "tests that pause the clock bring an uptime of their own"
)]
fn since_start() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_uptime_moves_on() {
        let uptime = Uptime::of_machine();
        let before = uptime.now();
        assert!(before <= uptime.now());
        assert!(before > Duration::ZERO);
    }
}
