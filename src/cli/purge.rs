//! `purge`: the rows of deleted integrations leave the lake; or what of it there is to do.

use super::args::PurgeArgs;
use super::failure::{Failure, USAGE};
use super::session::Session;
use super::words::{count, counted};
use crate::backfill::outcome::with_causes;
use crate::catalog::Catalog;
use crate::ids::IntegrationId;
use crate::lake::{Lake, PurgeReport, PurgeSettings, Registration, TablePurge, UpkeepSettings};
use crate::time::format_date;

const MS_PER_DAY: i64 = 86_400_000;

/// Purges when it was told to, and else says what it would do. `false` when some tables could not be purged.
pub(super) async fn run(
    args: &PurgeArgs,
    session: &Session,
    catalog: &Catalog,
) -> Result<bool, Failure> {
    let lake = session.lake_there().await?;
    let only = match &args.integration {
        Some(id) => Some(deleted(&lake, id).await?),
        None => None,
    };
    let settings = PurgeSettings {
        after: args.after,
        only,
        dry_run: !args.yes,
    };
    let report = lake.purge(catalog.endpoints(), &settings).await?;
    print!("{}", text(&report, settings.dry_run));
    Ok(report.failed.is_empty())
}

/// Reads the id of an integration that may be purged at all.
async fn deleted(lake: &Lake, id: &str) -> Result<IntegrationId, Failure> {
    let refused = |message: String, advice: &str| Failure::new(USAGE, message, advice.to_owned());
    let id = IntegrationId::new(id).map_err(|error| {
        let message = format!("--integration cannot be used: {error}");
        refused(message, "Kombo's dashboard shows the ids")
    })?;
    let known = lake.registered().await?;
    let known = known.into_iter().find(|known| known.integration == id);
    let state = known.map_or_else(|| "unknown".to_owned(), |known| known.state);
    if [Registration::DELETED, Registration::PURGED].contains(&state.as_str()) {
        return Ok(id);
    }
    let message = format!("{id} is {state}, not deleted");
    let advice = "only what Kombo has said to be deleted is purged; kombo-source status shows how each integration stands";
    Err(refused(message, advice))
}

fn text(report: &PurgeReport, dry_run: bool) -> String {
    let mut lines = Vec::new();
    let to_do = if dry_run { "to purge" } else { "purged" };
    let purged = report.integrations.iter();
    lines.extend(purged.map(|id| format!("{to_do:<9}{id}")));
    lines.extend(report.waiting.iter().map(|(id, due_ms)| {
        let (what, day) = ("waits", day(*due_ms));
        format!("{what:<9}{id}, until {day}")
    }));
    lines.extend(report.tables.iter().map(|done| {
        let (rows, files) = (count(done.rows), count(done.files));
        format!("{:<36}{rows:>12} rows {files:>6} files", done.table)
    }));
    lines.extend(report.failed.iter().map(|(table, error)| {
        let (causes, advice) = (with_causes(error), error.advice());
        format!("failed  {table}: {causes}\n        {advice}")
    }));
    lines.push(last_line(report, dry_run));
    lines.join("\n") + "\n"
}

fn last_line(report: &PurgeReport, dry_run: bool) -> String {
    if report.integrations.is_empty() {
        return "nothing to purge".to_owned();
    }
    let sum = |of: fn(&TablePurge) -> u64| report.tables.iter().map(of).sum();
    let (rows, files) = (
        counted(sum(|done| done.rows), "row"),
        counted(sum(|done| done.files), "file"),
    );
    if dry_run {
        return format!("to do: {rows} leave {files}; nothing is changed without --yes");
    }
    if !report.failed.is_empty() {
        return format!("done: {rows} left {files}; run it again for the rest");
    }
    let grace = UpkeepSettings::SHORTEST_GRACE.as_millis();
    let grace_ms = i64::try_from(grace).unwrap_or(i64::MAX);
    let from = day(report
        .now_ms
        .saturating_add(grace_ms)
        .saturating_add(MS_PER_DAY));
    format!(
        "done: {rows} left {files}\n\
        no reader of the tables sees them from now on; older versions can be read until upkeep deletes the files, from {from} on"
    )
}

fn day(at_ms: i64) -> String {
    let days = at_ms.div_euclid(MS_PER_DAY);
    format_date(i32::try_from(days).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> PurgeReport {
        let id = |id: &str| IntegrationId::new(id).expect("an id");
        PurgeReport {
            integrations: vec![id("personio:gone")],
            waiting: vec![(id("lever:later"), 1_700_000_000_000)],
            tables: vec![TablePurge {
                table: "ats_tags/deltas".to_owned(),
                rows: 1_200,
                files: 3,
            }],
            failed: Vec::new(),
            now_ms: 1_699_000_000_000,
        }
    }

    #[test]
    fn it_says_who_is_purged_and_who_waits_and_until_when_files_stay() {
        let expected = "\
to purge personio:gone
waits    lever:later, until 2023-11-14
ats_tags/deltas                            1,200 rows      3 files
to do: 1,200 rows leave 3 files; nothing is changed without --yes
";
        assert_eq!(text(&report(), true), expected);
        let done = text(&report(), false);
        assert!(done.contains("purged   personio:gone"), "{done}");
        assert!(done.ends_with("from 2023-11-18 on\n"), "{done}");
        assert_eq!(text(&PurgeReport::default(), false), "nothing to purge\n");
    }
}
