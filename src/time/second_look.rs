//! How far apart two looks at Kombo have to begin before they count as two.
//!
//! Two walks that a proxy or a broken index cuts short at the same place agree with each other, and so do two answers of
//! one outage. So nothing that cannot be undone rests on two looks within one day: a second look confirms the first only
//! when it began at least this much later. The rule has this one home; whoever confirms a loss of rows or the deletion of
//! an integration asks it.

use std::time::Duration;

use super::ObservedAt;

/// The least time from the start of a first look at Kombo to the start of one that confirms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondLook(Duration);

impl SecondLook {
    /// Wraps the least time between the two.
    #[must_use]
    pub fn after(least: Duration) -> Self {
        Self(least)
    }

    /// Returns the least time between the two.
    #[must_use]
    pub fn least(self) -> Duration {
        self.0
    }

    /// Returns whether a look begun at `second` may confirm what one begun at `first` saw.
    #[must_use]
    pub fn confirms(self, first: ObservedAt, second: ObservedAt) -> bool {
        second >= self.due(first)
    }

    /// Returns from when on a look may confirm what one begun at `first` saw.
    #[must_use]
    pub fn due(self, first: ObservedAt) -> ObservedAt {
        let least = i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX);
        ObservedAt::from_micros(first.as_micros().saturating_add(least))
    }
}

impl Default for SecondLook {
    /// One day.
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
