//! `status`: how fresh each customer's data is, at a glance or table by table.

pub(super) mod ahead;
mod json;
mod troubles;

use std::fmt::Write as _;
use std::time::Duration;

use super::args::StatusArgs;
use super::failure::{Failure, USAGE};
use super::session::Session;
use crate::ids::IntegrationId;
use crate::lake::Completeness;
use crate::plan::Schedule;
use crate::status::{IntegrationStatus, Objective, Status, TableStatus, Verdict};
use crate::time::Base;
use crate::words::{age, count, counted, percent};

use ahead::ahead;
use json::json;
use troubles::troubles;

/// Late tables that are named for each integration, where the list is of integrations.
const LATE_NAMED: usize = 3;

/// Prints how fresh the lake is. `false` when a table is older than it may be, or could not be read.
pub(super) async fn run(args: &StatusArgs, session: &Session) -> Result<bool, Failure> {
    let lake = session.lake_there().await?;
    let objective = objective(session, args.objective);
    let now_ms = session.clock.now().as_millis();
    let mut status = Status::read(&lake, &session.endpoints, objective, now_ms).await;
    if let Some(wanted) = &args.integration {
        keep(&mut status, wanted)?;
    }
    let text = if args.json {
        let document = json(&status);
        serde_json::to_string_pretty(&document).expect("a document of strings and numbers") + "\n"
    } else {
        text(&status, args.all || args.integration.is_some())
    };
    print!("{text}");
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
fn keep(status: &mut Status, wanted: &str) -> Result<(), Failure> {
    let key = IntegrationId::new(wanted).map(|id| id.key().to_string());
    let is_wanted = |name: &str| name == wanted || key.as_ref().is_ok_and(|key| key == name);
    status.integrations.retain(|one| is_wanted(&one.name));
    // What could not be read may be its own.
    if status.integrations.is_empty() && status.unread.is_empty() {
        let message = format!("the lake has no integration {wanted:?}");
        let advice = "`kombo-source status` lists those it has";
        return Err(Failure::new(USAGE, message, advice));
    }
    Ok(())
}

fn text(status: &Status, by_table: bool) -> String {
    let mut text = String::new();
    if by_table {
        for one in &status.integrations {
            tables(&mut text, status, one);
        }
    } else {
        integrations(&mut text, status);
    }
    late(&mut text, status, by_table);
    ahead(&mut text, status);
    troubles(&mut text, status, by_table);
    line(&mut text, &total(status));
    line(&mut text, &service(status));
    text
}

/// One line per integration: the worst age stands for all.
fn integrations(text: &mut String, status: &Status) {
    let names = status.integrations.iter().map(|one| one.name.len());
    let widths = status.integrations.iter().map(|one| one.state.len());
    let (wide, state) = (
        names.max().unwrap_or(0).max(11),
        widths.max().unwrap_or(0).max(5),
    );
    let (columns, last) = (["tables", "late", "rows", "base age"], "last snapshot");
    let [tables, late, rows, base] = columns;
    line(
        text,
        &format!(
            "{:<wide$}  {:<state$}{tables:>8}{late:>6}{rows:>13}{base:>13}{last:>16}{:>11}",
            "integration", "state", "complete"
        ),
    );
    for one in &status.integrations {
        let fetched = || {
            one.tables
                .iter()
                .filter(|table| table.verdict != Verdict::Unfetched)
        };
        let late = fetched().filter(|table| matches!(table.verdict, Verdict::Late { .. }));
        let rows: u64 = fetched().map(|table| table.stored.snapshot_rows).sum();
        let base = fetched().filter_map(TableStatus::base).min();
        let snapshot = fetched()
            .filter_map(|table| table.stored.coverage.snapshot_base)
            .min();
        let ages = [base, snapshot].map(|base| since(status, base.map(Base::as_millis)));
        line(
            text,
            &format!(
                "{:<wide$}  {:<state$}{:>8}{:>6}{:>13}{:>13}{:>16}{:>11}",
                one.name,
                one.state,
                count(fetched().count() as u64),
                count(late.count() as u64),
                count(rows),
                ages[0],
                ages[1],
                complete(one.completeness()),
            ),
        );
    }
}

/// One line per table of an integration.
fn tables(text: &mut String, status: &Status, one: &IntegrationStatus) {
    line(text, &format!("{}  {}", one.name, one.state));
    let header = [
        "table",
        "state",
        "rows",
        "base age",
        "last snapshot",
        "complete",
    ];
    let row = |columns: [&str; 6]| {
        let [table, state, rows, base, snapshot, complete] = columns;
        format!("  {table:<38}{state:<12}{rows:>11}{base:>13}{snapshot:>16}{complete:>11}")
    };
    line(text, &row(header));
    for table in &one.tables {
        let (coverage, name) = (&table.stored.coverage, table.endpoint.table_name());
        let rows = count(table.stored.snapshot_rows);
        let base = since(status, table.base().map(Base::as_millis));
        let snapshot = since(status, coverage.snapshot_base.map(Base::as_millis));
        let complete = complete(table.completeness);
        let columns = [&name, word(table), &rows, &base, &snapshot, &complete];
        line(text, &row(columns));
    }
    text.push('\n');
}

/// Names each late table; a few of each integration where the list is of integrations.
fn late(text: &mut String, status: &Status, by_table: bool) {
    for one in &status.integrations {
        let late = one.tables.iter().filter_map(|table| match table.verdict {
            Verdict::Late { objective } => Some((table, objective)),
            _ => None,
        });
        let late: Vec<_> = late.collect();
        let of = |table: &TableStatus| since(status, table.base().map(Base::as_millis));
        if by_table {
            for (table, objective) in late {
                let (table, base) = (table.endpoint.table_name(), of(table));
                let wanted = age(objective);
                let what = format!(
                    "{table} of {}: {base} old, at most {wanted} wanted",
                    one.name
                );
                line(text, &format!("late    {what}"));
            }
        } else if let Some((oldest, _)) = late.iter().min_by_key(|(table, _)| table.base()) {
            let (tables, oldest) = (counted(late.len() as u64, "table"), of(oldest));
            let few = late
                .iter()
                .take(LATE_NAMED)
                .map(|(table, _)| table.endpoint.table_name());
            let mut names = few.collect::<Vec<_>>().join(", ");
            if late.len() > LATE_NAMED {
                let more = late.len() - LATE_NAMED;
                write!(names, " and {more} more; see --integration").expect("a string takes it");
            }
            line(
                text,
                &format!(
                    "late    {}: {tables}, up to {oldest} old: {names}",
                    one.name
                ),
            );
        }
    }
}

fn total(status: &Status) -> String {
    let tables = || status.integrations.iter().flat_map(|one| &one.tables);
    let of = |verdict: fn(&Verdict) -> bool| {
        tables().filter(|table| verdict(&table.verdict)).count() as u64
    };
    let late = of(|verdict| matches!(verdict, Verdict::Late { .. }));
    let parked = of(|verdict| *verdict == Verdict::Parked);
    let fresh = of(|verdict| *verdict == Verdict::Fresh);
    let rows: u64 = tables().map(|table| table.stored.snapshot_rows).sum();
    let mut parts = vec![
        counted(status.integrations.len() as u64, "integration"),
        format!("{} fresh", counted(fresh, "table")),
    ];
    parts.extend((late > 0).then(|| format!("{} late", count(late))));
    parts.extend((parked > 0).then(|| format!("{} parked", count(parked))));
    let ahead = status.ahead().len() as u64;
    parts.extend((ahead > 0).then(|| format!("{} in the future", count(ahead))));
    let held = status.held_tables();
    parts.extend((held > 0).then(|| format!("{} held", count(held))));
    let unread = status.unread.len() as u64;
    parts.extend((unread > 0).then(|| format!("{} unreadable", count(unread))));
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
        since(status, Some(notes.written_ms)),
    )
}

fn word(table: &TableStatus) -> &'static str {
    match table.verdict {
        Verdict::Fresh => "fresh",
        Verdict::Late { .. } => "late",
        Verdict::Parked if table.note.off.is_some() => "off",
        Verdict::Parked => "parked",
        Verdict::Unfetched => "unfetched",
    }
}

/// Writes how long ago an instant was. One that is still to come, by a clock that differs, was just now.
fn since(status: &Status, instant_ms: Option<i64>) -> String {
    instant_ms.map_or_else(
        || "-".to_owned(),
        |instant| age(Duration::from_secs(age_secs(status, instant))),
    )
}

fn held(status: &Status, since_ms: Option<i64>) -> String {
    since_ms.map_or_else(String::new, |_| {
        format!(", for {}", since(status, since_ms))
    })
}

fn age_secs(status: &Status, instant_ms: i64) -> u64 {
    u64::try_from(status.now_ms.saturating_sub(instant_ms) / 1000).unwrap_or_default()
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes all text");
}

#[cfg(test)]
mod tests;
