//! When a table is folded.

use std::time::Duration;

/// When a table is folded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trigger {
    /// What waits is folded after this long.
    pub max_age: Duration,
    /// What waits is folded sooner when it is this share of the table's rows.
    pub rows_share: f64,
}

/// What waits to be folded of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// A snapshot that is not folded, or a decision of the operator's.
    pub at_once: bool,
    /// How long the oldest observation has waited; `None` when nothing waits.
    pub age: Option<Duration>,
    /// Rows that are known to wait.
    pub rows: u64,
    /// Rows of the table.
    pub table_rows: u64,
}

impl Default for Trigger {
    fn default() -> Self {
        Self {
            max_age: Duration::from_mins(5),
            rows_share: 0.05,
        }
    }
}

impl Trigger {
    /// Returns whether it is time.
    #[must_use]
    pub fn is_due(&self, waiting: &Waiting) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share of rows needs no exactness"
        )]
        let many = waiting.rows as f64 >= self.rows_share * waiting.table_rows.max(1) as f64;
        waiting.at_once
            || waiting
                .age
                .is_some_and(|age| age >= self.max_age || (waiting.rows > 0 && many))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_folded_by_age_by_share_or_for_a_new_snapshot() {
        let trigger = Trigger::default();
        let waiting = |secs: u64, rows| Waiting {
            at_once: false,
            age: Some(Duration::from_secs(secs)),
            rows,
            table_rows: 1_000,
        };
        assert!(!trigger.is_due(&Waiting::default()), "nothing waits");
        assert!(!trigger.is_due(&waiting(10, 49)));
        assert!(trigger.is_due(&waiting(10, 50)));
        assert!(trigger.is_due(&waiting(300, 1)));
        assert!(trigger.is_due(&waiting(300, 0)), "rows of another process");
        assert!(!trigger.is_due(&waiting(299, 0)));
        let snapshot = Waiting {
            at_once: true,
            ..Waiting::default()
        };
        assert!(trigger.is_due(&snapshot));
    }
}
