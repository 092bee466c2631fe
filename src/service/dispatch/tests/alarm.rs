//! Tests of webhooks that do not arrive.

use super::*;

fn heartbeat(desk: &mut Desk, changed_rows: Option<u64>) {
    desk.until_due();
    let fetching = desk.next().expect("a heartbeat");
    assert_eq!(fetching.work.lane, Lane::CatchUp);
    desk.covered(&fetching, changed_rows);
}

fn suspicion(desk: &Desk) -> Option<Suspicion> {
    desk.dispatch.accounts[&id("a")].suspicion
}

#[test]
fn a_change_that_no_notification_announced_raises_an_alarm_and_has_the_integration_polled() {
    let mut desk = Desk::known(&["ats/tags"]);
    desk.run();
    heartbeat(&mut desk, Some(3));
    assert_eq!(suspicion(&desk), None, "the notification may be on its way");
    assert_eq!(desk.until_due(), 5 * MINUTE);
    desk.dispatch.pass(at(desk.now_ms));
    assert!(matches!(
        suspicion(&desk),
        Some(Suspicion::Unannounced { .. })
    ));
    let alarms = std::mem::take(&mut desk.dispatch.alarms);
    assert!(matches!(alarms[..], [(_, None, Some(_))]));
    let since = desk.now_ms;
    heartbeat(&mut desk, Some(0));
    assert!(
        desk.now_ms - since <= 30 * MINUTE,
        "polled twelve times as often"
    );

    desk.passes(MINUTE);
    desk.webhook(&changed("a", &["ats_tags"]));
    assert_eq!(suspicion(&desk), None);
    assert!(matches!(
        std::mem::take(&mut desk.dispatch.alarms)[..],
        [(_, Some(_), None)]
    ));
    desk.run();
    let since = desk.now_ms;
    heartbeat(&mut desk, Some(0));
    assert!(desk.now_ms - since > 5 * HOUR, "and left alone again");
}

#[test]
fn a_slow_notification_is_no_alarm() {
    let mut desk = Desk::known(&["ats/tags"]);
    desk.run();
    heartbeat(&mut desk, Some(3));
    desk.passes(4 * MINUTE);
    desk.webhook(&changed("a", &["ats_tags"]));
    desk.run();
    desk.passes(HOUR);
    desk.dispatch.pass(at(desk.now_ms));
    assert_eq!(suspicion(&desk), None);
}

#[test]
fn what_cannot_be_told_and_what_was_announced_is_no_alarm() {
    let mut desk = Desk::known(&["ats/tags"]);
    desk.run();
    heartbeat(&mut desk, None);
    desk.until_due();
    let fetching = desk.next().expect("a heartbeat");
    desk.webhook(&changed("a", &["ats_tags"]));
    desk.covered(&fetching, Some(5));
    desk.run();
    desk.passes(10 * MINUTE);
    desk.dispatch.pass(at(desk.now_ms));
    assert_eq!(suspicion(&desk), None);
}
