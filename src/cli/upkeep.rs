//! `upkeep`: rows let go that nothing needs, small files merged, files that nothing names deleted, logs cut short; or what of it there is to do.

use super::args::UpkeepArgs;
use super::cli_error::CliError;
use super::failed::{NARROW, aside, text as ended};
use super::session::Session;
use crate::lake::{TableUpkeep, UpkeepReport, UpkeepSettings};
use crate::words::{bytes, count, counted};

/// Keeps the lake up and says what was done. `false` when some tables could not be kept up.
pub(super) async fn run(args: &UpkeepArgs, session: &Session) -> Result<bool, CliError> {
    let lake = session.lake_there().await?;
    let settings = UpkeepSettings {
        dry_run: args.dry_run,
        ..session.config.upkeep()
    };
    // Tables of endpoints that are not fetched any more are kept up all the same.
    let endpoints = session.catalog.endpoints();
    let report = lake.upkeep(endpoints, &settings).await?;
    print!("{}", text(&report, args.dry_run));
    Ok(report.failed.is_empty())
}

fn text(report: &UpkeepReport, dry_run: bool) -> String {
    let mut lines = Vec::new();
    for done in &report.tables {
        let what = parts(done, dry_run).join(", ");
        lines.push(format!("{:<36}{what}", done.table));
        lines.extend(done.leaving.iter().map(|left| {
            let (rows, of) = (count(left.rows), counted(left.of, "row"));
            format!("  {}  {rows} of {of} leave", left.file)
        }));
        lines.extend(done.listed.iter().map(|key| format!("  {key}")));
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

fn parts(done: &TableUpkeep, dry_run: bool) -> Vec<String> {
    let mut parts = Vec::new();
    if done.left_files > 0 {
        let rows = counted(done.left_rows, "row");
        let files = counted(done.left_files, "file");
        let leave = if dry_run { "to leave" } else { "left" };
        parts.push(format!("{rows} {leave} {files}"));
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
        let entries = count(done.deleted_log_entries);
        let plural = if done.deleted_log_entries == 1 {
            "y"
        } else {
            "ies"
        };
        let what = if dry_run { "to cut off" } else { "cut off" };
        parts.push(format!("{entries} log entr{plural} {what}"));
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
ats_tags/deltas                     1,200 rows to leave 1 file, 40 small files to merge, 1 file (2.0 kB) to delete, 1 log entry to cut off
  ats_tags/deltas/commit_date=2025-01-01/part-y.zstd.parquet  1,200 of 1,300 rows leave
  ats_tags/deltas/commit_date=2026-01-01/part-x.zstd.parquet
to do: 1,200 rows to leave 1 file, 40 small files to merge, 1 file (2.0 kB) to delete, 1 log entry to cut off
";
        assert_eq!(text(&report, true), expected);
        assert_eq!(text(&UpkeepReport::default(), false), "nothing to do\n");
    }
}
