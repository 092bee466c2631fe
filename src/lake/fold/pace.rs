//! Limits the share of a core that a fold uses.

use std::num::NonZeroU8;
use std::time::Duration;

use tokio::time::Instant;

/// Rests after work, so that work takes at most a share of the time.
pub(super) struct Pace {
    /// Share of the time for work, between 0 and 1.
    share: f64,
    since: Instant,
}

impl Pace {
    /// Creates a pace for a share of the time, in percent. From 100 on, the fold never rests.
    pub(super) fn new(percent: NonZeroU8) -> Self {
        Self {
            share: f64::from(percent.get().min(100)) / 100.0,
            since: Instant::now(),
        }
    }

    /// Rests in proportion to the work since the last rest. Blocks the thread, which belongs to the fold alone.
    pub(super) fn rest(&mut self) {
        let rest = rest_after(self.since.elapsed(), self.share);
        if !rest.is_zero() {
            std::thread::sleep(rest);
        }
        self.since = Instant::now();
    }
}

fn rest_after(busy: Duration, share: f64) -> Duration {
    busy.mul_f64((1.0 - share) / share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_time_is_as_much_rest_as_work() {
        let second = Duration::from_secs(1);
        assert_eq!(rest_after(second, 0.5), second);
        assert_eq!(rest_after(second, 1.0), Duration::ZERO);
        assert_eq!(rest_after(second, 0.25), second * 3);
    }
}
