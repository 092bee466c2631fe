//! The notes that the service writes to the lake for `status`.

use std::time::Duration;

use super::{Account, Dispatch, TrackedTable};
use crate::api::Wait;
use crate::build_info::BUILD_INFO;
use crate::ids::TableId;
use crate::plan::{Standing, Suspicion};
use crate::status::{IntegrationNote, Notes, TableNote, WaitNote};
use crate::time::{Base, Moment};

/// The longest time between two writes of the bases that empty deltas moved.
const FLUSHED_WITHIN: Duration = Duration::from_hours(1);

/// The most integrations and the most tables in the notes. With all fields set the notes then have some megabytes.
pub(super) const INTEGRATIONS: usize = 5_000;
pub(super) const TABLES: usize = 20_000;

impl Dispatch {
    /// Returns the notes: what `status` shows beside the state of the lake. `waits` is what all requests wait for.
    pub(in crate::service) fn notes(&self, now: Moment, waits: Option<Wait>) -> Notes {
        let mut integrations: Vec<_> = self.accounts.iter().collect();
        // Those that need attention first, so that they are not left out.
        integrations.sort_unstable_by_key(|(id, account)| (is_quiet(account), *id));
        let mut tables: Vec<_> = self.tables.iter().collect();
        tables.retain(|(_, table)| has_news(table, now));
        tables.sort_unstable_by_key(|(id, table)| (!has_trouble(table), *id));
        let left_out = |all: usize, most: usize| all.saturating_sub(most) as u64;
        Notes {
            written_ms: now.as_millis(),
            service_version: BUILD_INFO.text.to_owned(),
            heartbeat_period_secs: self.heartbeat_period().as_secs(),
            waits: waits.map(|wait| WaitNote {
                reason: wait.reason.to_string(),
                until_ms: (now + wait.left).as_millis(),
            }),
            candidates: self.candidates() as u64,
            integrations_left_out: left_out(integrations.len(), INTEGRATIONS),
            tables_left_out: left_out(tables.len(), TABLES),
            integrations: (integrations.into_iter().take(INTEGRATIONS))
                .map(|(id, account)| (id.to_string(), integration_note(account)))
                .collect(),
            tables: (tables.into_iter().take(TABLES))
                .map(|(id, table)| table_note(id, table))
                .collect(),
            ..Notes::default()
        }
    }
}

/// Returns whether the note of an integration says only what the registry says as well.
fn is_quiet(account: &Account) -> bool {
    account.is_fetched() && account.suspicion.is_none()
}

/// Returns whether a table needs a note. Thousands of quiet tables need none: the lake holds their bases since the last
/// flush.
fn has_news(table: &TrackedTable, now: Moment) -> bool {
    let recent = |base: Base| now.since(base.moment()) < 2 * FLUSHED_WITHIN;
    has_trouble(table)
        || table.stale_since.is_some()
        || table.rest_values > 0
        || table.base.is_some_and(recent)
}

fn has_trouble(table: &TrackedTable) -> bool {
    table.error.is_some() || table.off.is_some()
}

fn integration_note(account: &Account) -> IntegrationNote {
    let suspicion = account.suspicion;
    let state = match account.refused {
        Some(_) => IntegrationNote::REFUSED,
        None => account.standing.as_str(),
    };
    IntegrationNote {
        state: state.to_owned(),
        reason: account.refused.clone().or_else(|| reason(account)),
        since_ms: Some(account.since.as_millis()),
        silent: matches!(suspicion, Some(Suspicion::Silent { .. })),
        unannounced: matches!(suspicion, Some(Suspicion::Unannounced { .. })),
    }
}

/// Describes what happens next with an integration that Kombo does not find.
fn reason(account: &Account) -> Option<String> {
    let not_found = "Kombo finds no such integration";
    match (&account.standing, account.doubt) {
        (Standing::Deleting, Some(doubt)) => Some(format!(
            "{not_found}, but this is no proof of a deletion: {}",
            doubt.as_str()
        )),
        (Standing::Deleting, None) if account.among_many => Some(format!(
            "{not_found}, and no other integration of the environment; it counts as deleted when this lasts for a week"
        )),
        (Standing::Deleting, None) => Some(format!(
            "{not_found}; it counts as deleted when Kombo gives the same answer a day later"
        )),
        (Standing::Deleted, _) => Some(format!(
            "{not_found}: it is deleted, and its rows stay until the purge"
        )),
        _ => None,
    }
}

fn table_note(id: &TableId, table: &TrackedTable) -> TableNote {
    TableNote {
        integration: id.integration.to_string(),
        endpoint: id.endpoint.to_string(),
        base_ms: table.base.map(Base::as_millis),
        last_error: table.error.as_ref().map(|error| error.message.clone()),
        error_since_ms: (table.error.as_ref()).map(|error| error.since.as_millis()),
        stale_since_ms: table.stale_since.map(Moment::as_millis),
        off: (table.off.as_ref()).map(|off| off.reason.as_str().to_owned()),
        rest_values: table.rest_values,
    }
}
