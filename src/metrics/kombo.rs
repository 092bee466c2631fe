//! Metrics that only this source has: notifications, fetches, rate limit, freshness, folds and drift.

use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::families::{Counters, Families, Float, FloatCounter, Gauges, Labels, labels};
use super::labels::{FetchResult, FoldResult, lane};
use crate::fetch::{Counts, Lane};
use crate::plan::Kind;
use crate::time::Moment;
use crate::trouble::TroubleKind;
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

/// Buckets in seconds, from a webhook to the commit of its rows: a group commit takes 30 s, an outage may take hours.
const COMMIT_BUCKETS: [f64; 14] = [
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];

/// Buckets in seconds: from a few deltas of one integration to a million rewritten rows.
const FOLD_BUCKETS: [f64; 13] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0,
];

/// The metrics without a counterpart at Vector.
#[derive(Debug)]
pub(super) struct KomboMetrics {
    pub(super) notifications: Counters,
    pub(super) pending_tables: Gauges,
    pub(super) running_fetches: Float,
    pub(super) fetches: Counters,
    pages: Counter,
    pub(super) rows: Counters,
    pub(super) rate_limit_wait: FloatCounter,
    pub(super) rate_limit_remaining: Float,
    pub(super) rate_limit_limit: Float,
    pub(super) freshness_lag: Gauges,
    pub(super) lagging: Mutex<Vec<Labels>>,
    pub(super) late_tables: Float,
    pub(super) failing_tables: Float,
    pub(super) notification_to_commit: Histogram,
    pub(super) clock_skew: Float,
    pub(super) unannounced_changes: Counter,
    pub(super) integrations: Gauges,
    pub(super) standings: Mutex<Vec<Labels>>,
    pub(super) integration_changes: Counters,
    pub(super) purged_readable: Counter,
    pub(super) candidates: Float,
    pub(super) candidates_refused: Counters,
    pub(super) silent_integrations: Float,
    pub(super) heartbeat_period: Float,
    pub(super) stale_tables: Float,
    pub(super) completeness: Gauges,
    pub(super) compared: Mutex<Vec<Labels>>,
    drift_rows: Counters,
    pub(super) held_tables: Float,
    holds_released: Counters,
    pub(super) folds: Counters,
    pub(super) fold_seconds: Histogram,
    pub(super) fold_lag: Float,
    troubles: Gauges,
    troubled_since: Gauges,
}

impl KomboMetrics {
    #[rustfmt::skip]
    pub(super) fn new(shelf: &mut Families<'_>) -> Self {
        let metrics = Self {
            notifications: shelf.plain("notifications", "Webhooks received, by type and outcome"),
            pending_tables: shelf.plain("pending_tables", "Tables that wait to be fetched, by lane"),
            running_fetches: shelf.plain("running_fetches", "Fetches that are running"),
            fetches: shelf.plain("fetches", "Fetches that ended, by kind and result"),
            pages: shelf.plain("pages", "Pages received from Kombo"),
            rows: shelf.plain("rows", "Rows received from Kombo, by result"),
            rate_limit_wait: shelf.plain("rate_limit_wait_seconds", "Seconds that requests waited for the rate limit, summed over all requests"),
            rate_limit_remaining: shelf.plain("rate_limit_remaining", "Requests left in the current window, as Kombo's headers state"),
            rate_limit_limit: shelf.plain("rate_limit_limit", "Requests allowed per window, as Kombo's headers state"),
            freshness_lag: shelf.plain("freshness_lag_seconds", "Age of the oldest base among an endpoint's tables"),
            lagging: Mutex::default(),
            late_tables: shelf.plain("late_tables", "Tables whose base is older than the freshness objective"),
            failing_tables: shelf.plain("failing_tables", "Tables whose last fetch failed and will be tried again"),
            notification_to_commit: shelf.seconds("notification_to_commit_seconds", "Time from a webhook to the commit of its rows", &COMMIT_BUCKETS),
            clock_skew: shelf.plain("clock_skew_seconds", "Kombo's clock minus this machine's clock"),
            unannounced_changes: shelf.plain("unannounced_changes", "Changed rows that no webhook had announced"),
            integrations: shelf.plain("integrations", "Integrations, by state"),
            standings: Mutex::default(),
            integration_changes: shelf.plain("integration_changes", "Changes of an integration's state, by new state and by cause"),
            purged_readable: shelf.plain("purged_readable", "Times that Kombo answered for an integration whose rows were purged"),
            candidates: shelf.plain("candidates", "Integrations that webhooks have named and that Kombo has not confirmed"),
            candidates_refused: shelf.plain("candidates_refused", "Integrations named by webhooks that were refused or dropped before Kombo confirmed them, by reason"),
            silent_integrations: shelf.plain("silent_integrations", "Integrations whose webhooks seem to be lost"),
            heartbeat_period: shelf.plain("heartbeat_period_seconds", "Time between two deltas of a table without a webhook"),
            stale_tables: shelf.plain("stale_tables", "Tables whose nested copies may be stale until their next snapshot"),
            completeness: shelf.plain("completeness_ratio", "Share of an endpoint's rows that were correct in the lake at the last full fetches of its tables, 0 to 1"),
            compared: Mutex::default(),
            drift_rows: shelf.plain("drift_rows", "Rows that differed from the lake at a full fetch, by kind and cause"),
            held_tables: shelf.plain("held_tables", "Tables with changes that the guard holds back until they are accepted or confirmed"),
            holds_released: shelf.plain("holds_released", "Holds that ended, completely or in part, by new state"),
            folds: shelf.plain("folds", "Folds of an endpoint's tables into current, by result"),
            fold_seconds: shelf.seconds("fold_seconds", "Duration of folds that found something to do", &FOLD_BUCKETS),
            troubles: shelf.plain("trouble", "Whether a trouble of this kind lasts, 1 or 0"),
            troubled_since: shelf.plain("trouble_since_seconds", "Unix time since when a trouble of this kind lasts; 0 when it does not"),
            fold_lag: shelf.plain("fold_lag_seconds", "Age of the oldest observation that is due to be folded into current"),
        };
        metrics.begin();
        metrics
    }

