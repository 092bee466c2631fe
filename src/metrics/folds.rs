//! Metrics of folds, and of the comparison of full fetches with the lake.

use std::time::Duration;

use super::families::labels;
use super::{FoldResult, Metrics, float, say};
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

impl Metrics {
    /// Counts a fold of an endpoint's tables. A fold that found nothing to do is not timed: many of them would hide the others.
    pub fn folded(&self, result: FoldResult, took: Duration) {
        self.0.kombo.folded(result);
        if result != FoldResult::Nothing {
            self.0.kombo.fold_seconds.observe(took.as_secs_f64());
        }
    }

    /// Sets the age of the oldest observation that is not folded; zero when all are folded.
    pub fn fold_lag(&self, lag: Duration) {
        self.0.kombo.fold_lag.set(lag.as_secs_f64());
    }

    /// Sets the number of tables with changes that the guard holds back.
    pub fn held_tables(&self, tables: usize) {
        self.0.kombo.held_tables.set(float(tables));
    }

    /// Counts a hold that ended, completely or in part: accepted by an operator, confirmed by a second full fetch, or resolved
    /// because the rows came back.
    pub fn hold_released(&self, state: HoldState) {
        self.0.kombo.hold_released(state);
    }

    /// Counts rows that differed from the lake at a full fetch.
    pub fn drifted(&self, kind: DriftKind, cause: DriftCause, rows: u64) {
        self.0.kombo.drifted(kind, cause, rows);
    }

    /// Sets the share of each endpoint's rows that was correct at the last full fetches of its tables, from 0 to 1. Endpoints
    /// that are not given lose their series.
    pub fn completeness<'a>(&self, shares: impl IntoIterator<Item = (&'a str, f64)>) {
        let kombo = &self.0.kombo;
        let shares = shares.into_iter();
        let values = shares.map(|(name, share)| (labels(&[("endpoint", name)]), share));
        say(&kombo.completeness, &kombo.compared, values.collect());
    }
}
