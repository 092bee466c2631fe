//! The instants up to which a sink has everything of a table.

use serde::{Deserialize, Serialize};

use crate::fetch::{FetchEnd, FetchMode};
use crate::sink::{Advance, Watermarks};
use crate::time::{Base, Bases, ObservedAt};

/// The instants up to which a table is covered. A sink may store this value as JSON beside the rows: bases are
/// milliseconds since the epoch, observations are microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// One base per tier: the maximum over snapshots and deltas.
    pub bases: Bases,
    /// The base of the last snapshot.
    pub snapshot_base: Option<Base>,
    /// The last `_fetched_at` of the table. The next observation has to be later.
    pub seen: Option<ObservedAt>,
    /// The last `_fetched_at` of each part. They tell whether any writer has committed since.
    pub watermarks: Watermarks,
}

impl Coverage {
    /// Applies a committed fetch to this coverage. Returns the new watermark of the part that the fetch belongs to.
    pub fn commit(&mut self, mode: FetchMode, end: &FetchEnd) -> ObservedAt {
        let watermark = match mode {
            FetchMode::Snapshot => {
                self.snapshot_base = self.snapshot_base.max(end.base);
                &mut self.watermarks.snapshots
            }
            FetchMode::Delta { .. } => &mut self.watermarks.deltas,
        };
        // Each commit raises the watermark, even a commit without a new observation.
        let least = watermark.map_or(end.seen, ObservedAt::next);
        let raised = end.seen.max(least);
        *watermark = Some(raised);
        self.seen = self.seen.max(Some(raised));
        for tier in mode.moves() {
            if let Some(base) = end.base {
                self.bases.raise(tier, base);
            }
        }
        raised
    }

    /// Raises the bases, unless a writer has committed since the bases were reached. Returns whether the bases were
    /// raised.
    pub fn advance(&mut self, advance: &Advance) -> bool {
        let is_same = self.watermarks == advance.watermarks;
        if is_same {
            self.bases.raise_all(&advance.bases);
        }
        is_same
    }
}
