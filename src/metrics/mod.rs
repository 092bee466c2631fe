//! The metrics of the service, in Prometheus's text format. Only this room uses `prometheus-client`.
//!
//! Every metric of ours is named `kombo_*`: the registry adds the prefix, so the names in this room lack it. The words after
//! the prefix, and the labels, follow Vector's component specification where it has them (`component`, `process`). What every
//! process has is named `process_*`, as in Prometheus's own client libraries (`process_use`). `families` registers names, help
//! texts and labels. The values of labels come from closed lists (`labels`) or from the catalog, never from a request: nobody
//! outside can create a series.
//!
//! In every scrape the rows add up: received = sent + discarded. A discarded row is unchanged, repeated, or fetched again.
//! The help texts are the source of the table in `docs/metrics.md`.

mod activity;
mod alerts;
mod component;
mod dashboard;
mod families;
mod folds;
mod kombo;
mod labels;
mod process;
mod process_use;

#[cfg(test)]
mod tests;

pub use activity::Activity;
pub use alerts::{AlertOptions, AlertRule, RUNBOOK, Severity, alert_file, alert_rules};
pub use dashboard::dashboard;
pub use labels::{ErrorStage, ErrorType, FetchResult, FoldResult, WebhookOutcome};
pub use process::ClientTotals;
pub use process_use::{ProcessFiles, ProcessUse};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::build_info::BuildInfo;
use crate::fetch::{Counts, Lane};
use crate::plan::Kind;
use crate::trouble::{Trouble, TroubleKind};
use component::ComponentMetrics;
use families::{Component, Families, Gauges, Labels, labels, replace};
use kombo::KomboMetrics;
use process::{HttpMetrics, ProcessMetrics};
use process_use::ProcessCollector;

/// What the names of all own metrics begin with. An underscore follows.
const PREFIX: &str = "kombo";

/// The `Content-Type` of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// All counters, gauges and histograms of a process. A clone is cheap and shares the counts.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<MetricsInner>);

#[derive(Debug)]
struct MetricsInner {
    registry: Registry,
    /// Locked while a fetch is counted and while a scrape is written, so that no scrape sees half a fetch.
    whole: Mutex<()>,
    started: Instant,
    component: ComponentMetrics,
    kombo: KomboMetrics,
    process: ProcessMetrics,
    http: HttpMetrics,
    process_use: ProcessCollector,
}

impl Metrics {
    /// Creates the metrics at zero, for a source and a sink with these names.
    #[must_use]
    pub fn new(source_id: &str, sink_id: &str, build: &BuildInfo) -> Self {
        let component = |id: &str, kind, sort| {
            let id = id.to_owned();
            Component { id, kind, sort }
        };
        let source = component(source_id, "source", "kombo");
        let sink = component(sink_id, "sink", "delta_lake");
        let mut registry = Registry::default();
        let process_use = ProcessCollector::default();
        registry.register_collector(Box::new(process_use.clone()));
        let mut shelf = Families(registry.sub_registry_with_prefix(PREFIX));
        let inner = MetricsInner {
            component: ComponentMetrics::new(&mut shelf, &source, &sink),
            process: ProcessMetrics::new(&mut shelf, build),
            kombo: KomboMetrics::new(&mut shelf.of(&source)),
            http: HttpMetrics::new(&mut shelf.of(&source)),
            whole: Mutex::default(),
            started: Instant::now(),
            process_use,
            registry,
        };
        Self(Arc::new(inner))
    }

    /// Returns the metrics in Prometheus's text format, version 0.0.4.
    #[must_use]
    pub fn encode(&self) -> String {
        let uptime = self.0.started.elapsed().as_secs_f64();
        self.0.process.uptime.set(uptime);
        let _whole = self.0.whole();
        let mut text = String::with_capacity(16 * 1024);
        prometheus_text::encode(&mut text, &self.0.registry).expect("a String takes every text");
        text
    }

    /// Sets what the process uses of its machine.
    pub fn process(&self, values: ProcessUse) {
        self.0.process_use.set(values);
    }

    /// Counts a fetch that ended, and its rows by result.
    pub fn fetched(&self, endpoint: &str, kind: Kind, result: FetchResult, rows: &Counts) {
        let _whole = self.0.whole();
        self.0.component.fetched(endpoint, rows);
        self.0.kombo.rows(rows);
        self.0.kombo.ended(kind, result);
    }

    /// Counts the bytes of data files that a commit made visible. The protocol is the scheme of the lake's URL.
    pub fn stored(&self, protocol: &'static str, bytes: u64) {
        self.0.component.stored(protocol, bytes);
    }

    /// Counts an error.
    pub fn error(&self, error: ErrorType, stage: ErrorStage) {
        self.0.component.error(error, stage);
    }

    /// Counts a webhook. The type is [`crate::webhook::Webhook::label`], or `unread` when the signature is not valid.
    pub fn notification(&self, kind: &'static str, outcome: WebhookOutcome) {
        let labels = labels(&[("type", kind), ("outcome", outcome.as_str())]);
        self.0.kombo.notifications.get_or_create(&labels).inc();
    }

    /// Sets the number of tables that wait in a lane.
    pub fn pending_tables(&self, lane: Lane, tables: usize) {
        self.0.kombo.pending(lane, float(tables));
    }

    /// Sets the number of running fetches.
    pub fn running_fetches(&self, fetches: usize) {
        self.0.kombo.running_fetches.set(float(fetches));
    }

    /// Sets the requests left and allowed in the current window, as Kombo's headers state them.
    pub fn rate_limit(&self, remaining: u64, limit: u64) {
        self.0.kombo.rate_limit_remaining.set(wide(remaining));
        self.0.kombo.rate_limit_limit.set(wide(limit));
    }

