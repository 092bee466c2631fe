//! Limits how often log lines are written that strangers can cause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets one log line through per interval, and counts the suppressed ones.
#[derive(Debug)]
pub(super) struct Seldom {
    every: Duration,
    last: Mutex<(Option<Instant>, u64)>,
}

impl Seldom {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            last: Mutex::default(),
        }
    }

    /// Returns `Some` if a line may be logged now, with the number of lines suppressed since the last one.
    pub(super) fn speak(&self) -> Option<u64> {
        let now = Instant::now();
        // Only complete values are stored, so the state is valid after a panic elsewhere.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0.is_some_and(|at| now < at + self.every) {
            last.1 += 1;
            return None;
        }
        let (_, suppressed) = std::mem::replace(&mut *last, (Some(now), 0));
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_and_a_number() {
        let seldom = Seldom::new(Duration::from_secs(10));
        assert_eq!(seldom.speak(), Some(0));
        assert!((0..500).all(|_| seldom.speak().is_none()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(seldom.speak(), Some(500));
        assert_eq!(seldom.speak(), None);
    }
}
