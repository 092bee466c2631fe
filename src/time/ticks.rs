//! The number within an instant.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// A signed number that leaves one value free, so that an `Option` of an instant has 8 bytes like the instant itself: a
/// service with many customers holds millions of them. `i64::MIN` becomes the next greater number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub(super) struct Ticks(NonZeroU64);

/// Makes the least number zero, and keeps the order.
const LEAST: u64 = i64::MIN.cast_unsigned();

impl Ticks {
    pub(super) const LEAST: Self = Self(NonZeroU64::MIN);

    pub(super) const fn new(number: i64) -> Self {
        match NonZeroU64::new(number.cast_unsigned() ^ LEAST) {
            Some(packed) => Self(packed),
            None => Self::LEAST,
        }
    }

    pub(super) const fn get(self) -> i64 {
        (self.0.get() ^ LEAST).cast_signed()
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
        let numbers = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX];
        let read = numbers.map(|number| Ticks::new(number).get());
        assert_eq!(read, [i64::MIN + 1, i64::MIN + 1, -1, 0, 1, i64::MAX]);
    }

    proptest! {
        #[test]
        fn ticks_are_ordered_as_their_numbers(a in i64::MIN + 1.., b in i64::MIN + 1..) {
            prop_assert_eq!(Ticks::new(a).cmp(&Ticks::new(b)), a.cmp(&b));
            prop_assert_eq!(Ticks::new(a).get(), a);
        }
    }
}
