//! What a staged snapshot lacks of what a sink knows, and what it shows as deleted.

use std::collections::HashMap;
use std::fmt;

use fastrand::Rng;

use crate::sample::Sample;
use crate::time::ObservedAt;

/// Rows that the sink knows as present and that a staged snapshot lacks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MissingRows {
    /// All of them, or a random sample of as many as were asked for; in a random order.
    pub ids: Vec<MissingRow>,
    /// How many there are.
    pub total: u64,
    /// How many of those an earlier snapshot lacks, too, which began long enough before.
    pub lacked_twice: u64,
    /// How many more are known as present, and shown as deleted by the snapshot itself.
    pub shown: u64,
    /// The watermark of deltas when they were compared: whoever commits there later may bring one back.
    pub as_of: Option<ObservedAt>,
}

/// One row that a staged snapshot lacks.
#[derive(Clone, PartialEq, Eq)]
pub struct MissingRow {
    /// Kombo's id.
    pub id: String,
    /// When it was observed last.
    pub last_seen: ObservedAt,
    /// That was before an earlier snapshot began, which lacks it, too, and which began long enough before.
    pub lacked_twice: bool,
}

impl MissingRows {
    /// Compares a snapshot that has rows with the ids `shown` with what is known: of each row its observations, and
    /// whether each saw it there. Keeps a random sample of at most `limit` rows that it lacks.
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

    /// Takes in rows, and keeps a random sample of at most `limit` of them.
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

    /// Returns whether there is nothing to look into and nothing to say again.
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
