//! `drift`: what full fetches found, row by row or in numbers.

mod summary;

use std::time::Duration;

use serde_json::{Value, json};

use super::args::DriftArgs;
use super::cli_error::CliError;
use super::failed::{WIDE, aside, text as ended};
use super::named::Named;
use super::session::Session;
use crate::catalog::Catalog;
use crate::ids::EndpointName;
use crate::lake::{DriftFilter, FoundDrift, Lake, Members, SetAside};
use crate::time::{Moment, format_timestamp};
use crate::words::{age, counted};

/// Columns that are named for each row.
const COLUMNS_NAMED: usize = 4;

/// Prints what was found. `false` when some of it could not be read.
pub(super) async fn run(args: &DriftArgs, session: &Session) -> Result<bool, CliError> {
    let now = session.clock.now();
    let filter = filter(args, &session.catalog, now)?;
    let lake = session.lake_there().await?;
    let (text, unread) = report(args, &lake, filter, now).await?;
    print!("{text}");
    eprint!("{}", ended(&aside(WIDE, &unread)));
    Ok(unread.is_empty())
}

async fn report(
    args: &DriftArgs,
    lake: &Lake,
    mut filter: DriftFilter,
    now: Moment,
) -> Result<(String, Vec<SetAside<String>>), CliError> {
    if args.summary {
        return summary::read(lake, &filter, args.json).await;
    }
    // One more than is shown says whether there are more.
    filter.limit = args.limit.saturating_add(1);
    let Members {
        going: mut rows,
        aside,
    } = lake.drift(&filter).await?;
    let more = rows.len() > args.limit;
    rows.truncate(args.limit);
    if args.json {
        let lines = rows.iter().map(|row| json(row).to_string() + "\n");
        return Ok((lines.collect(), aside));
    }
    if rows.is_empty() && !aside.is_empty() {
        return Ok(("no drift in what can be read\n".to_owned(), aside));
    }
    if rows.is_empty() {
        return Ok((none(lake, &filter).await? + "\n", aside));
    }
    let shown = counted(rows.len() as u64, "row");
    let rest = more.then_some(", the newest; --limit shows more");
    let rest = rest.unwrap_or_default();
    let text = format!("{}{shown}{rest}\n", text(&rows, now));
    Ok((text, aside))
}

fn filter(args: &DriftArgs, catalog: &Catalog, now: Moment) -> Result<DriftFilter, CliError> {
    let (id, table) = (args.integration.as_deref(), args.table.as_deref());
    let named = Named::of(catalog, id, table)?;
    Ok(DriftFilter {
        integration: named.integration,
        endpoint: named.endpoint,
        kind: args.kind,
        cause: args.cause,
        since_us: args.since.map(|since| since.micros(now)),
        limit: args.limit,
    })
}

/// Says why there is nothing to show.
async fn none(lake: &Lake, filter: &DriftFilter) -> Result<String, CliError> {
    let compared = lake.completeness().await?.len() as u64;
    let everything = DriftFilter {
        limit: filter.limit,
        ..DriftFilter::default()
    };
    let tables = counted(compared, "table");
    Ok(match compared {
        0 => "no drift is known: no full fetch was compared with what the lake knew before it"
            .to_owned(),
        _ if *filter == everything => {
            format!("no drift: full fetches of {tables} found nothing that the lake did not know")
        }
        _ => "no drift of that sort".to_owned(),
    })
}

#[rustfmt::skip]
const HEADER: [&str; 8] = ["found", "table", "integration", "id", "kind", "cause", "wrong for", "columns"];

fn text(rows: &[FoundDrift], now: Moment) -> String {
    let mut lines = vec![HEADER.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let passed_ms = now.as_millis().saturating_sub(row.fetched_at_us / 1000);
        [
            format!("{} ago", since(passed_ms / 1000)),
            table(&row.endpoint),
            row.integration.clone(),
            // Kombo's, and about to reach a terminal.
            row.id.escape_debug().to_string(),
            row.kind.clone(),
            row.cause.clone(),
            row.wrong_secs.map_or_else(|| "-".to_owned(), since),
            columns(&row.columns),
        ]
    }));
    let mut widths = [0; 8];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let aligned = |line: &[String; 8]| {
        let cells = line.iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        let cells: Vec<_> = cells.collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(aligned).collect()
}

/// Names the table of an endpoint, as people name it elsewhere.
fn table(endpoint: &str) -> String {
    EndpointName::from_stored(endpoint)
        .map_or_else(|| endpoint.to_owned(), |endpoint| endpoint.table_name())
}

fn columns(names: &[String]) -> String {
    if names.is_empty() {
        return "-".to_owned();
    }
    let few = names[..names.len().min(COLUMNS_NAMED)].join(", ");
    match names.len().saturating_sub(COLUMNS_NAMED) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

fn since(secs: i64) -> String {
    age(Duration::from_secs(u64::try_from(secs).unwrap_or_default()))
}

fn json(row: &FoundDrift) -> Value {
    json!({
        "integration": row.integration,
        "table": table(&row.endpoint),
        "id": row.id,
        "kind": row.kind,
        "cause": row.cause,
        "columns": row.columns,
        "fetched_at": format_timestamp(row.fetched_at_us),
        "known_fetched_at": row.known_fetched_at_us.map(format_timestamp),
        "changed_at": row.changed_at_us.map(format_timestamp),
        "wrong_since": row.wrong_since_us.map(format_timestamp),
        "wrong_secs": row.wrong_secs,
        "fetch_id": row.fetch_id,
    })
}

#[cfg(test)]
mod tests;
