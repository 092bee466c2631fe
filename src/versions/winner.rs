//! Decides which observation of a row is the newest.
//!
//! Newer means observed later, never changed later: `changed_at` is data. A row is in `current` when its newest
//! observation says that the row exists.

use crate::decode::RowOp;

/// One observation of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// `_fetched_at`, in microseconds since the epoch.
    pub fetched_at_us: i64,
    /// `_hash`: equal for equal content of a record.
    pub hash: i64,
    /// Whether the row existed.
    pub presence: Presence,
    /// Position among all observations of the row, in the order they were added.
    pub place: usize,
}

/// What an observation says about the existence of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The row exists.
    There,
    /// Kombo marked the row as deleted.
    Deleted,
    /// A full fetch lacked the row, and Kombo did not find it by id.
    Absent,
    /// The row exists without values. Kombo clears the values 14 days after a deletion.
    Emptied,
}

impl Presence {
    /// Converts `_op`. `emptied` says that all of Kombo's columns except the id are null.
    #[must_use]
    pub fn of(op: RowOp, emptied: bool) -> Self {
        match op {
            RowOp::Upsert if emptied => Self::Emptied,
            RowOp::Upsert => Self::There,
            RowOp::Absent => Self::Absent,
            RowOp::Delete => Self::Deleted,
        }
    }

    /// Returns whether the row counts as existing.
    #[must_use]
    pub fn is_there(self) -> bool {
        self == Self::There
    }
}

/// All observations of one row: from `current`, from a new snapshot, and from deltas.
#[derive(Clone, Debug, Default)]
pub struct KnownRow {
    /// The row of `current`, which always exists.
    pub current: Option<Observation>,
    /// The row of a snapshot that is not folded yet.
    pub snapshot: Option<Observation>,
    /// Rows of `deltas`, in any order.
    pub deltas: Vec<Observation>,
}

/// Result for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFate {
    /// This observation is the newest, and the row exists.
    Stands(Observation),
    /// `current` has the row, and this later observation says that the row is gone.
    Lost(Observation),
    /// The row does not exist, and `current` does not have it.
    Nothing,
}

impl KnownRow {
    /// Removes all observations.
    pub fn clear(&mut self) {
        (self.current, self.snapshot) = (None, None);
        self.deltas.clear();
    }

    /// Returns all observations. Of two with the same instant, the one that comes later here was made later.
    pub fn all(&self) -> impl Iterator<Item = Observation> + '_ {
        let rest = self.deltas.iter().copied();
        self.current.into_iter().chain(self.snapshot).chain(rest)
    }

    /// Returns the result for the row.
    #[must_use]
    pub fn outcome(&self) -> RowFate {
        let newest = self.all().max_by_key(|one| one.fetched_at_us);
        match newest {
            Some(newest) if newest.presence.is_there() => RowFate::Stands(newest),
            Some(newest) if self.current.is_some() => RowFate::Lost(newest),
            _ => RowFate::Nothing,
        }
    }

    /// Returns the newest observation with values, which `current` keeps while a loss is held.
    #[must_use]
    pub fn last_there(&self) -> Option<Observation> {
        self.all()
            .filter(|one| one.presence.is_there())
            .max_by_key(|one| one.fetched_at_us)
    }

    /// Returns the earliest observation, after the last one with values, that says the row is gone.
    #[must_use]
    pub fn gone_since_us(&self) -> Option<i64> {
        let since = self.last_there().map_or(i64::MIN, |row| row.fetched_at_us);
        let gone = self.all().filter(|one| !one.presence.is_there());
        gone.map(|one| one.fetched_at_us)
            .filter(|at| *at >= since)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(fetched_at_us: i64, presence: Presence) -> Observation {
        Observation {
            fetched_at_us,
            hash: fetched_at_us,
            presence,
            place: 0,
        }
    }

    fn there(at: i64) -> Observation {
        seen(at, Presence::There)
    }

    #[test]
    fn the_observation_that_was_made_last_stands_wherever_it_comes_from() {
        let known = KnownRow {
            current: Some(there(5)),
            snapshot: Some(there(7)),
            deltas: vec![there(9), there(6)],
        };
        assert_eq!(known.outcome(), RowFate::Stands(there(9)));
        let folded_before = KnownRow {
            current: Some(there(9)),
            snapshot: Some(there(7)),
            deltas: vec![],
        };
        assert_eq!(folded_before.outcome(), RowFate::Stands(there(9)));
    }

    #[test]
    fn a_row_is_lost_only_when_it_was_there() {
        let gone = seen(9, Presence::Deleted);
        let mut known = KnownRow {
            current: Some(there(5)),
            snapshot: None,
            deltas: vec![gone],
        };
        assert_eq!(known.outcome(), RowFate::Lost(gone));
        assert_eq!(known.last_there(), Some(there(5)));
        assert_eq!(known.gone_since_us(), Some(9));
        known.deltas.extend([there(10), seen(11, Presence::Absent)]);
        assert_eq!(
            known.gone_since_us(),
            Some(11),
            "the row came back in between"
        );
        known.deltas.truncate(1);
        known.current = None;
        assert_eq!(known.outcome(), RowFate::Nothing);
        known.deltas.push(there(10));
        assert_eq!(
            known.outcome(),
            RowFate::Stands(there(10)),
            "the row came back"
        );
    }

    #[test]
    fn a_tombstone_folded_before_keeps_an_older_row_of_a_snapshot_away() {
        let known = KnownRow {
            current: None,
            snapshot: Some(there(5)),
            deltas: vec![seen(7, Presence::Deleted)],
        };
        assert_eq!(known.outcome(), RowFate::Nothing);
    }

    #[test]
    fn a_row_without_values_is_no_change_of_values() {
        let emptied = seen(9, Presence::of(RowOp::Upsert, true));
        let known = KnownRow {
            current: Some(there(5)),
            snapshot: Some(emptied),
            deltas: vec![],
        };
        assert_eq!(known.outcome(), RowFate::Lost(emptied));
        assert_eq!(known.gone_since_us(), Some(9));
    }
}
