//! Random choices that follow from the seed.
//!
//! Each part of the world throws dice of its own, so that one more throw in one part changes nothing in the others.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::time::Duration;

/// The dice of one part of the world.
#[derive(Debug)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    /// Returns the dice of a part. The part is any value that names it.
    pub(crate) fn of(seed: u64, part: impl Hash) -> Self {
        Self(fastrand::Rng::with_seed(mixed(seed, part)))
    }

    /// Returns `true` in so many of a thousand cases.
    pub(crate) fn per_mille(&mut self, cases: u32) -> bool {
        self.0.u32(0..1_000) < cases
    }

    /// Returns a number of a range.
    pub(crate) fn number(&mut self, range: Range<u64>) -> u64 {
        self.0.u64(range)
    }

    /// Returns a place in a list of some length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        self.0.usize(0..length)
    }

    /// Returns one of several values.
    pub(crate) fn one_of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.0.usize(0..values.len())]
    }

    /// Returns a time between two bounds, in whole milliseconds.
    pub(crate) fn time(&mut self, range: Range<Duration>) -> Duration {
        let millis = |bound: Duration| u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.0.u64(millis(range.start)..millis(range.end)))
    }

    /// Returns the time until the next event of a kind that happens once in `mean` on average, and at any moment alike.
    pub(crate) fn until_next(&mut self, mean: Duration) -> Duration {
        let waits = -(1.0 - self.0.f64()).ln();
        mean.mul_f64(waits.min(20.0)).max(Duration::from_millis(1))
    }
}

/// Returns a number that follows from the seed and a name, for choices that must not depend on the order of questions.
pub(crate) fn mixed(seed: u64, part: impl Hash) -> u64 {
    // Without keys, so the same in each process.
    let mut hasher = DefaultHasher::new();
    (seed, part).hash(&mut hasher);
    hasher.finish()
}
