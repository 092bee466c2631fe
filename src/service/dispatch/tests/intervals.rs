//! What is fetched without a notification, and how often.

use super::*;

#[test]
fn without_updated_after_there_is_a_snapshot_at_most_every_six_hours() {
    let mut desk = Desk::known(&["hris/skills"]);
    let mut hris = registration("h", "active");
    hris.category = Category::Hris;
    desk = Desk::starting(desk.dispatch.rules, &[hris], NOON - HOUR);
    assert_eq!(desk.run(), [], "it was fetched an hour ago");
    let body = r#"{"id":"e","type":"data-changed","data":{"integration_id":"tool:h","integration_category":"HRIS",
        "changed_models":[{"name":"hris_skills"}]}}"#;
    desk.webhook(&preview(body.as_bytes()).expect("a webhook"));
    assert_eq!(desk.run(), []);
    assert_eq!(desk.until_due(), 5 * HOUR);
    assert_eq!(
        desk.run(),
        [("hris/skills".to_owned(), Kind::Snapshot, Lane::Snapshot)]
    );
}

#[test]
fn heartbeats_and_full_fetches_come_at_their_intervals() {
    let mut desk = Desk::known(&["ats/tags"]);
    desk.run();
    let (mut deltas, mut snapshots) = (0, 0);
    while desk.now_ms < NOON + 28 * 24 * HOUR {
        desk.until_due();
        for (_, kind, lane) in desk.run() {
            match kind {
                Kind::Delta => deltas += i32::from(lane == Lane::CatchUp),
                Kind::Snapshot => snapshots += i32::from(lane == Lane::Snapshot),
            }
        }
    }
    assert!(
        (110..=130).contains(&deltas),
        "{deltas} in four weeks, one every six hours less an eighth"
    );
    assert_eq!(snapshots, 4);
}

#[test]
fn a_snapshot_that_is_overdue_is_asked_for_once_while_deltas_go_on() {
    let mut rules = rules(&["ats/tags"]);
    rules.schedule.full_interval = Duration::from_hours(2);
    let mut desk = Desk::starting(rules, &[registration("a", "active")], NOON - HOUR);
    desk.run();
    desk.until_due();
    let snapshot = desk.next().expect("due");
    assert_eq!(snapshot.work.kind, Kind::Snapshot);
    for _ in 0..5 {
        desk.passes(10 * MINUTE);
        desk.webhook(&changed("a", &["ats_tags"]));
        let delta = desk.next().expect("announced");
        assert_eq!(delta.work.kind, Kind::Delta);
        desk.covered(&delta, Some(1));
        assert!(desk.next().is_none(), "one snapshot runs already");
    }
    desk.covered(&snapshot, None);
    assert!(desk.next().is_none(), "and none is left over");
}

#[test]
fn the_heartbeat_is_stretched_when_the_budget_is_small() {
    let mut rules = rules(&["ats/tags", "ats/jobs"]);
    rules.budget = NonZeroU32::new(1).map(|one| (one, Duration::from_hours(12)));
    let desk = Desk::starting(rules, &[registration("a", "active")], NOON);
    assert_eq!(desk.dispatch.heartbeat_period(), Duration::from_hours(32));
}