    /// Creates the series whose labels are known beforehand, at zero: a rate in Prometheus needs a first value.
    fn begin(&self) {
        for kind in Kind::ALL {
            for result in FetchResult::ALL {
                drop(self.fetches.get_or_create(&fetch_labels(kind, result)));
            }
        }
        for result in FoldResult::ALL {
            drop(self.folds.get_or_create(&fold_labels(result)));
        }
        for state in HoldState::ALL {
            // `held` is the state before a release, so it has no series here.
            if state != HoldState::Held {
                drop(self.holds_released.get_or_create(&state_labels(state)));
            }
        }
        for kind in DriftKind::ALL {
            for cause in DriftCause::ALL {
                self.drifted(kind, cause, 0);
            }
        }
        for reason in ["full", "not_found", "expired", "unknown_category"] {
            let labels = labels(&[("reason", reason)]);
            drop(self.candidates_refused.get_or_create(&labels));
        }
        for lane in Lane::ALL {
            self.pending(lane, 0.0);
        }
        for kind in TroubleKind::ALL {
            self.trouble(kind, None);
        }
        self.rows(&Counts::default());
    }

    /// Returns the age of the oldest base of each endpoint, in seconds.
    pub(super) fn freshness_lag_seconds(&self) -> impl Iterator<Item = f64> {
        let lagging = self.lagging.lock().unwrap_or_else(PoisonError::into_inner);
        let ages = lagging.iter();
        let ages: Vec<_> = ages
            .filter_map(|labels| Some(self.freshness_lag.get(labels)?.get()))
            .collect();
        ages.into_iter()
    }

    pub(super) fn pending(&self, of: Lane, tables: f64) {
        let labels = labels(&[("lane", lane(of))]);
        self.pending_tables.get_or_create(&labels).set(tables);
    }

    pub(super) fn trouble(&self, kind: TroubleKind, since: Option<Moment>) {
        let labels = labels(&[
            ("kind", kind.as_str()),
            ("stops_data", kind.stops().as_str()),
        ]);
        let lasts = if since.is_some() { 1.0 } else { 0.0 };
        let since = since.unwrap_or_default().since(Moment::default());
        self.troubles.get_or_create(&labels).set(lasts);
        let at = self.troubled_since.get_or_create(&labels);
        at.set(since.as_secs_f64());
    }

    pub(super) fn ended(&self, kind: Kind, result: FetchResult) {
        self.fetches
            .get_or_create(&fetch_labels(kind, result))
            .inc();
    }

    pub(super) fn drifted(&self, kind: DriftKind, cause: DriftCause, rows: u64) {
        let labels = labels(&[("kind", kind.as_str()), ("cause", cause.as_str())]);
        self.drift_rows.get_or_create(&labels).inc_by(rows);
    }

    pub(super) fn hold_released(&self, state: HoldState) {
        self.holds_released
            .get_or_create(&state_labels(state))
            .inc();
    }

    pub(super) fn folded(&self, result: FoldResult) {
        self.folds.get_or_create(&fold_labels(result)).inc();
    }

    pub(super) fn rows(&self, rows: &Counts) {
        self.pages.inc_by(rows.pages);
        for (result, count) in [
            ("committed", rows.committed),
            ("unchanged", rows.unchanged),
            ("repeated", rows.repeated),
            ("quarantined", rows.quarantined),
            ("abandoned", rows.abandoned),
        ] {
            let labels = labels(&[("result", result)]);
            self.rows.get_or_create(&labels).inc_by(count);
        }
    }
}

fn fold_labels(result: FoldResult) -> Labels {
    labels(&[("result", result.as_str())])
}

fn state_labels(state: HoldState) -> Labels {
    labels(&[("state", state.as_str())])
}

pub(super) fn fetch_labels(kind: Kind, result: FetchResult) -> Labels {
    labels(&[("kind", kind.as_str()), ("result", result.as_str())])
}
