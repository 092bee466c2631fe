//! The lines of `status` and `check` about tables that lie in the future.

use crate::lake::Ahead;
use crate::status::{IntegrationStatus, Status, TableStatus};
use crate::words::counted;

/// The most tables that are named: a wrong clock affects all tables.
const NAMED: usize = 10;

/// The advice for tables in the future.
pub(in crate::cli) const ADVICE: &str = "check this machine's clock; if it is right, run `kombo-source repair`, which first lists what it would change";

/// Adds a line per table that lies in the future, at most ten, and the advice.
pub(super) fn ahead(lines: &mut Vec<String>, status: &Status) {
    let said = said(status);
    lines.extend(said.iter().map(|one| format!("future  {one}")));
    lines.extend((!said.is_empty()).then(|| format!("        {ADVICE}")));
}

/// Returns a line per table that lies in the future: which part, and how far. At most ten tables are named.
pub(in crate::cli) fn said(status: &Status) -> Vec<String> {
    let all = status.ahead();
    let few = all.iter().take(NAMED);
    let few = few.map(|(one, table, parts)| of(one, table, parts));
    let mut said: Vec<String> = few.collect();
    if all.len() > NAMED {
        let more = (all.len() - NAMED) as u64;
        said.push(format!("{} more", counted(more, "table")));
    }
    said
}

fn of(one: &IntegrationStatus, table: &TableStatus, parts: &[Ahead]) -> String {
    let name = table.endpoint.table_name();
    let names: Vec<&str> = parts.iter().map(|ahead| ahead.part).collect();
    let reach = if names.len() == 1 { "reaches" } else { "reach" };
    let last = parts.iter().max_by_key(|ahead| ahead.until);
    let until = last.map(|ahead| ahead.until.to_string());
    let by = far(last.map_or(0, |ahead| ahead.by.as_secs()));
    format!(
        "{name} of {}: {} {reach} to {}, {by} ahead of this machine's clock",
        one.name,
        names.join(", "),
        until.unwrap_or_default()
    )
}

/// Returns how far something is ahead: `15 min`, `3 h`, `40 d`, `7973 years`.
fn far(secs: u64) -> String {
    const DAY: u64 = 86_400;
    match secs {
        0..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3_600),
        172_800..63_072_000 => format!("{} d", secs / DAY),
        _ => format!("{} years", secs / (365 * DAY + DAY / 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_ahead_something_is_reads_as_people_say_it() {
        let told = [900, 10_800, 3_456_000, 251_600_000_000].map(far);
        assert_eq!(told, ["15 min", "3 h", "40 d", "7972 years"]);
    }
}
