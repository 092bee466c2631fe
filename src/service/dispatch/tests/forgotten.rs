//! Orders of events in which an announcement or a table could be forgotten.

use super::*;

fn hris(base_ms: i64) -> Desk {
    let mut registered = registration("h", "active");
    registered.category = Category::Hris;
    let mut rules = rules(&["hris/skills"]);
    rules.schedule.full_interval = Duration::from_hours(1_000 * 24);
    Desk::starting(rules, &[registered], base_ms)
}

fn skills() -> Webhook {
    let body = r#"{"id":"e","type":"data-changed","data":{"integration_id":"tool:h","integration_category":"HRIS",
        "changed_models":[{"name":"hris_skills"}]}}"#;
    preview(body.as_bytes()).expect("a webhook")
}

fn without_date(snapshot: bool) -> Ended {
    Ended::Covered {
        snapshot,
        base: None,
        changed_rows: Some(0),
        rest_values: 0,
    }
}

#[test]
fn a_delta_without_a_date_is_not_followed_by_another_at_once() {
    let mut desk = Desk::starting(
        rules(&["ats/tags"]),
        &[registration("a", "active")],
        NOON - 7 * HOUR,
    );
    let fetching = desk.next().expect("after a start");
    desk.ended(&fetching, without_date(false));
    assert!(desk.next().is_none(), "a heartbeat in the same millisecond");
}

#[test]
fn a_first_snapshot_without_a_date_is_not_the_last_fetch() {
    let registered = [registration("a", "active")];
    let mut dispatch = Dispatch::new(rules(&["ats/tags"]), &registered, |_| None, at(NOON));
    let fetching = dispatch.next(at(NOON), |_| true).expect("one waits");
    dispatch.ended(&fetching, without_date(true), at(NOON));
    assert!(
        dispatch.next_due().is_some(),
        "the table is never fetched again"
    );
}

#[test]
fn what_is_announced_during_an_overtaken_snapshot_is_fetched() {
    let mut desk = hris(NOON - 7 * HOUR);
    let fetching = desk.next().expect("after a start");
    desk.passes(MINUTE);
    assert_eq!(desk.webhook(&skills()), ACCEPTED);
    desk.passes(MINUTE);
    desk.ended(&fetching, Ended::Overtaken(covered_until(NOON)));
    desk.passes(24 * HOUR);
    assert!(
        desk.next().is_some(),
        "announced, acknowledged, and nothing comes of it for a week"
    );
}

#[test]
fn what_is_announced_during_an_overtaken_first_snapshot_is_fetched_soon() {
    let registered = [registration("a", "active")];
    let dispatch = Dispatch::new(rules(&["ats/offers"]), &registered, |_| None, at(NOON));
    let mut desk = Desk {
        dispatch,
        now_ms: NOON,
    };
    let fetching = desk.next().expect("after a start");
    desk.passes(MINUTE);
    assert_eq!(desk.webhook(&changed("a", &["ats_offers"])), ACCEPTED);
    desk.ended(&fetching, Ended::Overtaken(covered_until(NOON)));
    desk.passes(HOUR);
    assert!(desk.next().is_some());
}

#[test]
fn a_notification_put_off_during_a_long_snapshot_is_not_forgotten() {
    let mut desk = hris(NOON - HOUR);
    desk.run();
    // The regular snapshot becomes due less than six hours after a snapshot that a notification brought.
    let id = table("h", "hris/skills");
    desk.dispatch.agenda.set(Due::Snapshot(id), at(NOON));
    let long = desk.next().expect("the regular one");
    assert_eq!(long.work.kind, Kind::Snapshot);
    desk.passes(MINUTE);
    desk.webhook(&skills());
    desk.now_ms = NOON + 6 * HOUR;
    assert!(desk.next().is_none(), "it still runs");
    desk.covered(&long, None);
    desk.passes(7 * HOUR);
    assert!(desk.next().is_some(), "announced after the snapshot began");
}

#[test]
fn an_integration_that_was_parked_at_the_start_goes_on_from_its_bases() {
    let covered = |_: &TableId| Some(covered_until(NOON - HOUR));
    let registered = [registration("a", "inactive")];
    let mut dispatch = Dispatch::new(rules(&["ats/tags"]), &registered, covered, at(NOON));
    dispatch.webhook(&changed("a", &["ats_tags"]), at(NOON));
    assert_eq!(
        dispatch.pass(at(NOON)),
        [Ask::Integration {
            id: id("a"),
            is_new: false
        }]
    );
    let readable = FoundIntegration {
        category: Some(Category::Ats),
        standing: Standing::Active,
    };
    dispatch.looked(&id("a"), Ok(readable), |_| None, at(NOON));
    let work = dispatch.next(at(NOON), |_| true).expect("woken").work;
    assert_eq!(work.kind, Kind::Delta);
}

#[test]
fn a_local_clock_that_runs_ahead_delays_no_retry() {
    let mut desk = Desk::starting(
        rules(&["ats/tags"]),
        &[registration("a", "active")],
        NOON - HOUR,
    );
    desk.now_ms = NOON + 24 * HOUR;
    let fetching = desk.next().expect("after a start");
    desk.ended(
        &fetching,
        Ended::Failed(FailedFetch::Once("unreachable".to_owned())),
    );
    desk.now_ms = NOON;
    assert!(desk.next().is_some(), "due by the right clock");
}

#[test]
fn a_local_clock_that_runs_ahead_delays_no_notification() {
    let mut desk = Desk::starting(
        rules(&["ats/tags"]),
        &[registration("a", "active")],
        NOON - HOUR,
    );
    desk.now_ms = NOON + 2 * HOUR;
    let fetching = desk.next().expect("after a start");
    desk.now_ms = NOON;
    desk.covered(&fetching, Some(0));
    desk.webhook(&changed("a", &["ats_tags"]));
    let answer = desk.next().expect("at once");
    desk.covered(&answer, Some(0));
    desk.webhook(&changed("a", &["ats_tags"]));
    assert!(desk.until_due() <= millis(NOTIFIED_GAP));
}

#[test]
fn a_deletion_that_a_crash_forgets_is_found_by_the_first_fetch() {
    let mut desk = Desk::known(&["ats/tags"]);
    let deleted = lifecycle("integration-deleted", "a", "");
    assert_eq!(desk.webhook(&deleted), ACCEPTED);
    // The process crashes before Kombo has answered.
    let mut desk = Desk::known(&["ats/tags"]);
    let fetching = desk.next().expect("every table is fetched");
    let missing = FailedFetch::Integration(Standing::Deleting);
    desk.ended(&fetching, Ended::Failed(missing));
    assert_eq!(desk.until_due(), MINUTE);
    assert_eq!(
        desk.dispatch.pass(at(desk.now_ms)).len(),
        1,
        "Kombo is asked"
    );
}
