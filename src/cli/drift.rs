//! `drift`: rows that differed at a full fetch, row by row or in numbers.

mod summary;

use std::time::Duration;

use serde_json::{Value, json};

use super::args::DriftArgs;
use super::cli_error::CliError;
use super::failed::{WIDE, aside, text as ended};
use super::named::Named;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::catalog::Catalog;
use crate::ids::EndpointName;
use crate::lake::{DriftFilter, FoundDrift, Lake, Members, SetAside};
use crate::time::{Moment, format_timestamp};
use crate::words::{age, counted};

/// The most columns that are named for a row.
const COLUMNS_NAMED: usize = 4;

/// Prints the rows that differed. Returns `false` when some of them could not be read.
pub(super) async fn run(args: &DriftArgs, session: &Session) -> Result<bool, CliError> {
    let now = session.clock.now();
    let filter = filter(args, &session.catalog, now)?;
    let lake = session.lake_there().await?;
    let (text, unread) = report(args, &lake, filter, now).await?;
    Terminal::stdout().print(&text);
    Terminal::stderr().print(&ended(&aside(WIDE, &unread)));
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
        return Ok(("no drift in the files that can be read\n".to_owned(), aside));
    }
    if rows.is_empty() {
        return Ok((none(lake, &filter).await? + "\n", aside));
    }
    let shown = counted(rows.len() as u64, "row");
    let rest = more.then_some(", the newest; --limit shows more");
    let rest = rest.unwrap_or_default();
    let text = format!("{}{shown}{rest}\n", text(&rows, now, &Terminal::stdout()));
    Ok((text, aside))
}

fn filter(args: &DriftArgs, catalog: &Catalog, now: Moment) -> Result<DriftFilter, CliError> {
    let named = Named::of(catalog, &args.chosen.integrations, &args.chosen.tables)?;
    Ok(DriftFilter {
        integrations: named.integrations,
        endpoints: named.endpoints,
        kind: args.kind,
        cause: args.cause,
        since_us: args.since.map(|since| since.micros(now)),
        limit: args.limit,
    })
}

/// Returns the reason why there is nothing to show.
async fn none(lake: &Lake, filter: &DriftFilter) -> Result<String, CliError> {
    let compared = lake.completeness().await?.len() as u64;
    let everything = DriftFilter {
        limit: filter.limit,
        ..DriftFilter::default()
    };
    let tables = counted(compared, "table");
    Ok(match compared {
        0 => "no drift is known: no full fetch was compared with the lake yet".to_owned(),
        _ if *filter == everything => {
            format!("no drift: the last full fetches of {tables} found no difference")
        }
        _ => "no drift that these flags select".to_owned(),
    })
}

const COLUMNS: [Column; 8] = [
    Column::text("found", 0),
    Column::text("table", 0),
    Column::text("integration", 0),
    Column::text("id", 0),
    Column::text("kind", 0),
    Column::text("cause", 0),
    Column::text("wrong for", 0),
    Column::text("columns", 0),
];

/// Returns a line per row, or three where the terminal has no room for all columns beside each other.
fn text(rows: &[FoundDrift], now: Moment, terminal: &Terminal) -> String {
    let mut lines = TextTable::new(&COLUMNS);
    let mut blocks = Vec::new();
    for row in rows {
        let passed_ms = now.as_millis().saturating_sub(row.fetched_at_us / 1000);
        let found = format!("{} ago", since(passed_ms / 1000));
        let wrong = row.wrong_secs.map_or_else(|| "-".to_owned(), since);
        // Kombo's text, and about to reach a terminal.
        let id = row.id.escape_debug().to_string();
        let (table, columns) = (table(&row.endpoint), columns(&row.columns));
        let (integration, kind, cause) = (&row.integration, &row.kind, &row.cause);
        blocks.push(terminal.bold(&format!("{table} of {integration}")));
        blocks.push(format!("    id {id}"));
        blocks.push(format!(
            "    {kind}, {cause}, found {found}, wrong for {wrong}, columns: {columns}"
        ));
        let cells = [
            &found,
            &table,
            integration,
            &id,
            kind,
            cause,
            &wrong,
            &columns,
        ];
        lines.add(cells.map(String::clone));
    }
    ended(&if lines.fits(terminal) {
        lines.lines(terminal)
    } else {
        blocks
    })
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
