//! What of a table lies in the future: written while a clock was wrong, by this program or an older one.
//!
//! Nothing old leaves such a table, what is asked for as of an instant is wrong, and each further observation would have to
//! be later still. So it is told ([`TableOverview::ahead`]), no fetch goes on from where it is years off, and a repair mends
//! it.

use std::time::Duration;

use crate::lake::TableOverview;
use crate::sink::{Coverage, Watermarks};
use crate::time::{Horizon, ObservedAt, Tier};

/// A part of a table that lies in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Which: `snapshots`, `deltas`, `current`, `bases`, `kombo_drift` or `kombo_holds`.
    pub part: &'static str,
    /// The last instant it speaks of.
    pub until: ObservedAt,
    /// How far that is ahead of this machine's clock.
    pub by: Duration,
}

impl Ahead {
    /// Makes one of a part's last instant, where that is in the future.
    #[must_use]
    pub fn of(part: &'static str, until: Option<ObservedAt>, horizon: Horizon) -> Option<Self> {
        let until = until?;
        let by = horizon.ahead(until)?;
        Some(Self { part, until, by })
    }
}

impl TableOverview {
    /// Returns the parts that lie in the future.
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
