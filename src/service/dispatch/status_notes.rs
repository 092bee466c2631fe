//! The notes that the service writes to the lake for `status`.

use std::time::Duration;

use super::{Account, Dispatch, TrackedTable};
use crate::ids::TableId;
use crate::plan::{Standing, Suspicion};
use crate::status::{IntegrationNote, Notes, TableNote};
use crate::time::{Base, Moment};

/// The longest time between two writes of the bases that empty deltas moved.
const FLUSHED_WITHIN: Duration = Duration::from_hours(1);

impl Dispatch {
    /// Returns the notes: what `status` shows beside the state of the lake.
    pub(in crate::service) fn notes(&self, now: Moment) -> Notes {
        let accounts = self.accounts.iter();
        let mut tables: Vec<_> = self.tables.iter().collect();
        tables.sort_unstable_by_key(|(id, _)| *id);
        Notes {
            written_ms: now.as_millis(),
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            heartbeat_period_secs: self.heartbeat_period().as_secs(),
            integrations: accounts
                .map(|(id, account)| (id.to_string(), integration_note(account)))
                .collect(),
            tables: tables
                .into_iter()
                .filter(|(_, table)| has_news(table, now))
                .map(|(id, table)| table_note(id, table))
                .collect(),
        }
    }
}

/// Returns whether a table needs a note. Thousands of quiet tables need none: the lake holds their bases since the last
/// flush.
fn has_news(table: &TrackedTable, now: Moment) -> bool {
    let recent = |base: Base| now.since(base.moment()) < 2 * FLUSHED_WITHIN;
    let trouble = table.error.is_some() || table.off.is_some();
    trouble
        || table.stale_since.is_some()
        || table.rest_values > 0
        || table.base.is_some_and(recent)
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
        off: table.off.map(|off| off.reason.as_str().to_owned()),
        rest_values: table.rest_values,
    }
}
