//! What somebody should look at.

use super::{held, line};
use crate::lake::Hold;
use crate::status::{IntegrationNote, IntegrationStatus, Status, TableStatus, Unread};
use crate::words::counted;

/// What somebody should look at, a line each.
pub(super) fn troubles(text: &mut String, status: &Status, by_table: bool) {
    for unread in &status.unread {
        let Unread {
            name,
            error,
            advice,
        } = unread;
        line(text, &format!("unread  {name}: {error}\n        {advice}"));
    }
    refused_notes(text, status);
    for one in &status.integrations {
        for table in &one.tables {
            table_notes(text, status, one, table);
            if by_table {
                stale_notes(text, status, one, table);
            }
        }
        let note = &one.note;
        if note.silent {
            line(
                text,
                &format!(
                    "silent  {}: no notification for longer than usual; it is polled more often",
                    one.name
                ),
            );
        }
        if note.unannounced {
            line(
                text,
                &format!(
                    "silent  {}: changes came that no notification announced; it is polled more often",
                    one.name
                ),
            );
        }
        if let Some(reason) = &note.reason {
            let for_how_long = held(status, note.since_ms);
            line(
                text,
                &format!("parked  {}: {reason}{for_how_long}", one.name),
            );
        }
    }
    if !by_table {
        stale_total(text, status);
    }
}

/// The registry does not name those that it does not take.
fn refused_notes(text: &mut String, status: &Status) {
    let noted = status.notes.iter().flat_map(|notes| &notes.integrations);
    for (id, note) in noted.filter(|(_, note)| note.state == IntegrationNote::REFUSED) {
        let reason = note.reason.as_deref().unwrap_or_default();
        line(text, &format!("refused {id}: {reason}"));
    }
}

/// One line for all of them: it is how Kombo works, and nothing is wrong.
fn stale_total(text: &mut String, status: &Status) {
    let tables = status.integrations.iter().flat_map(|one| &one.tables);
    let since = tables.filter_map(|table| table.note.stale_since_ms);
    let (count, oldest) = since.fold((0, None::<i64>), |(count, oldest), since| {
        (
            count + 1,
            Some(oldest.map_or(since, |oldest| oldest.min(since))),
        )
    });
    if count > 0 {
        let (tables, held) = (counted(count, "table"), held(status, oldest));
        line(
            text,
            &format!(
                "stale   {tables}: nested copies of other models may be old{held}, until the next full fetch"
            ),
        );
    }
}

fn stale_notes(text: &mut String, status: &Status, one: &IntegrationStatus, table: &TableStatus) {
    if table.note.stale_since_ms.is_some() {
        let held = held(status, table.note.stale_since_ms);
        let name = format!("{} of {}", table.endpoint.table_name(), one.name);
        line(
            text,
            &format!("stale   {name}: nested copies of other models may be old{held}"),
        );
    }
}

/// Says what is held back and why; the rows of `current` are as they were.
fn hold_notes(text: &mut String, hold: &Hold) {
    line(text, &format!("held    {}", hold.what()));
    line(text, &format!("        {}", hold.until()));
    line(
        text,
        &format!("        if that is right: {}", hold.accept_command()),
    );
}

fn table_notes(text: &mut String, status: &Status, one: &IntegrationStatus, table: &TableStatus) {
    if let Some(hold) = &table.hold {
        hold_notes(text, hold);
    }
    let note = &table.note;
    let name = format!("{} of {}", table.endpoint.table_name(), one.name);
    if let Some(error) = &note.last_error {
        line(
            text,
            &format!(
                "failed  {name}: {error}{}",
                held(status, note.error_since_ms)
            ),
        );
    }
    if let Some(reason) = &note.off {
        line(
            text,
            &format!("off     {name}: {}", reason.replace('_', " ")),
        );
    }
    if note.rest_values > 0 {
        let values = counted(note.rest_values, "value");
        line(
            text,
            &format!("rest    {name}: {values} without a column, kept in _rest"),
        );
    }
}
