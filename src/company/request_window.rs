//! The request limit: a number of requests in a fixed window. A window starts with its first request.

use super::settings::RateLimit;
use crate::time::Moment;

/// The present window of the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestWindow {
    limit: RateLimit,
    opened: Option<Moment>,
    used: u32,
}

/// The values of the rate limit headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until the next window, rounded up.
    pub reset_secs: u64,
    /// Whether the request is within the limit.
    pub granted: bool,
}

impl RequestWindow {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            opened: None,
            used: 0,
        }
    }

    /// Counts a request.
    pub(super) fn take(&mut self, now: Moment) -> Allowance {
        let RateLimit { requests, window } = self.limit;
        if self.opened.is_none_or(|opened| now.since(opened) >= window) {
            (self.opened, self.used) = (Some(now), 0);
        }
        let granted = self.used < requests.get();
        self.used += u32::from(granted);
        let left = window.saturating_sub(now.since(self.opened.unwrap_or(now)));
        Allowance {
            limit: requests.get(),
            remaining: requests.get() - self.used,
            reset_secs: left.as_secs() + u64::from(left.subsec_nanos() > 0),
            granted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn a_window_grants_its_limit_and_starts_anew_after_its_length() {
        let two = NonZeroU32::new(2).expect("not zero");
        let mut window = RequestWindow::new(RateLimit::per_minute(two));
        let first = window.take(Moment::from_millis(1_000));
        assert_eq!(
            (first.granted, first.remaining, first.reset_secs),
            (true, 1, 60)
        );
        let second = window.take(Moment::from_millis(4_500));
        assert_eq!(
            (second.granted, second.remaining, second.reset_secs),
            (true, 0, 57)
        );
        let third = window.take(Moment::from_millis(60_999));
        assert_eq!(
            (third.granted, third.remaining, third.reset_secs),
            (false, 0, 1)
        );
        let fourth = window.take(Moment::from_millis(61_000));
        assert_eq!((fourth.granted, fourth.remaining), (true, 1));
    }
}
