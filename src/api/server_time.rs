//! The time at Kombo, estimated from the answers so far.
//!
//! A `Date` counts only within the limits of [`Horizon`]. A `Date` that is years off neither changes the estimate nor
//! gives a base.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tracing::error;

use crate::time::{
    Base, Clock, Horizon, Moment, ObservedAt, ServerClock, ServerNow, parse_http_date,
};

/// The server's clock, together with the clock of this machine.
pub(super) struct ServerTime {
    local: Arc<dyn Clock>,
    server: Mutex<ServerClock>,
    started: Instant,
    /// Whether the error about an impossible `Date` was logged. It is logged once, because every answer would repeat
    /// it.
    is_told: AtomicBool,
}

impl ServerTime {
    /// Begins before the first answer.
    pub(super) fn new(local: Arc<dyn Clock>) -> Self {
        Self {
            local,
            server: Mutex::default(),
            started: Instant::now(),
            is_told: AtomicBool::new(false),
        }
    }

    /// Takes the `Date` of an answer. Returns the base and the observation instant of the page.
    pub(super) fn answered(
        &self,
        date: Option<&str>,
        sent: Instant,
        received: Instant,
    ) -> (Option<Base>, ObservedAt) {
        let horizon = self.horizon();
        let headers_at = received - self.started;
        let said = date.and_then(parse_http_date);
        let mut server = self.server();
        let date = said.and_then(|said| server.observe(said, headers_at, horizon));
        if let (Some(said), None) = (said, date) {
            self.tell(said, horizon);
        }
        let now = server.at(headers_at, horizon);
        let observed_at = now.map_or(horizon.unstamped(), ServerNow::observed);
        let base = date.map(|date| Base::from_first_page(date, received - sent));
        (base, observed_at)
    }

    /// Returns the server's current time. Returns `None` before the first usable `Date`.
    pub(super) fn now(&self) -> Option<ServerNow> {
        self.server().at(self.started.elapsed(), self.horizon())
    }

    /// Returns how far the server's clock is ahead of the local clock, in milliseconds.
    pub(super) fn skew_ms(&self) -> Option<i64> {
        let (server, local) = (self.now()?.moment(), self.local.now());
        Some(server.as_millis().saturating_sub(local.as_millis()))
    }

    /// Logs once that a `Date` cannot be true: the operator has to check a clock.
    fn tell(&self, says: Moment, horizon: Horizon) {
        if self.is_told.swap(true, Ordering::Relaxed) {
            return;
        }
        let clock = horizon.unstamped();
        error!(
            date = %says,
            %clock,
            "Kombo's answer has the date {says}, which cannot be true while this machine's clock shows {clock}; the rows of the answer are kept, but the base of the table does not move forward: check this machine's clock, then the proxies between this machine and Kombo"
        );
    }

    fn horizon(&self) -> Horizon {
        Horizon::at(self.local.now())
    }

    fn server(&self) -> MutexGuard<'_, ServerClock> {
        // The value is a single number, so a panic elsewhere leaves it correct.
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const NOON: &str = "Tue, 14 Nov 2023 12:00:00 GMT";
    const NOON_MS: i64 = 1_699_963_200_000;

    struct Settable(AtomicI64);

    impl Clock for Settable {
        fn now(&self) -> Moment {
            Moment::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn time(local_ms: i64) -> (ServerTime, Arc<Settable>) {
        let local = Arc::new(Settable(AtomicI64::new(local_ms)));
        (ServerTime::new(Arc::clone(&local) as Arc<dyn Clock>), local)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_known_before_an_answer_with_a_date() {
        let (time, _) = time(NOON_MS);
        assert_eq!((time.now(), time.skew_ms()), (None, None));
        let now = Instant::now();
        let (base, observed_at) = time.answered(Some("noon"), now, now);
        assert_eq!(base, None);
        assert_eq!(
            observed_at.as_micros(),
            NOON_MS * 1000,
            "by the local clock"
        );
        assert_eq!((time.now(), time.skew_ms()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_time_goes_on_between_answers_whatever_the_local_clock_does() {
        let (time, local) = time(NOON_MS + 45_000);
        let sent = Instant::now();
        time.answered(Some(NOON), sent, sent);
        assert_eq!(time.skew_ms(), Some(-45_000));
        advance(Duration::from_millis(90_250)).await;
        let now_ms = || time.now().map(|now| now.moment().as_millis());
        assert_eq!(now_ms(), Some(NOON_MS + 90_250));
        local.0.store(NOON_MS - 3_600_000, Ordering::Relaxed);
        assert_eq!(time.skew_ms(), Some(3_600_000 + 90_250));
        assert_eq!(now_ms(), Some(NOON_MS + 90_250));
    }

    const ABSURD: [&str; 4] = [
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Thu, 01 Jan 2099 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Wed, 01 Jan 2020 00:00:00 GMT",
    ];

    #[tokio::test(start_paused = true)]
    async fn an_absurd_date_makes_no_base_and_its_page_is_observed_by_what_was_known_before() {
        for absurd in ABSURD {
            let (time, _) = time(NOON_MS + 5_000);
            let now = Instant::now();
            // Before the first answer only the local clock is known.
            let (base, first) = time.answered(Some(absurd), now, now);
            assert_eq!(
                (base, first.as_micros()),
                (None, (NOON_MS + 5_000) * 1_000),
                "{absurd}"
            );
            assert_eq!(time.now(), None, "{absurd} is no time of Kombo's");
            let (base, _) = time.answered(Some(NOON), now, now);
            assert_eq!(base, Some(Base::from_millis(NOON_MS)));
            advance(Duration::from_mins(1)).await;
            let later = Instant::now();
            let (base, middle) = time.answered(Some(absurd), later, later);
            assert_eq!(
                (base, middle.as_micros()),
                (None, (NOON_MS + 60_000) * 1_000),
                "{absurd}: by the estimate"
            );
            assert_eq!(time.skew_ms(), Some(55_000), "the local clock stands still");
            assert!(time.is_told.load(Ordering::Relaxed));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_local_clock_a_day_behind_still_moves_bases_and_writes_nothing_far_ahead_of_itself() {
        let day_ms = 86_400_000;
        let (time, _) = time(NOON_MS - day_ms);
        let now = Instant::now();
        let (base, observed_at) = time.answered(Some(NOON), now, now);
        let latest_ms = NOON_MS - day_ms + 600_000;
        assert_eq!(base, Some(Base::from_millis(latest_ms)));
        assert_eq!(observed_at.as_micros(), latest_ms * 1_000);
        let says = time.now().map(|now| now.moment().as_millis());
        assert_eq!(says, Some(NOON_MS), "what stored bases are compared with");
        assert!(!time.is_told.load(Ordering::Relaxed));
    }
}
