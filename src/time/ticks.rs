//! The number within an instant.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroI64;

use serde::{Deserialize, Serialize};

/// A signed number that leaves one value free, so that an `Option` of an instant has 8 bytes like the instant itself: a
/// service with many customers holds millions of them. The free value is [`FREE`], which becomes the number beside it.
///
/// The free value lies where no other number is related to it. It was the least number once. For that number
/// `option.map(|at| at.min(now))` can do without asking whether there is an instant, and rustc 1.95 at `opt-level = 1` then
/// took `None` for `Some`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub(super) struct Ticks(NonZeroI64);

/// No instant that a clock shows: 195 million years from now in milliseconds, 195,000 in microseconds.
const FREE: i64 = 0x5555_5555_5555_5555;

impl Ticks {
    pub(super) const fn new(number: i64) -> Self {
        match NonZeroI64::new(number ^ FREE) {
            Some(packed) => Self(packed),
            None => Self::new(FREE + 1),
        }
    }

    pub(super) const fn get(self) -> i64 {
        self.0.get() ^ FREE
    }
}

impl Ord for Ticks {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl PartialOrd for Ticks {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Default for Ticks {
    fn default() -> Self {
        Self::new(0)
    }
}

impl From<i64> for Ticks {
    fn from(number: i64) -> Self {
        Self::new(number)
    }
}

impl From<Ticks> for i64 {
    fn from(ticks: Ticks) -> Self {
        ticks.get()
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_option_is_as_small_as_the_number() {
        assert_eq!(size_of::<Option<Ticks>>(), 8);
        let numbers = [i64::MIN, -1, 0, 1, FREE - 1, FREE + 1, i64::MAX];
        assert_eq!(numbers.map(|number| Ticks::new(number).get()), numbers);
        assert_eq!(Ticks::new(FREE).get(), FREE + 1);
    }

    #[test]
    fn the_earlier_of_an_instant_that_may_be_missing_and_another_one_stays_missing() {
        let earlier = |told: Option<Ticks>, now: Ticks| {
            let told = told.map(|told| told.min(now));
            match told {
                None if now.get() > 0 => "missing",
                Some(told) if told <= now => "there",
                _ => "neither",
            }
        };
        let missing = std::hint::black_box(None);
        for number in [i64::MIN, -1, 1, FREE, i64::MAX] {
            let now = Ticks::new(number);
            let expected = if number > 0 { "missing" } else { "neither" };
            assert_eq!(earlier(missing, now), expected, "{number}");
            assert_eq!(earlier(Some(now), now), "there", "{number}");
        }
    }

    proptest! {
        #[test]
        fn ticks_are_ordered_as_their_numbers(a: i64, b: i64) {
            prop_assume!(a != FREE && b != FREE);
            prop_assert_eq!(Ticks::new(a).cmp(&Ticks::new(b)), a.cmp(&b));
            prop_assert_eq!(Ticks::new(a).get(), a);
        }
    }
}
