//! `upkeep`: expires old rows of deltas, merges small files, deletes unreferenced files, shortens logs; or lists this work.

use serde_json::{Value, json};

use super::args::UpkeepArgs;
use super::cli_error::CliError;
use super::failed::{NARROW, as_json, aside, text as ended};
use super::output;
use super::session::Session;
use super::terminal::Terminal;
use crate::lake::{TableUpkeep, UpkeepReport, UpkeepSettings};
use crate::words::{bytes, count, counted, counted_as};

/// Maintains the lake and prints what was done. Returns `false` when some tables could not be maintained.
pub(super) async fn run(args: &UpkeepArgs, session: &Session) -> Result<bool, CliError> {
    let lake = session.lake_for(!args.dry_run).await?;
    let settings = UpkeepSettings {
        dry_run: args.dry_run,
        ..session.config.upkeep()
    };
    // Tables of endpoints that are no longer fetched are maintained as well.
    let endpoints = session.catalog.endpoints();
    let report = lake.upkeep(endpoints, &settings).await?;
    if args.json {
        output::line(format_args!("{:#}", document(&report, args.dry_run)));
    } else {
        Terminal::stdout().print(&text(&report, args.dry_run));
    }
    Ok(report.failed.is_empty())
}

fn text(report: &UpkeepReport, dry_run: bool) -> String {
    let mut lines = Vec::new();
    for done in &report.tables {
        let mut parts = parts(done, dry_run);
        if !done.foreign.is_empty() {
            let files = counted(done.foreign.len() as u64, "foreign file");
            parts.push(format!("{files} left there"));
        }
        let what = parts.join(", ");
        lines.push(format!("{:<36}{what}", done.table));
        lines.extend(done.leaving.iter().map(|left| {
            let (rows, of) = (count(left.rows), counted(left.of, "row"));
            format!("  {}  {rows} of {of} expire", left.file)
        }));
        lines.extend(done.listed.iter().map(|key| format!("  {key}")));
        lines.extend(
            done.foreign
                .iter()
                .map(|key| format!("  {key}  belongs to no table: move it away")),
        );
    }
    lines.extend(aside(NARROW, &report.failed));
    let sum = |of: fn(&TableUpkeep) -> u64| report.tables.iter().map(of).sum();
    let total = TableUpkeep {
        left_rows: sum(|done| done.left_rows),
        left_files: sum(|done| done.left_files),
        merged_files: sum(|done| done.merged_files),
        merged_into: sum(|done| done.merged_into),
        deleted_files: sum(|done| done.deleted_files),
        deleted_bytes: sum(|done| done.deleted_bytes),
        deleted_log_entries: sum(|done| done.deleted_log_entries),
        ..TableUpkeep::default()
    };
    let total = parts(&total, dry_run).join(", ");
    lines.push(match (total.as_str(), dry_run) {
        ("", _) => "nothing to do".to_owned(),
        (total, true) => format!("to do: {total}"),
        (total, false) => format!("done: {total}"),
    });
    ended(&lines)
}

/// Returns the report as one JSON document. In a dry run its numbers are the work to do.
fn document(report: &UpkeepReport, dry_run: bool) -> Value {
    let tables = report.tables.iter().map(|done| {
        let leaving = done.leaving.iter();
        let leaving =
            leaving.map(|left| json!({"file": left.file, "rows": left.rows, "of": left.of}));
        json!({
            "table": done.table,
            "expired_rows": done.left_rows,
            "expired_files": done.left_files,
            "expiring": leaving.collect::<Vec<_>>(),
            "merged_files": done.merged_files,
            "merged_into": done.merged_into,
            "deleted_files": done.deleted_files,
            "deleted_bytes": done.deleted_bytes,
            "listed": done.listed,
            "foreign": done.foreign,
            "deleted_log_entries": done.deleted_log_entries,
        })
    });
    let failed = report.failed.iter();
    json!({
        "success": report.failed.is_empty(),
        "dry_run": dry_run,
        "tables": tables.collect::<Vec<_>>(),
        "failed": as_json(failed.map(|aside| (&*aside.member, &aside.error))),
    })
}

fn parts(done: &TableUpkeep, dry_run: bool) -> Vec<String> {
    let mut parts = Vec::new();
    if done.left_files > 0 {
        let rows = counted(done.left_rows, "row");
        let files = counted(done.left_files, "file");
        let expire = if dry_run {
            "to expire from"
        } else {
            "expired from"
        };
        parts.push(format!("{rows} {expire} {files}"));
    }
    if done.merged_files > 0 {
        let small = counted(done.merged_files, "small file");
        parts.push(if dry_run {
            format!("{small} to merge")
        } else {
            format!("{small} merged into {}", done.merged_into)
        });
    }
    if done.deleted_files > 0 {
        let files = counted(done.deleted_files, "file");
        let size = bytes(done.deleted_bytes);
        let what = if dry_run { "to delete" } else { "deleted" };
        parts.push(format!("{files} ({size}) {what}"));
    }
    if done.deleted_log_entries > 0 {
        let entries = counted_as(done.deleted_log_entries, "log entry", "log entries");
        let what = if dry_run { "to delete" } else { "deleted" };
        parts.push(format!("{entries} {what}"));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Left;

    #[test]
    fn a_dry_run_says_what_there_is_to_do_and_names_each_file() {
        let table = TableUpkeep {
            table: "ats_tags/deltas".to_owned(),
            left_rows: 1_200,
            left_files: 1,
            leaving: vec![Left {
                file: "ats_tags/deltas/commit_date=2025-01-01/part-y.zstd.parquet".to_owned(),
                rows: 1_200,
                of: 1_300,
            }],
            merged_files: 40,
            deleted_files: 1,
            deleted_bytes: 2_000,
            listed: vec!["ats_tags/deltas/commit_date=2026-01-01/part-x.zstd.parquet".to_owned()],
            deleted_log_entries: 1,
            ..TableUpkeep::default()
        };
        let report = UpkeepReport {
            tables: vec![table],
            failed: Vec::new(),
        };
        let expected = "\
ats_tags/deltas                     1,200 rows to expire from 1 file, 40 small files to merge, 1 file (2.0 kB) to delete, 1 log entry to delete
  ats_tags/deltas/commit_date=2025-01-01/part-y.zstd.parquet  1,200 of 1,300 rows expire
  ats_tags/deltas/commit_date=2026-01-01/part-x.zstd.parquet
to do: 1,200 rows to expire from 1 file, 40 small files to merge, 1 file (2.0 kB) to delete, 1 log entry to delete
";
        assert_eq!(text(&report, true), expected);
        let json = document(&report, true);
        assert_eq!(json["tables"][0]["expiring"][0]["of"], 1_300);
        assert_eq!(
            (&json["success"], &json["dry_run"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(text(&UpkeepReport::default(), false), "nothing to do\n");
    }
}
