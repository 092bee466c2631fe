//! `status`: how fresh each customer's data is, at a glance or table by table.

pub(super) mod ahead;
mod json;
mod troubles;

use std::time::Duration;

use super::args::StatusArgs;
use super::cli_error::{CliError, USAGE};
use super::failed::text as ended;
use super::session::Session;
use crate::ids::IntegrationId;
use crate::lake::Completeness;
use crate::plan::Schedule;
use crate::status::{Freshness, IntegrationStatus, Objective, Status, TableStatus};
use crate::time::{Base, Moment};
use crate::words::{age, count, counted, percent};

use ahead::ahead;
use json::json;
use troubles::troubles;

/// Late tables that are named for each integration, where the list is of integrations.
const LATE_NAMED: usize = 3;

/// Prints how fresh the lake is. `false` when a table is older than it may be, or could not be read.
pub(super) async fn run(args: &StatusArgs, session: &Session) -> Result<bool, CliError> {
    let lake = session.lake_there().await?;
    let objective = objective(session, args.objective);
    let now = session.clock.now();
    let mut status = Status::read(&lake, &session.endpoints, objective, now).await;
    if let Some(wanted) = &args.integration {
        keep(&mut status, wanted)?;
    }
    if args.json {
        println!("{:#}", json(&status));
    } else {
        print!("{}", text(&status, args.all || args.integration.is_some()));
    }
    Ok(status.is_well())
}

/// Returns how old tables may be: as asked for, else as configured.
pub(super) fn objective(session: &Session, asked: Option<Duration>) -> Objective {
    let schedule = session.config.source.schedule;
    Objective(Schedule {
        freshness_objective: asked.or(schedule.freshness_objective),
        ..schedule
    })
}

/// Leaves one integration, named by its id or by its key.
fn keep(status: &mut Status, wanted: &str) -> Result<(), CliError> {
    let key = IntegrationId::new(wanted).map(|id| id.key().to_string());
    let is_wanted = |name: &str| name == wanted || key.as_ref().is_ok_and(|key| key == name);
    status.integrations.retain(|one| is_wanted(&one.name));
    // What could not be read may be its own.
    if status.integrations.is_empty() && status.unread.is_empty() {
        let message = format!("the lake has no integration {wanted:?}");
        let advice = "`kombo-source status` lists those it has";
        return Err(CliError::new(USAGE, message, advice));
    }
    Ok(())
}

fn text(status: &Status, by_table: bool) -> String {
    let mut lines = Vec::new();
    if by_table {
        for one in &status.integrations {
            tables(&mut lines, status, one);
        }
    } else {
        integrations(&mut lines, status);
    }
    late(&mut lines, status, by_table);
    ahead(&mut lines, status);
    troubles(&mut lines, status, by_table);
    lines.push(total(status));
    lines.push(service(status));
    ended(&lines)
}

/// One line per integration: the worst age stands for all.
fn integrations(lines: &mut Vec<String>, status: &Status) {
    let widest = |of: fn(&IntegrationStatus) -> &str, least: usize| {
        let widths = status.integrations.iter().map(|one| of(one).len());
        widths.max().unwrap_or(0).max(least)
    };
    let (wide, narrow) = (widest(|one| &one.name, 11), widest(|one| &one.state, 5));
    let row = |columns: [&str; 8]| {
        let [name, state, tables, late, rows, base, snapshot, complete] = columns;
        format!(
            "{name:<wide$}  {state:<narrow$}{tables:>8}{late:>6}{rows:>13}{base:>13}{snapshot:>16}{complete:>11}"
        )
    };
    lines.push(row(BY_INTEGRATION));
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
        let (name, state) = (&one.name, &one.state);
        lines.push(row([
            name, state, &tables, &late, &rows, &base, &snapshot, &complete,
        ]));
    }
}

#[rustfmt::skip]
const BY_INTEGRATION: [&str; 8] =
    ["integration", "state", "tables", "late", "rows", "base age", "last snapshot", "complete"];
#[rustfmt::skip]
const BY_TABLE: [&str; 6] = ["table", "state", "rows", "base age", "last snapshot", "complete"];

/// One line per table of an integration.
fn tables(lines: &mut Vec<String>, status: &Status, one: &IntegrationStatus) {
    lines.push(format!("{}  {}", one.name, one.state));
    let row = |columns: [&str; 6]| {
        let [table, state, rows, base, snapshot, complete] = columns;
        format!("  {table:<38}{state:<12}{rows:>11}{base:>13}{snapshot:>16}{complete:>11}")
    };
    lines.push(row(BY_TABLE));
    for table in &one.tables {
        let (coverage, name) = (&table.stored.coverage, table.endpoint.table_name());
        let rows = count(table.stored.snapshot_rows);
        let base = base_age(status, table.base());
        let snapshot = base_age(status, coverage.snapshot_base);
        let complete = complete(table.completeness);
        let columns = [&name, word(table), &rows, &base, &snapshot, &complete];
        lines.push(row(columns));
    }
    lines.push(String::new());
}

/// Names each late table; a few of each integration where the list is of integrations.
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
                format!("late    {name} of {whose}: {base} old, at most {wanted} wanted")
            }));
        } else if let Some((oldest, _)) = late.iter().min_by_key(|(table, _)| table.base()) {
            let (tables, oldest) = (counted(late.len() as u64, "table"), of(oldest));
            let few = late.iter().take(LATE_NAMED);
            let names: Vec<_> = few.map(|(table, _)| table.endpoint.table_name()).collect();
            let names = names.join(", ");
            let more = match late.len().saturating_sub(LATE_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more; see --integration"),
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

/// Writes how much was right when it was last compared with a full fetch.
fn complete(completeness: Option<Completeness>) -> String {
    completeness.map_or_else(|| "-".to_owned(), |one| percent(one.share()))
}

fn service(status: &Status) -> String {
    let Some(notes) = &status.notes else {
        return "no service has left notes here".to_owned();
    };
    let heartbeat = age(Duration::from_secs(notes.heartbeat_period_secs));
    format!(
        "service {}: notes of {} ago, a heartbeat every {heartbeat}",
        notes.service_version,
        since(status, Some(Moment::from_millis(notes.written_ms))),
    )
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

/// Writes how long ago an instant was. One that is still to come, by a clock that differs, was just now.
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
