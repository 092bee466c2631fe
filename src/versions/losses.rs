//! Counts what a fold would remove, and decides whether the losses are large enough to be held.
//!
//! A scope that is switched off arrives as a delta in which every row is deleted or a column is null everywhere. A
//! mistake looks the same. So losses of more than a tenth of a table and more than a hundred rows are held. Rows
//! removed within the last day are added to the rows of this fold.

use std::collections::BTreeMap;

use crate::time::{ObservedAt, SecondLook};

/// Losses are held above this number of rows...
pub const HELD_ROWS: u64 = 100;
/// ...and above one in this many rows of the table.
pub const HELD_ONE_IN: u64 = 10;

/// What a fold of one table would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Rows of `current` that would be removed.
    pub removed: LostRows,
    /// Rows per column that would lose their value in the column.
    pub nulled: BTreeMap<String, LostRows>,
    /// Rows that a full fetch lacked and that Kombo did not confirm as gone. The rows are kept.
    pub unconfirmed: LostRows,
    /// Number of rows with a loss that a second full fetch confirmed. The guard does not judge these losses.
    pub confirmed: u64,
    /// Number of rows with a loss that the operator accepted. The guard does not judge these losses.
    pub accepted: u64,
    /// A snapshot shows some of the losses. The snapshot is folded again when the hold is accepted.
    pub by_snapshot: bool,
    /// Deltas show some of the losses. The fold position stays before these deltas, so the next fold reads them again.
    pub by_deltas: bool,
    /// Earliest and latest observation of a loss, in microseconds since the epoch.
    pub span_us: Option<(i64, i64)>,
}

/// Rows with the same kind of loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostRows {
    /// Number of rows.
    pub rows: u64,
    /// When the last of these losses was found, in microseconds since the epoch. A second full fetch must begin later.
    /// [`Loss::NEVER`] when no later full fetch can confirm the losses.
    found_us: i64,
}

/// A loss of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// First and last observation that show the loss, in microseconds since the epoch.
    pub span_us: (i64, i64),
    /// First of these observations that a later full fetch reads again; [`Loss::NEVER`] when there is none.
    pub found_us: i64,
    /// Whether the snapshot shows the loss.
    pub by_snapshot: bool,
    /// Whether deltas show the loss.
    pub by_deltas: bool,
}

/// What is held of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Whether rows that would be removed are kept.
    pub removals: bool,
    /// Columns in which rows keep the values that they would lose.
    pub columns: Vec<String>,
}

impl Loss {
    /// Stands for an instant that no full fetch is later than.
    pub const NEVER: i64 = i64::MAX;
}

impl LostRows {
    fn add(&mut self, rows: u64, found_us: i64) {
        self.found_us = match self.rows {
            0 => found_us,
            _ => self.found_us.max(found_us),
        };
        self.rows += rows;
    }

    fn take_in(&mut self, other: Self) {
        if other.rows > 0 {
            self.add(other.rows, other.found_us);
        }
    }
}

impl Losses {
    /// Counts a row that would be removed.
    pub fn remove(&mut self, loss: &Loss) {
        self.removed.add(1, loss.found_us);
        self.say(loss);
    }

    /// Counts a value that would become null.
    pub fn null(&mut self, column: &str, loss: &Loss) {
        if !self.nulled.contains_key(column) {
            self.nulled.insert(column.to_owned(), LostRows::default());
        }
        if let Some(rows) = self.nulled.get_mut(column) {
            rows.add(1, loss.found_us);
        }
        self.say(loss);
    }

    /// Counts a row that a full fetch lacks. `found_us` is when the row was first found missing.
    pub fn lack(&mut self, found_us: i64) {
        self.unconfirmed.add(1, found_us);
    }

    /// Returns the number of rows of the column with the most lost values.
    #[must_use]
    pub fn most_nulled(&self) -> u64 {
        let rows = self.nulled.values().map(|lost| lost.rows);
        rows.max().unwrap_or_default()
    }

    /// Decides what is held of a table with `table_rows` rows that lost `gone_today` others within the last day. `None`
    /// when nothing is held.
    #[must_use]
    pub fn withheld(&self, table_rows: u64, gone_today: u64) -> Option<Withheld> {
        let removed = self.removed.rows;
        let is_removal_held = removed > 0
            && is_too_much(
                removed.saturating_add(gone_today),
                table_rows.saturating_add(gone_today),
            );
        let nulled = self.nulled.iter();
        let columns = nulled
            .filter(|(_, lost)| is_too_much(lost.rows, table_rows))
            .map(|(column, _)| column.clone());
        let withheld = Withheld {
            removals: is_removal_held,
            columns: columns.collect(),
        };
        (withheld != Withheld::default()).then_some(withheld)
    }

