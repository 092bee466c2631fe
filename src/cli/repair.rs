//! `repair`: mends damaged tables, and gives rows that a wrong clock stamped in the future a present time; without `--yes`
//! it lists them.

use serde_json::{Value, json};

use super::args::RepairArgs;
use super::cli_error::CliError;
use super::failed::{NARROW, as_json, failed, text as ended};
use super::output;
use super::purge::rewritten;
use super::session::Session;
use super::terminal::Terminal;
use crate::lake::{MendedTable, Repair, RepairReport, RepairSettings, RepairedTable};
use crate::words::{age, counted};

/// Repairs with `--yes`, and otherwise prints what it would do. Returns `false` when some tables could not be repaired.
pub(super) async fn run(args: &RepairArgs, session: &Session) -> Result<bool, CliError> {
    let (lake, dry_run) = (session.lake_there().await?, !args.done.yes);
    // Tables of endpoints that are no longer fetched are repaired as well.
    let settings = RepairSettings {
        dry_run,
        deep: args.deep,
    };
    // Boxed, because the future is large and every verb would carry it.
    let repaired = Box::pin(lake.repair(session.catalog.endpoints(), settings));
    let report = repaired.await?;
    if args.json {
        output::line(format_args!("{:#}", document(&report, dry_run)));
    } else {
        let terminal = Terminal::stdout();
        terminal.print(&text(&report, dry_run, &terminal));
    }
    Ok(report.failed.is_empty())
}

fn text(report: &RepairReport, dry_run: bool, terminal: &Terminal) -> String {
    let mut lines = Vec::new();
    lines.extend(report.behind.map(|behind| {
        let behind = age(behind);
        format!(
            "note    the store's clock is {behind} ahead of this machine's clock, and is used as the present; set this machine's clock"
        )
    }));
    for one in &report.damaged {
        lines.extend(damaged(one, dry_run));
    }
    lines.extend(report.ahead.iter().map(|one| one_table(one, dry_run)));
    let tables = report.tables.iter();
    let tables = tables.map(|done| (&*done.table, done.rows, done.files));
    lines.extend(rewritten(tables, terminal));
    let set_aside = report.failed.iter();
    lines.extend(set_aside.map(|(table, error)| failed(NARROW, table, error, error.advice())));
    lines.push(last_line(report, dry_run));
    if let Some(command) = fetch_again(report) {
        let when = if dry_run {
            "to do after that: fetch in full what only Kombo still has:"
        } else {
            "to do: fetch in full what only Kombo still has, then start the service:"
        };
        lines.push(when.to_owned());
        lines.push(format!("        {command}"));
    }
    ended(&lines)
}

/// Returns the report as one JSON document. In a dry run it lists the work to do.
fn document(report: &RepairReport, dry_run: bool) -> Value {
    let ahead = report.ahead.iter().map(|one| {
        json!({
            "table": one.table,
            "integration": one.integration,
            "until": one.until.map(|until| until.to_string()),
        })
    });
    let tables = report.tables.iter();
    let tables =
        tables.map(|done| json!({"table": done.table, "rows": done.rows, "files": done.files}));
    let failed = report.failed.iter();
    json!({
        "success": report.failed.is_empty(),
        "dry_run": dry_run,
        "damaged": report.damaged.iter().map(|one| json!({
            "table": one.table,
            "damage": one.damage,
            "does": one.does,
            "lost": one.lost,
        })).collect::<Vec<_>>(),
        "next": fetch_again(report),
        "store_ahead_secs": report.behind.map(|behind| behind.as_secs()),
        "future": ahead.collect::<Vec<_>>(),
        "tables": tables.collect::<Vec<_>>(),
        "failed": as_json(failed.map(|(table, error)| (&**table, error))),
    })
}

/// Returns the lines about a damaged table: what is damaged, what the repair does, and what is lost.
fn damaged(one: &MendedTable, dry_run: bool) -> Vec<String> {
    let MendedTable {
        table,
        damage,
        does,
        lost,
    } = one;
    let what = if dry_run { "damaged" } else { "mended" };
    let mut lines = vec![format!("{what:<8}{table}")];
    lines.extend(damage.iter().map(|file| format!("        {file}")));
    lines.push(format!("        repair: {does}"));
    lines.push(format!("        lost: {lost}"));
    lines
}

/// Returns the command that fetches again in full what a repair could not bring back.
fn fetch_again(report: &RepairReport) -> Option<String> {
    let mut command = String::from("kombo-source backfill");
    for name in &report.fetched_again {
        command.push_str(" --endpoint ");
        command.push_str(name);
    }
    (!report.fetched_again.is_empty()).then_some(command)
}

