//! Tests of every type and every limit.

use serde_json::{Value, json};

use super::*;

const ID: &str = "greenhouse:8d1hpPsbjxUkoCoa1veLZGe5";

fn read_value(body: &Value) -> Result<Webhook, WebhookError> {
    preview(body.to_string().as_bytes())
}

fn changed(models: &[&str]) -> Value {
    let models: Vec<_> = models.iter().map(|name| json!({"name": name})).collect();
    json!({"id": "e1", "type": "data-changed", "data": {
        "integration_id": ID, "integration_tool": "greenhouse", "integration_category": "ATS",
        "changed_models": models,
    }})
}

fn notification_of(body: &Value) -> Notification {
    match read_value(body) {
        Ok(Webhook::DataChanged(notification)) => notification,
        other => panic!("{other:?}"),
    }
}

/// Returns the body with one value replaced.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).expect(pointer) = value;
    body
}

#[test]
fn a_notification_names_its_integration_and_each_model_once() {
    let found = notification_of(&changed(&["ats_jobs", "ats_jobs", "new_thing"]));
    assert_eq!(found.integration.as_str(), ID);
    assert_eq!((&*found.id, &*found.tool), ("e1", "greenhouse"));
    assert_eq!(found.category, Some(Category::Ats));
    let models: Vec<_> = found.models.iter().map(ModelName::as_str).collect();
    assert_eq!(models, ["ats_jobs", "new_thing"]);
}

#[test]
fn an_array_is_no_webhook_and_none_of_its_parts() {
    let data = json!([ID, "greenhouse", "ATS"]);
    for (part, body) in [
        (
            "the body",
            json!(["1", "data-changed", changed(&["ats_jobs"])["data"]]),
        ),
        ("the body", json!([])),
        ("data", with(changed(&[]), "/data", data.clone())),
        (
            "data",
            with(
                changed(&["ats_jobs"]),
                "/data/changed_models/0",
                json!(["ats_jobs"]),
            ),
        ),
    ] {
        assert_eq!(
            read_value(&body),
            Err(WebhookError::Shape { part }),
            "{body}"
        );
    }
    for kind in [
        "sync-finished",
        "integration-created",
        "integration-deleted",
        "integration-state-changed",
    ] {
        let body = json!({"id": "1", "type": kind, "data": data});
        assert_eq!(
            read_value(&body),
            Err(WebhookError::Shape { part: "data" }),
            "{kind}"
        );
    }
}

#[test]
fn what_kombo_adds_later_does_no_harm() {
    let mut body = changed(&["ats_jobs"]);
    body["sent_at"] = json!(1);
    body["data"]["id"] = json!({"not": "a text"});
    body["data"]["changed_models"][0]["rows"] = json!([1]);
    let body = with(body, "/data/integration_category", json!("CRM"));
    assert_eq!(notification_of(&body).category, None);
    body_without_tool_has_that_of_the_id();
}

fn body_without_tool_has_that_of_the_id() {
    let body = with(changed(&[]), "/data/integration_tool", Value::Null);
    assert_eq!(&*notification_of(&body).tool, "greenhouse");
}

#[test]
fn created_and_deleted_call_the_integration_by_other_names() {
    for (kind, change) in [
        ("integration-created", IntegrationChange::Created),
        ("integration-deleted", IntegrationChange::Deleted),
    ] {
        let data = json!({"id": ID, "tool": "greenhouse", "category": "ATS", "end_user": {}});
        let found = read_value(&json!({"id": "e", "type": kind, "data": data}));
        let Ok(Webhook::Integration(event)) = found else {
            panic!("{found:?}")
        };
        assert_eq!((event.integration.as_str(), event.change), (ID, change));
        let data = json!({"integration_id": ID});
        assert_eq!(
            read_value(&json!({"id": "e", "type": kind, "data": data})),
            Err(WebhookError::Shape { part: "data" })
        );
    }
}

