//! What the demo says at the end: what landed, how much of it is current, and what to do next.

use std::collections::BTreeMap;
use std::path::Path;

use crate::backfill::outcome::{TableEnding, TableOutcome};
use crate::cli::backfill_report::BackfillReport;
use crate::words::{count, counted, seconds};

/// Largest tables that are listed.
const LISTED: usize = 5;

/// Queries that are ready to paste. `{lake}` is the folder of the lake as the user gave it.
const QUESTIONS: &str = include_str!("questions.sql");

/// Rows of one endpoint.
#[derive(Clone, Copy, Default)]
struct LandedRows {
    snapshots: u64,
    current: u64,
}

/// Says what landed. A load that is not complete is reported in full instead.
pub(super) fn landed(report: &BackfillReport, integrations: u32, lake: &Path) -> String {
    if !report.is_success() {
        return format!("{}\n", report.text());
    }
    let tables = tables(report);
    let sum = |rows: fn(&LandedRows) -> u64| tables.values().map(rows).sum::<u64>();
    let (fetched, current) = (sum(|rows| rows.snapshots), sum(|rows| rows.current));
    let customers = counted(u64::from(integrations), "made-up customer");
    let (rows, requests) = (counted(fetched, "row"), counted(report.requests, "request"));
    let (loaded, folded) = (seconds(report.elapsed), seconds(report.folded.elapsed));
    let deleted = counted(fetched.saturating_sub(current), "row");
    format!(
        "{rows} of {customers} are in the lake {}.
Loading took {loaded} and {requests}; merging into `current` took {folded}.

Each table keeps the rows as they were fetched in `snapshots`, and one row per
record in `current`. Deleted records are in `snapshots` only: {deleted} here.

{}
{}",
        lake.display(),
        table(&tables),
        next(lake),
    )
}

/// Returns the rows of each endpoint.
fn tables(report: &BackfillReport) -> BTreeMap<String, LandedRows> {
    let mut tables: BTreeMap<String, LandedRows> = BTreeMap::new();
    let is_committed = |one: &&TableOutcome| matches!(one.ending, TableEnding::Committed(_));
    for outcome in report.outcomes.iter().filter(is_committed) {
        let name = outcome.table.endpoint.table_name();
        tables.entry(name).or_default().snapshots += outcome.rows;
    }
    for (name, folded) in report.folded.tables() {
        tables.entry(name.to_owned()).or_default().current += folded.rows;
    }
    tables
}

/// Lists the largest tables, and the others as one line.
fn table(tables: &BTreeMap<String, LandedRows>) -> String {
    let line = |name: &str, snapshots: &str, current: &str| {
        format!("{name:<34}{snapshots:>12}{current:>12}\n")
    };
    let mut largest: Vec<_> = tables.iter().collect();
    largest.sort_by_key(|(name, rows)| (std::cmp::Reverse(rows.snapshots), *name));
    let mut text = line("table", "snapshots", "current");
    let mut rest = LandedRows::default();
    for (nth, (name, rows)) in largest.iter().enumerate() {
        if nth < LISTED {
            text += &line(name, &count(rows.snapshots), &count(rows.current));
        } else {
            rest.snapshots += rows.snapshots;
            rest.current += rows.current;
        }
    }
    let others = largest.len().saturating_sub(LISTED) as u64;
    if others > 0 {
        let name = format!("{others} more");
        text += &line(&name, &count(rest.snapshots), &count(rest.current));
    }
    text
}

/// Says what to do next: commands first, then queries that are ready to paste.
fn next(lake: &Path) -> String {
    let shown = lake.display();
    let questions = QUESTIONS.replace("{lake}", &shown.to_string().replace('\'', "''"));
    format!(
        "Is every table fresh?
  kombo-source status --lake-url {shown}
See a change arrive:
  kombo-source demo --live
More views, for this and other engines:
  kombo-source sql --engine duckdb --lake-url {shown}
The same with your own data:
  kombo-source backfill --help

In DuckDB, started in this folder, ready to paste:

{questions}
{OFFLINE}"
    )
}

/// How `DuckDB` gets its extension where it cannot download it.
const OFFLINE: &str = r#"Where DuckDB cannot download its extension, take it from PyPI once:
pip install duckdb duckdb-extension-delta
python3 -c "import duckdb, glob, duckdb_extension_delta as ext
(file,) = glob.glob(ext.__path__[0] + '/**/*.duckdb_extension', recursive=True)
duckdb.sql(f\"INSTALL '{file}'\")"
"#;
