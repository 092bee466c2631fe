//! What people read of a held table and of the end of a hold: what, why, and what to do.

use crate::lake::{Hold, Release};
use crate::versions::guard::HoldState;
use crate::words::{counted, minute};

impl Hold {
    /// Returns which table it is, since when and why, as in `ats_jobs of tool:a, since 2026-11-29 22:17 UTC: 600 of 2,000 rows ...`.
    #[must_use]
    pub fn what(&self) -> String {
        format!(
            "{}, since {}: {} ({})",
            self.name(),
            minute(self.since_us),
            self.detail.trim_end_matches('.'),
            self.cause.as_str()
        )
    }

    /// Returns which table it is.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} of {}", self.endpoint.table_name(), self.integration)
    }

    /// Returns how many rows it is about.
    #[must_use]
    pub fn rows(&self) -> String {
        let mut parts = vec![format!("{} held", counted(self.held_rows, "change"))];
        let mut some = |count: u64, verb: &str| {
            parts.extend((count > 0).then(|| format!("{} {verb}", counted(count, "row"))));
        };
        some(self.removed, "would vanish");
        some(self.nulled, "would lose values");
        some(self.unconfirmed, "not confirmed to be gone");
        let mut text = parts.join(", ");
        if !self.columns.is_empty() {
            text = format!("{text} (in {})", self.columns.join(", "));
        }
        format!("{text}; the table has {}", counted(self.table_rows, "row"))
    }

    /// Returns from when on a full fetch can end it.
    #[must_use]
    pub fn until(&self) -> String {
        match self.confirmable_us {
        Some(us) => {
            // The next whole minute: one that begins within this one may be too early.
            let from = minute(us.saturating_add(59_999_999));
            format!(
                "a full fetch that begins at {from} or later can confirm it; one before that cannot"
            )
        }
        None => "no full fetch can confirm it; it stays held until you accept it, or until what is held comes back"
            .to_owned(),
    }
    }

    /// Returns the command that accepts it.
    #[must_use]
    pub fn accept_command(&self) -> String {
        format!(
            "kombo-source accept --table {} --integration {}",
            self.endpoint.table_name(),
            self.integration
        )
    }
}

impl Release {
    /// Returns what of a table is held no longer, and why, as in `ats_jobs of tool:a: accepted; 600 rows are gone ...`.
    #[must_use]
    pub fn text(&self, table: &str) -> String {
        let id = &self.integration;
        let lost = match self.rows {
            1 => "1 row is gone or has lost values".to_owned(),
            rows => format!("{} are gone or have lost values", counted(rows, "row")),
        };
        let why = match self.state {
            HoldState::Accepted => format!("it was accepted, and {lost}"),
            HoldState::Confirmed => format!("a later full fetch confirmed it, and {lost}"),
            HoldState::Held | HoldState::Resolved if self.rows == 0 => {
                "nothing of it has to be held any more".to_owned()
            }
            HoldState::Held | HoldState::Resolved => {
                format!("so little of it is left that it may pass, and {lost}")
            }
        };
        let rest = if self.in_part {
            "; the rest stays held"
        } else {
            ""
        };
        format!("{table} of {id}: {why}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IntegrationId;

    #[test]
    fn a_release_says_why_and_how_many_rows_went() {
        let text = |state, rows, in_part| {
            let integration = IntegrationId::new("tool:a").expect("an id");
            let release = Release {
                integration,
                state,
                rows,
                in_part,
            };
            release.text("ats_jobs")
        };
        let cases = [
            (
                text(HoldState::Confirmed, 600, false),
                "ats_jobs of tool:a: a later full fetch confirmed it, and 600 rows are gone or have lost values",
            ),
            (
                text(HoldState::Confirmed, 600, true),
                "ats_jobs of tool:a: a later full fetch confirmed it, and 600 rows are gone or have lost values; the rest stays held",
            ),
            (
                text(HoldState::Accepted, 1, false),
                "ats_jobs of tool:a: it was accepted, and 1 row is gone or has lost values",
            ),
            (
                text(HoldState::Resolved, 0, false),
                "ats_jobs of tool:a: nothing of it has to be held any more",
            ),
            (
                text(HoldState::Resolved, 90, false),
                "ats_jobs of tool:a: so little of it is left that it may pass, and 90 rows are gone or have lost values",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(text, expected);
        }
    }
}
