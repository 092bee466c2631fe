//! What is to be folded of a table, by what the logs and the guard say.

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

/// What is to be done with one table.
#[derive(Clone, Debug)]
pub(super) struct FoldPlan {
    pub(super) key: IntegrationKey,
    pub(super) positions: Positions,
    pub(super) offered: Offered,
    /// The earliest observation of the live snapshot, when it is folded.
    pub(super) since_us: Option<i64>,
    /// When that snapshot began, and earlier ones did.
    pub(super) looks: Option<Looks>,
    pub(super) compared: Option<Background>,
    pub(super) hold: Option<Hold>,
    /// The table is made anew.
    pub(super) is_rebuilt: bool,
}

/// What a fold leaves in the log for the guard of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GuardState {
    /// What is held, as `held` says it.
    pub(super) held: i64,
    /// Rows of the snapshot are kept as they were, because columns of theirs are held.
    pub(super) keeps_columns: bool,
    /// What went within the last day.
    pub(super) lost: DayLosses,
}

impl FoldPlan {
    /// Returns what is to be done; `None` when nothing waits. `looks` are those of the live snapshot, `has_deltas` says
    /// whether the endpoint can be asked for changes at all: only then is there anything that notifications could have
    /// brought.
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
        // A fold was visible, and what it ended was not written down any more.
        let is_left_over = !is_held && state == Some(HoldState::Held);
        // Nothing says what is held any more: the holds were moved away, as their cure says. It is judged again.
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

    /// Makes a table anew; `None` when something of it is held.
    pub(super) fn anew(
        key: &IntegrationKey,
        positions: Positions,
        offered: Offered,
        since_us: Option<i64>,
        hold: Option<Hold>,
    ) -> Option<Self> {
        (positions.held == 0).then(|| Self {
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

    /// Returns which rows of `deltas` are needed.
    pub(super) fn wanted(&self) -> Wanted {
        let is_first = self.is_rebuilt
            || self.positions.snapshot_us.is_none() && self.positions.folded_us.is_none();
        match self.since_us {
            // What came before the first snapshot that is folded, it says better.
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

    /// Returns whether something is held.
    pub(super) fn is_held(&self) -> bool {
        self.positions.held != 0 && self.hold_in(HoldState::Held).is_some()
    }

    /// Returns the hold that stood before, if something is held of the table or waits to be taken in.
    pub(super) fn stood(&self) -> Option<&Hold> {
        let hold = self.hold.as_ref();
        hold.filter(|hold| match hold.state {
            HoldState::Held => true,
            HoldState::Accepted => self.positions.held != 0,
            HoldState::Confirmed | HoldState::Resolved => false,
        })
    }

    /// Returns the time of the table: when the last of what is known was observed.
    pub(super) fn observed_us(&self) -> i64 {
        let observed_us = self.offered.deltas_us.max(self.offered.snapshot_us);
        observed_us.unwrap_or_default()
    }

    /// Returns how many rows went within the last day, unasked.
    pub(super) fn gone_today(&self) -> u64 {
        self.positions.lost.rows(self.observed_us())
    }

    /// Returns what is held as long as nothing else is found out.
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

    /// Returns up to which observation losses pass.
    pub(super) fn accepted_us(&self) -> Option<i64> {
        let hold = self.hold_in(HoldState::Accepted)?;
        Some(hold.until_us)
    }

    /// Returns whether rows go that the snapshot lacks: a person has accepted just that of this very snapshot.
    pub(super) fn drops_unconfirmed(&self) -> bool {
        let accepted = self.accepted_us();
        let is_of_snapshot = self.offered.snapshot_us <= accepted;
        self.positions.held & HELD_UNCONFIRMED != 0 && accepted.is_some() && is_of_snapshot
    }

    /// Returns how far the table is folded afterwards.
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

/// Leaves out an earlier look of which rows were kept as they were: it may have seen them, and nothing says so.
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
