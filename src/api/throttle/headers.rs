//! The headers by which a server limits the rate of requests. One rule reads them, whatever the status of the answer.
//!
//! | Value | Read as |
//! | --- | --- |
//! | `57`, `57.5` | seconds (milliseconds for `retry-after-ms`) |
//! | `57;w=60`, `57, 57;w=60` | the first number; parameters and further members are ignored |
//! | `1796047530`, `1796047530000` | an instant, in seconds or milliseconds since the epoch |
//! | `Mon, 30 Nov 2026 14:05:30 GMT` | an instant (RFC 9110, section 5.6.7) |
//! | anything else | absent |
//!
//! An instant is compared with the `Date` of the same answer, or with the local clock when the answer has none. A time of
//! more than one hour is [implausible](Told::Implausible), however it is written: no window of Kombo is that long, and
//! obeying it would stop the whole key for a clock error of somebody else.

use std::time::Duration;

use crate::time::{Moment, parse_http_date};

/// The longest time that a header may name.
const LONGEST: Duration = Duration::from_hours(1);

/// Smaller numbers are durations. As seconds since the epoch this is the year 2001.
const FIRST_INSTANT_SECS: f64 = 1e9;

/// Larger numbers are milliseconds since the epoch. As seconds this is the year 5138.
const LAST_INSTANT_SECS: f64 = 1e11;

/// A time that a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Told {
    /// The time from now on. Zero for an instant that has passed.
    In(Duration),
    /// More than an hour, which cannot be true.
    Implausible,
}

/// The window as one answer reports it. A header that cannot be read is treated as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct RateHeaders {
    /// Requests per window.
    pub(in crate::api) limit: Option<u64>,
    /// Requests left in the window.
    pub(in crate::api) remaining: Option<u64>,
    /// Time until the next window.
    pub(in crate::api) reset: Option<Told>,
    /// The wait that the server asks for explicitly.
    pub(in crate::api) retry_after: Option<Told>,
}

impl Told {
    /// Takes a duration.
    pub(in crate::api) fn of(time: Duration) -> Self {
        if time <= LONGEST {
            Self::In(time)
        } else {
            Self::Implausible
        }
    }

    /// Reads a value in seconds, or an instant.
    fn read(text: &str, now: Moment) -> Option<Self> {
        let until = |instant: Moment| Self::of(instant.since(now));
        parse_http_date(text)
            .map(until)
            .or_else(|| Some(Self::of_number(number(text)?, now)))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "an instant within the bounds fits"
    )]
    fn of_number(number: f64, now: Moment) -> Self {
        let millis = match number {
            FIRST_INSTANT_SECS..LAST_INSTANT_SECS => number * 1e3,
            LAST_INSTANT_SECS.. if number < LAST_INSTANT_SECS * 1e3 => number,
            _ => {
                let time = Duration::try_from_secs_f64(number);
                return time.map_or(Self::Implausible, Self::of);
            }
        };
        Self::of(Moment::from_millis(millis as i64).since(now))
    }

    /// Returns the time if it is plausible and not zero.
    pub(in crate::api) fn wait(self) -> Option<Duration> {
        match self {
            Self::In(time) if !time.is_zero() => Some(time),
            _ => None,
        }
    }
}

impl RateHeaders {
    /// Reads the headers through a function that looks up a lower-case name. `local` is the time by the local clock.
    pub(in crate::api) fn read<'a>(
        header: impl Fn(&str) -> Option<&'a str>,
        local: Moment,
    ) -> Self {
        let now = header("date").and_then(parse_http_date).unwrap_or(local);
        let count = |name: &str| number(header(name)?).map(whole);
        let told = |name: &str| Told::read(header(name)?, now);
        let millis = number(header("retry-after-ms").unwrap_or_default());
        Self {
            limit: count("ratelimit-limit"),
            remaining: count("ratelimit-remaining"),
            reset: told("ratelimit-reset"),
            retry_after: millis
                .map(|millis| Told::of_number(millis / 1e3, now))
                .or_else(|| told("retry-after")),
        }
    }

    /// Returns the wait that a 429 asks for. Returns `None` when the answer does not say how long to wait.
    pub(in crate::api) fn wait(&self) -> Option<Told> {
        // `ratelimit-reset` has whole seconds and may be rounded down. One more second is certainly enough.
        let rounded = |reset: Duration| reset + Duration::from_secs(1);
        let asked = self.retry_after.and_then(Told::wait);
        let asked = asked.or_else(|| self.reset.and_then(Told::wait).map(rounded));
        let lies = [self.retry_after, self.reset].contains(&Some(Told::Implausible));
        asked
            .map(Told::In)
            .or_else(|| lies.then_some(Told::Implausible))
    }
}

