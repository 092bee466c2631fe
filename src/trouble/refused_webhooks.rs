//! When refused webhooks are a trouble: several were refused for their signature, and none was taken since.
//!
//! Anyone can send a request with a wrong signature. So refused webhooks mean nothing while Kombo's own arrive, and
//! requests without any signature never count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Sight;
use crate::time::Moment;
use crate::words::counted;

/// Refused webhooks that do not count yet.
const SOME: u64 = 2;

/// When no webhook has been refused for so long, the last ones no longer count.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(6);

/// Counts of webhooks, shared by the listener and the loop.
#[derive(Debug, Default)]
pub struct RefusedWebhooks {
    taken: AtomicU64,
    refused: AtomicU64,
}

/// The counts at the last look, and since when webhooks are refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RefusedBefore {
    taken: u64,
    refused: u64,
    /// Refused since the last one that was taken.
    in_a_row: u64,
    first: Option<Moment>,
    last: Moment,
}

impl RefusedWebhooks {
    /// Counts a webhook with a valid signature.
    pub fn taken(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a webhook with a signature that is not valid.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Judges what came since the last look.
    pub(super) fn look(&self, before: &mut RefusedBefore, now: Moment) -> Option<Sight> {
        let (taken, refused) = (
            self.taken.load(Ordering::Relaxed),
            self.refused.load(Ordering::Relaxed),
        );
        let more = refused - before.refused;
        // The clock may have been set back since then.
        before.last = before.last.min(now);
        if taken > before.taken || now.since(before.last) >= FORGOTTEN_AFTER && more == 0 {
            (before.in_a_row, before.first) = (0, None);
        } else if more > 0 {
            before.in_a_row += more;
            before.last = now;
            before.first.get_or_insert(now);
        }
        (before.taken, before.refused) = (taken, refused);
        let first = before.first.filter(|_| before.in_a_row > SOME)?;
        let webhooks = counted(before.in_a_row, "webhook");
        Some(Sight::of(format!("{webhooks} in a row")).since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Moment = Moment::from_millis(1_700_000_000_000);

    #[test]
    fn only_refused_webhooks_without_any_taken_one_are_a_trouble() {
        let (counts, mut before) = (RefusedWebhooks::default(), RefusedBefore::default());
        assert_eq!(counts.look(&mut before, NOON), None);
        for _ in 0..2 {
            counts.refused();
        }
        assert_eq!(counts.look(&mut before, NOON), None, "a stranger");
        counts.refused();
        let later = NOON + Duration::from_mins(1);
        let sight = counts.look(&mut before, later).expect("three in a row");
        assert_eq!(sight.detail, "3 webhooks in a row");
        assert_eq!(sight.since, Some(NOON));
        assert!(counts.look(&mut before, later).is_some(), "it lasts");
        counts.taken();
        counts.refused();
        assert_eq!(counts.look(&mut before, later), None, "Kombo's arrive");
    }

    #[test]
    fn old_ones_are_forgotten() {
        let (counts, mut before) = (RefusedWebhooks::default(), RefusedBefore::default());
        (0..9).for_each(|_| counts.refused());
        assert!(counts.look(&mut before, NOON).is_some());
        let much_later = NOON + FORGOTTEN_AFTER;
        assert_eq!(counts.look(&mut before, much_later), None);
    }

    #[test]
    fn a_clock_that_is_set_back_has_them_forgotten_in_time() {
        let (counts, mut before) = (RefusedWebhooks::default(), RefusedBefore::default());
        (0..9).for_each(|_| counts.refused());
        let year_ahead = NOON + Duration::from_hours(365 * 24);
        assert!(counts.look(&mut before, year_ahead).is_some());
        assert!(counts.look(&mut before, NOON).is_some());
        assert_eq!(counts.look(&mut before, NOON + FORGOTTEN_AFTER), None);
    }
}
