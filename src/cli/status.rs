//! `status`: how fresh the data of each integration is, in one line each or table by table.

pub(super) mod ahead;
mod customer_troubles;
pub(super) mod json;
mod troubles;

use std::time::Duration;

use super::args::StatusArgs;
use super::cli_error::{CliError, USAGE};
use super::failed::text as ended;
use super::named::Named;
use super::no_integrations;
use super::output;
use super::session::Session;
use super::terminal::Terminal;
use super::text_table::{Column, TextTable};
use crate::ids::IntegrationId;
use crate::lake::Completeness;
use crate::plan::Schedule;
use crate::status::{Freshness, IntegrationStatus, Notes, Objective, Status, TableStatus};
use crate::time::{Base, Moment};
use crate::words::{age, count, counted, percent, second};

use ahead::ahead;
use customer_troubles::CustomerTroubles;
use json::json;
use troubles::troubles;

/// The most late tables that are named for an integration, where the list has a line per integration.
const LATE_NAMED: usize = 3;

/// Prints how fresh the lake is. Returns `false` when a table is too old, lies in the future, or could not be read.
pub(super) async fn run(args: &StatusArgs, session: &Session) -> Result<bool, CliError> {
    let lake = session.lake_there().await?;
    let objective = objective(session, args.objective);
    let now = session.clock.now();
    let mut status = Status::read(&lake, &session.endpoints, objective, now).await;
    let chosen = &args.chosen;
    if !chosen.integrations.is_empty() {
        keep(&mut status, &chosen.integrations)?;
    }
    let tables = Named::of(&session.catalog, &[], &chosen.tables)?;
    for one in &mut status.integrations {
        one.tables
            .retain(|table| tables.has_endpoint(&table.endpoint));
    }
    if !tables.is_everything() {
        status.integrations.retain(|one| !one.tables.is_empty());
    }
    let customers = CustomerTroubles::read(&lake, &mut status).await;
    let customers = customers.of(&status, &chosen.integrations);
    if args.json {
        output::line(format_args!("{:#}", customers.in_json(json(&status))));
    } else {
        let by_table = args.all || !chosen.integrations.is_empty() || !chosen.tables.is_empty();
        let terminal = Terminal::stdout();
        terminal.print(&text(&status, by_table, &terminal));
        terminal.print(&ended(&customers.lines(&status)));
    }
    Ok(status.is_well())
}

/// Returns how old tables may be: the asked age, or the configured one.
pub(super) fn objective(session: &Session, asked: Option<Duration>) -> Objective {
    let schedule = session.config.source.schedule;
    Objective(Schedule {
        freshness_objective: asked.or(schedule.freshness_objective),
        ..schedule
    })
}

/// Removes all integrations but the wanted ones, each named by its id or by its key.
fn keep(status: &mut Status, wanted: &[String]) -> Result<(), CliError> {
    let is = |one: &IntegrationStatus, wanted: &String| {
        let key = IntegrationId::new(wanted).map(|id| id.key().to_string());
        one.name == *wanted || key.is_ok_and(|key| key == one.name)
    };
    let known = |wanted: &&String| status.integrations.iter().any(|one| is(one, wanted));
    // A table that could not be read may be the one that names the integration.
    if let Some(unknown) = wanted.iter().find(|wanted| !known(wanted))
        && status.unread.is_empty()
    {
        let message = format!("the lake has no integration {unknown:?}");
        let advice = "`kombo-source status` lists the integrations of the lake";
        return Err(CliError::new(USAGE, message, advice));
    }
    status
        .integrations
        .retain(|one| wanted.iter().any(|wanted| is(one, wanted)));
    Ok(())
}

fn text(status: &Status, by_table: bool, terminal: &Terminal) -> String {
    let mut lines = Vec::new();
    if by_table {
        for one in &status.integrations {
            tables(&mut lines, status, one, terminal);
        }
    } else {
        integrations(&mut lines, status, terminal);
    }
    late(&mut lines, status, by_table);
    ahead(&mut lines, status);
    troubles(&mut lines, status, by_table);
    if !by_table && status.integrations.is_empty() && status.unread.is_empty() {
        lines.push(no_integrations::in_the_lake());
    }
    lines.push(total(status));
    lines.extend(services(status));
    lines.extend(left_out(status));
    lines.extend(waits(status));
    ended(&lines)
}

