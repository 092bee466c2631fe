//! What a fold says to the guard: what is held from now on, and what is no longer.

use super::plan::Plan;
use super::positions::{HELD_OF_DELTAS, HELD_OF_SNAPSHOT, HELD_UNCONFIRMED};
use super::table::Folded;
use crate::fold::guard::{HoldCause, HoldState};
use crate::ids::{EndpointName, IntegrationId};
use crate::lake::Hold;

/// How it stands with one table's hold after a fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guarded {
    /// What is held, as `held` says it in the log.
    pub(super) held: i64,
    /// To be written down before the fold is visible: readers must not see what is to be held.
    pub(super) before: Option<Hold>,
    /// To be written down afterwards.
    pub(super) after: Option<Hold>,
}

/// Says how it stands with a table.
pub(super) fn guarded(
    plan: &Plan,
    folded: &Folded,
    integration: Option<&IntegrationId>,
    endpoint: &EndpointName,
    now_us: i64,
) -> Guarded {
    let bits = held(plan, folded);
    let nothing = Guarded {
        held: bits,
        ..Guarded::default()
    };
    let Some(integration) = integration else {
        return nothing;
    };
    if folded.withheld.is_some() || folded.tally.losses.unconfirmed > 0 {
        let begun = new_hold(plan, folded, integration, endpoint, now_us);
        return Guarded {
            before: Some(begun),
            ..nothing
        };
    }
    let ended = stands(plan).filter(|_| bits == 0);
    Guarded {
        after: ended.map(|hold| Hold {
            state: ended_as(plan, folded),
            decided_at_us: Some(now_us),
            updated_at_us: now_us,
            ..hold.clone()
        }),
        ..nothing
    }
}

/// Returns what is held, as the log has it.
fn held(plan: &Plan, folded: &Folded) -> i64 {
    let losses = &folded.tally.losses;
    let bit = |is_so: bool, bit: i64| if is_so { bit } else { 0 };
    let is_held = folded.withheld.is_some();
    let mut held = bit(is_held && losses.by_snapshot, HELD_OF_SNAPSHOT)
        | bit(is_held && losses.by_deltas, HELD_OF_DELTAS)
        | bit(losses.unconfirmed > 0, HELD_UNCONFIRMED);
    if plan.since_us.is_none() && stands(plan).is_some() {
        // Only a snapshot can say more of what a snapshot has said.
        held |= plan.positions.held & (HELD_OF_SNAPSHOT | HELD_UNCONFIRMED);
    }
    held
}

/// Returns the hold that stood before.
fn stands(plan: &Plan) -> Option<&Hold> {
    let hold = plan.hold.as_ref();
    hold.filter(|hold| hold.state == HoldState::Held)
}

fn ended_as(plan: &Plan, folded: &Folded) -> HoldState {
    let losses = &folded.tally.losses;
    if plan.agrees().is_some() && losses.removed + losses.most_nulled() > 0 {
        HoldState::Confirmed
    } else {
        HoldState::Resolved
    }
}

fn new_hold(
    plan: &Plan,
    folded: &Folded,
    integration: &IntegrationId,
    endpoint: &EndpointName,
    now_us: i64,
) -> Hold {
    let losses = &folded.tally.losses;
    let withheld = folded.withheld.clone().unwrap_or_default();
    let begun_us = plan.since_us.unwrap_or(now_us);
    let (first_us, last_us) = losses.span_us.unwrap_or((begun_us, begun_us));
    let until_us = plan.offered.deltas_us.max(plan.offered.snapshot_us);
    let removed = if withheld.removals { losses.removed } else { 0 };
    let nulled = if withheld.columns.is_empty() {
        0
    } else {
        losses.most_nulled()
    };
    let stands = stands(plan);
    let hold = Hold {
        integration: integration.clone(),
        endpoint: endpoint.clone(),
        state: HoldState::Held,
        since_us: stands.map_or(first_us, |stands| stands.since_us.min(first_us)),
        until_us: until_us.unwrap_or(last_us).max(last_us),
        held_rows: removed.max(nulled),
        removed,
        nulled,
        unconfirmed: losses.unconfirmed,
        table_rows: folded.rows_before,
        columns: withheld.columns,
        cause: cause(removed, nulled),
        detail: String::new(),
        decided_at_us: None,
        updated_at_us: now_us,
    };
    match stands {
        // What was found out about it stays.
        Some(stands) if matches!(stands.cause, HoldCause::ScopeOff | HoldCause::DataExpired) => {
            Hold {
                cause: stands.cause,
                detail: stands.detail.clone(),
                ..hold
            }
        }
        _ => Hold {
            detail: detail(&hold),
            ..hold
        },
    }
}

fn cause(removed: u64, nulled: u64) -> HoldCause {
    match (removed, nulled) {
        (0, 0) => HoldCause::Unconfirmed,
        (0, _) => HoldCause::ColumnsNulled,
        _ => HoldCause::MassDelete,
    }
}

/// Says in a sentence what is held: counts and names of columns, never values.
fn detail(hold: &Hold) -> String {
    let of = hold.table_rows;
    match hold.cause {
        HoldCause::MassDelete => {
            let removed = hold.removed;
            format!("{removed} of {of} rows would be gone at once; they are kept as they were")
        }
        HoldCause::ColumnsNulled => {
            let (nulled, columns) = (hold.nulled, hold.columns.join(", "));
            format!(
                "{nulled} of {of} rows would lose their values in {columns}; they are kept as they were"
            )
        }
        _ => {
            let missing = hold.unconfirmed;
            format!(
                "{missing} of {of} rows are missing from the last full fetch, and Kombo has not confirmed that they are gone; they are kept until it does, or until full fetches that begin a day apart agree"
            )
        }
    }
}
