//! Webhooks about the state of an integration. Each may be forged, sent again or late, and makes the service ask Kombo.

use super::deletion::{READABLE, answer, known, stands};
use super::*;

fn stated(state: &str, setup: &str, qa: &str) -> Webhook {
    let more = format!(r#","state":"{state}","setup_status":"{setup}","qa_status":"{qa}""#);
    lifecycle("integration-state-changed", "a", &more)
}

/// Returns every webhook about the state of an integration.
fn all() -> Vec<Webhook> {
    vec![
        lifecycle("integration-created", "a", ""),
        lifecycle("integration-deleted", "a", ""),
        stated("INACTIVE", "COMPLETED", "PASSED"),
        stated("INVALID", "COMPLETED", "PASSED"),
        stated("ACTIVE", "COMPLETED", "FAILED"),
        stated("ACTIVE", "INCOMPLETE", "PENDING"),
        stated("ACTIVE", "COMPLETED", "PASSED"),
        stated("UNHEARD-OF", "COMPLETED", "PASSED"),
    ]
}

#[test]
fn whatever_a_webhook_says_kombo_is_asked_at_once_and_data_flows_on() {
    for webhook in all() {
        let mut desk = known(&["a"]);
        desk.run();
        desk.passes(HOUR);
        assert_eq!(desk.webhook(&webhook), ACCEPTED);
        assert_eq!(stands(&desk, "a"), Standing::Active, "{webhook:?}");
        assert_eq!(answer(&mut desk, |_| Ok(READABLE)), 1, "{webhook:?}");
        assert_eq!(stands(&desk, "a"), Standing::Active, "{webhook:?}");
        assert!(desk.dispatch.unsaved().is_empty(), "{webhook:?}");
        desk.webhook(&changed("a", &["ats_tags"]));
        assert_eq!(desk.run().len(), 1, "{webhook:?}");
    }
}

#[test]
fn kombos_answer_decides_whatever_the_webhook_said() {
    let inactive = FoundIntegration {
        standing: Standing::Inactive,
        ..READABLE
    };
    for webhook in all() {
        let mut desk = known(&["a"]);
        desk.run();
        desk.webhook(&webhook);
        answer(&mut desk, |_| Ok(inactive.clone()));
        assert_eq!(stands(&desk, "a"), Standing::Inactive, "{webhook:?}");
        desk.passes(HOUR);
        desk.webhook(&webhook);
        answer(&mut desk, |_| Ok(READABLE));
        assert_eq!(stands(&desk, "a"), Standing::Active, "{webhook:?}");
        assert_eq!(desk.run().len(), 1, "what was missed meanwhile");
    }
}

#[test]
fn a_million_replays_cost_a_look_a_minute() {
    let mut desk = known(&["a"]);
    desk.run();
    let (webhook, mut looks) = (lifecycle("integration-deleted", "a", ""), 0);
    for _ in 0..6_000 {
        for _ in 0..100 {
            desk.webhook(&webhook);
        }
        looks += answer(&mut desk, |_| Ok(READABLE));
        desk.passes(100);
    }
    assert_eq!(looks, 10, "in ten minutes");
}

#[test]
fn a_webhook_during_a_look_has_kombo_asked_once_more() {
    let mut desk = known(&["a"]);
    desk.run();
    desk.webhook(&lifecycle("integration-deleted", "a", ""));
    assert_eq!(desk.dispatch.pass(at(desk.now_ms)).len(), 1);
    desk.passes(2 * MINUTE);
    desk.webhook(&lifecycle("integration-deleted", "a", ""));
    assert_eq!(desk.dispatch.pass(at(desk.now_ms)), [], "one is under way");
    desk.dispatch
        .looked(&id("a"), Ok(READABLE), |_| None, at(desk.now_ms));
    desk.passes(MINUTE);
    assert_eq!(answer(&mut desk, |_| Ok(READABLE)), 1);
}

#[test]
fn a_question_that_a_webhook_caused_is_asked_until_it_is_answered() {
    let mut desk = known(&["a"]);
    desk.run();
    desk.webhook(&stated("INACTIVE", "COMPLETED", "PASSED"));
    let no_answer = |_: &IntegrationId| Err(LookFailed::Once);
    assert_eq!(answer(&mut desk, no_answer), 1);
    assert_eq!(stands(&desk, "a"), Standing::Active);
    assert_eq!(desk.until_due(), MINUTE / 2);
    assert_eq!(answer(&mut desk, |_| Ok(READABLE)), 1);
}
