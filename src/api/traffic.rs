//! What a client has sent, and what an outage of the server does to everybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ApiError;
use crate::time::Backoff;

/// Failures in a row, over all requests, that are taken for bad luck.
const BAD_LUCK: u32 = 4;

/// The pause between two tries during an outage.
const PAUSE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));

/// The classes of HTTP status that answers are counted by.
const STATUS_CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "other"];

/// What a client has sent, and what came of it. All counts grow from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, retries included.
    pub requests: u64,
    /// Answers with status 429.
    pub rate_limited: u64,
    /// Requests that were retries.
    pub retries: u64,
    /// Answers by class of status, from `2xx` to `5xx` and `other`. A request without an answer is in none.
    pub responses: BTreeMap<&'static str, u64>,
    /// Requests that failed, retried or not, by [`ApiError::label`].
    pub errors: BTreeMap<&'static str, u64>,
}

/// Counts requests.
#[derive(Debug, Default)]
pub(super) struct RequestCounts {
    requests: AtomicU64,
    rate_limited: AtomicU64,
    responses: [AtomicU64; STATUS_CLASSES.len()],
    errors: Mutex<BTreeMap<&'static str, u64>>,
}

impl RequestCounts {
    /// Counts a request that goes out.
    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer.
    pub(super) fn answered(&self, status: u16) {
        if status == 429 {
            self.rate_limited.fetch_add(1, Ordering::Relaxed);
        }
        let other = STATUS_CLASSES.len() - 1;
        let class = usize::from(status / 100).checked_sub(2).unwrap_or(other);
        self.responses[class.min(other)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that failed.
    pub(super) fn failed(&self, error: &ApiError) {
        *self.errors().entry(error.label()).or_default() += 1;
    }

    /// Returns the counts, with the retries that someone else counts.
    pub(super) fn traffic(&self, retries: u64) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            rate_limited: self.rate_limited.load(Ordering::Relaxed),
            retries,
            responses: STATUS_CLASSES
                .into_iter()
                .zip(
                    self.responses
                        .iter()
                        .map(|count| count.load(Ordering::Relaxed)),
                )
                .collect(),
            errors: self.errors().clone(),
        }
    }

    fn errors(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        // Counts only, so a panic elsewhere leaves them right.
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
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
            state.until = Some(now + PAUSE.wait(doublings));
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

    #[test]
    fn answers_are_counted_by_class_and_every_status_has_one() {
        let counters = RequestCounts::default();
        for status in [0, 101, 200, 204, 302, 404, 429, 429, 503, 600, 65_535] {
            counters.answered(status);
        }
        let traffic = counters.traffic(0);
        let counts: Vec<_> = traffic.responses.into_iter().collect();
        assert_eq!(
            counts,
            [("2xx", 2), ("3xx", 1), ("4xx", 3), ("5xx", 1), ("other", 4)]
        );
        assert_eq!(traffic.rate_limited, 2);
    }

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
