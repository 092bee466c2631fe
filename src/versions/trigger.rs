//! Decides when a table is folded.

use std::num::NonZeroU8;
use std::time::Duration;

/// What waits to be folded of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingTable {
    /// Whether a new snapshot or a decision of the operator waits, which is folded at once.
    pub at_once: bool,
    /// How long the oldest observation has waited; `None` when nothing waits.
    pub age: Option<Duration>,
    /// Number of waiting rows that this process knows of.
    pub rows: u64,
    /// Number of rows of the table.
    pub table_rows: u64,
}

impl WaitingTable {
    /// Returns whether the table is due: when the oldest observation has waited for `max_age`, or when the waiting rows
    /// reach `rows_percent` percent of the table.
    #[must_use]
    pub fn is_due(&self, max_age: Duration, rows_percent: NonZeroU8) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share of rows needs no exactness"
        )]
        let many = self.rows as f64 * 100.0
            >= f64::from(rows_percent.get()) * self.table_rows.max(1) as f64;
        self.at_once
            || self
                .age
                .is_some_and(|age| age >= max_age || (self.rows > 0 && many))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_folded_by_age_by_share_or_for_a_new_snapshot() {
        let five = NonZeroU8::new(5).expect("not zero");
        let is_due = |waiting: &WaitingTable| waiting.is_due(Duration::from_mins(5), five);
        let waiting = |secs: u64, rows| WaitingTable {
            at_once: false,
            age: Some(Duration::from_secs(secs)),
            rows,
            table_rows: 1_000,
        };
        assert!(!is_due(&WaitingTable::default()), "nothing waits");
        assert!(!is_due(&waiting(10, 49)));
        assert!(is_due(&waiting(10, 50)));
        assert!(is_due(&waiting(300, 1)));
        assert!(is_due(&waiting(300, 0)), "rows of another process");
        assert!(!is_due(&waiting(299, 0)));
        let snapshot = WaitingTable {
            at_once: true,
            ..WaitingTable::default()
        };
        assert!(is_due(&snapshot));
    }
}
