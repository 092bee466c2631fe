//! The server's clock, seen through `Date` headers and a monotonic clock.

use std::time::Duration;

use super::ObservedAt;

/// A `Date` this far below the estimate means the server's clock was set back, or another server answers.
const SET_BACK_MICROS: i64 = 5_000_000;

/// Estimates the server's time from `Date` headers. The monotonic instants are durations since any fixed start.
///
/// `Date` is floored to whole seconds, so each header gives a lower bound of the offset between the two clocks; the
/// largest bound seen is the estimate. It only grows, so observations stay in order within a process.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    offset_micros: Option<i64>,
}

impl ServerClock {
    /// Takes in one `Date` (milliseconds since the epoch) and the monotonic instant at which its headers arrived.
    pub fn observe(&mut self, date_ms: i64, headers_at: Duration) {
        let bound = date_ms
            .saturating_mul(1000)
            .saturating_sub(micros(headers_at));
        match self.offset_micros {
            Some(offset) if bound > offset || offset - bound > SET_BACK_MICROS => {
                self.offset_micros = Some(bound);
            }
            Some(_) => {}
            None => self.offset_micros = Some(bound),
        }
    }

    /// Returns the server's time at a monotonic instant; `None` before the first `Date`.
    #[must_use]
    pub fn at(&self, instant: Duration) -> Option<ObservedAt> {
        self.offset_micros
            .map(|offset| ObservedAt::from_micros(offset.saturating_add(micros(instant))))
    }
}

/// Reads the `Date` header's preferred form (RFC 9110, section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`, as
/// milliseconds since the epoch.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<i64> {
    let text = text.trim().strip_suffix(" GMT")?;
    chrono::NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S")
        .ok()
        .map(|date| date.and_utc().timestamp_millis())
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
            Some(784_111_777_000)
        );
        assert_eq!(
            parse_http_date("Mon, 06 Nov 1994 08:49:37 GMT"),
            None,
            "the weekday is wrong"
        );
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 +0100"), None);
        assert_eq!(parse_http_date("1994-11-06T08:49:37Z"), None);
    }

    #[test]
    fn the_estimate_takes_the_largest_bound_and_the_monotonic_clock_between() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.at(Duration::ZERO), None);
        clock.observe(10_000, Duration::from_millis(100));
        clock.observe(11_000, Duration::from_millis(1_900));
        assert_eq!(
            clock.at(Duration::from_secs(2)),
            Some(ObservedAt::from_micros(11_900_000))
        );
        clock.observe(12_000, Duration::from_millis(2_050));
        assert_eq!(
            clock.at(Duration::from_millis(2_050)),
            Some(ObservedAt::from_micros(12_000_000))
        );
    }

    #[test]
    fn a_server_set_back_is_followed() {
        let mut clock = ServerClock::default();
        clock.observe(100_000, Duration::ZERO);
        clock.observe(50_000, Duration::ZERO);
        assert_eq!(
            clock.at(Duration::ZERO),
            Some(ObservedAt::from_micros(50_000_000))
        );
    }
}
