//! Texts for operators about a held table and the end of a hold: what, why, and what to do.

use crate::lake::{Hold, Release};
use crate::versions::guard::HoldState;
use crate::words::{counted, minute};

impl Hold {
    /// Returns the table, the start and the reason of the hold, as in `ats_jobs of tool:a, since 2026-11-29 22:17 UTC:
    /// 600 of 2,000 rows ...`.
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

    /// Returns the name of the held table.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} of {}", self.endpoint.table_name(), self.integration)
    }

    /// Returns how many rows are held, and of how many.
    #[must_use]
    pub fn rows(&self) -> String {
        let mut parts = vec![format!("{} held", counted(self.held_rows, "change"))];
        let mut some = |count: u64, verb: &str| {
            parts.extend((count > 0).then(|| format!("{} {verb}", counted(count, "row"))));
        };
        some(self.removed, "would be removed");
        some(self.nulled, "would lose values");
        some(self.unconfirmed, "not confirmed to be gone");
        let mut text = parts.join(", ");
        if !self.columns.is_empty() {
            text = format!("{text} (in {})", self.columns.join(", "));
        }
        format!("{text}; the table has {}", counted(self.table_rows, "row"))
    }

    /// Returns when a full fetch can end the hold.
    #[must_use]
    pub fn until(&self) -> String {
        match self.confirmable_us {
        Some(us) => {
            // Rounds up to the next full minute: a fetch that begins within this minute may be too early.
            let from = minute(us.saturating_add(59_999_999));
            format!(
                "a full fetch that begins at {from} or later can confirm the losses; an earlier one cannot"
            )
        }
        None => "no full fetch can confirm the losses; the table stays held until you accept them, or until the rows and values come back"
            .to_owned(),
    }
    }

    /// Returns the command that accepts the losses.
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
    /// Returns what is released and why, as in `ats_jobs of tool:a: the losses were accepted; 600 rows ...`.
    #[must_use]
    pub fn text(&self, table: &str) -> String {
        let id = &self.integration;
        let lost = match self.rows {
            1 => "1 row was removed or lost values".to_owned(),
            rows => format!("{} were removed or lost values", counted(rows, "row")),
        };
        let why = match self.state {
            HoldState::Accepted => format!("the losses were accepted, and {lost}"),
            HoldState::Confirmed => format!("a later full fetch confirmed the losses, and {lost}"),
            HoldState::Held | HoldState::Resolved if self.rows == 0 => {
                "the rows and values came back, so nothing is held any more".to_owned()
            }
            HoldState::Held | HoldState::Resolved => {
                format!("the remaining losses are too few to be held, and {lost}")
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
                "ats_jobs of tool:a: a later full fetch confirmed the losses, and 600 rows were removed or lost values",
            ),
            (
                text(HoldState::Confirmed, 600, true),
                "ats_jobs of tool:a: a later full fetch confirmed the losses, and 600 rows were removed or lost values; the rest stays held",
            ),
            (
                text(HoldState::Accepted, 1, false),
                "ats_jobs of tool:a: the losses were accepted, and 1 row was removed or lost values",
            ),
            (
                text(HoldState::Resolved, 0, false),
                "ats_jobs of tool:a: the rows and values came back, so nothing is held any more",
            ),
            (
                text(HoldState::Resolved, 90, false),
                "ats_jobs of tool:a: the remaining losses are too few to be held, and 90 rows were removed or lost values",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(text, expected);
        }
    }
}
