//! `backfill --plan`: what a backfill would cost, from first pages only. Writes nothing.

use std::fmt::Write as _;

use super::aside::aside;
use super::failure::Failure;
use super::session::Session;
use crate::backfill::in_turns;
use crate::backfill::plan::{Estimate, first_pages, least_time};
use crate::backfill::targets::{Unknown, resolve};
use crate::lake::{Lake, LakeError, Members, Part};
use crate::words::with_causes;
use crate::words::{count, seconds};

/// Asks for first pages and returns the estimate as text.
pub(super) async fn run(session: &Session) -> Result<(String, bool), Failure> {
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
    let mut text = table(&estimates, session);
    text.push_str(&aside(&unread.aside));
    for Unknown { id, reason } in &unknown {
        let line = format!(
            "failed  {id}: {}\n        {}\n",
            with_causes(reason),
            reason.advice()
        );
        text.push_str(&line);
    }
    let failed = estimates
        .iter()
        .filter_map(|estimate| Some((estimate, estimate.failure()?)));
    let mut complete = unknown.is_empty() && unread.aside.is_empty();
    for (estimate, error) in failed {
        complete = false;
        let table = &estimate.target.table;
        let line = format!(
            "failed  {table}: {}\n        {}\n",
            with_causes(error),
            error.advice()
        );
        text.push_str(&line);
    }
    Ok((text, complete))
}

async fn known_rows(lake: &Lake, estimate: &Estimate) -> Result<Option<u64>, LakeError> {
    let key = estimate.target.table.integration.key();
    let files = lake
        .files(&estimate.target.endpoint, Part::Snapshots)
        .await?;
    let own = files.iter().filter(|file| {
        file.partition_values
            .get("integration_key")
            .and_then(Option::as_deref)
            == Some(key.as_str())
    });
    let rows: u64 = own.filter_map(|file| file.num_records).sum();
    Ok((rows > 0).then_some(rows))
}

fn table(estimates: &[Estimate], session: &Session) -> String {
    let page_size = session.config.source.request.page_size.get();
    let mut text = format!("{:<62}{:>14}{:>12}\n", "table", "rows", "requests");
    let (mut rows_total, mut requests_total, mut all_exact) = (0, 0, true);
    for estimate in estimates {
        let (rows, exact) = estimate.rows();
        let requests = estimate.requests(page_size);
        let name = estimate.target.table.to_string();
        let line = match &estimate.first_page {
            Ok(_) if exact => format!("{name:<62}{:>14}{:>12}", count(rows), count(requests)),
            Ok(_) => format!(
                "{name:<62}{:>14}{:>12}",
                format!("{} or more", count(rows)),
                count(requests)
            ),
            Err(_) => format!("{name:<62}{:>14}{:>12}", "-", "-"),
        };
        rows_total += rows;
        requests_total += requests;
        all_exact &= exact;
        writeln!(text, "{line}").expect("a string takes all text");
    }
    let budget = session.config.source.request.budget();
    let budget = budget.map(|(requests, window)| (requests.get(), window));
    let time = seconds(least_time(requests_total, budget));
    let least = if all_exact { "" } else { "at least " };
    writeln!(
        text,
        "{least}{} rows, {} requests; the rate limit lets them through in {time} or more",
        count(rows_total),
        count(requests_total),
    )
    .expect("a string takes all text");
    if !all_exact {
        text.push_str("Kombo tells no totals: tables with further pages count as one row more than a page, or as in the last snapshot.\n");
    }
    text
}
