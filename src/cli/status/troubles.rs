//! The lines of `status` about what needs the attention of the operator.

use super::since;
use crate::status::{IntegrationNote, IntegrationStatus, Status, TableStatus, Unread};
use crate::time::Moment;
use crate::trouble::TroubleKind;
use crate::words::counted;

/// Adds a line for each thing that needs the attention of the operator.
pub(super) fn troubles(lines: &mut Vec<String>, status: &Status, by_table: bool) {
    for unread in &status.unread {
        let Unread {
            name,
            error,
            advice,
        } = unread;
        lines.push(format!("unread  {name}: {error}\n        {advice}"));
    }
    lasting(lines, status);
    refused_notes(lines, status);
    for one in &status.integrations {
        for table in &one.tables {
            table_notes(lines, status, one, table, by_table);
        }
        let (note, name) = (&one.note, &one.name);
        if note.silent {
            lines.push(format!(
                "silent  {name}: no notification for longer than usual; polled more often; check the webhook in Kombo's dashboard"
            ));
        }
        if note.unannounced {
            lines.push(format!(
                "silent  {name}: changes came without a notification; polled more often; check the webhook in Kombo's dashboard"
            ));
        }
        if let Some(reason) = &note.reason {
            let for_how_long = held(status, note.since_ms);
            lines.push(format!("parked  {name}: {reason}{for_how_long}"));
        }
    }
    if !by_table {
        lines.extend(stale_total(status));
    }
}

/// Adds the troubles that no other line of the status shows.
fn lasting(lines: &mut Vec<String>, status: &Status) {
    let is_shown = |kind| match kind {
        TroubleKind::Late | TroubleKind::Held | TroubleKind::NoIntegrations => true,
        TroubleKind::LakeUnreadable => !status.unread.is_empty(),
        _ => false,
    };
    let troubles = status.troubles().into_iter();
    let others = troubles.filter(|one| !is_shown(one.kind));
    lines.extend(others.map(|one| {
        let (line, cure) = (one.line(), &one.cure);
        let for_how_long = since(status, Some(one.since));
        format!("trouble {line}\n        for {for_how_long}; {cure}")
    }));
}

/// Adds integrations that the registry refused. The registry does not list them, only the notes of the service do.
fn refused_notes(lines: &mut Vec<String>, status: &Status) {
    let noted = status.notes.iter().flat_map(|notes| &notes.integrations);
    let refused = noted.filter(|(_, note)| note.state == IntegrationNote::REFUSED);
    lines.extend(refused.map(|(id, note)| {
        let reason = note.reason.as_deref().unwrap_or_default();
        format!("refused {id}: {reason}")
    }));
}

/// Returns one line for all stale tables. Stale nested copies are how Kombo works; no table is at fault.
fn stale_total(status: &Status) -> Option<String> {
    let tables = status.integrations.iter().flat_map(|one| &one.tables);
    let since: Vec<i64> = tables
        .filter_map(|table| table.note.stale_since_ms)
        .collect();
    let held = held(status, Some(*since.iter().min()?));
    let tables = counted(since.len() as u64, "table");
    Some(format!(
        "stale   {tables}: nested copies of other models may be old{held}, until the next full fetch"
    ))
}

fn table_notes(
    lines: &mut Vec<String>,
    status: &Status,
    one: &IntegrationStatus,
    table: &TableStatus,
    by_table: bool,
) {
    // Held changes and their reason; `current` still has the rows from before.
    lines.extend(table.hold.as_ref().map(|hold| {
        let (what, until, command) = (hold.what(), hold.until(), hold.accept_command());
        format!("held    {what}\n        {until}\n        to accept these changes now:\n        {command}")
    }));
    let note = &table.note;
    let name = format!("{} of {}", table.endpoint.table_name(), one.name);
    if let Some(error) = &note.last_error {
        let for_how_long = held(status, note.error_since_ms);
        lines.push(format!("failed  {name}: {error}{for_how_long}"));
    }
    if let Some(reason) = &note.off {
        let reason = reason.replace('_', " ");
        lines.push(format!("off     {name}: {reason}"));
    }
    if note.rest_values > 0 {
        let values = counted(note.rest_values, "value");
        lines.push(format!(
            "rest    {name}: {values} without a column, kept in _rest"
        ));
    }
    if by_table && note.stale_since_ms.is_some() {
        let held = held(status, note.stale_since_ms);
        lines.push(format!(
            "stale   {name}: nested copies of other models may be old{held}"
        ));
    }
}

fn held(status: &Status, since_ms: Option<i64>) -> String {
    let since_ms = since_ms.map(Moment::from_millis);
    let held = since_ms.map(|at| format!(", for {}", since(status, Some(at))));
    held.unwrap_or_default()
}
