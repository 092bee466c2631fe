//! What a staged snapshot lacks compared with what the sink knows, and what the snapshot shows as deleted.

use std::collections::HashMap;
use std::fmt;

use fastrand::Rng;

use crate::sample::Sample;
use crate::time::ObservedAt;

/// Rows that the sink knows as present and that a staged snapshot lacks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MissingRows {
    /// All missing rows, or a random sample with as many rows as the caller asked for. The order is random.
    pub ids: Vec<MissingRow>,
    /// Number of missing rows.
    pub total: u64,
    /// Number of missing rows that an earlier snapshot lacks, too, when that snapshot began long enough before this one
    /// ([`SecondLook`](crate::time::SecondLook)).
    pub lacked_twice: u64,
    /// Number of rows that the sink knows as present and that the snapshot itself shows as deleted. `total` does not
    /// include them.
    pub shown: u64,
    /// The watermark of the deltas at the comparison. A delta that is committed later may bring a missing row back.
    pub as_of: Option<ObservedAt>,
}

/// One row that a staged snapshot lacks.
#[derive(Clone, PartialEq, Eq)]
pub struct MissingRow {
    /// Kombo's id.
    pub id: String,
    /// When the row was observed last.
    pub last_seen: ObservedAt,
    /// Whether an earlier snapshot lacks the row, too, began after `last_seen`, and began long enough before this
    /// snapshot.
    pub lacked_twice: bool,
}

impl MissingRows {
    /// Compares the ids of a snapshot, `shown`, with the known observations of each row. An observation is an id, its
    /// instant, and whether the row was present. Keeps a random sample of at most `limit` rows that the snapshot lacks.
    pub fn between<'a>(
        known: impl IntoIterator<Item = (String, ObservedAt, bool)>,
        shown: impl IntoIterator<Item = &'a String>,
        limit: usize,
        random: Rng,
    ) -> Self {
        let mut newest = HashMap::new();
        for (id, at, is_there) in known {
            let known = newest.entry(id).or_insert((at, is_there));
            *known = (*known).max((at, is_there));
        }
        for id in shown {
            newest.remove(id);
        }
        let there = newest.into_iter().filter(|(_, (_, is_there))| *is_there);
        let missing = there.map(|(id, (last_seen, _))| MissingRow {
            id,
            last_seen,
            lacked_twice: false,
        });
        Self::of(missing, limit, random)
    }

    /// Counts the rows, and keeps a random sample of at most `limit` of them.
    pub fn of(rows: impl IntoIterator<Item = MissingRow>, limit: usize, random: Rng) -> Self {
        let (mut sample, mut lacked_twice) = (Sample::new(limit, random), 0);
        for row in rows {
            lacked_twice += u64::from(row.lacked_twice);
            sample.offer(|| row);
        }
        Self {
            total: sample.met(),
            lacked_twice,
            ids: sample.into_kept(),
            ..Self::default()
        }
    }

    /// Returns whether the snapshot lacks no row and shows no known row as deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0 && self.shown == 0
    }
}

impl fmt::Debug for MissingRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ids,
            total,
            lacked_twice,
            shown,
            ..
        } = self;
        let ids = ids.len();
        write!(
            f,
            "MissingRows({ids} of {total}, {lacked_twice} twice, {shown} shown)"
        )
    }
}

impl fmt::Debug for MissingRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MissingRow({:?})", self.last_seen)
    }
}
