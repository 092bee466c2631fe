//! A random sample of a stream of values whose number is not known in advance.

use std::fmt;

use fastrand::Rng;

/// Keeps a few of many values, each with the same chance, in whatever order the values come.
pub struct Sample<T> {
    limit: usize,
    random: Rng,
    met: u64,
    kept: Vec<T>,
}

impl<T> Sample<T> {
    /// Makes a sample of at most `limit` values. An equal `random` keeps equal values of an equal stream.
    #[must_use]
    pub fn new(limit: usize, random: Rng) -> Self {
        Self {
            limit,
            random,
            met: 0,
            kept: Vec::new(),
        }
    }

    /// Counts one more value, and makes the value only if it is kept.
    pub fn offer(&mut self, make: impl FnOnce() -> T) {
        self.met += 1;
        if self.kept.len() < self.limit {
            return self.kept.push(make());
        }
        let place = usize::try_from(self.random.u64(0..self.met)).unwrap_or(usize::MAX);
        if let Some(kept) = self.kept.get_mut(place) {
            *kept = make();
        }
    }

    /// Returns how many values were offered.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.met
    }

    /// Returns the kept values in a random order. So the first few of them are a random sample as well.
    #[must_use]
    pub fn into_kept(mut self) -> Vec<T> {
        self.random.shuffle(&mut self.kept);
        self.kept
    }
}

impl<T> fmt::Debug for Sample<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sample({} of {})", self.kept.len(), self.met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(limit: usize, of: u64, seed: u64) -> Vec<u64> {
        let mut sample = Sample::new(limit, Rng::with_seed(seed));
        (0..of).for_each(|one| sample.offer(|| one));
        assert_eq!(sample.met(), of);
        sample.into_kept()
    }

    #[test]
    fn few_are_all_kept_and_nothing_is_kept_twice() {
        for (limit, of) in [(0, 9), (9, 0), (9, 9), (10, 9), (9, 10), (9, 1_000)] {
            let mut kept = sample(limit, of, 1);
            kept.sort_unstable();
            kept.dedup();
            assert_eq!(kept.len() as u64, of.min(limit as u64), "{limit} of {of}");
        }
    }

    #[test]
    fn each_has_the_same_chance_in_the_sample_and_at_its_front() {
        let (mut kept, mut at_the_front) = ([0; 100], [0; 100]);
        for seed in 0..4_000 {
            for (place, one) in sample(20, 100, seed).into_iter().enumerate() {
                let one = usize::try_from(one).expect("small");
                kept[one] += 1;
                at_the_front[one] += u32::from(place < 5);
            }
        }
        // The expected counts are 800 and 200. Six standard deviations are 152 and 83.
        assert!(
            kept.iter().all(|count| (648..=952).contains(count)),
            "{kept:?}"
        );
        assert!(
            at_the_front.iter().all(|count| (117..=283).contains(count)),
            "{at_the_front:?}"
        );
    }
}
