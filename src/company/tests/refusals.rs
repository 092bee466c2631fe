use serde_json::Value;

use super::{ask, endpoint, error_code, get, owner, world};
use crate::company::{Oddities, Refusal};
use crate::ids::IntegrationId;

#[test]
fn who_asks_wrongly_is_told_so() {
    let mut world = world(50, Oddities::default());
    let id = owner(&world, endpoint("ats/tags")).id().to_string();
    let key = Some("twin-key");
    for (path, bearer, id, status, code) in [
        (
            "/ats/tags",
            None,
            Some(&*id),
            401,
            "PLATFORM.AUTHENTICATION_INVALID",
        ),
        (
            "/ats/tags",
            Some("wrong"),
            Some(&*id),
            401,
            "PLATFORM.AUTHENTICATION_INVALID",
        ),
        (
            "/check-api-key",
            Some(""),
            None,
            401,
            "PLATFORM.AUTHENTICATION_INVALID",
        ),
        ("/ats/tags", key, None, 400, "PLATFORM.INPUT_INVALID"),
        (
            "/ats/tags",
            key,
            Some("greenhouse:nobody"),
            404,
            "PLATFORM.INTEGRATION_NOT_FOUND",
        ),
        (
            "/integrations/greenhouse:nobody",
            key,
            None,
            404,
            "PLATFORM.INTEGRATION_NOT_FOUND",
        ),
        (
            "/hris/employees",
            key,
            Some(&*id),
            400,
            "INTEGRATION.MODEL_NOT_AVAILABLE",
        ),
        ("/ats/nothing", key, Some(&*id), 404, ""),
        ("/../../x", key, Some(&*id), 404, ""),
    ] {
        let answer = get(&mut world, path, "", bearer, id);
        assert_eq!(
            (answer.status, &*error_code(&answer)),
            (status, code),
            "{path}"
        );
    }
}

#[test]
fn every_error_of_the_api_can_be_had_at_one_endpoint_or_at_all() {
    let mut world = world(50, Oddities::default());
    let tags = endpoint("ats/tags");
    let id = owner(&world, tags).id().clone();
    assert_eq!(
        Refusal::codes().count(),
        29,
        "the 28 documented ones and one of the future"
    );
    for code in Refusal::codes() {
        let refusal = Refusal::with_code(code).expect("a known code");
        assert!(world.refuse(&id, Some(tags.name()), Some(refusal.clone())));
        let answer = ask(&mut world, "ats/tags", "");
        assert_eq!(
            (answer.status, error_code(&answer)),
            (refusal.status, code.to_owned())
        );
        assert_eq!(ask(&mut world, "ats/jobs", "").status, 200);
    }
    for (refusal, status, content_type) in [
        (Refusal::load_balancer(), 503, Some("text/html")),
        (Refusal::plain_text(), 502, Some("text/plain")),
        (Refusal::empty(), 500, None),
        (Refusal::without_code(500), 500, Some("application/json")),
    ] {
        assert!(world.refuse(&id, None, Some(refusal)));
        let answer = ask(&mut world, "ats/jobs", "");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, content_type)
        );
    }
    assert!(world.refuse(&id, None, None) && world.refuse(&id, Some(tags.name()), None));
    assert_eq!(ask(&mut world, "ats/tags", "").status, 200);
    let stranger = IntegrationId::new("a:b").expect("an id");
    assert!(!world.refuse(&stranger, None, None));
}

#[test]
fn an_error_looks_as_documented() {
    let mut world = world(50, Oddities::default());
    let answer = get(&mut world, "/check-api-key", "", None, None);
    let expected = serde_json::json!({"status": "error", "error": {
        "code": "PLATFORM.AUTHENTICATION_INVALID", "title": "Authentication invalid",
        "message": "The provided API key is invalid.", "log_url": null,
    }});
    assert_eq!(
        serde_json::from_str::<Value>(&answer.body).expect("JSON"),
        expected
    );
}

#[test]
fn a_setup_that_waits_answered_409_and_before_may_2026_503() {
    let mut world = world(50, Oddities::default());
    let id = owner(&world, endpoint("ats/tags")).id().clone();
    let pending = Refusal::with_code("INTEGRATION.SETUP_SYNC_PENDING").expect("a known code");
    for (refusal, status) in [(pending.clone(), 409), (pending.under(503), 503)] {
        world.refuse(&id, None, Some(refusal));
        let answer = ask(&mut world, "ats/tags", "");
        assert_eq!(answer.status, status);
        assert_eq!(error_code(&answer), "INTEGRATION.SETUP_SYNC_PENDING");
    }
    let described = world.describe(&id).expect("known");
    assert_eq!(described.setup_status, "FINAL_SYNC_PENDING");
}
