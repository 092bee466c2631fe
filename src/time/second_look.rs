//! How far apart two checks against Kombo have to begin before the second one confirms the first one.
//!
//! Two walks that a proxy or a broken index cuts short at the same place agree with each other. Two answers during one
//! outage agree, too. So a step that cannot be undone never rests on two checks within one day. This file is the only
//! home of that rule. Code that confirms a loss of rows or the deletion of an integration uses it.

use std::time::Duration;

use super::ObservedAt;

/// The least time between the start of a first check and the start of a check that confirms the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondLook(Duration);

impl SecondLook {
    /// Wraps the least time between the two starts.
    #[must_use]
    pub fn after(least: Duration) -> Self {
        Self(least)
    }

    /// Returns the least time between the two starts.
    #[must_use]
    pub fn least(self) -> Duration {
        self.0
    }

    /// Returns whether a check that began at `second` may confirm the result of a check that began at `first`.
    #[must_use]
    pub fn confirms(self, first: ObservedAt, second: ObservedAt) -> bool {
        second >= self.due(first)
    }

    /// Returns the earliest start of a check that may confirm the result of a check that began at `first`.
    #[must_use]
    pub fn due(self, first: ObservedAt) -> ObservedAt {
        let least = i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX);
        ObservedAt::from_micros(first.as_micros().saturating_add(least))
    }
}

impl Default for SecondLook {
    /// Returns a distance of one day.
    fn default() -> Self {
        Self(Duration::from_hours(24))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600 * 1_000_000;

    #[test]
    fn a_look_confirms_another_only_when_it_began_a_day_later() {
        let look = SecondLook::default();
        let at = ObservedAt::from_micros;
        assert!(!look.confirms(at(5), at(5)));
        assert!(!look.confirms(at(5), at(4 + DAY)));
        assert!(look.confirms(at(5), at(5 + DAY)));
        assert!(!look.confirms(at(5), at(4)), "an earlier one");
        assert!(!look.confirms(at(i64::MAX - 1), at(i64::MAX - 1)));
    }
}
