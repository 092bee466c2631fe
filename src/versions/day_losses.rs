//! Counts the rows that a table lost within the last day, because many small deletions remove as much as a large one.
//!
//! Lost rows are counted in slots of six hours. A slot counts while its newest loss is less than a day old. So a single
//! loss counts for a day, and gradual losses count for up to six hours more. Time is the time of Kombo's observations,
//! whenever the fold runs. Only losses without the operator's acceptance or the confirmation of a second full fetch
//! count: after an acceptance, the next small deletion must pass.

/// Number of slots: a day that begins within a slot touches five slots.
pub const SLOTS: usize = 5;

const SLOT_SECS: i64 = 6 * 3600;
const DAY_SECS: i64 = 24 * 3600;

/// Bits for the rows of a slot. The remaining bits hold seconds, enough for the next 240 years.
const ROW_BITS: u32 = 30;
const MOST_ROWS: u64 = (1 << ROW_BITS) - 1;

/// Rows that a table lost within the last day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayLosses([LossSlot; SLOTS]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LossSlot {
    /// When rows were lost last, in seconds since the epoch.
    last_secs: i64,
    rows: u64,
}

impl DayLosses {
    /// Reads the stored value of each slot. Each value contains the time of its loss, so unused slots need no clean-up.
    #[must_use]
    pub fn of(stored: impl Fn(usize) -> Option<i64>) -> Self {
        let slot = |nth| stored(nth).map_or_else(LossSlot::default, LossSlot::of);
        Self(std::array::from_fn(slot))
    }

    /// Returns the value to store for each slot; nothing for a slot that was never used.
    pub fn stored(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        let stored = self.0.iter().map(|slot| slot.stored()).enumerate();
        stored.filter(|(_, value)| *value != 0)
    }

    /// Returns the number of rows lost within the day before `now_us`, in microseconds since the epoch.
    #[must_use]
    pub fn rows(&self, now_us: i64) -> u64 {
        let now_secs = secs(now_us);
        let counts = self.0.iter().filter(|slot| slot.counts(now_secs));
        counts.map(|slot| slot.rows).sum()
    }

    /// Counts rows that are lost at an instant. Earlier losses with a later time, from a wrong clock, count as losses
    /// of now.
    pub fn add(&mut self, now_us: i64, rows: u64) {
        if rows == 0 {
            return;
        }
        let now_secs = secs(now_us);
        for slot in &mut self.0 {
            slot.last_secs = slot.last_secs.min(now_secs);
        }
        let nth = usize::try_from(now_secs / SLOT_SECS).unwrap_or_default() % SLOTS;
        let slot = &mut self.0[nth];
        let before = if slot.counts(now_secs) { slot.rows } else { 0 };
        *slot = LossSlot {
            last_secs: now_secs,
            rows: before.saturating_add(rows).min(MOST_ROWS),
        };
    }

    /// Clears the counts, because the operator has accepted the losses.
    pub fn clear(&mut self) {
        for slot in &mut self.0 {
            slot.rows = 0;
        }
    }
}

impl LossSlot {
    fn of(stored: i64) -> Self {
        let stored = stored.max(0);
        Self {
            last_secs: stored >> ROW_BITS,
            rows: u64::try_from(stored).unwrap_or_default() & MOST_ROWS,
        }
    }

    fn stored(self) -> i64 {
        (self.last_secs << ROW_BITS) | i64::try_from(self.rows).unwrap_or_default()
    }

    fn counts(self, now_secs: i64) -> bool {
        self.last_secs > now_secs - DAY_SECS
    }
}

/// Converts to seconds, within the range that can be stored.
fn secs(us: i64) -> i64 {
    us.div_euclid(1_000_000).clamp(0, (1 << 33) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const NOW: i64 = 500_000 * HOUR;

    fn losing(losses: &[(i64, u64)]) -> DayLosses {
        let mut lost = DayLosses::default();
        for (hour, rows) in losses {
            lost.add(NOW + hour * HOUR, *rows);
        }
        lost
    }

    #[test]
    fn what_was_lost_at_once_counts_for_a_day() {
        let lost = losing(&[(0, 7)]);
        assert_eq!(lost.rows(NOW), 7);
        assert_eq!(lost.rows(NOW + 24 * HOUR - 1_000_000), 7);
        assert_eq!(lost.rows(NOW + 24 * HOUR), 0);
        assert_eq!(losing(&[(0, 7), (24, 5), (48, 3)]).rows(NOW + 48 * HOUR), 3);
    }

    #[test]
    fn no_loss_of_the_last_day_is_left_out_and_none_counts_for_longer_than_thirty_hours() {
        let hourly: Vec<(i64, u64)> = (0..200).map(|hour| (hour, 1)).collect();
        for end in 30..200_usize {
            let rows = losing(&hourly[..end]).rows(NOW + (hourly[end].0 - 1) * HOUR);
            assert!((24..=30).contains(&rows), "{rows} at hour {end}");
        }
    }

    #[test]
    fn what_is_stored_is_read_again_and_the_value_is_what_other_builds_read() {
        let lost = losing(&[(0, 7), (7, u64::MAX)]);
        let stored: Vec<(usize, i64)> = lost.stored().collect();
        let first = (NOW / 1_000_000) << 30 | 7;
        let second = ((NOW + 7 * HOUR) / 1_000_000) << 30 | ((1 << 30) - 1);
        assert_eq!(stored.len(), 2);
        assert!(stored.iter().any(|(_, value)| *value == first));
        assert!(stored.iter().any(|(_, value)| *value == second));
        let of = |nth| {
            stored
                .iter()
                .find(|(slot, _)| *slot == nth)
                .map(|(_, value)| *value)
        };
        assert_eq!(DayLosses::of(of), lost);
        assert_eq!(DayLosses::of(|_| Some(-1)).rows(NOW), 0);
        assert_eq!(DayLosses::default().stored().count(), 0);
    }

    #[test]
    fn a_clock_that_was_ahead_or_goes_back_loses_no_count_and_keeps_none_for_good() {
        let mut lost = losing(&[(1_000, 7)]);
        assert_eq!(lost.rows(NOW), 7);
        lost.add(NOW, 2);
        assert_eq!(lost.rows(NOW), 9);
        assert_eq!(lost.rows(NOW + 24 * HOUR), 0);
    }

    #[test]
    fn what_somebody_knows_of_is_forgotten_and_stays_so() {
        let mut lost = losing(&[(0, 7), (7, 5)]);
        lost.clear();
        assert_eq!((lost.rows(NOW + 7 * HOUR), lost.stored().count()), (0, 2));
    }
}
