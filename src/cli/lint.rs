//! `lint`: how efficiently engines can read the lake, and what is worth repairing.

use serde_json::json;

use super::args::LintArgs;
use super::cli_error::CliError;
use super::failed::{NARROW, as_json, aside, text as ended};
use super::named;
use super::output;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::lake::{Finding, LintReport, LintSettings, Query, QueryCost, TableLint};
use crate::words::{bytes, count, counted};

/// Inspects the lake and prints the findings. Returns `false` when there is a finding, or a table could not be read.
pub(super) async fn run(args: &LintArgs, session: &Session) -> Result<bool, CliError> {
    let endpoints = named::endpoints(&session.catalog, &args.tables)?;
    let settings = LintSettings {
        footers: args.footers.get(),
        ..LintSettings::default()
    };
    let lake = session.lake_there().await?;
    // The lake's own tables are part of the complete lake only.
    let own = args.tables.is_empty();
    let report = lake.lint(&endpoints, own, &settings).await?;
    let mut tables = report.tables.iter();
    let findings = tables.any(|table| !table.findings().is_empty());
    if args.json {
        output::line(format_args!("{:#}", document(&report)));
    } else {
        let terminal = Terminal::stdout();
        terminal.print(&text(&report, &terminal));
    }
    Ok(!findings && report.failed.is_empty())
}

const COLUMNS: [Column; 8] = [
    Column::text("table", 36),
    Column::number("files", 7),
    Column::number("bytes", 11),
    Column::number("rows", 13).spare(1),
    Column::number("small", 7).spare(4),
    Column::number("one record", 24).spare(2),
    Column::number("integration", 15).spare(3),
    Column::number("one day", 12).spare(5),
];

fn text(report: &LintReport, terminal: &Terminal) -> String {
    let mut table = TextTable::new(&COLUMNS);
    for one in &report.tables {
        table.add(row(one));
    }
    let mut lines = table.lines(terminal);
    let tables = report.tables.iter();
    let findings: Vec<_> = tables
        .flat_map(|table| {
            let findings = table.findings().into_iter();
            findings.map(|finding| told(&table.table, finding))
        })
        .collect();
    let found = match (findings.len() as u64, report.failed.len()) {
        (0, 0) => "no findings".to_owned(),
        (0, failed) => format!("{failed} failed"),
        (number, 0) => counted(number, "finding"),
        (number, failed) => format!("{}, {failed} failed", counted(number, "finding")),
    };
    lines.extend(findings);
    lines.extend(aside(NARROW, &report.failed));
    let tables = counted(report.tables.len() as u64, "table");
    lines.push(format!("{tables}, {found}"));
    ended(&lines)
}

fn row(table: &TableLint) -> [String; 8] {
    let cost = |query| table.queries.iter().find(move |cost| cost.query == query);
    let bytes_of = |query| cost(query).map_or_else(|| "-".to_owned(), |cost| bytes(cost.bytes));
    [
        table.table.clone(),
        count(table.files),
        bytes(table.bytes),
        count(table.rows),
        share(table.small_files, table.files),
        cost(Query::OneRecord).map_or_else(|| "-".to_owned(), record),
        bytes_of(Query::OneIntegration),
        bytes_of(Query::OneDay),
    ]
}

fn record(cost: &QueryCost) -> String {
    let files = counted(cost.most_files, "file");
    format!("{} of {files}", bytes(cost.bytes))
}

fn share(part: u64, of: u64) -> String {
    format!("{} %", (part * 100).div_ceil(of.max(1)))
}

fn told(table: &str, finding: Finding) -> String {
    format!(
        "mend    {table}: {}\n        {}",
        finding.what(),
        finding.advice(table)
    )
}

fn document(report: &LintReport) -> serde_json::Value {
    let tables = report.tables.iter().map(|table| {
        let queries = table.queries.iter().map(|cost| {
            json!({
                "query": cost.query.as_str(),
                "samples": cost.samples,
                "bytes": cost.bytes,
                "bytes_by_row_groups": cost.bytes_by_groups,
                "most_files": cost.most_files,
            })
        });
        let findings = table.findings().into_iter().map(|finding| {
            json!({
                "finding": finding.as_str(),
                "count": finding.count(),
                "advice": finding.advice(&table.table),
            })
        });
        json!({
            "table": table.table,
            "files": table.files,
            "bytes": table.bytes,
            "rows": table.rows,
            "small_files": table.small_files,
            "mergeable_files": table.mergeable_files,
            "without_statistics": table.without_statistics,
            "overlapping_files": table.overlapping_files,
            "footers": table.footers,
            "without_page_index": table.without_page_index,
            "without_bloom_filter": table.without_bloom_filter,
            "without_sorting": table.without_sorting,
            "not_ours": table.not_ours,
            "row_groups": table.groups,
            "large_row_groups": table.large_groups,
            "small_row_groups": table.small_groups,
            "queries": queries.collect::<Vec<_>>(),
            "findings": findings.collect::<Vec<_>>(),
        })
    });
    let failed = report.failed.iter();
    let failed = as_json(failed.map(|aside| (&*aside.member, &aside.error)));
    json!({
        "tables": tables.collect::<Vec<_>>(),
        "failed": failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_table_and_then_what_to_mend() {
        let query = |query, bytes| QueryCost {
            query,
            samples: 1,
            bytes,
            bytes_by_groups: bytes,
            most_files: 1,
        };
        let current = TableLint {
            table: "ats_tags/current".to_owned(),
            files: 3,
            bytes: 4_200_000,
            rows: 12_000,
            small_files: 1,
            queries: vec![
                query(Query::OneRecord, 48_000),
                query(Query::OneIntegration, 2_100_000),
            ],
            ..TableLint::default()
        };
        let deltas = TableLint {
            table: "ats_tags/deltas".to_owned(),
            files: 120,
            bytes: 90_000,
            rows: 500,
            small_files: 120,
            mergeable_files: 60,
            queries: vec![query(Query::OneDay, 45_000)],
            ..TableLint::default()
        };
        let report = LintReport {
            tables: vec![current, deltas],
            failed: Vec::new(),
        };
        let expected = "\
table                                 files      bytes         rows  small              one record    integration     one day
ats_tags/current                          3     4.2 MB       12,000   34 %       48.0 kB of 1 file         2.1 MB           -
ats_tags/deltas                         120    90.0 kB          500  100 %                       -              -     45.0 kB
mend    ats_tags/deltas: 60 small files in one partition, which could be merged
        run `kombo-source upkeep` to merge the files; a running service does so daily
2 tables, 1 finding
";
        assert_eq!(text(&report, &Terminal::default()), expected);
        let narrow = text(&report, &Terminal::of_width(80));
        assert!(
            narrow.lines().take(4).all(|line| line.len() <= 80),
            "{narrow}"
        );
        let json = document(&report);
        assert_eq!(json["tables"][0]["queries"][0]["bytes"], 48_000);
        assert_eq!(json["tables"][1]["findings"][0]["finding"], "small_files");
    }
}
