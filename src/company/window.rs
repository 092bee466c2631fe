//! The request limit: so many in a fixed window, which starts with its first request.

use super::settings::RateLimit;

/// What is left of one key's window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    limit: RateLimit,
    opened_ms: Option<i64>,
    used: u32,
}

/// What the headers of an answer say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub limit: u32,
    pub remaining: u32,
    /// Whole seconds until the window starts anew, rounded up.
    pub reset_secs: u64,
    /// The request may go on.
    pub granted: bool,
}

impl Window {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            opened_ms: None,
            used: 0,
        }
    }

    /// Counts a request.
    pub(super) fn take(&mut self, now_ms: i64) -> Allowance {
        let length_ms = i64::try_from(self.limit.window.as_millis()).unwrap_or(i64::MAX);
        let opened = match self.opened_ms {
            Some(opened) if now_ms.saturating_sub(opened) < length_ms => opened,
            _ => {
                self.used = 0;
                now_ms
            }
        };
        self.opened_ms = Some(opened);
        let granted = self.used < self.limit.requests.get();
        if granted {
            self.used += 1;
        }
        let left_ms = length_ms.saturating_sub(now_ms.saturating_sub(opened));
        Allowance {
            limit: self.limit.requests.get(),
            remaining: self.limit.requests.get() - self.used,
            reset_secs: u64::try_from(left_ms).unwrap_or(0).div_ceil(1000),
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
        let mut window = Window::new(RateLimit::per_minute(two));
        let first = window.take(1_000);
        assert_eq!(
            (first.granted, first.remaining, first.reset_secs),
            (true, 1, 60)
        );
        let second = window.take(4_500);
        assert_eq!(
            (second.granted, second.remaining, second.reset_secs),
            (true, 0, 57)
        );
        let third = window.take(60_999);
        assert_eq!(
            (third.granted, third.remaining, third.reset_secs),
            (false, 0, 1)
        );
        let fourth = window.take(61_000);
        assert_eq!((fourth.granted, fourth.remaining), (true, 1));
    }
}
