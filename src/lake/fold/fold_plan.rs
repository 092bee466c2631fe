//! Decides what to fold of a table, from the positions in the logs and the state of the guard.

use crate::ids::IntegrationKey;
use crate::lake::fold::pending::Wanted;
use crate::lake::positions::{
    HELD_OF_DELTAS, HELD_OF_SNAPSHOT, HELD_UNCONFIRMED, Offered, Positions,
};
use crate::lake::{Hold, SnapshotHistory};
use crate::time::{Base, ObservedAt};
use crate::versions::day_losses::DayLosses;
use crate::versions::guard::HoldState;
use crate::versions::judge::Background;
use crate::versions::looks::Looks;
use crate::versions::losses::Withheld;

/// What to do with one table.
#[derive(Clone, Debug)]
pub(super) struct FoldPlan {
    pub(super) key: IntegrationKey,
    pub(super) positions: Positions,
    pub(super) offered: Offered,
    /// Earliest observation of the live snapshot, in microseconds since the epoch; `None` when no snapshot is folded.
    pub(super) since_us: Option<i64>,
    /// Start of that snapshot and of earlier ones.
    pub(super) looks: Option<Looks>,
    pub(super) compared: Option<Background>,
    pub(super) hold: Option<Hold>,
    /// The table is rebuilt.
    pub(super) is_rebuilt: bool,
}

/// Guard state that a fold writes to the log for the next fold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GuardState {
    /// Bits of what is held, as in [`Positions::held`].
    pub(super) held: i64,
    /// Rows keep an older value than the snapshot has, because some of their columns are held.
    pub(super) keeps_columns: bool,
    /// Rows removed within the last day.
    pub(super) lost: DayLosses,
}

impl FoldPlan {
    /// Returns the plan; `None` when nothing waits. `looks` belong to the live snapshot. `has_deltas` says whether the
    /// endpoint can be asked for changes: only then could notifications have brought rows before the snapshot.
    pub(super) fn of(
        key: &IntegrationKey,
        positions: Positions,
        offered: Offered,
        (history, looks): (Option<SnapshotHistory>, Option<Looks>),
        hold: Option<Hold>,
        has_deltas: bool,
    ) -> Option<Self> {
        let lacks_snapshot = positions.lacks_snapshot(offered);
        let (is_held, state) = (positions.held != 0, hold.as_ref().map(|hold| hold.state));
        let is_accepted = is_held && state == Some(HoldState::Accepted);
        // An earlier fold became visible, but the end of its hold was not written to the holds.
        let is_left_over = !is_held && state == Some(HoldState::Held);
        // The log says that something is held, but no open hold exists: the operator moved the holds away, as the
        // remedy for their damage says. The table is judged again.
        let is_untold = is_held
            && matches!(
                state,
                None | Some(HoldState::Confirmed | HoldState::Resolved)
            );
        let waits = lacks_snapshot || positions.lacks_deltas(offered);
        if !waits && !is_accepted && !is_left_over && !is_untold {
            return None;
        }
        let is_asked_again = (is_accepted || is_untold)
            && positions.held & (HELD_OF_SNAPSHOT | HELD_UNCONFIRMED) != 0;
        let with_snapshot = offered.snapshot_us.is_some() && (lacks_snapshot || is_asked_again);
        let is_compared = lacks_snapshot && positions.snapshot_us.is_some() && has_deltas;
        let looks = looks.filter(|_| with_snapshot);
        Some(Self {
            key: key.clone(),
            positions,
            offered,
            since_us: looks.map(|looks| looks.since.as_micros()),
            looks: looks.map(|looks| remembered(looks, &positions)),
            compared: is_compared.then(|| background(history, &positions)),
            hold,
            is_rebuilt: false,
        })
    }

    /// Returns a plan that rebuilds a table; `None` when something of the table is held, or when the snapshot that the
    /// table was folded from is lost. The next full fetch brings that snapshot back.
    pub(super) fn anew(
        key: &IntegrationKey,
        positions: Positions,
        offered: Offered,
        since_us: Option<i64>,
        hold: Option<Hold>,
    ) -> Option<Self> {
        let can_be_rebuilt = positions.held == 0 && !positions.outlives_snapshot(offered);
        can_be_rebuilt.then(|| Self {
            key: key.clone(),
            positions,
            offered,
            since_us: since_us.filter(|_| offered.snapshot_us.is_some()),
            looks: None,
            compared: None,
            hold,
            is_rebuilt: true,
        })
    }

