//! A held table as people read of it: what, why, and what to do.

use std::time::Duration;

use super::words::{age, counted};
use crate::lake::Hold;

/// Writes which table it is, for how long and why: `ats_jobs of tool:a, for 3 h: 600 of 2,000 rows would vanish`.
pub(super) fn what(hold: &Hold, now_ms: i64) -> String {
    let passed = now_ms.saturating_sub(hold.since_us / 1000);
    let passed = Duration::from_millis(u64::try_from(passed).unwrap_or_default());
    format!(
        "{}, for {}: {} ({})",
        name(hold),
        age(passed),
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

/// Writes the command that accepts it.
pub(super) fn command(hold: &Hold) -> String {
    format!(
        "kombo-source accept --table {} --integration {}",
        hold.endpoint.table_name(),
        hold.integration
    )
}
