//! What time it is at Kombo, by the answers so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::time::{Base, Clock, ObservedAt, ServerClock, parse_http_date};

/// The server's clock beside this machine's.
pub(super) struct ServerTime {
    local: Arc<dyn Clock>,
    server: Mutex<ServerClock>,
    started: Instant,
}

impl ServerTime {
    /// Begins with no answer.
    pub(super) fn new(local: Arc<dyn Clock>) -> Self {
        Self {
            local,
            server: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// Takes in an answer's `Date`, and derives what a page says about time.
    pub(super) fn answered(
        &self,
        date: Option<&str>,
        sent: Instant,
        received: Instant,
    ) -> (Option<Base>, ObservedAt) {
        let date_ms = date.and_then(parse_http_date);
        let local_ms = self.local.wall_ms();
        let headers_at = received - self.started;
        let mut server = self.server();
        if let Some(date_ms) = date_ms {
            server.observe(date_ms, headers_at);
        }
        let observed_at = server
            .at(headers_at)
            .unwrap_or_else(|| ObservedAt::from_micros(local_ms.saturating_mul(1000)));
        let base = date_ms.map(|date_ms| Base::from_first_page(date_ms, received - sent, local_ms));
        (base, observed_at)
    }

    /// Returns the server's time now; `None` before the first `Date`.
    pub(super) fn now(&self) -> Option<ObservedAt> {
        self.server().at(self.started.elapsed())
    }

    /// Returns how far the server's clock is ahead of the local one.
    pub(super) fn skew_ms(&self) -> Option<i64> {
        let server_ms = self.now()?.as_micros().div_euclid(1000);
        Some(server_ms.saturating_sub(self.local.wall_ms()))
    }

    fn server(&self) -> MutexGuard<'_, ServerClock> {
        // One number, so a panic elsewhere leaves it right.
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const NOON: &str = "Tue, 14 Nov 2023 12:00:00 GMT";
    const NOON_MS: i64 = 1_699_963_200_000;

    struct Settable(AtomicI64);

    impl Clock for Settable {
        fn wall_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
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
        assert_eq!(
            time.now(),
            Some(ObservedAt::from_micros((NOON_MS + 90_250) * 1000))
        );
        local.0.store(NOON_MS - 3_600_000, Ordering::Relaxed);
        assert_eq!(time.skew_ms(), Some(3_600_000 + 90_250));
    }
}
