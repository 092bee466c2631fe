//! Waits that double with each failure in a row.

use std::time::Duration;

/// Computes how long to wait after failures in a row: the first wait, twice as long after each further failure, and
/// never more than the longest wait. The caller counts the failures. A backoff keeps no count and reads no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    jitter_percent: u8,
}

impl Backoff {
    /// Makes a backoff from the first wait and the longest wait.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            jitter_percent: 0,
        }
    }

    /// Sets the share of each wait that is random, in percent. With 100 a wait is anything between zero and the full
    /// wait.
    #[must_use]
    pub const fn with_jitter(self, percent: u8) -> Self {
        Self {
            jitter_percent: percent,
            ..self
        }
    }

    /// Returns the wait after a failure that follows `before` earlier failures in a row.
    #[must_use]
    pub fn wait(self, before: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(before);
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        if self.jitter_percent == 0 {
            return whole;
        }
        let jitter = f64::from(self.jitter_percent.min(100)) / 100.0;
        whole.mul_f64(1.0 - jitter * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_mins(2), Duration::from_mins(15));
        let minutes = [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(|n| backoff.wait(n).as_secs() / 60);
        assert_eq!(minutes, [2, 4, 8, 15, 15, 15, 15, 15]);
    }

    #[test]
    fn jitter_shortens_a_wait_by_its_share_at_most() {
        let backoff = Backoff::new(Duration::from_secs(8), Duration::from_mins(1));
        for (percent, least) in [(50, 4), (100, 0)] {
            let waits: Vec<_> = (0..500)
                .map(|_| backoff.with_jitter(percent).wait(0))
                .collect();
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(8));
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)));
            let middle = (least + most) / 2;
            assert!(waits.iter().any(|wait| *wait < middle));
            assert!(waits.iter().any(|wait| *wait > middle));
        }
    }
}
