//! Counts of requests and answers, and the pause of all requests during an outage of the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ApiError;
use crate::time::Backoff;

/// Failures in a row, over all requests, that do not yet count as an outage.
const BAD_LUCK: u32 = 4;

/// The pause between two attempts during an outage.
const PAUSE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));

/// The classes of HTTP status that answers are counted by.
const STATUS_CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "other"];

/// Counts of requests and their results since the start of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Number of requests, including retries.
    pub requests: u64,
    /// Number of answers with status 429.
    pub rate_limited: u64,
    /// Number of requests that were retries.
    pub retries: u64,
    /// Number of answers by class of HTTP status, from `2xx` to `5xx` and `other`. Requests without an answer are not
    /// included.
    pub responses: BTreeMap<&'static str, u64>,
    /// Number of failed requests by [`ApiError::label`], whether they were retried or not.
    pub errors: BTreeMap<&'static str, u64>,
}

/// The counters of requests.
#[derive(Debug, Default)]
pub(super) struct RequestCounts {
    requests: AtomicU64,
    rate_limited: AtomicU64,
    responses: [AtomicU64; STATUS_CLASSES.len()],
    errors: Mutex<BTreeMap<&'static str, u64>>,
}

impl RequestCounts {
    /// Counts a request that is sent.
    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer by its status.
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

    /// Returns all counts. `retries` comes from the retry budget.
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
        // The map holds only counts, so a panic elsewhere leaves it correct.
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pauses all requests while the server is not reachable. The retry budget is soon empty then. Without a pause each
/// table would fail as fast as connections are refused, and thousands of tables would fail in a short outage.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<OutageState>);

#[derive(Debug, Default)]
struct OutageState {
    failed_in_a_row: u32,
    /// When the first of these failures came.
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Outage {
    /// Returns the instant before which nothing should be sent.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.state().until
    }

    /// Returns for how long the server has not answered. `None` when the last request was answered.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.state().since.map(|since| since.elapsed())
    }

    /// Takes an error. Only some errors mean that the server, or the way to the server, has a fault.
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
        // Requests that were under way when the pause began give no new information.
        if state.until.is_some_and(|until| now < until) {
            return;
        }
        state.failed_in_a_row += 1;
        state.since.get_or_insert(now);
        if let Some(doublings) = state.failed_in_a_row.checked_sub(BAD_LUCK) {
            state.until = Some(now + PAUSE.wait(doublings));
        }
    }

    /// Takes a successful answer: the outage is over.
    pub(super) fn answered(&self) {
        *self.state() = OutageState::default();
    }

    fn state(&self) -> MutexGuard<'_, OutageState> {
        // The state is replaced as a whole, so a panic elsewhere leaves it correct.
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
