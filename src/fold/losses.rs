//! What a fold would take away, and whether that is more than goes without asking.
//!
//! A scope that is switched off arrives as a delta in which every row is deleted, or in which a column is null everywhere;
//! so does a mistake. Both look alike here: over a tenth of a table and over a hundred rows is held.

use std::collections::BTreeMap;

/// More than so many rows of a table...
pub const HELD_ROWS: u64 = 100;
/// ...and more than one in so many of them are held.
pub const HELD_ONE_IN: u64 = 10;

/// What a fold of one table would take away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Rows that `current` has and that would be gone.
    pub removed: u64,
    /// Rows per column that have a value there now and would have none.
    pub nulled: BTreeMap<String, u64>,
    /// Rows that a full fetch lacked and of which nobody could say more. They stay.
    pub unconfirmed: u64,
    /// A snapshot says so of some: it stays, so that it can be asked again.
    pub by_snapshot: bool,
    /// Deltas say so of some: they have to be read again.
    pub by_deltas: bool,
    /// The earliest and the latest observation behind a loss, in microseconds since the epoch.
    pub span_us: Option<(i64, i64)>,
}

/// What is held of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Rows that would be gone stay as they were.
    pub removals: bool,
    /// Rows that would lose their value in one of these columns stay as they were.
    pub columns: Vec<String>,
}

/// A hold that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The earliest observation that it holds.
    pub since_us: i64,
    /// Rows that it holds.
    pub rows: u64,
}

impl Losses {
    /// Counts a row that would be gone.
    pub fn remove(&mut self, first_us: i64, last_us: i64, by_snapshot: bool) {
        self.removed += 1;
        self.say(by_snapshot);
        self.reach(first_us, last_us);
    }

    /// Counts a value that would be gone.
    pub fn null(&mut self, column: &str, at_us: i64, by_snapshot: bool) {
        if let Some(count) = self.nulled.get_mut(column) {
            *count += 1;
        } else {
            self.nulled.insert(column.to_owned(), 1);
        }
        self.say(by_snapshot);
        self.reach(at_us, at_us);
    }

    /// Returns the rows that the worst column would lose its values in.
    #[must_use]
    pub fn most_nulled(&self) -> u64 {
        self.nulled.values().copied().max().unwrap_or_default()
    }

    /// Decides what is held of a table of so many rows. `None` when everything may pass.
    ///
    /// `agrees` is a hold that stands while a snapshot begun after it is folded: what that snapshot says again is
    /// confirmed, and only what it takes away beyond that is judged anew.
    #[must_use]
    pub fn withheld(&self, table_rows: u64, agrees: Option<Standing>) -> Option<Withheld> {
        let confirmed = agrees.map_or(0, |standing| standing.rows);
        let too_many = |rows: u64| is_too_much(rows.saturating_sub(confirmed), table_rows);
        let withheld = Withheld {
            removals: too_many(self.removed),
            columns: self
                .nulled
                .iter()
                .filter(|(_, rows)| too_many(**rows))
                .map(|(column, _)| column.clone())
                .collect(),
        };
        (withheld != Withheld::default()).then_some(withheld)
    }

    /// Takes in what another part of the same table would lose.
    pub fn add(&mut self, other: &Self) {
        self.removed += other.removed;
        self.unconfirmed += other.unconfirmed;
        self.by_snapshot |= other.by_snapshot;
        self.by_deltas |= other.by_deltas;
        for (column, rows) in &other.nulled {
            *self.nulled.entry(column.clone()).or_default() += rows;
        }
        if let Some((first, last)) = other.span_us {
            self.reach(first, last);
        }
    }

    fn say(&mut self, by_snapshot: bool) {
        self.by_snapshot |= by_snapshot;
        self.by_deltas |= !by_snapshot;
    }

    fn reach(&mut self, first_us: i64, last_us: i64) {
        let (first, last) = self.span_us.unwrap_or((first_us, last_us));
        self.span_us = Some((first.min(first_us), last.max(last_us)));
    }
}

/// Returns whether so many rows of a table do not go without asking.
#[must_use]
pub fn is_too_much(rows: u64, of: u64) -> bool {
    rows > HELD_ROWS && rows.saturating_mul(HELD_ONE_IN) > of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removing(rows: u64) -> Losses {
        let mut losses = Losses::default();
        for row in 0..rows {
            let at = i64::try_from(row).expect("small");
            losses.remove(at, at, false);
        }
        losses
    }

    #[test]
    fn both_the_share_and_the_number_have_to_be_large() {
        assert!(!is_too_much(100, 200));
        assert!(is_too_much(101, 200));
        assert!(!is_too_much(1_000, 10_000));
        assert!(is_too_much(1_001, 10_000));
        assert_eq!(removing(100).withheld(100, None), None);
        let held = removing(101).withheld(1_000, None).expect("held");
        assert!(held.removals && held.columns.is_empty());
    }

    #[test]
    fn a_column_that_turns_null_is_held_alone() {
        let mut losses = Losses::default();
        for at in 0..200 {
            losses.null("first_name", at, false);
        }
        losses.null("email", 7, false);
        let held = losses.withheld(1_000, None).expect("held");
        assert_eq!(
            (held.removals, held.columns),
            (false, vec!["first_name".to_owned()])
        );
        assert_eq!(
            (losses.most_nulled(), losses.span_us),
            (200, Some((0, 199)))
        );
    }

    #[test]
    fn a_later_snapshot_confirms_what_was_held_and_no_more_than_that() {
        let standing = Standing {
            since_us: 5,
            rows: 500,
        };
        assert_eq!(removing(500).withheld(1_000, Some(standing)), None);
        assert_eq!(removing(590).withheld(1_000, Some(standing)), None);
        assert!(removing(900).withheld(1_000, Some(standing)).is_some());
    }
}
