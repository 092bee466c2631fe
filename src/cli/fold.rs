//! `fold`: merges waiting snapshots and deltas into `current`.

use std::collections::BTreeSet;

use serde_json::json;

use super::args::FoldArgs;
use super::cli_error::CliError;
use super::failed::text as ended;
use super::fold_run::{FoldRun, fold};
use super::named;
use super::output;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::ids::IntegrationId;
use crate::lake::{FoldSettings, FoldedTable};
use crate::words::{bytes, count};

/// Folds and reports what was folded. Returns `false` when some tables could not be folded.
pub(super) async fn run(args: &FoldArgs, session: &Session, quiet: bool) -> Result<bool, CliError> {
    let endpoints = named::endpoints(&session.catalog, &args.chosen.tables)?;
    let only = named::integrations(&args.chosen.integrations)?;
    let only: Option<BTreeSet<_>> = only.map(|ids| ids.iter().map(IntegrationId::key).collect());
    let lake = session.lake_for(true).await?;
    let settings = FoldSettings {
        cpu_percent: args.cpu,
        rebuild: args.rebuild,
        ..session.config.sink.lake.fold
    };
    let folded = fold(&lake, &endpoints, only.as_ref(), &settings, None, quiet).await;
    if args.json {
        for (name, table) in folded.tables() {
            output::line(as_json(name, table));
        }
        Terminal::stderr().print(&ended(&folded.troubles()));
    } else {
        let terminal = Terminal::stdout();
        terminal.print(&text(&folded, &terminal));
    }
    Ok(folded.is_success())
}

const COLUMNS: [Column; 8] = [
    Column::text("table", 36),
    Column::number("integrations", 14).spare(3),
    Column::number("rows", 12),
    Column::number("changed", 11),
    Column::number("removed", 11),
    Column::number("held", 9),
    Column::number("files", 8).spare(4),
    Column::number("bytes", 11).spare(2),
];

fn text(folded: &FoldRun, terminal: &Terminal) -> String {
    let mut table = TextTable::new(&COLUMNS);
    for (name, report) in &folded.endpoints {
        if report.tables.is_empty() {
            continue;
        }
        let sum = |of: fn(&FoldedTable) -> u64| report.tables.iter().map(of).sum::<u64>();
        table.add([
            name.clone(),
            count(report.tables.len() as u64),
            count(sum(|table| table.rows)),
            count(sum(|table| table.changed)),
            count(sum(|table| table.removed)),
            count(sum(|table| table.held)),
            count(sum(|table| table.files) + report.shared_files),
            bytes(sum(|table| table.bytes) + report.shared_bytes),
        ]);
    }
    let total = folded.total();
    let mut lines = total
        .as_ref()
        .map_or_else(Vec::new, |_| table.lines(terminal));
    lines.push(total.unwrap_or_else(|| "nothing to fold".to_owned()));
    lines.extend(folded.troubles());
    ended(&lines)
}

fn as_json(name: &str, table: &FoldedTable) -> serde_json::Value {
    let drift = table.drift.iter().map(
        |(kind, cause, rows)| json!({"kind": kind.as_str(), "cause": cause.as_str(), "rows": rows}),
    );
    json!({
        "table": name,
        "integration_key": table.key.as_str(),
        "snapshot": table.snapshot,
        "rows": table.rows,
        "changed": table.changed,
        "removed": table.removed,
        "held": table.held,
        "files": table.files,
        "bytes": table.bytes,
        "compared": table.compared,
        "drift": drift.collect::<Vec<_>>(),
        "hold": table.hold.as_ref().map(|hold| hold.state.as_str()),
        "released": table.released.as_ref().map(|released| json!({
            "state": released.state.as_str(),
            "rows": released.rows,
            "in_part": released.in_part,
        })),
    })
}