    /// Returns which rows of `deltas` the fold needs.
    pub(super) fn wanted(&self) -> Wanted {
        let is_first = self.is_rebuilt
            || self.positions.snapshot_us.is_none() && self.positions.folded_us.is_none();
        match self.since_us {
            // Rows before the first folded snapshot are not needed: the snapshot has newer values.
            Some(since) if is_first => Wanted {
                after_us: i64::MAX,
                since_us: Some(since),
            },
            since_us => Wanted {
                after_us: self.positions.folded_us.unwrap_or(i64::MIN),
                since_us,
            },
        }
    }

    /// Returns whether something of the table is held and not decided.
    pub(super) fn is_held(&self) -> bool {
        self.positions.held != 0 && self.hold_in(HoldState::Held).is_some()
    }

    /// Returns the earlier hold if it is still open, or accepted and not folded yet.
    pub(super) fn stood(&self) -> Option<&Hold> {
        let hold = self.hold.as_ref();
        hold.filter(|hold| match hold.state {
            HoldState::Held => true,
            HoldState::Accepted => self.positions.held != 0,
            HoldState::Confirmed | HoldState::Resolved => false,
        })
    }

    /// Returns the newest observation of the table, in microseconds since the epoch.
    pub(super) fn observed_us(&self) -> i64 {
        let observed_us = self.offered.deltas_us.max(self.offered.snapshot_us);
        observed_us.unwrap_or_default()
    }

    /// Returns how many rows were removed within the last day without the operator's acceptance.
    pub(super) fn gone_today(&self) -> u64 {
        self.positions.lost.rows(self.observed_us())
    }

    /// Returns what stays held unless this fold finds otherwise.
    pub(super) fn withheld(&self) -> Option<Withheld> {
        let hold = self.hold_in(HoldState::Held)?;
        let of_deltas = self.positions.held & HELD_OF_DELTAS != 0;
        let is_asked = of_deltas || self.since_us.is_some();
        let withheld = Withheld {
            removals: hold.removed > 0,
            columns: hold.columns.clone(),
        };
        let concerns = is_asked && withheld != Withheld::default();
        concerns.then_some(withheld)
    }

    /// Returns the last observation, in microseconds since the epoch, up to which losses are accepted.
    pub(super) fn accepted_us(&self) -> Option<i64> {
        let hold = self.hold_in(HoldState::Accepted)?;
        Some(hold.until_us)
    }

    /// Returns whether rows that the snapshot lacks are removed. That is so when the operator has accepted their
    /// absence from this very snapshot.
    pub(super) fn drops_unconfirmed(&self) -> bool {
        let accepted = self.accepted_us();
        let is_of_snapshot = self.offered.snapshot_us <= accepted;
        self.positions.held & HELD_UNCONFIRMED != 0 && accepted.is_some() && is_of_snapshot
    }

    /// Returns the positions of the table after the fold.
    pub(super) fn then(&self, guard: &GuardState, rows: u64) -> Positions {
        let (before, deltas_us) = (self.positions, self.offered.deltas_us);
        let folded_us = deltas_us.filter(|_| guard.held & HELD_OF_DELTAS == 0);
        let kept_us = self.since_us.filter(|_| guard.keeps_columns);
        let with_snapshot = self.since_us.is_some();
        Positions {
            folded_us: folded_us.max(before.folded_us),
            considered_us: deltas_us.max(before.considered_us),
            snapshot_us: if with_snapshot {
                self.offered.snapshot_us
            } else {
                before.snapshot_us
            },
            held: guard.held,
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            kept_us: kept_us.max(before.kept_us),
            lost: guard.lost,
        }
    }

    fn hold_in(&self, state: HoldState) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| hold.state == state)
    }
}

/// Ignores an earlier full fetch of which rows were kept unchanged: that fetch may have seen these rows, and no record
/// says so.
fn remembered(looks: Looks, positions: &Positions) -> Looks {
    let is_known = |first: &ObservedAt| Some(first.as_micros()) > positions.kept_us;
    Looks {
        first: looks.first.filter(is_known),
        ..looks
    }
}

fn background(history: Option<SnapshotHistory>, positions: &Positions) -> Background {
    let prior = history
        .and_then(|history| history.prior)
        .map(Base::as_millis);
    Background {
        covered_us: prior.map(|millis| millis.saturating_mul(1_000)),
        known_us: positions.snapshot_us,
        announced: history.is_some_and(|history| history.announced.is_some()),
    }
}
