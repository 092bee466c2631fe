//! `status --json`.

use serde_json::{Value, json};

use super::word;
use crate::lake::{Ahead, Completeness, Hold};
use crate::status::{Freshness, IntegrationStatus, Notes, Status, TableStatus};
use crate::time::{Horizon, Moment};
use crate::trouble::Trouble;

/// Returns the complete status as one document.
pub(in crate::cli) fn json(status: &Status) -> Value {
    let of_integration = |one: &IntegrationStatus| {
        let tables = one.tables.iter().map(|table| of_table(status, table));
        let tables: Vec<Value> = tables.collect();
        json!({
            "integration": one.name,
            "state": one.state,
            "reason": one.note.reason,
            "since_ms": one.note.since_ms,
            "silent": one.note.silent,
            "unannounced": one.note.unannounced,
            "completeness": one.completeness().map(|all| all.share()),
            "tables": tables,
        })
    };
    let service = |notes: &Notes| {
        json!({
            "instance": notes.instance,
            "running": notes.is_running(status.now),
            "version": notes.service_version,
            "started_ms": notes.started_ms,
            "ended_ms": notes.ended_ms,
            "written_ms": notes.written_ms,
            "heartbeat_period_secs": notes.heartbeat_period_secs,
            "candidates": notes.candidates,
            "integrations_left_out": notes.integrations_left_out,
            "tables_left_out": notes.tables_left_out,
            "waits": notes.waits,
        })
    };
    let services: Vec<Value> = status.services.iter().map(service).collect();
    let service = status.notes.as_ref().map(service);
    let troubles: Vec<_> = status.troubles().iter().map(Trouble::note).collect();
    let unreadable = status.unread.iter().map(
        |unread| json!({"table": unread.name, "error": unread.error, "advice": unread.advice}),
    );
    let unreadable: Vec<Value> = unreadable.collect();
    let integrations: Vec<Value> = status.integrations.iter().map(of_integration).collect();
    json!({
        "success": status.is_well(),
        "now_ms": status.now,
        "late_tables": status.late().count(),
        "held_tables": status.held_tables(),
        "future_tables": status.ahead().len(),
        "completeness": status.completeness().map(|all| all.share()),
        "troubles": troubles,
        "service": service,
        "services": services,
        "unreadable": unreadable,
        "integrations": integrations,
    })
}

fn of_table(status: &Status, table: &TableStatus) -> Value {
    let (stored, note) = (&table.stored, &table.note);
    let [base, snapshot] = [table.base(), stored.coverage.snapshot_base]
        .map(|base| base.map(|base| Moment::from_millis(base.as_millis())));
    let age_secs = |at: Moment| status.now.since(at).as_secs();
    let objective = match table.verdict {
        Freshness::Late { objective } => Some(objective.as_secs()),
        _ => None,
    };
    let ahead = table.ahead(Horizon::at(status.now)).into_iter();
    let ahead: Vec<Value> = ahead.map(of_ahead).collect();
    json!({
        "table": table.endpoint.table_name(),
        "state": word(table),
        "rows": stored.snapshot_rows,
        "bytes": stored.snapshot_bytes,
        "files": stored.snapshot_files,
        "base_ms": base,
        "base_age_secs": base.map(age_secs),
        "missed_objective_secs": objective,
        "snapshot_ms": snapshot,
        "snapshot_age_secs": snapshot.map(age_secs),
        "service_base_ms": note.base_ms,
        "last_error": note.last_error,
        "error_since_ms": note.error_since_ms,
        "stale_since_ms": note.stale_since_ms,
        "off": note.off,
        "rest_values": note.rest_values,
        "completeness": table.completeness.map(of_completeness),
        "hold": table.hold.as_ref().map(of_hold),
        "future": ahead,
    })
}

fn of_ahead(ahead: Ahead) -> Value {
    json!({
        "part": ahead.part,
        "until": ahead.until.to_string(),
        "ahead_secs": ahead.by.as_secs(),
    })
}

fn of_completeness(one: Completeness) -> Value {
    json!({
        "share": one.share(),
        "rows_compared": one.rows,
        "drifted": one.drifted,
        "compared_ms": one.compared.as_micros() / 1000,
    })
}

/// Returns a hold as an object.
pub(in crate::cli) fn of_hold(hold: &Hold) -> Value {
    json!({
        "state": hold.state.as_str(),
        "cause": hold.cause.as_str(),
        "detail": hold.detail,
        "since_ms": hold.since_us / 1000,
        "confirmable_ms": hold.confirmable_us.map(|us| us / 1000),
        "held_rows": hold.held_rows,
        "removed": hold.removed,
        "nulled": hold.nulled,
        "unconfirmed": hold.unconfirmed,
        "table_rows": hold.table_rows,
        "columns": hold.columns,
    })
}
