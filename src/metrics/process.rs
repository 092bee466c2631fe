//! Metrics of the process and of its HTTP requests and responses, under Vector's words.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;

use super::families::{Counters, Families, Float, labels};
use super::labels::status_class;
use crate::build_info::BuildInfo;

/// Buckets in seconds. A webhook is usually answered within milliseconds; the listener's limit is 15 s.
const ANSWER_BUCKETS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 15.0,
];

/// The metrics of the process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    pub(super) reloaded: Counter,
    pub(super) quit: Counter,
    pub(super) uptime: Float,
}

impl ProcessMetrics {
    pub(super) fn new(shelf: &mut Families<'_>, build: &BuildInfo) -> Self {
        let info = Info::new(vec![
            ("version", build.version.to_owned()),
            ("commit", known(build.commit).to_owned()),
            ("built", known(build.date).to_owned()),
        ]);
        // `Info` has no `Clone`, so the registry takes the only copy. The build never changes afterwards.
        let help = "Version, commit and day of this build; always 1";
        shelf.0.register("build", help, info);
        let started: Counter = shelf.plain("started", "Starts of this process; always 1");
        started.inc();
        Self {
            reloaded: shelf.plain(
                "reloaded",
                "Times that a new configuration was applied after SIGHUP",
            ),
            quit: shelf.plain("quit", "Shutdowns started"),
            uptime: shelf.plain("uptime_seconds", "Seconds since the start of the process"),
        }
    }
}

/// Returns a part of the build, or says that the build did not know it: Prometheus drops empty labels.
fn known(part: &str) -> &str {
    if part.is_empty() { "unknown" } else { part }
}

/// The metrics of HTTP: of the webhook listener, and of the client for Kombo.
#[derive(Debug)]
pub(super) struct HttpMetrics {
    pub(super) requests_received: Counter,
    pub(super) responses_sent: Counters,
    pub(super) answer_seconds: Histogram,
    pub(super) requests_sent: Counters,
    responses: Counters,
    errors: Counter,
    /// The client's totals at the last call, by name.
    totals: Mutex<BTreeMap<&'static str, u64>>,
}

/// The totals that the client for Kombo has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientTotals<'a> {
    /// Number of requests, retries included. All are GET requests.
    pub requests: u64,
    /// Number of responses, with a status of their class (204 counts as 2xx).
    pub responses: &'a [(u16, u64)],
    /// Number of requests that got no response.
    pub errors: u64,
}

impl HttpMetrics {
    #[rustfmt::skip]
    pub(super) fn new(shelf: &mut Families<'_>) -> Self {
        Self {
            requests_received: shelf.plain("http_server_requests_received", "HTTP requests that the webhook listener received"),
            responses_sent: shelf.plain("http_server_responses_sent", "HTTP responses of the webhook listener, by status"),
            answer_seconds: shelf.seconds("http_server_handler_duration_seconds", "Time of the webhook listener from the headers of a request to its response", &ANSWER_BUCKETS),
            requests_sent: shelf.plain("http_client_requests_sent", "HTTP requests sent to Kombo, retries included"),
            responses: shelf.plain("http_client_responses", "HTTP responses of Kombo, by class of status"),
            errors: shelf.plain("http_client_errors", "HTTP requests to Kombo that got no response"),
            totals: Mutex::default(),
        }
    }

    pub(super) fn answered(&self, status: u16) {
        // The listener uses about twelve statuses, so each one may have a series.
        let status = status.to_string();
        let labels = labels(&[("status", status.as_str())]);
        self.responses_sent.get_or_create(&labels).inc();
    }

    pub(super) fn client(&self, totals: &ClientTotals<'_>) {
        let get = labels(&[("method", "GET")]);
        let requests = self.risen("requests", totals.requests);
        self.requests_sent.get_or_create(&get).inc_by(requests);
        for class in ["1xx", "2xx", "3xx", "4xx", "5xx", "other"] {
            let of_class = totals.responses.iter();
            let counted = of_class.filter(|(status, _)| status_class(*status) == class);
            let total: u64 = counted.map(|(_, count)| count).sum();
            let labels = labels(&[("status", class)]);
            let responses = self.risen(class, total);
            self.responses.get_or_create(&labels).inc_by(responses);
        }
        self.errors.inc_by(self.risen("errors", totals.errors));
    }

    /// Returns by how much a total of the client has grown since the last call. A total below the last one comes from a
    /// new client that started at zero.
    pub(super) fn risen(&self, name: &'static str, total: u64) -> u64 {
        // Each value is replaced in one step, so a poisoned lock still guards valid values.
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let before = totals.insert(name, total).unwrap_or(0);
        total.checked_sub(before).unwrap_or(total)
    }
}
