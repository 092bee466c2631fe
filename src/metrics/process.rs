//! The process, and what it sends and answers over HTTP, under Vector's names.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;

use super::families::{Counters, Families, Float, labels};
use super::labels::status_class;

/// A webhook is answered within a few milliseconds, and given up after 15 s.
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
    pub(super) fn new(shelf: &mut Families<'_>, version: &str) -> Self {
        let version = Info::new(vec![("version", version.to_owned())]);
        // `Info` is no `Clone`: nothing is left to say about a build.
        shelf.0.register("build", "Which build this is", version);
        let started: Counter = shelf.plain("started", "Starts of this process");
        started.inc();
        Self {
            reloaded: shelf.plain("reloaded", "Configurations taken while running"),
            quit: shelf.plain("quit", "Shutdowns begun"),
            uptime: shelf.plain("uptime_seconds", "Time since the start"),
        }
    }
}

/// The metrics of HTTP, both ways.
#[derive(Debug)]
pub(super) struct HttpMetrics {
    pub(super) requests_received: Counter,
    responses_sent: Counters,
    pub(super) answer_seconds: Histogram,
    requests_sent: Counters,
    responses: Counters,
    errors: Counter,
    /// What the client had counted when it was last asked.
    totals: Mutex<BTreeMap<&'static str, u64>>,
}

/// What the client has sent since the start, as it counts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientTotals<'a> {
    /// Requests, all of them GET, retries included.
    pub requests: u64,
    /// Answers, with any status of their class (204 counts as 2xx).
    pub responses: &'a [(u16, u64)],
    /// Requests without an answer.
    pub errors: u64,
}

impl HttpMetrics {
    #[rustfmt::skip]
    pub(super) fn new(shelf: &mut Families<'_>) -> Self {
        Self {
            requests_received: shelf.plain("http_server_requests_received", "Requests to the listener"),
            responses_sent: shelf.plain("http_server_responses_sent", "Answers of the listener, by status"),
            answer_seconds: shelf.seconds("http_server_handler_duration_seconds", "From a request's headers to its answer", &ANSWER_BUCKETS),
            requests_sent: shelf.plain("http_client_requests_sent", "Requests to Kombo, retries included"),
            responses: shelf.plain("http_client_responses", "Kombo's answers, by class of status"),
            errors: shelf.plain("http_client_errors", "Requests to Kombo without an answer"),
            totals: Mutex::default(),
        }
    }

    pub(super) fn answered(&self, status: u16) {
        // The listener answers with a dozen statuses.
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

    /// Returns by how much a total has grown that is counted elsewhere. A lower one is that of another client, which began
    /// at zero.
    pub(super) fn risen(&self, name: &'static str, total: u64) -> u64 {
        // Whole values only, so a panic elsewhere leaves them right.
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let before = totals.insert(name, total).unwrap_or(0);
        total.checked_sub(before).unwrap_or(total)
    }
}
