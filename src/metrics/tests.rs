use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::build_info::BUILD_INFO;
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

fn metrics() -> Metrics {
    Metrics::new("kombo", "lake", &BUILD_INFO)
}

/// Returns the sum of all series of a name whose labels contain a text.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let of_name = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(label);
    let value = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|word| word.parse::<f64>().ok())
    };
    text.lines().filter(of_name).filter_map(value).sum()
}

/// Returns the names that have a type line: a histogram counts once.
fn described(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn rows_add_up_from_the_source_to_the_lake() {
    let metrics = metrics();
    let rows = Counts {
        pages: 3,
        bytes: 10_000,
        received: 100,
        committed: 60,
        unchanged: 20,
        repeated: 5,
        quarantined: 1,
        abandoned: 14,
    };
    metrics.fetched("hris_employees", Kind::Delta, FetchResult::Committed, &rows);
    let text = metrics.encode();
    let of = |name, label| sum(&text, name, label);
    let received = of("kombo_component_received_events_total", "source");
    let sent = of("kombo_component_sent_events_total", "source");
    let discarded = of("kombo_component_discarded_events_total", "source");
    assert!((received - 100.0).abs() < 0.5, "{text}");
    assert!((received - sent - discarded).abs() < 0.5, "{text}");
    assert!((sent - of("kombo_component_received_events_total", "sink")).abs() < 0.5);
    assert!((sent - of("kombo_component_sent_events_total", "sink")).abs() < 0.5);
    assert!(
        of(
            "kombo_component_discarded_events_total",
            "intentional=\"false\""
        ) < 0.5
    );
    assert!((of("kombo_rows_total", "") - received).abs() < 0.5);
}

#[test]
fn series_with_known_labels_begin_at_zero() {
    let text = metrics().encode();
    for name in [
        "kombo_fetches_total",
        "kombo_rows_total",
        "kombo_pending_tables",
        "kombo_folds_total",
        "kombo_drift_rows_total",
        "kombo_holds_released_total",
    ] {
        assert!(
            described(&text).contains(name) && text.contains(&format!("{name}{{")),
            "{name}"
        );
    }
    let version = format!("kombo_build_info{{version=\"{}\",", BUILD_INFO.version);
    assert!(text.contains(&version), "{text}");
    let day = format!("built=\"{}\"}} 1", BUILD_INFO.date);
    assert!(text.contains(&day), "{text}");
    let names = text
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .count();
    assert_eq!(described(&text).len(), names, "a name is described once");
}

#[test]
fn totals_of_the_client_are_taken_over_and_a_new_one_adds_to_them() {
    let metrics = metrics();
    for requests in [5, 9, 2] {
        let totals = ClientTotals {
            requests,
            responses: &[(200, requests), (429, 1), (404, 1)],
            errors: 1,
        };
        metrics.client(&totals);
        metrics.rate_limit_waited(Duration::from_secs(requests));
    }
    let text = metrics.encode();
    assert!(
        (sum(&text, "kombo_http_client_requests_sent_total", "GET") - 11.0).abs() < 0.5,
        "{text}"
    );
    assert!((sum(&text, "kombo_http_client_responses_total", "4xx") - 2.0).abs() < 0.5);
    assert!((sum(&text, "kombo_rate_limit_wait_seconds_total", "") - 11.0).abs() < 0.5);
}

#[test]
fn an_endpoint_that_is_gone_leaves_no_lag_behind() {
    let metrics = metrics();
    let minute = Duration::from_mins(1);
    metrics.freshness([("hris_employees", minute), ("ats_jobs", minute)]);
    metrics.freshness([("ats_jobs", minute)]);
    let text = metrics.encode();
    assert!(!text.contains("hris_employees") && text.contains("endpoint=\"ats_jobs\"} 60"));
}

#[test]
fn folds_are_counted_and_those_with_something_to_do_are_timed() {
    let metrics = metrics();
    metrics.folded(FoldResult::Nothing, Duration::from_secs(1));
    metrics.folded(FoldResult::Held, Duration::from_secs(2));
    metrics.drifted(DriftKind::Update, DriftCause::SeenLate, 7);
    metrics.held_tables(1);
    metrics.hold_released(HoldState::Confirmed);
    metrics.fold_lag(Duration::from_secs(90));
    metrics.completeness([("ats_jobs", 0.5), ("ats_tags", 1.0)]);
    metrics.completeness([("ats_jobs", 0.75)]);
    let text = metrics.encode();
    let of = |name, label| sum(&text, name, label);
    assert!((of("kombo_folds_total", "") - 2.0).abs() < 0.1, "{text}");
    assert!((of("kombo_folds_total", "\"held\"") - 1.0).abs() < 0.1);
    assert!((of("kombo_fold_seconds_count", "") - 1.0).abs() < 0.1);
    assert!((of("kombo_drift_rows_total", "seen_late") - 7.0).abs() < 0.1);
    assert!((of("kombo_held_tables", "") - 1.0).abs() < 0.1);
    assert!((of("kombo_holds_released_total", "") - 1.0).abs() < 0.1);
    assert!((of("kombo_holds_released_total", "confirmed") - 1.0).abs() < 0.1);
    assert!((of("kombo_fold_lag_seconds", "") - 90.0).abs() < 0.1);
    let right = of("kombo_completeness_ratio", "");
    assert!(
        (right - 0.75).abs() < 0.01,
        "an endpoint that is gone leaves no share"
    );
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let value: serde_json::Value = serde_json::from_str(dashboard()).expect("JSON");
    assert!(
        value["schemaVersion"]
            .as_u64()
            .is_some_and(|version| version >= 39)
    );
    assert_eq!(value["templating"]["list"][0]["query"], "prometheus");
    let metrics = metrics();
    // Series whose labels are not known beforehand begin with the first event.
    metrics.freshness([("ats_jobs", Duration::ZERO)]);
    metrics.integrations([("active", 1)]);
    metrics.integration_changed("deleting", "fetch");
    metrics.completeness([("ats_jobs", 1.0)]);
    metrics.notification("data-changed", WebhookOutcome::Accepted);
    metrics.error(ErrorType::WriterFailed, ErrorStage::Sending);
    metrics.stored("file", 1);
    metrics.client(&ClientTotals::default());
    metrics.response_sent(200, Duration::ZERO);
    let rows = Counts {
        committed: 1,
        received: 1,
        ..Counts::default()
    };
    metrics.fetched("ats_jobs", Kind::Delta, FetchResult::Committed, &rows);
    metrics.process(process_use::every_value());
    let text = metrics.encode();
    let known = described(&text);
    let mut shown = BTreeSet::new();
    let panels = value["panels"].as_array().expect("panels");
    for target in panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
    {
        let expression = target["expr"].as_str().expect("an expression");
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("kombo_") || word.starts_with("process_"))
        {
            let name = word.strip_suffix("_bucket").unwrap_or(word);
            assert!(known.contains(name), "{name} is not measured");
            shown.insert(name);
        }
    }
    let hidden: Vec<&&str> = known.difference(&shown).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}