const BY_INTEGRATION: [Column; 8] = [
    Column::text("integration", 13),
    Column::text("state", 5),
    Column::number("tables", 8).spare(2),
    Column::number("late", 6),
    Column::number("rows", 13).spare(1),
    Column::number("base age", 13),
    Column::number("last snapshot", 16).spare(3),
    Column::number("complete", 11).spare(4),
];

/// Adds a table with a row per integration. The oldest table of an integration stands for all its tables.
fn integrations(lines: &mut Vec<String>, status: &Status, terminal: &Terminal) {
    let mut table = TextTable::new(&BY_INTEGRATION);
    for one in &status.integrations {
        let fetched = || {
            let tables = one.tables.iter();
            tables.filter(|table| table.verdict != Freshness::Unfetched)
        };
        let late = fetched().filter(|table| matches!(table.verdict, Freshness::Late { .. }));
        let rows: u64 = fetched().map(|table| table.stored.snapshot_rows).sum();
        let base = fetched().filter_map(TableStatus::base).min();
        let snapshots = fetched().filter_map(|table| table.stored.coverage.snapshot_base);
        let [tables, late] = [fetched().count(), late.count()].map(|number| count(number as u64));
        let [base, snapshot] = [base, snapshots.min()].map(|base| base_age(status, base));
        let (rows, complete) = (count(rows), complete(one.completeness()));
        let (name, state) = (one.name.clone(), one.state.clone());
        table.add([name, state, tables, late, rows, base, snapshot, complete]);
    }
    lines.extend(table.lines(terminal));
}

const BY_TABLE: [Column; 6] = [
    Column::text("table", 38),
    Column::text("state", 12),
    Column::number("rows", 11).spare(2),
    Column::number("base age", 13),
    Column::number("last snapshot", 16),
    Column::number("complete", 11).spare(1),
];

/// Adds a table with a row per table of an integration.
fn tables(lines: &mut Vec<String>, status: &Status, one: &IntegrationStatus, terminal: &Terminal) {
    lines.push(format!("{}  {}", one.name, one.state));
    let mut rows = TextTable::new(&BY_TABLE).indented(2);
    for table in &one.tables {
        let name = table.endpoint.table_name();
        let base = base_age(status, table.base());
        let snapshot = base_age(status, table.stored.coverage.snapshot_base);
        rows.add([
            name,
            word(table).to_owned(),
            count(table.stored.snapshot_rows),
            base,
            snapshot,
            complete(table.completeness),
        ]);
    }
    lines.extend(rows.lines(terminal));
    lines.push(String::new());
}

/// Adds a line per late table; or, where the list has a line per integration, a line with a few names.
fn late(lines: &mut Vec<String>, status: &Status, by_table: bool) {
    for one in &status.integrations {
        let late = one.tables.iter().filter_map(|table| match table.verdict {
            Freshness::Late { objective } => Some((table, objective)),
            _ => None,
        });
        let late: Vec<_> = late.collect();
        let of = |table: &TableStatus| base_age(status, table.base());
        if by_table {
            lines.extend(late.into_iter().map(|(table, objective)| {
                let (name, base) = (table.endpoint.table_name(), of(table));
                let (whose, wanted) = (&one.name, age(objective));
                format!("late    {name} of {whose}: {base} old, the limit is {wanted}")
            }));
        } else if let Some((oldest, _)) = late.iter().min_by_key(|(table, _)| table.base()) {
            let (tables, oldest) = (counted(late.len() as u64, "table"), of(oldest));
            let few = late.iter().take(LATE_NAMED);
            let names: Vec<_> = few.map(|(table, _)| table.endpoint.table_name()).collect();
            let names = names.join(", ");
            let more = match late.len().saturating_sub(LATE_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more (--integration lists them)"),
            };
            lines.push(format!(
                "late    {}: {tables}, up to {oldest} old: {names}{more}",
                one.name
            ));
        }
    }
}