#[test]
fn three_words_make_one_state() {
    for (words, expected) in [
        (
            ["ACTIVE", "COMPLETED", "PASSED"],
            IntegrationState::Readable,
        ),
        (
            ["ACTIVE", "FINAL_SYNC_PENDING", "PASSED"],
            IntegrationState::SetupPending,
        ),
        (
            ["ACTIVE", "INCOMPLETE", "FAILED"],
            IntegrationState::QaFailed,
        ),
        (
            ["ACTIVE", "COMPLETED", "PENDING"],
            IntegrationState::SetupPending,
        ),
        (
            ["INVALID", "COMPLETED", "PASSED"],
            IntegrationState::AuthenticationInvalid,
        ),
        (
            ["INACTIVE", "INCOMPLETE", "FAILED"],
            IntegrationState::Inactive,
        ),
        (["ASLEEP", "COMPLETED", "PASSED"], IntegrationState::Unknown),
    ] {
        let data = json!({"integration_id": ID, "state": words[0], "setup_status": words[1], "qa_status": words[2]});
        let body = json!({"id": "e", "type": "integration-state-changed", "data": data});
        let Ok(Webhook::Integration(event)) = read_value(&body) else {
            panic!("{words:?}")
        };
        assert_eq!(
            event.change,
            IntegrationChange::State(expected),
            "{words:?}"
        );
    }
}

#[test]
fn other_types_may_have_any_data_and_share_a_label_when_unknown() {
    for (kind, label) in [
        ("assessment:order-received", "assessment:order-received"),
        ("made-up", "unknown"),
    ] {
        for data in [json!(null), json!([1]), json!({"id": 7})] {
            let found = read_value(&json!({"id": "e", "type": kind, "data": data}));
            let found = found.expect(kind);
            assert_eq!(found.label(), label);
            assert_eq!(found, Webhook::Other(WebhookType(kind.into())));
        }
    }
}

#[test]
fn ids_and_names_are_bounded_and_never_quoted() {
    let long = "x".repeat(10_000);
    let slashes = "a:../../etc";
    assert!(read_value(&with(changed(&[]), "/data/integration_id", json!(slashes))).is_ok());
    for pointer in [
        "/data/integration_id",
        "/data/integration_tool",
        "/id",
        "/type",
    ] {
        for bad in ["", "a:jane doe", "a:\u{1}jane", "a:jané", &long] {
            let error = read_value(&with(changed(&[]), pointer, json!(bad))).expect_err(pointer);
            assert!(
                matches!(error, WebhookError::Text { .. }),
                "{pointer} {error:?}"
            );
            assert!(!format!("{error} {error:?}").contains("jan"), "{error}");
        }
    }
    let no_tool = with(changed(&[]), "/data/integration_id", json!("jane"));
    let error = read_value(&no_tool).expect_err("no tool");
    assert_eq!(error, WebhookError::IntegrationId);
    assert!(!format!("{error} {error:?}").contains("jane"));
    let model = read_value(&changed(&["ats jobs"]));
    assert!(matches!(model, Err(WebhookError::Text { .. })));
}

