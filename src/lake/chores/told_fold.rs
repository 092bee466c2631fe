//! Folds and logs the result, for the service, the verb `fold` and the fold at the end of a backfill.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::catalog::Endpoint;
use crate::chore::Questions;
use crate::ids::IntegrationKey;
use crate::lake::{FoldReport, FoldSettings, FoldedTable, Hold, Lake, LakeError, SetAside};
use crate::words::{counted, seconds, with_causes};

/// Result of a fold of one endpoint, already logged.
#[derive(Debug)]
pub struct ToldFold {
    /// Report of the fold. Each hold names its cause, if Kombo gave one.
    pub report: FoldReport,
    /// Time that the fold took, without the questions to Kombo.
    pub took: Duration,
    /// Errors of writing Kombo's causes of holds.
    pub unexplained: Vec<LakeError>,
}

/// Folds like [`Lake::fold`] and logs the result: folded tables, failures, new holds and released holds. Asks Kombo for
/// the cause of a hold if `kombo` is given, and stores the answer. A scope that was switched off, or expired data,
/// explains rows that disappear at once.
///
/// A failed fold is logged before its error is returned. The future may be dropped at any point.
pub(in crate::lake) async fn fold_told(
    lake: &Lake,
    endpoint: &Arc<Endpoint>,
    only: Option<&BTreeSet<IntegrationKey>>,
    settings: &FoldSettings,
    kombo: Option<&dyn Questions>,
) -> Result<ToldFold, LakeError> {
    let began = Instant::now();
    let mut report = match lake.fold(endpoint, only, settings).await {
        Ok(report) => report,
        Err(error) => {
            tell_stopped(endpoint, &error);
            return Err(error);
        }
    };
    let took = began.elapsed();
    tell(endpoint, &report, took);
    let mut unexplained = Vec::new();
    for hold in report.tables.iter_mut().flat_map(|table| &mut table.hold) {
        if let Some(kombo) = kombo
            && let Err(error) = explain(lake, hold, kombo).await
        {
            let (id, name, advice) = (&hold.integration, hold.name(), error.advice());
            let error_text = with_causes(&error);
            warn!(integration.id = %id, error = error_text, advice, "the reason that Kombo reports for the hold of {name} could not be stored; the hold keeps the reason that the guard found");
            unexplained.push(error);
        }
        tell_hold(hold);
    }
    if let Some(error) = &report.stopped {
        tell_stopped(endpoint, error);
    }
    Ok(ToldFold {
        report,
        took,
        unexplained,
    })
}

/// Asks Kombo for the cause of a hold, and stores the answer. The hold stays unchanged when Kombo does not answer or
/// knows no cause, or when the answer cannot be stored.
async fn explain(lake: &Lake, hold: &mut Hold, kombo: &dyn Questions) -> Result<(), LakeError> {
    let why = kombo.why_gone(&hold.integration, &hold.endpoint).await;
    let Some((cause, why)) = why.filter(|(cause, _)| hold.cause != *cause) else {
        return Ok(());
    };
    let explained = Hold {
        cause,
        detail: format!("{}; {why}", hold.detail),
        ..hold.clone()
    };
    let put = lake.put_holds(std::slice::from_ref(&explained)).await?;
    *hold = put.into_iter().next().unwrap_or(explained);
    Ok(())
}

fn tell(endpoint: &Endpoint, report: &FoldReport, took: Duration) {
    let name = endpoint.name();
    for SetAside { member: key, error } in &report.aside {
        let advice = error.advice();
        let error = with_causes(error);
        warn!(endpoint = %name, key = %key, error, advice, "folding {name} of {key} failed; readers see its old rows, and the other tables are folded");
    }
    if !report.tables.is_empty() {
        let sum = |of: fn(&FoldedTable) -> u64| report.tables.iter().map(of).sum::<u64>();
        let tables = report.tables.len();
        let rows = sum(|table| table.changed + table.removed);
        let drift = report.tables.iter().flat_map(|table| &table.drift);
        let drifted: u64 = drift.map(|(_, _, rows)| rows).sum();
        let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (folded, places) = (counted(rows, "row"), counted(tables as u64, "table"));
        let differed = match drifted {
            0 => String::new(),
            _ => format!("; {} had drifted", counted(drifted, "row")),
        };
        info!(endpoint = %name, tables, rows, drifted, elapsed_ms, "folded {name}: {folded} in {places} in {}{differed}", seconds(took));
    }
    let table = name.table_name();
    for release in report.tables.iter().flat_map(|table| &table.released) {
        let (id, state, rows) = (&release.integration, release.state.as_str(), release.rows);
        let text = release.text(&table);
        info!(integration.id = %id, table, state, rows, "released {text}");
    }
}

fn tell_hold(hold: &Hold) {
    let (id, endpoint, rows) = (&hold.integration, &hold.endpoint, hold.held_rows);
    let (name, cause, detail) = (hold.name(), hold.cause.as_str(), &hold.detail);
    let (until, command) = (hold.until(), hold.accept_command());
    warn!(integration.id = %id, endpoint = %endpoint, rows, cause, "{name} is held: {detail}; {until}; to accept the losses now, run `{command}`");
}

fn tell_stopped(endpoint: &Endpoint, error: &LakeError) {
    let (name, advice) = (endpoint.name(), error.advice());
    let error = with_causes(error);
    warn!(endpoint = %name, error, advice, "folding {name} failed; readers see its old rows");
}
