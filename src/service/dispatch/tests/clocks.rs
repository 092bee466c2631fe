//! A local clock that runs ahead of Kombo's. It is used until Kombo's first answer brings Kombo's clock, and everything
//! that it showed until then must not wait for that instant to come again.

use super::*;

const AHEAD: i64 = 329 * DAY;

/// Returns a desk whose last full fetch was `age_ms` ago, before Kombo's clock is known.
fn ahead(endpoints: &[&str], age_ms: i64) -> Desk {
    let of = |name: &str| {
        let category = Catalog::embedded()
            .find(name)
            .expect("an endpoint")
            .category;
        Registration {
            category,
            ..registration("a", "active")
        }
    };
    let registered: Vec<_> = endpoints.iter().map(|name| of(name)).collect();
    let covered = |_: &TableId| Some(covered_until(NOON - age_ms));
    Desk {
        dispatch: Dispatch::new(
            rules(endpoints),
            &registered[..1],
            covered,
            at(NOON + AHEAD),
        ),
        now_ms: NOON + AHEAD,
    }
}

fn full(base_ms: i64) -> Ended {
    Ended::Covered {
        snapshot: true,
        base: Some(Base::from_millis(base_ms)),
        changed_rows: Some(0),
        rest_values: 0,
    }
}

#[test]
fn a_full_fetch_that_began_by_it_is_followed_by_the_next_one_in_time() {
    for told_first in [false, true] {
        let mut desk = ahead(&["hris/skills"], DAY);
        let fetching = desk.next().expect("after a start");
        desk.now_ms = NOON;
        if told_first {
            assert!(
                desk.next().is_none(),
                "Kombo's clock becomes known while it runs"
            );
        }
        desk.ended(&fetching, full(NOON - 1));
        let began = NOON;
        loop {
            desk.until_due();
            if let Some(fetching) = desk.next() {
                assert_eq!(fetching.work.kind, Kind::Snapshot);
                break;
            }
            assert!(
                desk.now_ms <= began + 8 * DAY,
                "the weekly fetch is overdue"
            );
        }
        assert!(
            desk.now_ms <= began + 8 * DAY,
            "after {} days",
            (desk.now_ms - began) / DAY
        );
    }
}

#[test]
fn a_heartbeat_comes_in_time_after_a_delta_that_began_by_it() {
    let mut desk = ahead(&["ats/tags"], HOUR);
    let fetching = desk.next().expect("after a start");
    desk.now_ms = NOON;
    let ended = Ended::Covered {
        snapshot: false,
        base: Some(Base::from_millis(NOON - 1)),
        changed_rows: Some(0),
        rest_values: 0,
    };
    desk.ended(&fetching, ended);
    assert!(desk.until_due() <= 6 * HOUR);
    assert!(desk.next().is_some());
}

#[test]
fn a_notification_that_came_by_it_is_answered_by_the_next_fetch() {
    let mut desk = ahead(&["ats/offers"], HOUR);
    desk.webhook(&changed("a", &["ats_offers"]));
    desk.now_ms = NOON;
    let fetching = desk.next().expect("marked");
    desk.passes(40);
    assert_eq!(desk.covered(&fetching, Some(1)), Some(40));
    assert_eq!(
        desk.dispatch.tables[&table("a", "ats/offers")]
            .notified_at
            .get(),
        None
    );
}

#[test]
fn what_became_stale_by_it_is_not_stale_in_the_future() {
    let mut desk = ahead(&["ats/applications"], HOUR);
    desk.webhook(&changed("a", &["ats_jobs"]));
    desk.now_ms = NOON;
    desk.dispatch.pass(at(NOON));
    let table = &desk.dispatch.tables[&table("a", "ats/applications")];
    assert_eq!(table.stale_since, Some(at(NOON)));
}

#[test]
fn a_silence_that_begins_after_it_is_noticed() {
    let mut desk = ahead(&["ats/tags"], HOUR);
    desk.webhook(&changed("a", &["ats_tags"]));
    desk.now_ms = NOON;
    desk.run();
    for _ in 0..20 {
        desk.passes(HOUR);
        desk.webhook(&changed("a", &["ats_tags"]));
        desk.run();
    }
    let since = desk.now_ms;
    while desk.dispatch.accounts[&id("a")].suspicion.is_none() {
        desk.until_due();
        desk.run();
        assert!(
            desk.now_ms <= since + 8 * DAY,
            "nobody notices that webhooks stopped"
        );
    }
}

#[test]
fn an_integration_is_not_in_its_state_since_the_future() {
    let mut desk = ahead(&["ats/tags"], HOUR);
    let fetching = desk.next().expect("after a start");
    let parked = FailedFetch::Integration(Standing::Inactive);
    desk.ended(&fetching, Ended::Failed(parked));
    desk.now_ms = NOON;
    desk.dispatch.pass(at(NOON));
    assert_eq!(desk.dispatch.accounts[&id("a")].since, at(NOON));
}
