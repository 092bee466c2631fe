//! Updates the guard after a fold: what is held from now on, and what is released.

use crate::ids::{EndpointName, IntegrationId};
use crate::lake::Hold;
use crate::lake::fold::fold_plan::{FoldPlan, GuardState};
use crate::lake::fold::merged_table::MergedTable;
use crate::lake::fold::report::Release;
use crate::lake::positions::{HELD_OF_DELTAS, HELD_OF_SNAPSHOT, HELD_UNCONFIRMED};
use crate::time::{ObservedAt, SecondLook};
use crate::versions::guard::{HoldCause, HoldState};
use crate::versions::losses::Withheld;
use crate::words::{count, counted};

/// State of one table's hold after a fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guarded {
    /// Guard state for the log of `current`.
    pub(super) state: GuardState,
    /// Hold to write before the fold is visible: readers must not see rows that are to be held.
    pub(super) before: Option<Hold>,
    /// Ended hold to write after the fold is visible.
    pub(super) after: Option<Hold>,
    /// Rows that are released.
    pub(super) released: Option<Release>,
}

/// Input of the guard's judgement of one table: the plan of the fold and its result.
pub(super) struct Judging<'a> {
    pub(super) plan: &'a FoldPlan,
    pub(super) merged: &'a MergedTable,
    pub(super) endpoint: &'a EndpointName,
    pub(super) now_us: i64,
    pub(super) second_look: SecondLook,
}

