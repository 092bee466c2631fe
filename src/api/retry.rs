//! How often and how soon a failed request is sent again. The only layer that retries; the retries of `reqwest` are
//! off.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::ApiSettings;
use crate::time::Backoff;

/// Retries that are allowed before any request has earned one. A single early failure is then retried up to the limit.
const ALLOWANCE: u64 = 5;

/// The most retries that can be saved. A good hour then does not pay for a flood of retries.
const MOST_SAVED: u64 = 50;

/// Number of requests that earn one retry. So retries stay below 10 % of all requests, including the retries.
const REQUESTS_PER_RETRY: u64 = 10;

/// The limit of attempts for one request, and the budget of retries that all requests share.
#[derive(Debug)]
pub(super) struct Retries {
    attempts: u32,
    backoff: Backoff,
    longest: Duration,
    /// The saved budget in parts of a retry. [`REQUESTS_PER_RETRY`] parts are one retry.
    saved: AtomicU64,
    made: AtomicU64,
}

impl Retries {
    pub(super) fn new(settings: &ApiSettings) -> Self {
        let longest = Duration::from_secs(settings.retry_max_duration_secs.get());
        Self {
            attempts: settings.retry_attempts.get(),
            // Full jitter: requests that failed together do not return together.
            backoff: Backoff::new(settings.initial_backoff(), longest).with_jitter(100),
            longest,
            saved: AtomicU64::new(ALLOWANCE * REQUESTS_PER_RETRY),
            made: AtomicU64::new(0),
        }
    }

    /// Counts a request, whether it succeeds or fails.
    pub(super) fn earn(&self) {
        self.change(|saved| Some((saved + 1).min(MOST_SAVED * REQUESTS_PER_RETRY)));
    }

    /// Pays for one more attempt after `failed` attempts. Returns whether the attempt is allowed.
    pub(super) fn spend(&self, failed: u32) -> bool {
        let allowed =
            failed < self.attempts && self.change(|saved| saved.checked_sub(REQUESTS_PER_RETRY));
        if allowed {
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        allowed
    }

    /// Returns how long to wait after `failed` attempts: a random time up to a bound that doubles, and at least the
    /// time that the server asks for. Not used after a 429: the throttle then holds every request until the wait is
    /// over.
    pub(super) fn backoff(&self, failed: u32, asked: Option<Duration>) -> Duration {
        let wait = self.backoff.wait(failed.saturating_sub(1));
        wait.max(asked.unwrap_or_default().min(self.longest))
    }

    /// Returns the number of retries so far.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    fn change(&self, step: impl FnMut(u64) -> Option<u64>) -> bool {
        self.saved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries() -> Retries {
        Retries::new(&ApiSettings::default())
    }

    #[test]
    fn a_lone_request_is_tried_six_times() {
        let retries = retries();
        retries.earn();
        let tried = (1..100).take_while(|failed| retries.spend(*failed)).count();
        assert_eq!(1 + tried, 6);
    }

    #[test]
    fn in_an_outage_retries_stay_under_a_tenth_of_all_requests() {
        let retries = retries();
        let requests = 10_000;
        for _ in 0..requests {
            retries.earn();
            (1..100).take_while(|failed| retries.spend(*failed)).count();
        }
        let made = retries.made();
        assert!((900..=1_005).contains(&made), "{made}");
        assert!((made - ALLOWANCE) * 10 <= requests + made, "{made}");
    }

    #[test]
    fn a_good_hour_saves_up_no_storm() {
        let retries = retries();
        for _ in 0..1_000_000 {
            retries.earn();
        }
        let made = (0..1_000).filter(|_| retries.spend(1)).count();
        assert_eq!(made, 50);
    }

    #[test]
    fn backoffs_are_spread_up_to_a_doubling_bound_with_a_cap() {
        let retries = retries();
        for (failed, bound) in [(1, 500), (2, 1_000), (5, 8_000), (8, 60_000), (90, 60_000)] {
            let bound = Duration::from_millis(bound);
            let waits: Vec<_> = (0..500).map(|_| retries.backoff(failed, None)).collect();
            assert!(waits.iter().all(|wait| *wait <= bound));
            assert!(waits.iter().any(|wait| *wait < bound / 4));
            assert!(waits.iter().any(|wait| *wait > bound * 3 / 4));
        }
    }

    #[test]
    fn the_wait_a_server_asks_for_is_kept_within_the_cap() {
        let retries = retries();
        let asked = |seconds| retries.backoff(1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(7_000), Duration::from_mins(1));
    }
}
