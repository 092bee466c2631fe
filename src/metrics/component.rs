//! The counters that every source and sink of Vector has, under the same words after our prefix.

use prometheus_client::metrics::counter::Counter;

use super::families::{Component, Counters, Families};
use super::labels::{ErrorStage, ErrorType};
use crate::fetch::Counts;

/// The output of rows whose id cannot be used as a key.
const QUARANTINE: &str = "quarantine";

/// The counters that sources and sinks share.
#[derive(Debug)]
pub(super) struct ComponentMetrics {
    source: Component,
    sink: Component,
    pub(super) received_bytes: Counter,
    received_events: Counter,
    received_event_bytes: Counter,
    sent_events: Counters,
    sent_event_bytes: Counters,
    errors: Counters,
    discarded: Counter,
    sink_received: Counter,
    sink_sent: Counter,
    sent_bytes: Counters,
}

impl ComponentMetrics {
    pub(super) fn new(shelf: &mut Families<'_>, source: &Component, sink: &Component) -> Self {
        let mut family = |name, help| -> Counters { shelf.plain(name, help) };
        let received_events = family(
            "component_received_events",
            "Rows received: by the source from Kombo, by the sink from the source",
        );
        let sent_events = family(
            "component_sent_events",
            "Rows passed on: by the source to the sink, by the sink into the lake",
        );
        let discarded = family(
            "component_discarded_events",
            "Rows not passed on; intentional: dropped as unchanged or repeated, or part of a failed fetch that is repeated",
        );
        let received_bytes = family(
            "component_received_bytes",
            "Bytes of pages received from Kombo, after decompression",
        );
        let received_event_bytes = family(
            "component_received_event_bytes",
            "Estimated JSON bytes of the rows received",
        );
        let sent_event_bytes = family(
            "component_sent_event_bytes",
            "Estimated JSON bytes of the rows passed on",
        );
        let errors = family("component_errors", "Errors, by type and stage");
        let sent_bytes = family(
            "component_sent_bytes",
            "Bytes of data files committed to the lake",
        );
        let own = |family: &Counters, component: &Component, more: &[(&'static str, &str)]| {
            family.get_or_create_owned(&component.labels(more))
        };
        // No row is ever lost: these two series stay at zero, and exist from the first scrape on.
        own(&discarded, source, &[("intentional", "false")]);
        own(&discarded, sink, &[("intentional", "false")]);
        // An increase needs a first value, and a reload is refused seldom: without this the first one would show no increase.
        let refused = [
            ("error_type", ErrorType::ConfigurationFailed.as_str()),
            ("stage", ErrorStage::Initializing.as_str()),
        ];
        own(&errors, source, &refused);
        Self {
            received_bytes: own(&received_bytes, source, &[("protocol", "http")]),
            received_events: own(&received_events, source, &[]),
            received_event_bytes: own(&received_event_bytes, source, &[]),
            discarded: own(&discarded, source, &[("intentional", "true")]),
            sink_received: own(&received_events, sink, &[]),
            sink_sent: own(&sent_events, sink, &[]),
            source: source.clone(),
            sink: sink.clone(),
            sent_events,
            sent_event_bytes,
            errors,
            sent_bytes,
        }
    }

    /// Counts the rows of a fetch. The caller holds the lock, so that the sums are right in every scrape.
    pub(super) fn fetched(&self, endpoint: &str, rows: &Counts) {
        self.received_bytes.inc_by(rows.bytes);
        self.received_events.inc_by(rows.received);
        self.received_event_bytes.inc_by(rows.bytes);
        self.sent(endpoint, rows.committed, rows);
        self.sent(QUARANTINE, rows.quarantined, rows);
        self.discarded
            .inc_by(rows.unchanged + rows.repeated + rows.abandoned);
    }

    fn sent(&self, output: &str, count: u64, rows: &Counts) {
        if count == 0 {
            return;
        }
        let labels = self.source.labels(&[("output", output)]);
        self.sent_events.get_or_create(&labels).inc_by(count);
        // The bytes are an estimate by the share of rows: an exact figure would need the JSON of each row again.
        let share = u128::from(rows.bytes) * u128::from(count) / u128::from(rows.received.max(1));
        let bytes = u64::try_from(share).unwrap_or(u64::MAX);
        self.sent_event_bytes.get_or_create(&labels).inc_by(bytes);
        self.sink_received.inc_by(count);
        self.sink_sent.inc_by(count);
    }

    pub(super) fn stored(&self, protocol: &'static str, bytes: u64) {
        let labels = self.sink.labels(&[("protocol", protocol)]);
        self.sent_bytes.get_or_create(&labels).inc_by(bytes);
    }

    pub(super) fn error(&self, error: ErrorType, stage: ErrorStage) {
        let component = match error {
            ErrorType::WriterFailed => &self.sink,
            _ => &self.source,
        };
        let more = [("error_type", error.as_str()), ("stage", stage.as_str())];
        self.errors.get_or_create(&component.labels(&more)).inc();
    }
}
