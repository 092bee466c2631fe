//! How far each table is folded: what `current`'s log says, beside what the two others have to offer.
//!
//! `kombo/<integration_key>/folded` is the position: every observation of `deltas` up to it is in `current`. While
//! something is held `considered` is ahead of it: so far deltas were looked at. `snapshot` names the snapshot that is
//! folded in by its last observation, `held` says what is held back (1 of a snapshot, 2 of deltas, 4 rows that a full fetch
//! lacked), `rows` counts the rows.
//!
//! `lost/0` to `lost/4` count the rows that went within the last day ([`DayLosses`]). `kept` is the start of the last
//! snapshot of which rows were kept as they were because columns of theirs are held: when that snapshot saw those rows,
//! nothing remembers.

use crate::delta::log::LogState;
use crate::ids::IntegrationKey;
use crate::lake::txns::app_id;
use crate::time::ObservedAt;
use crate::versions::day_losses::{DayLosses, SLOTS};

/// Something that a snapshot says is held.
pub(super) const HELD_OF_SNAPSHOT: i64 = 1;
/// Something that deltas say is held.
pub(super) const HELD_OF_DELTAS: i64 = 2;
/// Rows stay that a full fetch lacked and nobody could say more of.
pub(super) const HELD_UNCONFIRMED: i64 = 4;

/// The slots of [`DayLosses`].
const LOST: [&str; SLOTS] = ["lost/0", "lost/1", "lost/2", "lost/3", "lost/4"];

/// How far one table is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::lake) struct Positions {
    pub(in crate::lake) folded_us: Option<i64>,
    pub(in crate::lake) considered_us: Option<i64>,
    pub(in crate::lake) snapshot_us: Option<i64>,
    pub(in crate::lake) held: i64,
    pub(in crate::lake) rows: i64,
    pub(in crate::lake) kept_us: Option<i64>,
    pub(in crate::lake) lost: DayLosses,
}

/// What the two tables that are folded from have of one integration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::lake) struct Offered {
    /// The last observation of the live snapshot.
    pub(in crate::lake) snapshot_us: Option<i64>,
    /// The last observation of `deltas`.
    pub(in crate::lake) deltas_us: Option<i64>,
}

impl Positions {
    pub(in crate::lake) fn of(key: &IntegrationKey, current: &LogState) -> Self {
        let stored = |name| current.txn(&app_id(key, name));
        Self {
            folded_us: stored("folded"),
            considered_us: stored("considered"),
            snapshot_us: stored("snapshot"),
            held: stored("held").unwrap_or_default(),
            rows: stored("rows").unwrap_or_default(),
            kept_us: stored("kept"),
            lost: DayLosses::of(|slot| stored(LOST[slot])),
        }
    }

    /// Returns whether a transaction identifier of `current` stands for rows lost within a day. Its version counts and dates
    /// them in one number, which is no instant.
    pub(in crate::lake) fn counts_losses(app_id: &str) -> bool {
        LOST.iter().any(|name| {
            let before = app_id.strip_suffix(name);
            before.is_some_and(|before| before.ends_with('/'))
        })
    }

    /// Returns what to write when all rows have left the table: nothing is held of it, and nothing was lost.
    pub(in crate::lake) fn emptied(mut self, key: &IntegrationKey) -> Vec<(String, i64)> {
        self.lost.clear();
        let named = [("held", 0), ("rows", 0)];
        named
            .into_iter()
            .chain(self.lost_rows())
            .map(|(name, value)| (app_id(key, name), value))
            .collect()
    }

    /// Returns the last instant that they name.
    pub(in crate::lake) fn last_us(&self) -> Option<i64> {
        self.folded_us.max(self.considered_us).max(self.snapshot_us)
    }

    /// Returns what to write.
    pub(super) fn txns(&self, key: &IntegrationKey) -> Vec<(String, i64)> {
        let named = [
            ("folded", self.folded_us),
            ("considered", self.considered_us),
            ("snapshot", self.snapshot_us),
            ("held", Some(self.held)),
            ("rows", Some(self.rows)),
            ("kept", self.kept_us),
        ];
        let known = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        known
            .chain(self.lost_rows())
            .map(|(name, value)| (app_id(key, name), value))
            .collect()
    }

    fn lost_rows(&self) -> impl Iterator<Item = (&'static str, i64)> + '_ {
        self.lost.stored().map(|(slot, value)| (LOST[slot], value))
    }

    /// Returns whether there is a snapshot that is not folded.
    pub(in crate::lake) fn lacks_snapshot(&self, offered: Offered) -> bool {
        offered.snapshot_us.is_some() && offered.snapshot_us != self.snapshot_us
    }

    /// Returns whether a snapshot whose last observation was `seen` is folded. Then `current` knows when each row was seen
    /// last, but for rows that are kept as they were ([`Positions::kept_us`]).
    pub(in crate::lake) fn has_folded(&self, seen: Option<ObservedAt>) -> bool {
        seen.is_some() && seen.map(ObservedAt::as_micros) == self.snapshot_us
    }

    /// Returns whether `current` has what that snapshot saw. While something of it is held, `current` has an older
    /// observation instead.
    pub(in crate::lake) fn has_all_of(&self, seen: Option<ObservedAt>) -> bool {
        self.has_folded(seen) && self.held & HELD_OF_SNAPSHOT == 0
    }

    /// Returns whether there are deltas that were not looked at.
    pub(in crate::lake) fn lacks_deltas(&self, offered: Offered) -> bool {
        offered.deltas_us > self.considered_us
    }
}

impl Offered {
    pub(in crate::lake) fn of(
        key: &IntegrationKey,
        snapshots: Option<&LogState>,
        deltas: Option<&LogState>,
    ) -> Self {
        let seen = |state: Option<&LogState>| state?.txn(&app_id(key, "seen"));
        Self {
            snapshot_us: seen(snapshots),
            deltas_us: seen(deltas),
        }
    }
}