#[test]
fn too_much_is_refused() {
    let names: Vec<_> = (0..=MAX_MODELS).map(|n| format!("ats_{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert!(read_value(&changed(&names[1..])).is_ok());
    let count = MAX_MODELS + 1;
    assert_eq!(
        read_value(&changed(&names)),
        Err(WebhookError::TooManyModels { count })
    );

    let mut body = changed(&[]).to_string().into_bytes();
    body.resize(MAX_BODY_BYTES, b' ');
    assert!(preview(&body).is_ok());
    body.push(b' ');
    assert_eq!(
        preview(&body),
        Err(WebhookError::TooLong { bytes: body.len() })
    );
}

#[test]
fn depth_is_skipped_or_refused_and_never_overflows_the_stack() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let unknown = format!(r#"{{"id":"e","type":"new","data":{deep},"more":{deep}}}"#);
    assert!(matches!(
        preview(unknown.as_bytes()),
        Err(WebhookError::TooLong { .. })
    ));
    let unknown = format!(r#"{{"id":"e","type":"new","data":{deep}}}"#);
    assert!(preview(unknown.as_bytes()).is_ok());
    let known = format!(r#"{{"id":"e","type":"data-changed","data":{deep}}}"#);
    assert_eq!(
        preview(known.as_bytes()),
        Err(WebhookError::Shape { part: "data" })
    );
}

#[test]
fn what_is_no_webhook_says_so_without_its_text() {
    for text in ["", "{", "jane", "{\"id\":\"jane\"", "\u{feff}{}"] {
        let error = preview(text.as_bytes()).expect_err(text);
        assert!(
            matches!(error, WebhookError::NotJson { .. }),
            "{text} {error:?}"
        );
    }
    assert!(matches!(
        preview(b"{\"id\":\"\xff\"}"),
        Err(WebhookError::NotJson { .. })
    ));
    for text in [
        "[]",
        "7",
        "\"jane\"",
        "{}",
        r#"{"id":1,"type":"a"}"#,
        r#"{"id":"a","id":"jane","type":"b"}"#,
    ] {
        let error = preview(text.as_bytes()).expect_err(text);
        assert_eq!(error, WebhookError::Shape { part: "the body" }, "{text}");
    }
    let pointers = ["/data", "/data/integration_id", "/data/changed_models"];
    for pointer in pointers {
        let error = read_value(&with(changed(&[]), pointer, json!("jane"))).err();
        let expected = if pointer == pointers[1] {
            WebhookError::IntegrationId
        } else {
            WebhookError::Shape { part: "data" }
        };
        assert_eq!(error, Some(expected), "{pointer}");
    }
}

fn issue_of(body: &Value) -> Option<crate::customer::Issue> {
    match read_value(body) {
        Ok(Webhook::Issue(issue)) => Some(issue),
        Ok(Webhook::Other(kind)) => {
            assert_eq!(kind.as_str(), "issue-status-changed");
            None
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_issue_says_what_is_wrong_and_a_form_that_is_not_known_is_only_counted() {
    let body = json!({"id": "e1", "type": "issue-status-changed", "data": {
        "change": "raised",
        "issue": {
            "id": "5aBcDeFgHiJkLmNoPqRsTuVw", "type": "example_issue", "title": "Credentials expire soon",
            "status": "OPEN", "markdown_message": "**Rotate** the key.",
            "first_observed_at": "2026-06-01T12:00:00.000Z", "resolved_at": null,
        },
        "integration": {
            "id": ID, "tool": "greenhouse", "category": "ATS",
            "end_user": {"organization_name": "A", "creator_email": "admin@example.com", "origin_id": "t"},
        },
    }});
    let issue = issue_of(&body).expect("an issue");
    assert_eq!(
        (&*issue.id, &*issue.kind),
        ("5aBcDeFgHiJkLmNoPqRsTuVw", "example_issue")
    );
    assert_eq!(issue.remedy.as_deref(), Some("**Rotate** the key."));
    assert_eq!(
        issue.integration.map(|id| id.to_string()).as_deref(),
        Some(ID)
    );
    assert_eq!(issue.resolved, None);
    let resolved = with(body.clone(), "/data/change", json!("resolved"));
    let resolved = issue_of(&resolved).expect("an issue").resolved;
    assert_eq!(resolved, Some(Moment::NEVER));
    let of_all = with(body.clone(), "/data/integration", Value::Null);
    assert_eq!(issue_of(&of_all).expect("an issue").integration, None);
    for (part, other) in [
        ("/data/integration/id", json!("no id")),
        ("/data/issue/id", json!("a b")),
        ("/data/issue/type", json!("x".repeat(129))),
        ("/data/issue/first_observed_at", json!("yesterday")),
        ("/data/issue", json!([])),
        ("/data", Value::Null),
    ] {
        assert_eq!(issue_of(&with(body.clone(), part, other)), None, "{part}");
    }
}
