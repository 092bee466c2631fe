//! `fold`: what waits of snapshots and deltas into `current`.

use std::collections::BTreeSet;

use serde_json::json;

use super::args::FoldArgs;
use super::cli_error::CliError;
use super::failed::text as ended;
use super::fold_run::{FoldRun, fold};
use super::named;
use super::session::Session;
use crate::lake::{FoldSettings, FoldedTable};
use crate::words::{bytes, counted};

/// Folds and says what was folded. `false` when some tables could not be.
pub(super) async fn run(args: &FoldArgs, session: &Session) -> Result<bool, CliError> {
    let endpoints = named::endpoints(&session.catalog, args.table.as_deref())?;
    let only = named::integration(args.integration.as_deref())?;
    let only = only.map(|id| BTreeSet::from([id.key()]));
    let lake = session.lake_there().await?;
    let settings = FoldSettings {
        cpu_percent: args.cpu,
        rebuild: args.rebuild,
        ..session.config.sink.lake.fold
    };
    let folded = fold(&lake, &endpoints, only.as_ref(), &settings, None).await;
    if args.json {
        for (name, table) in folded.tables() {
            println!("{}", as_json(name, table));
        }
        eprint!("{}", ended(&folded.troubles()));
    } else {
        print!("{}", text(&folded));
    }
    Ok(folded.is_success())
}

fn text(folded: &FoldRun) -> String {
    let mut lines = Vec::new();
    for (name, report) in &folded.endpoints {
        if report.tables.is_empty() {
            continue;
        }
        let sum = |of: fn(&FoldedTable) -> u64| report.tables.iter().map(of).sum::<u64>();
        let size = bytes(sum(|table| table.bytes));
        let files = counted(sum(|table| table.files), "file");
        let mut parts = vec![
            counted(report.tables.len() as u64, "integration"),
            counted(sum(|table| table.rows), "row"),
            format!("{} changed", sum(|table| table.changed)),
            format!("{} removed", sum(|table| table.removed)),
            format!("{size} in {files}"),
        ];
        let held = sum(|table| table.held);
        if held > 0 {
            parts.push(format!("{held} held"));
        }
        lines.push(format!("{name:<36}{}", parts.join(", ")));
    }
    let total = folded.total();
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
