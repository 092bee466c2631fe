//! What is to be folded of a table, by what the logs and the guard say.

use super::pending::Wanted;
use super::positions::{HELD_OF_DELTAS, HELD_OF_SNAPSHOT, HELD_UNCONFIRMED, Offered, Positions};
use crate::fold::guard::HoldState;
use crate::fold::judge::Background;
use crate::fold::losses::{Standing, Withheld};
use crate::ids::IntegrationKey;
use crate::lake::{Hold, SnapshotFacts};
use crate::time::Base;

/// What is to be done with one table.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) key: IntegrationKey,
    pub(super) positions: Positions,
    pub(super) offered: Offered,
    /// The earliest observation of the live snapshot, when it is folded.
    pub(super) since_us: Option<i64>,
    pub(super) compared: Option<Background>,
    pub(super) hold: Option<Hold>,
    /// The table is made anew.
    pub(super) is_rebuilt: bool,
}

impl Plan {
    /// Returns what is to be done; `None` when nothing waits. `since_us` is the earliest observation of the live
    /// snapshot, `has_deltas` whether the endpoint can be asked for changes at all: only then is there anything that
    /// notifications could have brought.
    pub(super) fn of(
        key: &IntegrationKey,
        positions: Positions,
        offered: Offered,
        (facts, since_us): (Option<SnapshotFacts>, Option<i64>),
        hold: Option<Hold>,
        has_deltas: bool,
    ) -> Option<Self> {
        let lacks_snapshot = positions.lacks_snapshot(offered);
        let is_accepted = positions.held != 0
            && hold
                .as_ref()
                .is_some_and(|hold| hold.state == HoldState::Accepted);
        if !lacks_snapshot && !positions.lacks_deltas(offered) && !is_accepted {
            return None;
        }
        let is_asked_again =
            is_accepted && positions.held & (HELD_OF_SNAPSHOT | HELD_UNCONFIRMED) != 0;
        let with_snapshot = offered.snapshot_us.is_some() && (lacks_snapshot || is_asked_again);
        let is_compared = lacks_snapshot && positions.snapshot_us.is_some() && has_deltas;
        Some(Self {
            key: key.clone(),
            positions,
            offered,
            since_us: since_us.filter(|_| with_snapshot),
            compared: is_compared.then(|| background(facts)),
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

    /// Returns the hold that the snapshot may confirm: one that stood before the snapshot was begun.
    pub(super) fn agrees(&self) -> Option<Standing> {
        // One that was accepted and is not folded yet stands as well: the snapshot may say the same before that.
        let stands = |hold: &&Hold| match hold.state {
            HoldState::Held => true,
            HoldState::Accepted => self.positions.held != 0,
            HoldState::Confirmed | HoldState::Resolved => false,
        };
        let hold = self.hold.as_ref().filter(stands)?;
        let is_new = self.positions.lacks_snapshot(self.offered);
        let since_us = self.since_us.filter(|_| is_new)?;
        (since_us > hold.since_us).then_some(Standing {
            since_us: hold.since_us,
            rows: hold.held_rows.max(hold.unconfirmed),
        })
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
        let concerns = is_asked && self.agrees().is_none() && withheld != Withheld::default();
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

    /// Returns how far the table is folded afterwards, when so much of it is held.
    pub(super) fn then(&self, held: i64, rows: u64) -> Positions {
        let deltas_us = self.offered.deltas_us;
        let folded_us = if held & HELD_OF_DELTAS == 0 {
            deltas_us.max(self.positions.folded_us)
        } else {
            self.positions.folded_us
        };
        let with_snapshot = self.since_us.is_some();
        Positions {
            folded_us,
            considered_us: deltas_us.max(self.positions.considered_us),
            snapshot_us: if with_snapshot {
                self.offered.snapshot_us
            } else {
                self.positions.snapshot_us
            },
            held,
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
        }
    }

    fn hold_in(&self, state: HoldState) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| hold.state == state)
    }
}

fn background(facts: Option<SnapshotFacts>) -> Background {
    let prior = facts.and_then(|facts| facts.prior).map(Base::as_millis);
    Background {
        covered_us: prior.map(|millis| millis.saturating_mul(1_000)),
        announced: facts.is_some_and(|facts| facts.announced_ms.is_some()),
    }
}
