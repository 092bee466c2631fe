//! What keeps requests from leaving, for the log, for progress bars and for `status`.
//!
//! A wait of more than ten seconds is logged once, when it begins, with its reason and its end. The throttle and the
//! outage own the truth about a wait; this file only puts it into words.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use crate::time::{Clock, Moment};
use crate::words::second;

/// A shorter wait is not logged.
const WORTH_A_LINE: Duration = Duration::from_secs(10);

/// Ends that differ by less belong to the same wait.
const SAME_END: Duration = Duration::from_secs(5);

/// A wait of all requests of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Why requests wait.
    pub reason: WaitReason,
    /// How long they still wait.
    pub left: Duration,
}

/// Why requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// Kombo answered 429.
    RateLimit,
    /// Kombo answered 429 and named a time of more than an hour, which is not obeyed.
    RateLimitWithoutTime,
    /// The requests of Kombo's current window are used up, by this program or by others with the same key.
    WindowUsedUp,
    /// The configured rate.
    ConfiguredRate,
    /// Several requests in a row failed at Kombo, or on the way to Kombo.
    Outage,
    /// Kombo answered with an error and asked the client to wait.
    ServerBusy,
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RateLimit | Self::WindowUsedUp => "Kombo's rate limit",
            Self::RateLimitWithoutTime => "Kombo's rate limit (its time is not plausible)",
            Self::ConfiguredRate => "request.rate_limit_num",
            Self::Outage => "the next try to reach Kombo",
            Self::ServerBusy => "the pause that Kombo asks for",
        })
    }
}

impl Wait {
    /// Returns what is shown to the operator: the reason, and the end by a clock that shows `now`.
    #[must_use]
    pub fn shown(&self, now: Moment) -> String {
        format!(
            "waiting for {} until {}",
            self.reason,
            second((now + self.left).as_micros())
        )
    }

    /// Returns what the wait holds back. A pause that Kombo asks for holds only the request that failed.
    fn holds(self) -> &'static str {
        match self.reason {
            WaitReason::ServerBusy => "the failed request is sent again then",
            _ => "no request leaves before",
        }
    }

    /// Returns what the operator may do about it.
    fn advice(self) -> &'static str {
        match self.reason {
            WaitReason::RateLimit | WaitReason::WindowUsedUp => {
                "lower request.rate_limit_num if other programs use the same key"
            }
            WaitReason::RateLimitWithoutTime => {
                "Kombo's answer names a time of more than an hour; the program waits for the length of request.rate_limit_duration_secs instead, and twice as long each further time; if this stays, report the ratelimit-reset and retry-after headers to Kombo"
            }
            WaitReason::ConfiguredRate => "raise request.rate_limit_num if Kombo allows more",
            WaitReason::Outage | WaitReason::ServerBusy => "check Kombo's status page",
        }
    }
}

/// Notices when a long wait begins.
#[derive(Debug, Default)]
pub struct LongWaits {
    known_until: Option<Instant>,
}

impl LongWaits {
    /// Returns whether a wait is long and was not known: it ends later than the known one.
    pub fn begins(&mut self, wait: Wait) -> bool {
        let until = Instant::now() + wait.left;
        let is_known = |known: Instant| until <= known + SAME_END;
        if wait.left < WORTH_A_LINE || self.known_until.is_some_and(is_known) {
            return false;
        }
        self.known_until = Some(until);
        true
    }
}

/// Logs each long wait once.
pub(super) struct WaitLog {
    clock: Arc<dyn Clock>,
    long: Mutex<LongWaits>,
}

impl WaitLog {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            long: Mutex::default(),
        }
    }

    /// Logs a wait, unless it is short or known.
    pub(super) fn tell(&self, wait: Wait) {
        // The value is replaced as a whole, so a panic elsewhere leaves it correct.
        let mut long = self.long.lock().unwrap_or_else(PoisonError::into_inner);
        if !long.begins(wait) {
            return;
        }
        drop(long);
        let (shown, advice) = (wait.shown(self.clock.now()), wait.advice());
        let (holds, wait_secs) = (wait.holds(), wait.left.as_secs());
        if wait.reason == WaitReason::ConfiguredRate {
            // A low rate waits before each request.
            debug!(wait_secs, "{shown}: {holds}; {advice}");
        } else {
            warn!(wait_secs, "{shown}: {holds}; {advice}");
        }
    }
}

impl fmt::Debug for WaitLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitLog")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Afternoon;

    impl Clock for Afternoon {
        fn now(&self) -> Moment {
            Moment::from_millis(1_796_047_473_000)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_is_told_once_and_a_later_end_again() {
        let mut long = LongWaits::default();
        let wait = |secs| Wait {
            reason: WaitReason::RateLimit,
            left: Duration::from_secs(secs),
        };
        assert!(!long.begins(wait(9)), "short");
        assert!(long.begins(wait(57)));
        for _ in 0..30 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!long.begins(wait(28)), "it is known, and ends earlier");
        }
        assert!(long.begins(wait(3_000)), "another wait");
        assert!(!long.begins(wait(3_002)));
    }

    #[test]
    fn a_wait_shows_its_reason_and_its_end() {
        let wait = Wait {
            reason: WaitReason::RateLimit,
            left: Duration::from_secs(57),
        };
        let shown = wait.shown(Afternoon.now());
        assert_eq!(shown, "waiting for Kombo's rate limit until 14:05:30 UTC");
    }
}
