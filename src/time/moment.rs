//! An instant of a wall clock, with the arithmetic that the rules need.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::format_timestamp;
use super::ticks::Ticks;

/// An instant of a wall clock, in milliseconds since the epoch. The clock is this machine's or Kombo's; instants of the
/// two must not be mixed.
///
/// Adding and subtracting saturate. So an instant that no clock has written stays comparable and cannot cause a panic.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(Ticks);

impl Moment {
    /// The latest possible instant, after every other one.
    pub const NEVER: Self = Self(Ticks::new(i64::MAX));

    /// Wraps milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(Ticks::new(millis))
    }

    /// Returns milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.get()
    }

    /// Returns microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.as_millis().saturating_mul(1000)
    }

    /// Returns the time that has passed since `earlier`. Returns zero when `earlier` is the later instant.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let passed_ms = (self.as_millis()).saturating_sub(earlier.as_millis());
        Duration::from_millis(u64::try_from(passed_ms).unwrap_or(0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_add(millis(span)))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_sub(millis(span)))
    }
}

/// Shows the instant in UTC with milliseconds and `Z`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_timestamp(self.as_micros()))
    }
}

/// Returns a span in milliseconds, for values that are stored or counted in milliseconds.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_added_and_measured_and_nothing_overflows() {
        let noon = Moment::from_millis(1_700_000_000_000);
        let hour = Duration::from_hours(1);
        assert_eq!((noon + hour).since(noon), hour);
        assert_eq!((noon - hour) + hour, noon);
        assert_eq!(noon.since(noon + hour), Duration::ZERO, "it is later");
        assert_eq!(Moment::NEVER + hour, Moment::NEVER);
        assert_eq!(
            Moment::from_millis(i64::MIN) - Duration::MAX,
            Moment::from_millis(i64::MIN)
        );
        assert_eq!(noon.to_string(), "2023-11-14T22:13:20.000Z");
    }
}
