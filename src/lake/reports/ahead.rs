//! Finds the parts of a table that are in the future. A clock was wrong when this program, or an older one, wrote them.
//!
//! In such a table no old row expires, a query as of an instant is wrong, and each new observation would have to be
//! later still. So [`TableOverview::ahead`] reports the table, no fetch continues from a base that is years ahead, and
//! `kombo-source repair` corrects the table.

use std::time::Duration;

use crate::lake::TableOverview;
use crate::sink::{Coverage, Watermarks};
use crate::time::{Horizon, ObservedAt, Tier};

/// A part of a table with instants in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Name of the part: `snapshots`, `deltas`, `current`, `bases`, `kombo_drift` or `kombo_holds`.
    pub part: &'static str,
    /// Last instant in the part.
    pub until: ObservedAt,
    /// How far the last instant is ahead of this machine's clock.
    pub by: Duration,
}

impl Ahead {
    /// Returns the part if its last instant is in the future, else `None`.
    #[must_use]
    pub fn of(part: &'static str, until: Option<ObservedAt>, horizon: Horizon) -> Option<Self> {
        let until = until?;
        let by = horizon.ahead(until)?;
        Some(Self { part, until, by })
    }
}

impl TableOverview {
    /// Returns the parts that are in the future.
    #[must_use]
    pub fn ahead(&self, horizon: Horizon) -> Vec<Ahead> {
        let Coverage {
            bases, watermarks, ..
        } = &self.coverage;
        let Watermarks { snapshots, deltas } = *watermarks;
        let bases = Tier::ALL.into_iter().filter_map(|tier| bases.get(tier));
        let base = bases
            .max()
            .map(|base| base.as_millis().saturating_mul(1_000));
        let parts = [
            ("snapshots", snapshots),
            ("deltas", deltas),
            ("current", self.folded),
            ("bases", base.map(ObservedAt::from_micros)),
        ];
        let ahead = parts.map(|(part, until)| Ahead::of(part, until, horizon));
        ahead.into_iter().flatten().collect()
    }
}