    /// Sets how long requests have waited for the rate limit since the start, summed over all requests.
    pub fn rate_limit_waited(&self, total: Duration) {
        let millis = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
        let waited = Duration::from_millis(self.0.http.risen("wait", millis));
        self.0.kombo.rate_limit_wait.inc_by(waited.as_secs_f64());
    }

    /// Sets the age of the oldest base of each endpoint. Endpoints that are not given lose their series.
    pub fn freshness<'a>(&self, lags: impl IntoIterator<Item = (&'a str, Duration)>) {
        let kombo = &self.0.kombo;
        let lags = lags.into_iter();
        let values = lags.map(|(name, lag)| (labels(&[("endpoint", name)]), lag.as_secs_f64()));
        say(&kombo.freshness_lag, &kombo.lagging, values.collect());
    }

    /// Sets the number of integrations in each state. States that are not given lose their series.
    pub fn integrations(&self, states: impl IntoIterator<Item = (&'static str, usize)>) {
        let kombo = &self.0.kombo;
        let states = states.into_iter();
        let values = states.map(|(name, count)| (labels(&[("state", name)]), float(count)));
        say(&kombo.integrations, &kombo.standings, values.collect());
    }

    /// Counts a change of an integration's state. The cause is `fetch`, `webhook`, `recheck` or `registry`.
    pub fn integration_changed(&self, state: &'static str, cause: &'static str) {
        let labels = labels(&[("state", state), ("cause", cause)]);
        let changes = &self.0.kombo.integration_changes;
        changes.get_or_create(&labels).inc();
    }

    /// Counts an answer of Kombo for an integration whose rows were purged.
    pub fn purged_readable(&self) {
        self.0.kombo.purged_readable.inc();
    }

    /// Sets the number of candidates: integrations that webhooks have named and that Kombo has not confirmed.
    pub fn candidates(&self, candidates: usize) {
        self.0.kombo.candidates.set(float(candidates));
    }

    /// Counts a candidate that was refused or dropped. The reason is `full`, `not_found`, `expired` or
    /// `unknown_category`.
    pub fn candidate_refused(&self, reason: &'static str) {
        let labels = labels(&[("reason", reason)]);
        let refused = &self.0.kombo.candidates_refused;
        refused.get_or_create(&labels).inc();
    }

    /// Sets the number of tables whose base is older than the freshness objective.
    pub fn late_tables(&self, tables: usize) {
        self.0.kombo.late_tables.set(float(tables));
    }

    /// Sets the number of tables whose last fetch failed.
    pub fn failing_tables(&self, tables: usize) {
        self.0.kombo.failing_tables.set(float(tables));
    }

    /// Sets the number of tables whose nested copies may be stale.
    pub fn stale_tables(&self, tables: usize) {
        self.0.kombo.stale_tables.set(float(tables));
    }

    /// Sets the number of integrations whose webhooks seem to be lost.
    pub fn silent_integrations(&self, integrations: usize) {
        self.0.kombo.silent_integrations.set(float(integrations));
    }

    /// Sets the time between two deltas of a table without a webhook.
    pub fn heartbeat_period(&self, period: Duration) {
        self.0.kombo.heartbeat_period.set(period.as_secs_f64());
    }

    /// Sets which troubles last, and since when.
    pub fn troubles(&self, lasting: &[Trouble]) {
        for kind in TroubleKind::ALL {
            let trouble = lasting.iter().find(|trouble| trouble.kind == kind);
            self.0
                .kombo
                .trouble(kind, trouble.map(|trouble| trouble.since));
        }
    }

    /// Sets how far Kombo's clock is ahead of this machine's clock, in milliseconds.
    pub fn clock_skew_ms(&self, skew_ms: i64) {
        let magnitude = Duration::from_millis(skew_ms.unsigned_abs()).as_secs_f64();
        let sign = if skew_ms < 0 { -1.0 } else { 1.0 };
        self.0.kombo.clock_skew.set(sign * magnitude);
    }

    /// Counts changed rows that no webhook had announced.
    pub fn unannounced_changes(&self, rows: u64) {
        self.0.kombo.unannounced_changes.inc_by(rows);
    }

    /// Records how long after a webhook its rows were committed.
    pub fn notification_committed(&self, after: Duration) {
        self.0
            .kombo
            .notification_to_commit
            .observe(after.as_secs_f64());
    }

    /// Counts a new configuration that was taken after SIGHUP.
    pub fn reloaded(&self) {
        self.0.process.reloaded.inc();
    }

    /// Counts the start of a shutdown.
    pub fn quit(&self) {
        self.0.process.quit.inc();
    }

    /// Takes over the totals of the client for Kombo.
    pub fn client(&self, totals: &ClientTotals<'_>) {
        self.0.http.client(totals);
    }

    /// Counts a request to the webhook listener.
    pub fn request_received(&self) {
        self.0.http.requests_received.inc();
    }

    /// Counts a response of the webhook listener, and records its time.
    pub fn response_sent(&self, status: u16, after: Duration) {
        self.0.http.answered(status);
        self.0.http.answer_seconds.observe(after.as_secs_f64());
    }
}

impl MetricsInner {
    fn whole(&self) -> MutexGuard<'_, ()> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(family: &Gauges, last: &Mutex<Vec<Labels>>, values: Vec<(Labels, f64)>) {
    // Each value is replaced in one step, so a poisoned lock still guards valid values.
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    replace(family, &mut last, values);
}

fn float(count: usize) -> f64 {
    wide(count as u64)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn wide(count: u64) -> f64 {
    count as f64
}
