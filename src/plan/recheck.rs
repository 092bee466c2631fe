//! How long to leave alone what cannot be fetched: longer with every look that changed nothing.

use std::time::Duration;

/// The first pause and the longest; in between each is twice the one before.
#[derive(Clone, Copy)]
pub(super) struct Recheck {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Recheck {
    /// Returns the pause after `tries` looks that changed nothing.
    pub(super) fn pause(self, tries: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(tries)
            .map(|times| self.first.saturating_mul(times));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let recheck = Recheck {
            first: Duration::from_mins(2),
            longest: Duration::from_mins(15),
        };
        let minutes = [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(|n| recheck.pause(n).as_secs() / 60);
        assert_eq!(minutes, [2, 4, 8, 15, 15, 15, 15, 15]);
    }
}
