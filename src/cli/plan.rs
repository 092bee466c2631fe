//! `backfill --plan`: estimates rows, requests and time of a backfill from first pages. Writes nothing.

use std::time::Duration;

use super::cli_error::CliError;
use super::failed::{NARROW, WIDE, aside, failed, text};
use super::key;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::backfill::in_turns;
use crate::backfill::plan::{Estimate, first_pages, least_time};
use crate::backfill::targets::resolve;
use crate::lake::{Lake, LakeError, Members, Part};
use crate::words::{count, counted, seconds};

/// Fetches first pages. Returns the estimate as text, and whether every table could be estimated.
pub(super) async fn run(session: &Session) -> Result<(String, bool), CliError> {
    let api = session.api()?;
    // The lake only improves the estimate: a first backfill has none yet.
    let lake = session.existing_lake().await?;
    let integrations = session.integrations(lake.as_ref()).await?;
    let concurrency = session.concurrency();
    key::tested(&session.config, &api).await?;
    let (known, unknown) = resolve(&*api, &integrations, &session.endpoints, concurrency).await;
    let targets = known.into_iter().flat_map(|known| known.targets);
    let targets = in_turns(targets.collect());
    let mut estimates = first_pages(&*api, targets, session.limits(), concurrency).await;
    // A table that cannot be read makes the estimate worse and nothing else.
    let mut unread: Members<(), String> = Members::default();
    if let Some(lake) = &lake {
        for estimate in &mut estimates {
            let known = known_rows(lake, estimate).await;
            let name = estimate.target.table.to_string();
            unread.add(name, known.map(|rows| estimate.known_rows = rows));
        }
    }
    let mut lines = table(&estimates, session, &Terminal::stdout());
    let told = lines.len();
    lines.extend(aside(WIDE, &unread.aside));
    let unknown = unknown.iter();
    lines.extend(unknown.map(|one| failed(NARROW, &one.id, &one.reason, one.reason.advice())));
    lines.extend(estimates.iter().filter_map(|estimate| {
        let (table, error) = (&estimate.target.table, estimate.failure()?);
        Some(failed(NARROW, table, error, error.advice()))
    }));
    Ok((text(&lines), lines.len() == told))
}

async fn known_rows(lake: &Lake, estimate: &Estimate) -> Result<Option<u64>, LakeError> {
    let key = estimate.target.table.integration.key();
    let files = lake.files(&estimate.target.endpoint, Part::Snapshots);
    let files = files.await?;
    let own = files.iter().filter(|file| {
        let own = file.partition_values.get("integration_key");
        own.and_then(Option::as_deref) == Some(key.as_str())
    });
    let rows: u64 = own.filter_map(|file| file.num_records).sum();
    Ok((rows > 0).then_some(rows))
}

const COLUMNS: [Column; 3] = [
    Column::text("table", 62),
    Column::number("rows", 14),
    Column::number("requests", 12),
];

fn table(estimates: &[Estimate], session: &Session, terminal: &Terminal) -> Vec<String> {
    let page_size = session.config.source.request.page_size.get();
    let mut table = TextTable::new(&COLUMNS);
    let (mut rows_total, mut requests_total, mut all_exact) = (0, 0, true);
    for estimate in estimates {
        let (rows, exact) = estimate.rows();
        let requests = estimate.requests(page_size);
        let name = estimate.target.table.to_string();
        let more = if exact { "" } else { "+" };
        let (told_rows, told_requests) = (count(rows) + more, count(requests));
        table.add(match &estimate.first_page {
            Ok(_) => [name, told_rows, told_requests],
            Err(_) => [name, "-".to_owned(), "-".to_owned()],
        });
        rows_total += rows;
        requests_total += requests;
        all_exact &= exact;
    }
    let mut lines = table.lines(terminal);
    let budget = session.config.source.request.budget();
    let budget = budget.map(|(requests, window)| (requests.get(), window));
    let time = least_time(requests_total, budget);
    let least = if all_exact { "" } else { "at least " };
    let (rows, requests) = (
        counted(rows_total, "row"),
        counted(requests_total, "request"),
    );
    let time = (time >= Duration::from_secs(1)).then(|| {
        let time = seconds(time);
        format!("; with the rate limit this takes {time} or longer")
    });
    lines.push(format!(
        "{least}{rows}, {requests}{}",
        time.unwrap_or_default()
    ));
    if !all_exact {
        lines.push("Kombo reports no totals: a table with more pages (+) counts as in the last snapshot, or as one row more than a page.".to_owned());
    }
    lines
}
