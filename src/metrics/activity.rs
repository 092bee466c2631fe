//! The counters and gauges as numbers, for the summary that the service logs. The summary counts nothing itself, so that log
//! and metrics agree.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::families::{Counters, Labels, labels};
use super::kombo::fetch_labels;
use super::labels::{FetchResult, FoldResult};
use super::{Metrics, MetricsInner};
use crate::plan::Kind;

/// Answers of the webhook listener by which it refuses a request for good.
const REFUSED: [u16; 4] = [400, 401, 413, 429];

/// Answers of the webhook listener by which Kombo sends the webhook again.
const PUT_OFF: [u16; 1] = [503];

/// What the process has done since its start, and how late it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Snapshots that were committed.
    pub snapshots: u64,
    /// Deltas with rows that were committed.
    pub deltas: u64,
    /// Deltas that found nothing new.
    pub empty_deltas: u64,
    /// Fetches that failed and are tried again.
    pub failed_fetches: u64,
    /// Rows that were committed.
    pub rows: u64,
    /// Folds that changed `current`.
    pub folds: u64,
    /// Folds that failed and are tried again.
    pub failed_folds: u64,
    /// Requests to Kombo, retries included.
    pub requests: u64,
    /// Webhooks that were acknowledged.
    pub webhooks: u64,
    /// Requests to the webhook listener that were refused.
    pub refused_webhooks: u64,
    /// Webhooks that were answered 503.
    pub busy_webhooks: u64,
    /// How long requests waited for the rate limit, summed over all requests.
    pub rate_wait: Duration,
    /// Tables whose base is older than the freshness objective, now.
    pub late_tables: u64,
    /// Age of the oldest base of all tables, now. `None` before the first fetch.
    pub oldest_base: Option<Duration>,
}

impl Activity {
    /// Returns what was done since an earlier moment. What describes the present stays as it is.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            snapshots: self.snapshots.saturating_sub(before.snapshots),
            deltas: self.deltas.saturating_sub(before.deltas),
            empty_deltas: self.empty_deltas.saturating_sub(before.empty_deltas),
            failed_fetches: self.failed_fetches.saturating_sub(before.failed_fetches),
            rows: self.rows.saturating_sub(before.rows),
            folds: self.folds.saturating_sub(before.folds),
            failed_folds: self.failed_folds.saturating_sub(before.failed_folds),
            requests: self.requests.saturating_sub(before.requests),
            webhooks: self.webhooks.saturating_sub(before.webhooks),
            refused_webhooks: self
                .refused_webhooks
                .saturating_sub(before.refused_webhooks),
            busy_webhooks: self.busy_webhooks.saturating_sub(before.busy_webhooks),
            rate_wait: self.rate_wait.saturating_sub(before.rate_wait),
            ..*self
        }
    }

    /// Returns whether nothing was done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let idle = Self {
            late_tables: self.late_tables,
            oldest_base: self.oldest_base,
            ..Self::default()
        };
        *self == idle
    }
}

impl Metrics {
    /// Returns what the counters and gauges show now.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let _whole = self.0.whole();
        self.0.activity()
    }
}

impl MetricsInner {
    fn activity(&self) -> Activity {
        let (kombo, http) = (&self.kombo, &self.http);
        let fetches = |kind, result| value(&kombo.fetches, &fetch_labels(kind, result));
        let of = |family, name, value_of: &str| value(family, &labels(&[(name, value_of)]));
        let answers = |statuses: &[u16]| -> u64 {
            let each = statuses.iter().map(u16::to_string);
            each.map(|status| of(&http.responses_sent, "status", &status))
                .sum()
        };
        let oldest = kombo.freshness_lag_seconds().reduce(f64::max);
        Activity {
            snapshots: fetches(Kind::Snapshot, FetchResult::Committed),
            deltas: fetches(Kind::Delta, FetchResult::Committed),
            empty_deltas: fetches(Kind::Delta, FetchResult::Empty),
            failed_fetches: Kind::ALL
                .into_iter()
                .map(|kind| fetches(kind, FetchResult::Failed))
                .sum(),
            rows: of(&kombo.rows, "result", "committed"),
            folds: of(&kombo.folds, "result", FoldResult::Folded.as_str()),
            failed_folds: of(&kombo.folds, "result", FoldResult::Failed.as_str()),
            requests: of(&http.requests_sent, "method", "GET"),
            webhooks: answers(&[200]),
            refused_webhooks: answers(&REFUSED),
            busy_webhooks: answers(&PUT_OFF),
            rate_wait: duration(kombo.rate_limit_wait.get()),
            late_tables: whole(kombo.late_tables.get()),
            oldest_base: oldest.map(duration),
        }
    }
}

/// Returns the value of a series, and zero while there is no such series.
fn value(family: &Counters, labels: &Labels) -> u64 {
    family
        .get(labels)
        .map_or(0, |counter| Counter::get(&counter))
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of tables, which was set from an integer"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
