//! The rate headers of an answer: the window, and how long to wait.

use std::time::Duration;

use crate::time::parse_http_date;

/// The longest wait that a server can demand at a time.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The window as one answer reports it. A header that is not a count is treated as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct RateHeaders {
    /// Requests per window.
    pub(in crate::api) limit: Option<u64>,
    /// Requests left in the window.
    pub(in crate::api) remaining: Option<u64>,
    /// Time until the next window.
    pub(in crate::api) reset: Option<Duration>,
    /// The wait that the server asks for explicitly.
    pub(in crate::api) retry_after: Option<Duration>,
}

impl RateHeaders {
    /// Reads the headers through a function that looks up a lower-case name.
    pub(in crate::api) fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let count = |name: &str| header(name)?.trim().parse::<u64>().ok();
        Self {
            limit: count("ratelimit-limit"),
            remaining: count("ratelimit-remaining"),
            reset: count("ratelimit-reset").map(Duration::from_secs),
            retry_after: count("retry-after-ms")
                .map(Duration::from_millis)
                .or_else(|| retry_after(header("retry-after")?, header("date"))),
        }
    }

    /// Returns the wait that a 429 asks for, at most one hour. Returns `None` when the answer does not say how long to
    /// wait.
    pub(in crate::api) fn wait(&self) -> Option<Duration> {
        let positive = |wait: &Duration| !wait.is_zero();
        // `ratelimit-reset` has whole seconds and may be rounded down. One more second is certainly enough.
        let until_reset = self
            .reset
            .filter(positive)
            .map(|reset| reset.saturating_add(Duration::from_secs(1)));
        self.retry_after
            .filter(positive)
            .or(until_reset)
            .map(|wait| wait.min(LONGEST_WAIT))
    }
}

/// Reads `Retry-After`: seconds, or a date that is compared with the server's own `Date` (RFC 9110, section 10.2.3).
fn retry_after(text: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = parse_http_date(text)?;
    let now = parse_http_date(date?)?;
    // The server rounds `Date` down as well, so the wait is never too short.
    (until >= now).then(|| until.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> RateHeaders {
        RateHeaders::read(|name| {
            headers
                .iter()
                .find(|(given, _)| *given == name)
                .map(|(_, value)| *value)
        })
    }

    #[test]
    fn the_wait_comes_from_retry_after_in_every_form() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(read(&[("retry-after", "7")]).wait(), seconds(7));
        assert_eq!(
            read(&[("retry-after-ms", "1500"), ("retry-after", "9")]).wait(),
            Some(Duration::from_millis(1500))
        );
        let dated = [
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        assert_eq!(read(&dated).wait(), seconds(30));
        assert_eq!(
            read(&dated[..1]).wait(),
            None,
            "a date means nothing without the server's own"
        );
    }

    #[test]
    fn without_retry_after_the_wait_is_until_the_window_certainly_ends() {
        let headers = [("ratelimit-reset", "57"), ("retry-after", "0")];
        assert_eq!(read(&headers).wait(), Some(Duration::from_secs(58)));
        assert_eq!(read(&[("ratelimit-reset", "0")]).wait(), None);
    }

    #[test]
    fn no_wait_is_longer_than_an_hour() {
        for headers in [
            [("retry-after", "1000000000")],
            [("ratelimit-reset", "18446744073709551615")],
        ] {
            assert_eq!(read(&headers).wait(), Some(Duration::from_hours(1)));
        }
    }

    #[test]
    fn what_is_no_count_is_absent() {
        let headers = read(&[
            ("ratelimit-limit", "many"),
            ("ratelimit-remaining", "-1"),
            ("ratelimit-reset", "1.5"),
            ("retry-after", "-3"),
        ]);
        assert_eq!(headers, RateHeaders::default());
    }
}
