//! What a client has sent, and what an outage of the server does to everybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ApiError;

/// Failures in a row, over all requests, that are taken for bad luck.
const BAD_LUCK: u32 = 4;

/// The longest pause between two tries during an outage.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, retries included.
    pub requests: u64,
    /// Answers with status 429.
    pub rate_limited: u64,
    /// Requests that were retries.
    pub retries: u64,
}

/// Counts requests.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    rate_limited: AtomicU64,
}

impl Counters {
    /// Counts a request that goes out.
    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer.
    pub(super) fn answered(&self, status: u16) {
        if status == 429 {
            self.rate_limited.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the counts, with the retries that someone else counts.
    pub(super) fn traffic(&self, retries: u64) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            rate_limited: self.rate_limited.load(Ordering::Relaxed),
            retries,
        }
    }
}

/// Slows everybody down while the server is away. The retry budget is soon empty then; without a pause each table
/// would fail at the speed of refused connections, and a short outage would fail thousands.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<OutageState>);

#[derive(Debug, Default)]
struct OutageState {
    failed_in_a_row: u32,
    until: Option<Instant>,
}

impl Outage {
    /// Returns until when nothing should be sent.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.state().until
    }

    /// Takes in an error: only some say that the server, or the way to it, is not well.
    pub(super) fn learn(&self, error: &ApiError) {
        match error {
            ApiError::Unavailable { .. } | ApiError::Unreachable { .. } => {
                self.failed(Instant::now());
            }
            _ => self.answered(),
        }
    }

    fn failed(&self, now: Instant) {
        let mut state = self.state();
        // Requests that were under way when the pause began say nothing new.
        if state.until.is_some_and(|until| now < until) {
            return;
        }
        state.failed_in_a_row += 1;
        if let Some(doublings) = state.failed_in_a_row.checked_sub(BAD_LUCK) {
            let pause = Duration::from_secs(1_u64 << doublings.min(6)).min(LONGEST_PAUSE);
            state.until = Some(now + pause);
        }
    }

    /// Takes in that the server answered: the outage is over.
    pub(super) fn answered(&self) {
        *self.state() = OutageState::default();
    }

    fn state(&self) -> MutexGuard<'_, OutageState> {
        // Whole values only, so a panic elsewhere leaves them right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_minute_and_end_with_an_answer() {
        let outage = Outage::default();
        let mut pauses = Vec::new();
        for _ in 0..14 {
            let now = outage.pause().unwrap_or_else(Instant::now);
            outage.failed(now);
            pauses.push(outage.pause().map_or(0, |until| (until - now).as_secs()));
        }
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]);
        outage.answered();
        assert_eq!(outage.pause(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_within_a_pause_do_not_lengthen_it() {
        let (outage, now) = (Outage::default(), Instant::now());
        for _ in 0..100 {
            outage.failed(now);
        }
        assert_eq!(outage.pause(), Some(now + Duration::from_secs(1)));
    }
}
