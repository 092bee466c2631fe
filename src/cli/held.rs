//! A held table as people read of it: what, why, and what to do.

use tracing::info;

use super::words::{counted, minute};
use crate::lake::{Hold, Release};
use crate::versions::guard::HoldState;

/// Writes which table it is, since when and why: `ats_jobs of tool:a, since 2026-11-29 22:17 UTC: 600 of 2,000 rows ...`.
pub(super) fn what(hold: &Hold) -> String {
    format!(
        "{}, since {}: {} ({})",
        name(hold),
        minute(hold.since_us),
        hold.detail.trim_end_matches('.'),
        hold.cause.as_str()
    )
}

/// Writes which table it is.
pub(super) fn name(hold: &Hold) -> String {
    format!("{} of {}", hold.endpoint.table_name(), hold.integration)
}

/// Writes how many rows it is about.
pub(super) fn rows(hold: &Hold) -> String {
    let mut parts = vec![format!("{} held", counted(hold.held_rows, "change"))];
    let mut some = |count: u64, verb: &str| {
        parts.extend((count > 0).then(|| format!("{} {verb}", counted(count, "row"))));
    };
    some(hold.removed, "would vanish");
    some(hold.nulled, "would lose values");
    some(hold.unconfirmed, "not confirmed to be gone");
    let mut text = parts.join(", ");
    if !hold.columns.is_empty() {
        text = format!("{text} (in {})", hold.columns.join(", "));
    }
    format!("{text}; the table has {}", counted(hold.table_rows, "row"))
}

/// Writes from when on a full fetch can end it.
pub(super) fn until(hold: &Hold) -> String {
    match hold.confirmable_us {
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

/// Writes the command that accepts it.
pub(super) fn command(hold: &Hold) -> String {
    format!(
        "kombo-source accept --table {} --integration {}",
        hold.endpoint.table_name(),
        hold.integration
    )
}

/// Writes what is held no longer, and why: `ats_jobs of tool:a: accepted; 600 rows are gone ...`.
pub(super) fn released(table: &str, release: &Release) -> String {
    let id = &release.integration;
    let lost = match release.rows {
        1 => "1 row is gone or has lost values".to_owned(),
        rows => format!("{} are gone or have lost values", counted(rows, "row")),
    };
    let why = match release.state {
        HoldState::Accepted => format!("it was accepted, and {lost}"),
        HoldState::Confirmed => format!("a later full fetch confirmed it, and {lost}"),
        HoldState::Held | HoldState::Resolved if release.rows == 0 => {
            "nothing of it has to be held any more".to_owned()
        }
        HoldState::Held | HoldState::Resolved => {
            format!("so little of it is left that it may pass, and {lost}")
        }
    };
    let rest = if release.in_part {
        "; the rest stays held"
    } else {
        ""
    };
    format!("{table} of {id}: {why}{rest}")
}

/// Logs what is held no longer.
pub(super) fn log_released(table: &str, release: &Release) {
    let (id, state, rows) = (&release.integration, release.state.as_str(), release.rows);
    let text = released(table, release);
    info!(integration.id = %id, table, state, rows, "released {text}");
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
            released("ats_jobs", &release)
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