    /// Returns the earliest start of a full fetch that can confirm everything that is held or missing. `None` when no
    /// full fetch can: then only the operator can accept the losses.
    #[must_use]
    pub fn confirmable(&self, withheld: &Withheld, second_look: SecondLook) -> Option<ObservedAt> {
        let removed = Some(&self.removed).filter(|_| withheld.removals);
        let columns = withheld.columns.iter();
        let nulled = columns.filter_map(|column| self.nulled.get(column));
        let all = removed.into_iter().chain(nulled).chain([&self.unconfirmed]);
        let found_us = all
            .filter(|lost| lost.rows > 0)
            .map(|lost| lost.found_us)
            .max();
        let found = found_us.filter(|found_us| *found_us != Loss::NEVER)?;
        Some(second_look.due(ObservedAt::from_micros(found)))
    }

    /// Adds the losses of another part of the same table.
    pub fn add(&mut self, other: &Self) {
        self.removed.take_in(other.removed);
        self.unconfirmed.take_in(other.unconfirmed);
        self.confirmed += other.confirmed;
        self.accepted += other.accepted;
        self.by_snapshot |= other.by_snapshot;
        self.by_deltas |= other.by_deltas;
        for (column, lost) in &other.nulled {
            let own = self.nulled.entry(column.clone()).or_default();
            own.take_in(*lost);
        }
        if let Some(span_us) = other.span_us {
            self.reach(span_us);
        }
    }

    fn say(&mut self, loss: &Loss) {
        self.by_snapshot |= loss.by_snapshot;
        self.by_deltas |= loss.by_deltas;
        self.reach(loss.span_us);
    }

    fn reach(&mut self, (first_us, last_us): (i64, i64)) {
        let (first, last) = self.span_us.unwrap_or((first_us, last_us));
        self.span_us = Some((first.min(first_us), last.max(last_us)));
    }
}

/// Returns whether a loss of `rows` out of `of` rows is held.
#[must_use]
pub fn is_too_much(rows: u64, of: u64) -> bool {
    rows > HELD_ROWS && rows.saturating_mul(HELD_ONE_IN) > of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(at_us: i64) -> Loss {
        Loss {
            span_us: (at_us, at_us),
            found_us: at_us,
            by_snapshot: false,
            by_deltas: true,
        }
    }

    fn removing(rows: u64) -> Losses {
        let mut losses = Losses::default();
        for row in 0..rows {
            losses.remove(&loss(i64::try_from(row).expect("small")));
        }
        losses
    }

    #[test]
    fn both_the_share_and_the_number_have_to_be_large() {
        assert!(!is_too_much(100, 200));
        assert!(is_too_much(101, 200));
        assert!(!is_too_much(1_000, 10_000));
        assert!(is_too_much(1_001, 10_000));
        assert_eq!(removing(100).withheld(100, 0), None);
        let held = removing(101).withheld(1_000, 0).expect("held");
        assert!(held.removals && held.columns.is_empty());
    }

    #[test]
    fn rows_that_went_within_the_day_count_with_those_that_would_go_now() {
        assert_eq!(removing(30).withheld(970, 30), None);
        assert_eq!(removing(30).withheld(930, 70), None, "ten percent of 1000");
        assert!(removing(31).withheld(930, 70).is_some());
        assert_eq!(removing(0).withheld(500, 500), None, "no row is removed");
        assert_eq!(removing(30).withheld(50, 50), None, "eighty rows are few");
    }

    #[test]
    fn a_column_that_turns_null_is_held_alone() {
        let mut losses = Losses::default();
        for at in 0..200 {
            losses.null("first_name", &loss(at));
        }
        losses.null("email", &loss(7));
        let held = losses.withheld(1_000, 0).expect("held");
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
    fn all_of_it_can_be_confirmed_a_day_after_the_last_of_it_was_found() {
        let second_look = SecondLook::default();
        let due = |at| Some(second_look.due(ObservedAt::from_micros(at)));
        let removals = Withheld {
            removals: true,
            columns: Vec::new(),
        };
        let mut losses = removing(200);
        assert_eq!(losses.confirmable(&removals, second_look), due(199));
        losses.add(&removing(300));
        assert_eq!(losses.confirmable(&removals, second_look), due(299));
        let forgotten = Loss {
            found_us: Loss::NEVER,
            ..loss(5)
        };
        losses.null("email", &forgotten);
        assert_eq!(losses.confirmable(&removals, second_look), due(299));
        let both = Withheld {
            columns: vec!["email".to_owned()],
            ..removals
        };
        assert_eq!(losses.confirmable(&both, second_look), None);
        losses.lack(500);
        assert_eq!(
            losses.confirmable(&Withheld::default(), second_look),
            due(500)
        );
    }
}