impl Judging<'_> {
    /// Returns the guard's judgement of the table.
    pub(super) fn guarded(&self) -> Guarded {
        let state = self.guard_state();
        let nothing = Guarded {
            state,
            ..Guarded::default()
        };
        let held = self.plan.hold.as_ref().map(|hold| &hold.integration);
        let Some(integration) = self.merged.integration.as_ref().or(held) else {
            return nothing;
        };
        let released = self.released(integration, state.held != 0);
        if self.merged.withheld.is_some() || self.merged.tally.losses.unconfirmed.rows > 0 {
            return Guarded {
                before: Some(self.new_hold(integration)),
                released,
                ..nothing
            };
        }
        let ended = self.stands().zip(released.as_ref());
        let ended = ended.filter(|(_, released)| !released.in_part);
        Guarded {
            after: ended.map(|(hold, released)| Hold {
                state: released.state,
                decided_at_us: Some(self.now_us),
                updated_at_us: self.now_us,
                ..hold.clone()
            }),
            released,
            ..nothing
        }
    }

    /// Returns the guard state for the log: what is held, and the rows removed within the last day. Rows that the
    /// operator accepted or a second full fetch confirmed do not count. An acceptance also clears the count of earlier
    /// rows, because the operator saw them.
    fn guard_state(&self) -> GuardState {
        let losses = &self.merged.tally.losses;
        let withheld = self.merged.withheld.as_ref();
        let mut lost = self.plan.positions.lost;
        let is_taken_in = |hold: &Hold| hold.state == HoldState::Accepted;
        if self.plan.stood().is_some_and(is_taken_in) {
            lost.clear();
        }
        if withheld.is_none_or(|withheld| !withheld.removals) {
            lost.add(self.plan.observed_us(), losses.removed.rows);
        }
        GuardState {
            held: self.held(),
            keeps_columns: losses.by_snapshot
                && withheld.is_some_and(|withheld| !withheld.columns.is_empty()),
            lost,
        }
    }

    /// Returns the bits of what is held, for the log.
    fn held(&self) -> i64 {
        let losses = &self.merged.tally.losses;
        let bit = |is_so: bool, bit: i64| if is_so { bit } else { 0 };
        let is_held = self.merged.withheld.is_some();
        let mut held = bit(is_held && losses.by_snapshot, HELD_OF_SNAPSHOT)
            | bit(is_held && losses.by_deltas, HELD_OF_DELTAS)
            | bit(losses.unconfirmed.rows > 0, HELD_UNCONFIRMED);
        if self.plan.since_us.is_none() && self.stands().is_some() {
            // A fold of deltas cannot decide what a snapshot found; only a newer snapshot can.
            held |= self.plan.positions.held & (HELD_OF_SNAPSHOT | HELD_UNCONFIRMED);
        }
        held
    }

    /// Returns the earlier hold if it is not decided.
    fn stands(&self) -> Option<&Hold> {
        let stood = self.plan.stood();
        stood.filter(|hold| hold.state == HoldState::Held)
    }

    /// Returns what is released of the earlier hold: all of the hold, or only the rows that the operator accepted or a
    /// second full fetch confirmed.
    fn released(&self, integration: &IntegrationId, in_part: bool) -> Option<Release> {
        let losses = &self.merged.tally.losses;
        let (state, rows) = match self.plan.stood()?.state {
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

    fn new_hold(&self, integration: &IntegrationId) -> Hold {
        let losses = &self.merged.tally.losses;
        let withheld = self.merged.withheld.clone().unwrap_or_default();
        let begun_us = self.plan.since_us.unwrap_or(self.now_us);
        let (first_us, last_us) = losses.span_us.unwrap_or((begun_us, begun_us));
        let offered = self.plan.offered;
        let until_us = offered.deltas_us.max(offered.snapshot_us);
        let unless = |is_none: bool, rows: u64| if is_none { 0 } else { rows };
        let removed = unless(!withheld.removals, losses.removed.rows);
        let nulled = unless(withheld.columns.is_empty(), losses.most_nulled());
        let stands = self.stands();
        let (unconfirmed, confirmable_us) = self.waiting(&withheld);
        let hold = Hold {
            integration: integration.clone(),
            endpoint: self.endpoint.clone(),
            state: HoldState::Held,
            since_us: stands.map_or(first_us, |stands| stands.since_us.min(first_us)),
            until_us: until_us.unwrap_or(last_us).max(last_us),
            held_rows: removed.max(nulled),
            removed,
            nulled,
            unconfirmed,
            table_rows: self.merged.rows_before,
            cause: cause(removed, nulled),
            detail: String::new(),
            confirmable_us,
            columns: withheld.columns,
            decided_at_us: None,
            updated_at_us: self.now_us,
        };
        match stands {
            // A cause that Kombo confirmed stays.
            Some(stands)
                if matches!(stands.cause, HoldCause::ScopeOff | HoldCause::DataExpired) =>
            {
                Hold {
                    cause: stands.cause,
                    detail: stands.detail.clone(),
                    ..hold
                }
            }
            _ => Hold {
                detail: detail(&hold, self.plan.gone_today()),
                ..hold
            },
        }
    }

    /// Returns the number of rows that a full fetch lacked, and the start from which a later full fetch can confirm
    /// everything that is held. Rows that a snapshot lacked can only be judged by another snapshot.
    fn waiting(&self, withheld: &Withheld) -> (u64, Option<i64>) {
        let losses = &self.merged.tally.losses;
        let confirmable = losses.confirmable(withheld, self.second_look);
        let confirmable_us = confirmable.map(ObservedAt::as_micros);
        let plan = self.plan;
        let is_lacking = plan.since_us.is_none() && plan.positions.held & HELD_UNCONFIRMED != 0;
        match self.stands().filter(|_| is_lacking) {
            Some(stands) => {
                let both = confirmable_us.zip(stands.confirmable_us);
                (stands.unconfirmed, both.map(|(one, other)| one.max(other)))
            }
            None => (losses.unconfirmed.rows, confirmable_us),
        }
    }
}

fn cause(removed: u64, nulled: u64) -> HoldCause {
    match (removed, nulled) {
        (0, 0) => HoldCause::Unconfirmed,
        (0, _) => HoldCause::ColumnsNulled,
        _ => HoldCause::MassDelete,
    }
}

/// Describes in a sentence what is held: counts and names of columns, never values.
fn detail(hold: &Hold, gone_today: u64) -> String {
    let of = count(hold.table_rows);
    match hold.cause {
        HoldCause::MassDelete if gone_today > 0 => format!(
            "{} of {of} rows would be removed, after {} within the last day; the rows are kept unchanged",
            count(hold.removed),
            counted(gone_today, "other")
        ),
        HoldCause::MassDelete => format!(
            "{} of {of} rows would be removed at once; the rows are kept unchanged",
            count(hold.removed)
        ),
        HoldCause::ColumnsNulled => format!(
            "{} of {of} rows would lose their values in {}; the rows are kept unchanged",
            count(hold.nulled),
            hold.columns.join(", ")
        ),
        _ => format!(
            "{} of {of} rows are missing from the last full fetch, and Kombo has not confirmed that they are gone; the rows are kept until Kombo confirms it, or until two full fetches that begin a day apart both lack them",
            count(hold.unconfirmed)
        ),
    }
}
