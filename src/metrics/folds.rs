//! What a fold, and the comparison with full fetches, have to say.

use std::time::Duration;

use super::families::labels;
use super::{FoldResult, Metrics, float, say};
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

impl Metrics {
    /// Counts a fold of an endpoint's tables. Only those that found something to do are timed: the others would hide them.
    pub fn folded(&self, result: FoldResult, took: Duration) {
        self.0.kombo.folded(result);
        if result != FoldResult::Nothing {
            self.0.kombo.fold_seconds.observe(took.as_secs_f64());
        }
    }

    /// Says how old the oldest observation is that is not folded; zero when all are.
    pub fn fold_lag(&self, lag: Duration) {
        self.0.kombo.fold_lag.set(lag.as_secs_f64());
    }

    /// Says of how many tables something is held back.
    pub fn held_tables(&self, tables: usize) {
        self.0.kombo.held_tables.set(float(tables));
    }

    /// Counts a hold, or a part of one, that ended: by a person, by a second look, or because the rows came back.
    pub fn hold_released(&self, state: HoldState) {
        self.0.kombo.hold_released(state);
    }

    /// Counts rows that a full fetch found otherwise than the lake had them.
    pub fn drifted(&self, kind: DriftKind, cause: DriftCause, rows: u64) {
        self.0.kombo.drifted(kind, cause, rows);
    }

    /// Says which share of each endpoint's rows was right at the last full fetches of its tables, from 0 to 1. Endpoints
    /// that are not named have none.
    pub fn completeness<'a>(&self, shares: impl IntoIterator<Item = (&'a str, f64)>) {
        let kombo = &self.0.kombo;
        let shares = shares.into_iter();
        let values = shares.map(|(name, share)| (labels(&[("endpoint", name)]), share));
        say(&kombo.completeness, &kombo.compared, values.collect());
    }
}
