//! `backfill --plan`: estimates rows, requests and time of a backfill from first pages. Writes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::cli_error::CliError;
use super::failed::{NARROW, WIDE, aside, failed, text};
use super::key;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::backfill::in_turns;
use crate::backfill::plan::{Estimate, KnownSize, UNSEEN_ROWS, first_pages, least_time};
use crate::backfill::targets::resolve;
use crate::lake::{Lake, LakeError, Members, Part};
use crate::words::{count, counted, seconds, with_causes};

/// Fetches first pages. Returns the estimate as text or as JSON, and whether every table could be estimated.
pub(super) async fn run(
    session: &Session,
    confirm: bool,
    as_json: bool,
) -> Result<(String, bool), CliError> {
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
            let known = known.map(|(own, largest)| {
                (estimate.known_rows, estimate.largest_elsewhere) = (own, largest);
            });
            unread.add(name, known);
        }
    }
    // The key, and each integration, are asked for as well.
    let fixed = 1 + (integrations.len() as u64);
    let cost = Cost::of(&estimates, session, if confirm { 2 } else { 1 }, fixed);
    if as_json {
        let failures = estimates.iter().filter_map(Estimate::failure).count();
        let success = unknown.is_empty() && unread.aside.is_empty() && failures == 0;
        return Ok((
            cost.json(&estimates, unknown.len() as u64, success),
            success,
        ));
    }
    let mut lines = cost.table(&estimates, &Terminal::stdout());
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

/// Returns the rows of the table's own snapshot, and those of the largest snapshot of its endpoint.
async fn known_rows(lake: &Lake, estimate: &Estimate) -> Result<(Option<u64>, u64), LakeError> {
    let key = estimate.target.table.integration.key();
    let files = lake.files(&estimate.target.endpoint, Part::Snapshots);
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for file in files.await? {
        let of = file.partition_values.get("integration_key");
        let of = of.cloned().flatten().unwrap_or_default();
        *rows.entry(of).or_default() += file.num_records.unwrap_or_default();
    }
    let own = rows.get(key.as_str()).copied().filter(|rows| *rows > 0);
    Ok((own, rows.into_values().max().unwrap_or_default()))
}

/// A least and a most.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct LeastAndMost {
    least: u64,
    most: u64,
}

impl LeastAndMost {
    fn add(&mut self, (least, most): (u64, u64)) {
        self.least += least;
        self.most += most;
    }

    /// Returns the range in words.
    fn text(self, what: &str) -> String {
        if self.least == self.most {
            return counted(self.most, what);
        }
        format!("{} to {}", count(self.least), counted(self.most, what))
    }
}

impl From<(u64, u64)> for LeastAndMost {
    fn from((least, most): (u64, u64)) -> Self {
        Self { least, most }
    }
}

/// What a backfill costs, as ranges.
struct Cost {
    rows: LeastAndMost,
    requests: LeastAndMost,
    /// How long the rate limit makes the requests take.
    time: [Duration; 2],
    page_size: u32,
    walks: u64,
    unknown: u64,
    from_snapshots: u64,
}

const COLUMNS: [Column; 3] = [
    Column::text("table", 62),
    Column::number("rows", 18),
    Column::number("requests", 12),
];

impl Cost {
    fn of(estimates: &[Estimate], session: &Session, walks: u64, fixed: u64) -> Self {
        let page_size = session.config.source.request.page_size.get();
        let (mut rows, mut requests) =
            (LeastAndMost::default(), LeastAndMost::from((fixed, fixed)));
        for estimate in estimates {
            rows.add(estimate.rows());
            requests.add(estimate.requests(page_size, walks));
        }
        let budget = session.config.source.request.budget();
        let budget = budget.map(|(requests, window)| (requests.get(), window));
        let of = |size| estimates.iter().filter(|one| one.size() == size).count() as u64;
        Self {
            rows,
            requests,
            time: [requests.least, requests.most].map(|number| least_time(number, budget)),
            page_size,
            walks,
            unknown: of(KnownSize::Unknown),
            from_snapshots: of(KnownSize::Snapshot),
        }
    }

    fn table(&self, estimates: &[Estimate], terminal: &Terminal) -> Vec<String> {
        let mut table = TextTable::new(&COLUMNS);
        let cell = |(least, most): (u64, u64)| {
            if least == most {
                count(least)
            } else {
                format!("{}-{}", count(least), count(most))
            }
        };
        for estimate in estimates {
            let name = estimate.target.table.to_string();
            table.add(match &estimate.first_page {
                Ok(_) => {
                    let requests = estimate.requests(self.page_size, self.walks);
                    [name, cell(estimate.rows()), cell(requests)]
                }
                Err(_) => [name, "-".to_owned(), "-".to_owned()],
            });
        }
        let mut lines = table.lines(terminal);
        let [least, most] = self.time.map(seconds);
        let time = match self.time {
            [_, most] if most < Duration::from_secs(1) => String::new(),
            [from, to] if from == to => format!("; the rate limit makes this take {most}"),
            _ => format!("; the rate limit makes this take {least} to {most}"),
        };
        let (rows, requests) = (self.rows.text("row"), self.requests.text("request"));
        lines.push(format!("{rows}, {requests}{time}"));
        if self.unknown > 0 {
            let tables = counted(self.unknown, "table");
            let assumed = counted(UNSEEN_ROWS, "row");
            lines.push(format!(
                "unknown: {tables} with more pages and without an earlier snapshot. Kombo reports no totals, so the upper end takes {assumed} for each, or the largest snapshot of the same endpoint in the lake; a large customer can have more."
            ));
        }
        if self.from_snapshots > 0 {
            let tables = counted(self.from_snapshots, "table");
            lines.push(format!(
                "{tables} with more pages: rows as in the earlier snapshot in the lake, up to a fifth more for the requests."
            ));
        }
        lines
    }

    fn json(&self, estimates: &[Estimate], failed_integrations: u64, success: bool) -> String {
        let tables = estimates.iter().map(|estimate| {
            let table = &estimate.target.table;
            json!({
                "table": table.endpoint.table_name(),
                "integration": table.integration.as_str(),
                "size": estimate.first_page.as_ref().ok().map(|_| estimate.size().as_str()),
                "rows": LeastAndMost::from(estimate.rows()),
                "requests": LeastAndMost::from(estimate.requests(self.page_size, self.walks)),
                "error": estimate.failure().map(|error| with_causes(error)),
            })
        });
        let [least, most] = self.time.map(|time| time.as_secs());
        let document = json!({
            "success": success,
            "rows": self.rows,
            "requests": self.requests,
            "rate_limit_secs": LeastAndMost { least, most },
            "tables_of_unknown_size": self.unknown,
            "integrations_failed": failed_integrations,
            "tables": tables.collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }
}
