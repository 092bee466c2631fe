//! Decides which losses a full fetch confirms: losses that were found long enough before the fetch began.
//!
//! [`SecondLook`] sets the time between the two. A loss without an exact start is not confirmed: it stays held until
//! the operator accepts it.

use crate::time::{ObservedAt, SecondLook};

/// Start of the full fetch that is folded, and of earlier full fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Start of the full fetch that is folded.
    pub since: ObservedAt,
    /// Start of an earlier full fetch, long enough before this one. A row last seen before this instant is missing in
    /// both.
    pub first: Option<ObservedAt>,
    /// Start of the full fetch that becomes `first` for a later one: an earlier fetch, or the one that is folded.
    pub next: ObservedAt,
    /// Least time between the starts of two full fetches that confirm a loss.
    pub second_look: SecondLook,
}

impl Looks {
    /// Creates the value for a full fetch without a remembered earlier one.
    #[must_use]
    pub fn of_one(since: ObservedAt, second_look: SecondLook) -> Self {
        Self {
            since,
            first: None,
            next: since,
            second_look,
        }
    }

    /// Returns whether the full fetch confirms that a row is gone, when the fetch shows the row as gone or lacks it.
    /// `gone_since_us` is the earliest observation that says the row is gone, after the last one that saw it;
    /// `there_us` is that last one.
    #[must_use]
    pub fn confirms_gone(&self, gone_since_us: i64, there_us: i64) -> bool {
        let there = ObservedAt::from_micros(there_us);
        let is_lacking_twice = self.first.is_some_and(|first| there < first);
        is_lacking_twice || self.confirms(gone_since_us)
    }

    /// Returns whether the full fetch confirms a loss that was first observed at `first_us`, when the fetch shows the
    /// loss, too.
    #[must_use]
    pub fn confirms(&self, first_us: i64) -> bool {
        let first = ObservedAt::from_micros(first_us);
        self.second_look.confirms(first, self.since)
    }

    /// Returns the start of the earliest remembered full fetch that lacked a row, which was last seen at `there_us`.
    #[must_use]
    pub fn lacking_since_us(&self, there_us: i64) -> i64 {
        let there = ObservedAt::from_micros(there_us);
        let since = if there < self.next {
            self.next
        } else {
            self.since
        };
        since.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(hour: i64) -> ObservedAt {
        ObservedAt::from_micros(hour * HOUR)
    }

    #[test]
    fn a_loss_is_confirmed_by_a_look_begun_a_day_after_it_was_seen_first() {
        let looks = |hour| Looks::of_one(at(hour), SecondLook::default());
        assert!(
            !looks(10).confirms_gone(10 * HOUR, 0),
            "the fetch cannot confirm its own first observation"
        );
        assert!(!looks(33).confirms_gone(10 * HOUR, 0));
        assert!(looks(34).confirms_gone(10 * HOUR, 0));
        assert!(
            !looks(5).confirms_gone(10 * HOUR, 0),
            "the fetch began before the observation"
        );
    }

    #[test]
    fn a_row_that_two_looks_a_day_apart_lack_is_gone_and_one_that_was_seen_between_is_not() {
        let looks = Looks {
            first: Some(at(10)),
            ..Looks::of_one(at(40), SecondLook::default())
        };
        assert!(looks.confirms_gone(41 * HOUR, 9 * HOUR));
        assert!(!looks.confirms_gone(41 * HOUR, 10 * HOUR));
        assert!(!looks.confirms_gone(41 * HOUR, 30 * HOUR));
    }

    #[test]
    fn a_rerun_does_not_put_off_the_look_that_counts() {
        let rerun = Looks {
            next: at(10),
            ..Looks::of_one(at(11), SecondLook::default())
        };
        assert_eq!(rerun.lacking_since_us(9 * HOUR), 10 * HOUR);
        assert_eq!(rerun.lacking_since_us(10 * HOUR), 11 * HOUR);
    }
}
