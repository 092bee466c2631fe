//! How far each table is folded: the positions in the log of `current`, and what `snapshots` and `deltas` offer.
//!
//! The fold position is `folded`: every observation of `deltas` up to this position is in `current`. While changes
//! are held, `considered` is ahead of `folded`: the fold has read deltas up to there. Each [`TxnName`] says what its
//! number means.

use crate::delta::log::LogState;
use crate::ids::IntegrationKey;
use crate::lake::txn_name::{NONE, TxnName};
use crate::time::ObservedAt;
use crate::versions::day_losses::{DayLosses, SLOTS};

/// Bit: a change from a snapshot is held.
pub(in crate::lake) const HELD_OF_SNAPSHOT: i64 = 1;
/// Bit: a change from deltas is held.
pub(in crate::lake) const HELD_OF_DELTAS: i64 = 2;
/// Bit: rows stay that a full fetch lacked and that could not be confirmed as gone.
pub(in crate::lake) const HELD_UNCONFIRMED: i64 = 4;

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

/// What `snapshots` and `deltas` have of one integration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::lake) struct Offered {
    /// The last observation of the live snapshot. `None` when there is no snapshot, or when it is not complete.
    pub(in crate::lake) snapshot_us: Option<i64>,
    /// The last observation of `deltas`.
    pub(in crate::lake) deltas_us: Option<i64>,
}

impl Positions {
    pub(in crate::lake) fn of(key: &IntegrationKey, current: &LogState) -> Self {
        let stored = |name: TxnName<'_>| current.txn(&name.app_id(key));
        Self {
            folded_us: stored(TxnName::Folded),
            considered_us: stored(TxnName::Considered),
            snapshot_us: stored(TxnName::Snapshot),
            held: stored(TxnName::Held).unwrap_or_default(),
            rows: stored(TxnName::Rows).unwrap_or_default(),
            kept_us: stored(TxnName::Kept),
            lost: DayLosses::of(|slot| stored(TxnName::Lost(slot))),
        }
    }

    /// Returns whether a transaction identifier of `current` counts rows lost within a day. The version of such a
    /// transaction holds count and date in one number, and is not an instant.
    pub(in crate::lake) fn counts_losses(app_id: &str) -> bool {
        (0..SLOTS).any(|slot| app_id.ends_with(&format!("/{}", TxnName::Lost(slot))))
    }

    /// Returns the transactions to write when all rows of the table have been deleted: no change is held, and no row
    /// was lost.
    pub(in crate::lake) fn emptied(mut self, key: &IntegrationKey) -> Vec<(String, i64)> {
        self.lost.clear();
        let named = [(TxnName::Held, 0), (TxnName::Rows, 0)].into_iter();
        let named = named.chain(self.lost_rows());
        named
            .map(|(name, value)| (name.app_id(key), value))
            .collect()
    }

    /// Returns the latest instant among the positions.
    pub(in crate::lake) fn last_us(&self) -> Option<i64> {
        self.folded_us.max(self.considered_us).max(self.snapshot_us)
    }

    /// Returns the transactions that store the positions.
    pub(in crate::lake) fn txns(&self, key: &IntegrationKey) -> Vec<(String, i64)> {
        let named = [
            (TxnName::Folded, self.folded_us),
            (TxnName::Considered, self.considered_us),
            (TxnName::Snapshot, self.snapshot_us),
            (TxnName::Held, Some(self.held)),
            (TxnName::Rows, Some(self.rows)),
            (TxnName::Kept, self.kept_us),
        ];
        let known = named.into_iter();
        let known = known.filter_map(|(name, value)| Some((name, value?)));
        known
            .chain(self.lost_rows())
            .map(|(name, value)| (name.app_id(key), value))
            .collect()
    }

    fn lost_rows(&self) -> impl Iterator<Item = (TxnName<'static>, i64)> + '_ {
        let lost = self.lost.stored();
        lost.map(|(slot, value)| (TxnName::Lost(slot), value))
    }

    /// Returns whether `snapshots` has a snapshot that is not folded.
    pub(in crate::lake) fn lacks_snapshot(&self, offered: Offered) -> bool {
        offered.snapshot_us.is_some() && offered.snapshot_us != self.snapshot_us
    }

    /// Returns whether the snapshot with the last observation `seen` is folded. In that case `current` knows when
    /// each row was last seen, except for rows that were kept as they were ([`Positions::kept_us`]).
    pub(in crate::lake) fn has_folded(&self, seen: Option<ObservedAt>) -> bool {
        seen.is_some() && seen.map(ObservedAt::as_micros) == self.snapshot_us
    }

    /// Returns whether `current` has everything that this snapshot saw. While changes from the snapshot are held,
    /// `current` has older observations instead.
    pub(in crate::lake) fn has_all_of(&self, seen: Option<ObservedAt>) -> bool {
        self.has_folded(seen) && self.held & HELD_OF_SNAPSHOT == 0
    }

    /// Returns whether `current` was folded from a snapshot that is no longer there, or no longer complete. Then
    /// `current` has rows that nothing else has.
    pub(in crate::lake) fn outlives_snapshot(&self, offered: Offered) -> bool {
        let folded = self.snapshot_us.filter(|folded| *folded != NONE);
        folded.is_some() && offered.snapshot_us.is_none()
    }

    /// Returns whether `deltas` has observations that the fold has not read.
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
        let seen = |state: Option<&LogState>| state?.txn(&TxnName::Seen.app_id(key));
        // A purge or a repair cleared the start of the snapshot: what is left of it is not complete.
        let since = snapshots.and_then(|state| state.txn(&TxnName::Since.app_id(key)));
        Self {
            snapshot_us: seen(snapshots).filter(|_| since != Some(NONE)),
            deltas_us: seen(deltas),
        }
    }
}