fn total(status: &Status) -> String {
    let tables = || status.integrations.iter().flat_map(|one| &one.tables);
    let of = |verdict: fn(&Freshness) -> bool| {
        tables().filter(|table| verdict(&table.verdict)).count() as u64
    };
    let late = of(|verdict| matches!(verdict, Freshness::Late { .. }));
    let parked = of(|verdict| *verdict == Freshness::Parked);
    let fresh = of(|verdict| *verdict == Freshness::Fresh);
    let rows: u64 = tables().map(|table| table.stored.snapshot_rows).sum();
    let mut parts = vec![
        counted(status.integrations.len() as u64, "integration"),
        format!("{} fresh", counted(fresh, "table")),
    ];
    for (number, what) in [
        (late, "late"),
        (parked, "parked"),
        (status.ahead().len() as u64, "in the future"),
        (status.held_tables(), "held"),
        (status.unread.len() as u64, "unreadable"),
    ] {
        parts.extend((number > 0).then(|| format!("{} {what}", count(number))));
    }
    parts.push(format!("{} in snapshots", counted(rows, "row")));
    let complete = status.completeness().map(|all| percent(all.share()));
    parts.extend(complete.map(|share| format!("{share} complete at the last full fetch")));
    parts.join(", ")
}

/// Returns the share of rows that were right at the last full fetch.
fn complete(completeness: Option<Completeness>) -> String {
    completeness.map_or_else(|| "-".to_owned(), |one| percent(one.share()))
}

/// Returns a line for each service that runs, or for the last one that ran.
fn services(status: &Status) -> Vec<String> {
    let running = status.services.iter();
    let mut shown: Vec<_> = running
        .filter(|notes| notes.is_running(status.now))
        .collect();
    if shown.is_empty() {
        shown.extend(&status.notes);
    }
    if shown.is_empty() {
        return vec!["no service is running on this lake".to_owned()];
    }
    shown.into_iter().map(|one| service(status, one)).collect()
}

fn service(status: &Status, notes: &Notes) -> String {
    let (version, instance) = (&notes.service_version, &notes.instance);
    if let Some(ended) = notes.ended_ms {
        let ago = since(status, Some(Moment::from_millis(ended)));
        return format!("no service is running on this lake: {instance} ended {ago} ago");
    }
    let heartbeat = age(Duration::from_secs(notes.heartbeat_period_secs));
    let ago = since(status, Some(notes.written()));
    format!("service {version}, {instance}: last seen {ago} ago, a heartbeat every {heartbeat}")
}

/// Returns what the notes of the service say about integrations that the list does not have.
fn left_out(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(notes) = &status.notes else {
        return lines;
    };
    if notes.candidates > 0 {
        let waiting = counted(notes.candidates, "new integration");
        lines.push(format!(
            "{waiting} named by webhooks: waiting for Kombo's confirmation, not fetched yet"
        ));
    }
    if notes.integrations_left_out + notes.tables_left_out > 0 {
        let integrations = counted(notes.integrations_left_out, "integration");
        let tables = counted(notes.tables_left_out, "table");
        lines.push(format!(
            "the service's notes leave out {integrations} and {tables}: only the lake says how fresh these are"
        ));
    }
    lines
}

/// Returns the line about a wait of all requests of the service, unless the wait is over.
fn waits(status: &Status) -> Option<String> {
    let wait = status.notes.as_ref()?.waits.as_ref()?;
    let until = Moment::from_millis(wait.until_ms);
    (until > status.now).then(|| {
        let (reason, until) = (&wait.reason, second(until.as_micros()));
        format!("waiting for {reason} until {until}: no request leaves before")
    })
}

fn word(table: &TableStatus) -> &'static str {
    match table.verdict {
        Freshness::Fresh => "fresh",
        Freshness::Late { .. } => "late",
        Freshness::Parked if table.note.off.is_some() => "off",
        Freshness::Parked => "parked",
        Freshness::Unfetched => "unfetched",
    }
}

/// Returns how long ago an instant was. An instant in the future, by a clock that differs, counts as now.
fn since(status: &Status, instant: Option<Moment>) -> String {
    let ago = instant.map(|instant| age(status.now.since(instant)));
    ago.unwrap_or_else(|| "-".to_owned())
}

fn base_age(status: &Status, base: Option<Base>) -> String {
    since(
        status,
        base.map(|base| Moment::from_millis(base.as_millis())),
    )
}

#[cfg(test)]
mod tests;
