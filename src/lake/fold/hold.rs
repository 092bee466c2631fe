//! What a fold says to the guard: what is held from now on, and what is no longer.

use crate::ids::{EndpointName, IntegrationId};
use crate::lake::Hold;
use crate::lake::fold::plan::{GuardState, Plan};
use crate::lake::fold::positions::{HELD_OF_DELTAS, HELD_OF_SNAPSHOT, HELD_UNCONFIRMED};
use crate::lake::fold::report::Release;
use crate::lake::fold::table::Folded;
use crate::time::{ObservedAt, SecondLook};
use crate::versions::guard::{HoldCause, HoldState};
use crate::versions::losses::{Losses, Withheld};

/// How it stands with one table's hold after a fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guarded {
    /// What the log says of it.
    pub(super) state: GuardState,
    /// To be written down before the fold is visible: readers must not see what is to be held.
    pub(super) before: Option<Hold>,
    /// To be written down afterwards.
    pub(super) after: Option<Hold>,
    /// What is held no longer.
    pub(super) released: Option<Release>,
}

/// Says how it stands with a table.
pub(super) fn guarded(
    plan: &Plan,
    folded: &Folded,
    (integration, endpoint): (Option<&IntegrationId>, &EndpointName),
    (now_us, second_look): (i64, SecondLook),
) -> Guarded {
    let state = guard_state(plan, folded);
    let nothing = Guarded {
        state,
        ..Guarded::default()
    };
    let Some(integration) = integration else {
        return nothing;
    };
    let released = released(plan, folded, integration, state.held != 0);
    if folded.withheld.is_some() || folded.tally.losses.unconfirmed.rows > 0 {
        let begun = new_hold(plan, folded, (integration, endpoint), (now_us, second_look));
        return Guarded {
            before: Some(begun),
            released,
            ..nothing
        };
    }
    let ended = stands(plan).zip(released.as_ref());
    let ended = ended.filter(|(_, released)| !released.in_part);
    Guarded {
        after: ended.map(|(hold, released)| Hold {
            state: released.state,
            decided_at_us: Some(now_us),
            updated_at_us: now_us,
            ..hold.clone()
        }),
        released,
        ..nothing
    }
}

/// Returns what the log says: what is held, and what went within the last day. Rows that somebody accepted, or a second look
/// confirmed, are none of those; whoever accepts knows of those that went before as well.
fn guard_state(plan: &Plan, folded: &Folded) -> GuardState {
    let losses = &folded.tally.losses;
    let withheld = folded.withheld.as_ref();
    let mut lost = plan.positions.lost;
    let is_taken_in = |hold: &Hold| hold.state == HoldState::Accepted;
    if plan.stood().is_some_and(is_taken_in) {
        lost.clear();
    }
    if withheld.is_none_or(|withheld| !withheld.removals) {
        lost.add(plan.observed_us(), losses.removed.rows);
    }
    GuardState {
        held: held(plan, folded),
        keeps_columns: losses.by_snapshot
            && withheld.is_some_and(|withheld| !withheld.columns.is_empty()),
        lost,
    }
}

/// Returns what is held, as the log has it.
fn held(plan: &Plan, folded: &Folded) -> i64 {
    let losses = &folded.tally.losses;
    let bit = |is_so: bool, bit: i64| if is_so { bit } else { 0 };
    let is_held = folded.withheld.is_some();
    let mut held = bit(is_held && losses.by_snapshot, HELD_OF_SNAPSHOT)
        | bit(is_held && losses.by_deltas, HELD_OF_DELTAS)
        | bit(losses.unconfirmed.rows > 0, HELD_UNCONFIRMED);
    if plan.since_us.is_none() && stands(plan).is_some() {
        // Only a snapshot can say more of what a snapshot has said.
        held |= plan.positions.held & (HELD_OF_SNAPSHOT | HELD_UNCONFIRMED);
    }
    held
}

/// Returns the hold that stood before, and that nobody has decided.
fn stands(plan: &Plan) -> Option<&Hold> {
    plan.stood().filter(|hold| hold.state == HoldState::Held)
}

/// Says what is no longer held of what was: all of it, or the rows that somebody accepted or a second look confirmed while
/// others stay.
fn released(
    plan: &Plan,
    folded: &Folded,
    integration: &IntegrationId,
    in_part: bool,
) -> Option<Release> {
    let losses = &folded.tally.losses;
    let (state, rows) = match plan.stood()?.state {
        HoldState::Accepted => (HoldState::Accepted, losses.accepted),
        _ if losses.confirmed > 0 => (HoldState::Confirmed, losses.confirmed),
        _ => (
            HoldState::Resolved,
            losses.removed.rows + losses.most_nulled(),
        ),
    };
    let is_told = !in_part || (state != HoldState::Resolved && rows > 0);
    is_told.then(|| Release {
        integration: integration.clone(),
        state,
        rows,
        in_part,
    })
}

fn new_hold(
    plan: &Plan,
    folded: &Folded,
    (integration, endpoint): (&IntegrationId, &EndpointName),
    (now_us, second_look): (i64, SecondLook),
) -> Hold {
    let losses = &folded.tally.losses;
    let withheld = folded.withheld.clone().unwrap_or_default();
    let begun_us = plan.since_us.unwrap_or(now_us);
    let (first_us, last_us) = losses.span_us.unwrap_or((begun_us, begun_us));
    let until_us = plan.offered.deltas_us.max(plan.offered.snapshot_us);
    let removed = if withheld.removals {
        losses.removed.rows
    } else {
        0
    };
    let nulled = if withheld.columns.is_empty() {
        0
    } else {
        losses.most_nulled()
    };
    let stands = stands(plan);
    let (unconfirmed, confirmable_us) = waiting(plan, losses, &withheld, second_look);
    let hold = Hold {
        integration: integration.clone(),
        endpoint: endpoint.clone(),
        state: HoldState::Held,
        since_us: stands.map_or(first_us, |stands| stands.since_us.min(first_us)),
        until_us: until_us.unwrap_or(last_us).max(last_us),
        held_rows: removed.max(nulled),
        removed,
        nulled,
        unconfirmed,
        table_rows: folded.rows_before,
        cause: cause(removed, nulled),
        detail: String::new(),
        confirmable_us,
        columns: withheld.columns,
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
            detail: detail(&hold, plan.gone_today()),
            ..hold
        },
    }
}

/// Returns the rows that a full fetch lacked, and from when on all that is held can be confirmed. Only a snapshot can say
/// more of what a snapshot lacked.
fn waiting(
    plan: &Plan,
    losses: &Losses,
    withheld: &Withheld,
    second_look: SecondLook,
) -> (u64, Option<i64>) {
    let confirmable = losses.confirmable(withheld, second_look);
    let confirmable_us = confirmable.map(ObservedAt::as_micros);
    let is_lacking = plan.since_us.is_none() && plan.positions.held & HELD_UNCONFIRMED != 0;
    match stands(plan).filter(|_| is_lacking) {
        Some(stands) => {
            let both = confirmable_us.zip(stands.confirmable_us);
            (stands.unconfirmed, both.map(|(one, other)| one.max(other)))
        }
        None => (losses.unconfirmed.rows, confirmable_us),
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
fn detail(hold: &Hold, gone_today: u64) -> String {
    let of = hold.table_rows;
    match hold.cause {
        HoldCause::MassDelete if gone_today > 0 => {
            let removed = hold.removed;
            format!(
                "{removed} of {of} rows would be gone, and {gone_today} others went within a day before them; they are kept as they were"
            )
        }
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
