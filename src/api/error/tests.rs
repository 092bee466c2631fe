use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::codes::MEANINGS;
use super::*;

fn envelope(code: &str) -> Vec<u8> {
    let error = serde_json::json!({"code": code, "title": "t", "message": "Jane", "log_url": null});
    serde_json::json!({"status": "error", "error": error})
        .to_string()
        .into_bytes()
}

fn everything_shown(error: &ApiError) -> String {
    let mut shown = format!("{error} {error:?} {} {}", error.advice(), error.label());
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    shown.extend(causes.map(|cause| format!(" {cause} {cause:?}")));
    shown
}

#[test]
fn every_fixture_is_classified_and_keeps_nothing_personal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/errors");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).expect("fixtures are there") {
        let path = file.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let fixture: Value = serde_json::from_str(&text).expect("a fixture is JSON");
        let body = match &fixture["text"] {
            Value::String(text) => text.clone(),
            _ => fixture["body"].to_string(),
        };
        let status = fixture["status"].as_u64().expect("a status");
        let status = u16::try_from(status).expect("a status");
        let error = ApiError::from_answer(status, body.as_bytes(), false);
        assert_eq!(Some(error.label()), fixture["label"].as_str(), "{path:?}");
        assert_eq!(error.code(), fixture["code"].as_str(), "{path:?}");
        assert!(!everything_shown(&error).to_lowercase().contains("jane"));
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn an_array_is_no_error_of_kombos() {
    let code = "PLATFORM.INTEGRATION_NOT_FOUND";
    let code_in = |body: &str| {
        let error = ApiError::from_answer(404, body.as_bytes(), false);
        error.code().map(str::to_owned)
    };
    let said = format!(r#"{{"status":"error","error":{{"code":"{code}"}}}}"#);
    assert_eq!(code_in(&said).as_deref(), Some(code));
    for body in [
        format!(r#"["error",{{"code":"{code}"}}]"#),
        format!(r#"{{"status":"error","error":["{code}"]}}"#),
    ] {
        assert_eq!(code_in(&body), None, "{body}");
        let found = ApiError::from_error_envelope(200, body.as_bytes(), false);
        assert!(
            found
                .and_then(|error| error.code().map(str::to_owned))
                .is_none()
        );
    }
}

#[test]
fn all_28_documented_codes_mean_the_same_under_any_status() {
    let mut labels = BTreeMap::<_, Vec<_>>::new();
    for (code, _) in MEANINGS {
        let label_under = |status| {
            let error = ApiError::from_answer(status, &envelope(code), false);
            assert_eq!(error.code(), Some(code));
            error.label()
        };
        let label = label_under(409);
        for status in [400, 401, 404, 429, 500, 503] {
            assert_eq!(label_under(status), label, "{code}");
        }
        labels.entry(label).or_default().push(code);
    }
    assert_eq!(labels.values().map(Vec::len).sum::<usize>(), 28);
    let counts: Vec<_> = labels.iter().map(|(l, codes)| (*l, codes.len())).collect();
    assert_eq!(
        counts,
        [
            ("address_rejected", 1),
            ("integration_gone", 1),
            ("integration_unauthorized", 1),
            ("invalid_request", 1),
            ("key_rejected", 1),
            ("parked", 4),
            ("permission_missing", 1),
            ("rate_limited", 2),
            ("refused", 10),
            ("skip_endpoint", 2),
            ("unavailable", 4),
        ]
    );
    assert!(labels["parked"].contains(&"INTEGRATION.INACTIVE"));
    assert!(labels["unavailable"].contains(&"PLATFORM.UNKNOWN_ERROR"));
}

#[test]
fn only_trouble_that_passes_is_retryable() {
    let retryable = |status, body: &[u8]| ApiError::from_answer(status, body, false).is_retryable();
    assert!(retryable(503, b"<html>"));
    assert!(retryable(500, b""));
    assert!(retryable(429, b""));
    assert!(!retryable(503, &envelope("INTEGRATION.SETUP_SYNC_PENDING")));
    assert!(!retryable(503, &envelope("INTEGRATION.QA_FAILED")));
    assert!(!retryable(409, &envelope("INTEGRATION.SETUP_INCOMPLETE")));
    assert!(!retryable(401, b""));
    assert!(!retryable(404, b""));
    assert!(!retryable(400, b""));
}

#[test]
fn an_invalid_page_with_a_cursor_means_that_the_cursor_died() {
    let body = envelope("PLATFORM.INPUT_INVALID");
    assert!(ApiError::from_answer(400, &body, true).is_dead_cursor());
    assert!(ApiError::from_answer(400, b"", true).is_dead_cursor());
    assert!(!ApiError::from_answer(400, &body, false).is_dead_cursor());
    let disabled = envelope("INTEGRATION.MODEL_DISABLED");
    assert!(!ApiError::from_answer(400, &disabled, true).is_dead_cursor());
}

#[test]
fn an_error_reaches_as_far_as_its_cause() {
    let reach = |code: &str| ApiError::from_answer(400, &envelope(code), false).reach();
    assert_eq!(reach("PLATFORM.IP_NOT_WHITELISTED"), ErrorReach::Key);
    assert_eq!(reach("INTEGRATION.INACTIVE"), ErrorReach::Integration);
    assert_eq!(reach("INTEGRATION.MODEL_DISABLED"), ErrorReach::Table);
    assert_eq!(reach("PLATFORM.UNKNOWN_ERROR"), ErrorReach::Request);
}

#[test]
fn an_error_envelope_within_a_success_is_an_error() {
    let body = envelope("PLATFORM.INTEGRATION_NOT_FOUND");
    let error = ApiError::from_error_envelope(200, &body, false).expect("an error");
    assert_eq!(error.label(), "integration_gone");
    let page = br#"{"status":"success","data":{"next":null,"results":[{"error":{"code":"A.B"}}]}}"#;
    assert!(ApiError::from_error_envelope(200, page, false).is_none());
}

#[test]
fn only_what_looks_like_a_code_is_kept() {
    for good in ["PLATFORM.INPUT_INVALID", "AI_APPLY.X", "_._"] {
        assert!(ErrorCode::new(good).is_some(), "{good}");
    }
    let long = format!("A.{}", "B".repeat(63));
    for bad in [
        "", "A", ".", "A.", ".B", "A.B.C", "a.b", "A.B1", "A.B ", &long,
    ] {
        assert!(ErrorCode::new(bad).is_none(), "{bad}");
    }
}

#[test]
fn every_code_has_advice() {
    for (code, _) in MEANINGS {
        let advice = ApiError::from_answer(400, &envelope(code), false).advice();
        assert!(!advice.is_empty(), "{code}");
    }
}
