//! `backfill --plan`: what a backfill would cost, from first pages only. Writes nothing.

use super::cli_error::CliError;
use super::failed::{NARROW, WIDE, aside, failed, text};
use super::session::Session;
use crate::backfill::in_turns;
use crate::backfill::plan::{Estimate, first_pages, least_time};
use crate::backfill::targets::resolve;
use crate::lake::{Lake, LakeError, Members, Part};
use crate::words::{count, seconds};

/// Asks for first pages and returns the estimate as text.
pub(super) async fn run(session: &Session) -> Result<(String, bool), CliError> {
    let api = session.api()?;
    // Only for better guesses: a first backfill has no lake yet.
    let lake = session.existing_lake().await?;
    let integrations = session.integrations(lake.as_ref()).await?;
    let concurrency = session.concurrency();
    let (known, unknown) = resolve(&*api, &integrations, &session.endpoints, concurrency).await;
    let targets = known.into_iter().flat_map(|known| known.targets);
    let targets = in_turns(targets.collect());
    let mut estimates = first_pages(&*api, targets, session.limits(), concurrency).await;
    // What is not known makes the guess worse and nothing else.
    let mut unread: Members<(), String> = Members::default();
    if let Some(lake) = &lake {
        for estimate in &mut estimates {
            let known = known_rows(lake, estimate).await;
            let name = estimate.target.table.to_string();
            unread.add(name, known.map(|rows| estimate.known_rows = rows));
        }
    }
    let mut lines = table(&estimates, session);
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

fn table(estimates: &[Estimate], session: &Session) -> Vec<String> {
    let page_size = session.config.source.request.page_size.get();
    let line = |[table, rows, requests]: [&str; 3]| format!("{table:<62}{rows:>14}{requests:>12}");
    let mut lines = vec![line(["table", "rows", "requests"])];
    let (mut rows_total, mut requests_total, mut all_exact) = (0, 0, true);
    for estimate in estimates {
        let (rows, exact) = estimate.rows();
        let requests = estimate.requests(page_size);
        let name = estimate.target.table.to_string();
        let more = if exact { "" } else { " or more" };
        let (told_rows, told_requests) = (count(rows) + more, count(requests));
        lines.push(match &estimate.first_page {
            Ok(_) => line([&name, &told_rows, &told_requests]),
            Err(_) => line([&name, "-", "-"]),
        });
        rows_total += rows;
        requests_total += requests;
        all_exact &= exact;
    }
    let budget = session.config.source.request.budget();
    let budget = budget.map(|(requests, window)| (requests.get(), window));
    let time = seconds(least_time(requests_total, budget));
    let least = if all_exact { "" } else { "at least " };
    let (rows, requests) = (count(rows_total), count(requests_total));
    lines.push(format!(
        "{least}{rows} rows, {requests} requests; the rate limit lets them through in {time} or more"
    ));
    if !all_exact {
        lines.push("Kombo tells no totals: tables with further pages count as one row more than a page, or as in the last snapshot.".to_owned());
    }
    lines
}