/// Reads the first number of a header. Parameters after a semicolon and further members of a list are ignored.
fn number(text: &str) -> Option<f64> {
    let first = text.split([';', ',']).next()?.trim();
    let is_plain = first
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    first.parse().ok().filter(|_| is_plain)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers have no sign, and the cast takes the greatest number for a larger one"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Mon, 30 Nov 2026 14:04:33 GMT";
    const DATE_SECS: i64 = 1_796_047_473;

    fn read(headers: &[(&str, &str)]) -> RateHeaders {
        let header = |name: &str| {
            let mut given = headers.iter();
            given.find(|(given, _)| *given == name).map(|given| given.1)
        };
        // The local clock is an hour behind Kombo's.
        RateHeaders::read(header, Moment::from_millis((DATE_SECS - 3_600) * 1_000))
    }

    fn lasting(secs: f64) -> Told {
        Told::In(Duration::from_secs_f64(secs))
    }

    #[test]
    fn a_header_is_read_by_one_rule_in_every_form() {
        let cases = [
            ("57", Some(lasting(57.0))),
            (" 57 ", Some(lasting(57.0))),
            ("57.5", Some(lasting(57.5))),
            ("57;w=60", Some(lasting(57.0))),
            ("57, 57;w=60", Some(lasting(57.0))),
            ("0", Some(lasting(0.0))),
            ("3600", Some(lasting(3_600.0))),
            ("1796047530", Some(lasting(57.0))),
            ("1796047530000", Some(lasting(57.0))),
            ("1796047473", Some(lasting(0.0))),
            ("1700000000", Some(lasting(0.0))),
            ("Mon, 30 Nov 2026 14:05:30 GMT", Some(lasting(57.0))),
            ("Mon, 30 Nov 2026 14:04:00 GMT", Some(lasting(0.0))),
            ("3601", Some(Told::Implausible)),
            ("57000", Some(Told::Implausible)),
            ("4070908800", Some(Told::Implausible)),
            ("4070908800000", Some(Told::Implausible)),
            ("Thu, 01 Jan 2099 00:00:00 GMT", Some(Told::Implausible)),
            ("18446744073709551615", Some(Told::Implausible)),
            ("999999999999999999999999999999", Some(Told::Implausible)),
            ("", None),
            ("-3", None),
            ("+5", None),
            ("1e3", None),
            ("inf", None),
            ("NaN", None),
            (".", None),
            ("soon", None),
            ("Monday", None),
        ];
        for (text, told) in cases {
            for name in ["retry-after", "ratelimit-reset"] {
                let headers = read(&[(name, text), ("date", DATE)]);
                let read = headers.retry_after.or(headers.reset);
                assert_eq!(read, told, "{name}: {text}");
            }
        }
    }

    #[test]
    fn milliseconds_are_read_by_the_same_rule() {
        let asked = |text: &str| read(&[("retry-after-ms", text), ("date", DATE)]).retry_after;
        assert_eq!(asked("1500"), Some(lasting(1.5)));
        assert_eq!(asked("1796047530000"), Some(lasting(57.0)));
        assert_eq!(asked("3600001"), Some(Told::Implausible));
        let both = [("retry-after-ms", "1500"), ("retry-after", "9")];
        assert_eq!(read(&both).retry_after, Some(lasting(1.5)));
        let both = [("retry-after-ms", "soon"), ("retry-after", "9")];
        assert_eq!(read(&both).retry_after, Some(lasting(9.0)));
    }

    #[test]
    fn without_a_date_an_instant_is_compared_with_the_local_clock() {
        let told = |text: &str| read(&[("ratelimit-reset", text)]).reset;
        assert_eq!(told("1796043930"), Some(lasting(57.0)));
        assert_eq!(
            told("1796047530"),
            Some(Told::Implausible),
            "an hour and 57 s"
        );
        assert_eq!(told("57"), Some(lasting(57.0)), "a duration needs no clock");
    }

    #[test]
    fn a_429_waits_for_what_is_plausible_and_says_so_when_nothing_is() {
        let wait = |headers: &[(&str, &str)]| read(headers).wait();
        let absurd = "4070908800";
        assert_eq!(wait(&[("retry-after", "7")]), Some(lasting(7.0)));
        assert_eq!(
            wait(&[("ratelimit-reset", "57")]),
            Some(lasting(58.0)),
            "rounded"
        );
        let zero = [("ratelimit-reset", "57"), ("retry-after", "0")];
        assert_eq!(wait(&zero), Some(lasting(58.0)));
        let one = [("ratelimit-reset", "57"), ("retry-after", absurd)];
        assert_eq!(wait(&one), Some(lasting(58.0)));
        assert_eq!(wait(&[("retry-after", absurd)]), Some(Told::Implausible));
        assert_eq!(
            wait(&[("ratelimit-reset", absurd)]),
            Some(Told::Implausible)
        );
        assert_eq!(wait(&[("ratelimit-reset", "0")]), None);
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn counts_are_read_with_their_parameters_and_nothing_else_is_a_count() {
        let headers = read(&[
            ("ratelimit-limit", "300;w=60"),
            ("ratelimit-remaining", "299, 12"),
        ]);
        assert_eq!((headers.limit, headers.remaining), (Some(300), Some(299)));
        let headers = read(&[("ratelimit-limit", "many"), ("ratelimit-remaining", "-1")]);
        assert_eq!(headers, RateHeaders::default());
    }
}
