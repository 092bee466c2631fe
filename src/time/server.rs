//! The server's clock, estimated from `Date` headers and a monotonic clock.

use std::time::Duration;

use super::{Horizon, Moment, ServerDate, ServerNow};

/// A `Date` this far below the estimate means that the server's clock was set back, or that another server answers.
const SET_BACK_MICROS: i64 = 5_000_000;

/// Estimates the server's time from `Date` headers. The monotonic instants are durations since any fixed start.
///
/// The server rounds `Date` down to whole seconds. So each header gives a lower bound of the offset between the two
/// clocks, and the largest bound is the estimate. The estimate only grows, so observations stay in order within a
/// process. The one exception is a `Date` that is clearly lower: the estimate follows it. A `Date` that cannot be true is
/// ignored ([`Horizon::admit`]).
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    offset_micros: Option<i64>,
}

impl ServerClock {
    /// Takes one `Date` and the monotonic instant at which its headers arrived. Returns `None` and changes nothing when
    /// the `Date` cannot be true.
    pub fn observe(
        &mut self,
        date: Moment,
        headers_at: Duration,
        horizon: Horizon,
    ) -> Option<ServerDate> {
        let date = horizon.admit(date, self.at(headers_at, horizon))?;
        let bound = date.at.as_micros().saturating_sub(micros(headers_at));
        match self.offset_micros {
            Some(offset) if bound > offset || offset - bound > SET_BACK_MICROS => {
                self.offset_micros = Some(bound);
            }
            Some(_) => {}
            None => self.offset_micros = Some(bound),
        }
        Some(date)
    }

    /// Returns the server's time at a monotonic instant. Returns `None` before the first `Date`.
    #[must_use]
    pub fn at(&self, instant: Duration, horizon: Horizon) -> Option<ServerNow> {
        self.offset_micros
            .map(|offset| horizon.server_now(offset.saturating_add(micros(instant))))
    }
}

/// Reads the `Date` header's preferred form (RFC 9110, section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<Moment> {
    let text = text.trim().strip_suffix(" GMT")?;
    chrono::NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S")
        .ok()
        .map(|date| Moment::from_millis(date.and_utc().timestamp_millis()))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_is_read_and_nothing_else_is() {
        assert_eq!(
            parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Moment::from_millis(784_111_777_000))
        );
        assert_eq!(
            parse_http_date("Mon, 06 Nov 1994 08:49:37 GMT"),
            None,
            "the weekday is wrong"
        );
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 +0100"), None);
        assert_eq!(parse_http_date("1994-11-06T08:49:37Z"), None);
    }

    const LOCAL: Horizon = Horizon::at(Moment::from_millis(0));

    fn observe(clock: &mut ServerClock, date_ms: i64, at_ms: u64) {
        let date = Moment::from_millis(date_ms);
        let admitted = clock.observe(date, Duration::from_millis(at_ms), LOCAL);
        assert_eq!(admitted.map(|admitted| admitted.at), Some(date));
    }

    fn micros_at(clock: &ServerClock, millis: u64) -> Option<i64> {
        let now = clock.at(Duration::from_millis(millis), LOCAL)?;
        Some(now.observed().as_micros())
    }

    #[test]
    fn the_estimate_takes_the_largest_bound_and_the_monotonic_clock_between() {
        let mut clock = ServerClock::default();
        assert_eq!(micros_at(&clock, 0), None);
        observe(&mut clock, 10_000, 100);
        observe(&mut clock, 11_000, 1_900);
        assert_eq!(micros_at(&clock, 2_000), Some(11_900_000));
        observe(&mut clock, 12_000, 2_050);
        assert_eq!(micros_at(&clock, 2_050), Some(12_000_000));
    }

    #[test]
    fn a_server_set_back_is_followed() {
        let mut clock = ServerClock::default();
        observe(&mut clock, 100_000, 0);
        observe(&mut clock, 50_000, 0);
        assert_eq!(micros_at(&clock, 0), Some(50_000_000));
    }

    #[test]
    fn a_date_a_day_ahead_is_left_again_with_the_next_right_one() {
        let mut clock = ServerClock::default();
        observe(&mut clock, 10_000, 0);
        observe(&mut clock, 86_400_000, 1_000);
        assert_eq!(micros_at(&clock, 1_000), Some(600_000_000), "bounded");
        observe(&mut clock, 12_000, 2_000);
        assert_eq!(micros_at(&clock, 2_000), Some(12_000_000));
    }

    #[test]
    fn a_date_that_cannot_be_true_changes_nothing() {
        let mut clock = ServerClock::default();
        for absurd in [i64::MIN, 3 * 86_400_000, 253_402_300_799_000, i64::MAX] {
            let absurd = Moment::from_millis(absurd);
            assert_eq!(clock.observe(absurd, Duration::ZERO, LOCAL), None);
            assert_eq!(micros_at(&clock, 0), None);
        }
        observe(&mut clock, 10_000, 0);
        for absurd in [i64::MIN, -3 * 86_400_000, 3 * 86_400_000, i64::MAX] {
            let absurd = Moment::from_millis(absurd);
            assert_eq!(clock.observe(absurd, Duration::ZERO, LOCAL), None);
            assert_eq!(micros_at(&clock, 0), Some(10_000_000));
        }
    }
}