fn one_table(one: &RepairedTable, dry_run: bool) -> String {
    let RepairedTable {
        table, integration, ..
    } = one;
    let what = if dry_run { "future" } else { "mended" };
    let until = match (one.until, dry_run) {
        (Some(until), true) => format!("goes up to {until}"),
        (Some(until), false) => format!("went up to {until}"),
        (None, true) => "has a base in the future; the next fetch has to be a full one".to_owned(),
        (None, false) => "had a base in the future; the next fetch is a full one".to_owned(),
    };
    format!("{what:<8}{table} of {integration}: {until}")
}

fn last_line(report: &RepairReport, dry_run: bool) -> String {
    if report.ahead.is_empty() && report.failed.is_empty() && report.damaged.is_empty() {
        return "nothing to repair".to_owned();
    }
    let sum = |of: fn(&Repair) -> u64| report.tables.iter().map(of).sum();
    let (tables, rows, files) = (
        counted(report.ahead.len() as u64, "table"),
        counted(sum(|done| done.rows), "row"),
        counted(sum(|done| done.files), "file"),
    );
    let moved = format!("{tables}, {rows} in {files}");
    let damaged = counted(report.damaged.len() as u64, "damaged table");
    let what = match (report.damaged.is_empty(), report.ahead.is_empty()) {
        (true, _) => moved,
        (false, true) => damaged,
        (false, false) => format!("{damaged}; {moved}"),
    };
    match (dry_run, report.failed.is_empty()) {
        (true, _) => format!("to do: {what}; nothing is changed without --yes"),
        (false, true) => format!("done: {what}"),
        (false, false) => format!("done: {what}; run it again for the rest"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::ObservedAt;

    fn report() -> RepairReport {
        let one = |table: &str, until: Option<i64>| RepairedTable {
            table: table.to_owned(),
            integration: "personio:a".to_owned(),
            until: until.map(ObservedAt::from_micros),
        };
        RepairReport {
            ahead: vec![
                one("ats_tags", Some(253_402_300_799_000_001)),
                one("ats_jobs", None),
            ],
            tables: vec![Repair {
                table: "ats_tags/deltas".to_owned(),
                rows: 1_200,
                files: 3,
            }],
            ..RepairReport::default()
        }
    }

    #[test]
    fn it_says_what_lies_in_the_future_and_what_was_done() {
        let expected = "\
future  ats_tags of personio:a: goes up to 9999-12-31T23:59:59.000001Z
future  ats_jobs of personio:a: has a base in the future; the next fetch has to be a full one
table                                       rows   files
ats_tags/deltas                            1,200       3
to do: 2 tables, 1,200 rows in 3 files; nothing is changed without --yes
";
        assert_eq!(text(&report(), true, &Terminal::default()), expected);
        let json = document(&report(), true);
        assert_eq!(json["future"][0]["until"], "9999-12-31T23:59:59.000001Z");
        assert_eq!(json["tables"][0]["rows"], 1_200);
        let done = text(&report(), false, &Terminal::default());
        assert!(
            done.contains("mended  ats_tags of personio:a: went up to 9999"),
            "{done}"
        );
        assert!(
            done.ends_with("done: 2 tables, 1,200 rows in 3 files\n"),
            "{done}"
        );
        assert_eq!(
            text(&RepairReport::default(), true, &Terminal::default()),
            "nothing to repair\n"
        );
    }

    #[test]
    fn it_says_what_is_damaged_what_is_lost_and_what_to_run_next() {
        let report = RepairReport {
            damaged: vec![MendedTable {
                table: "ats_tags/deltas".to_owned(),
                damage: vec![
                    "ats_tags/deltas/_delta_log/00000000000000000003.json (version 3) is missing"
                        .to_owned(),
                ],
                does: "makes the log readable".to_owned(),
                lost: "nothing".to_owned(),
            }],
            fetched_again: vec!["ats/tags".to_owned()],
            ..RepairReport::default()
        };
        let expected = "\
damaged ats_tags/deltas
        ats_tags/deltas/_delta_log/00000000000000000003.json (version 3) is missing
        repair: makes the log readable
        lost: nothing
to do: 1 damaged table; nothing is changed without --yes
to do after that: fetch in full what only Kombo still has:
        kombo-source backfill --endpoint ats/tags
";
        assert_eq!(text(&report, true, &Terminal::default()), expected);
        let json = document(&report, true);
        assert_eq!(json["damaged"][0]["table"], "ats_tags/deltas");
        assert_eq!(json["next"], "kombo-source backfill --endpoint ats/tags");
        assert_eq!(
            document(&RepairReport::default(), true)["next"],
            Value::Null
        );
    }

    #[test]
    fn a_clock_that_is_behind_the_stores_is_named() {
        let behind = RepairReport {
            behind: Some(Duration::from_hours(1)),
            ..RepairReport::default()
        };
        let expected = "\
note    the store's clock is 1 h ahead of this machine's clock, and is used as the present; set this machine's clock
nothing to repair
";
        assert_eq!(text(&behind, true, &Terminal::default()), expected);
    }
}
