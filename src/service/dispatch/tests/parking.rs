//! Integrations and tables that cannot be read for now.

use super::*;
use crate::plan::ModelOff;

const READABLE: FoundIntegration = FoundIntegration {
    category: Some(Category::Ats),
    standing: Standing::Active,
};

fn parked(desk: &mut Desk, standing: Standing) {
    let fetching = desk.next().expect("a fetch");
    desk.ended(&fetching, Ended::Failed(FailedFetch::Integration(standing)));
}

fn look(desk: &mut Desk) {
    assert_eq!(
        desk.dispatch.pass(at(desk.now_ms)),
        [Ask::Integration {
            id: id("a"),
            is_new: false
        }]
    );
}

#[test]
fn a_parked_integration_is_out_of_turn_until_kombo_says_that_it_can_be_read() {
    let mut desk = Desk::known(&["ats/tags", "ats/jobs"]);
    parked(&mut desk, Standing::SetupPending);
    assert!(desk.next().is_none(), "its other table, too");
    assert_eq!(desk.dispatch.unsaved()[0].state, "setup_pending");
    assert_eq!(desk.until_due(), 2 * MINUTE);
    look(&mut desk);
    let pending = FoundIntegration {
        standing: Standing::SetupPending,
        ..READABLE
    };
    desk.dispatch
        .looked(&id("a"), Ok(pending), |_| None, at(desk.now_ms));
    assert_eq!(desk.until_due(), 4 * MINUTE, "ever more seldom");
    look(&mut desk);
    desk.dispatch
        .looked(&id("a"), Ok(READABLE), |_| None, at(desk.now_ms));
    assert_eq!(
        desk.run().len(),
        2,
        "whatever was missed meanwhile is fetched"
    );
    assert_eq!(desk.dispatch.unsaved()[0].state, "active");
}

#[test]
fn fetches_that_were_under_way_park_an_integration_once() {
    let mut desk = Desk::known(&["ats/tags", "ats/jobs"]);
    let (one, other) = (desk.next().expect("one"), desk.next().expect("other"));
    for fetching in [one, other] {
        desk.ended(
            &fetching,
            Ended::Failed(FailedFetch::Integration(Standing::SetupPending)),
        );
    }
    assert_eq!(desk.until_due(), 2 * MINUTE);
}

#[test]
fn an_integration_that_is_called_readable_and_refuses_its_rows_is_asked_ever_more_seldom() {
    let mut desk = Desk::known(&["ats/tags"]);
    let mut waits = Vec::new();
    for _ in 0..4 {
        parked(&mut desk, Standing::QaFailed);
        waits.push(desk.until_due() / MINUTE);
        look(&mut desk);
        desk.dispatch
            .looked(&id("a"), Ok(READABLE), |_| None, at(desk.now_ms));
    }
    assert_eq!(waits, [30, 60, 120, 240]);
}

#[test]
fn a_notification_of_a_parked_integration_has_kombo_asked_within_a_minute() {
    let mut desk = Desk::known(&["ats/tags"]);
    parked(&mut desk, Standing::Inactive);
    for _ in 0..100 {
        assert_eq!(desk.webhook(&changed("a", &["ats_tags"])), ACCEPTED);
    }
    assert_eq!(desk.until_due(), MINUTE);
    look(&mut desk);
    assert_eq!(desk.dispatch.pass(at(desk.now_ms)), [], "asked once");
}

#[test]
fn a_new_integration_is_registered_and_asked_for_until_it_can_be_read() {
    let mut desk = Desk::empty(rules(&["ats/tags"]));
    let created = lifecycle("integration-created", "a", "");
    assert_eq!(desk.webhook(&created), Reaction::Keep(id("a")));
    let pending = FoundIntegration {
        standing: Standing::SetupPending,
        ..READABLE
    };
    candidates::hear(&mut desk, |_| Heard::Found(pending.clone()));
    assert_eq!(desk.dispatch.unsaved()[0].state, "setup_pending");
    assert!(desk.next().is_none(), "Kombo has not fetched it yet");
    assert_eq!(desk.until_due(), 2 * MINUTE);
    look(&mut desk);
    desk.dispatch
        .looked(&id("a"), Ok(pending), |_| None, at(desk.now_ms));
    assert_eq!(desk.until_due(), 4 * MINUTE);
    look(&mut desk);
    desk.dispatch
        .looked(&id("a"), Ok(READABLE), |_| None, at(desk.now_ms));
    assert_eq!(
        desk.run(),
        [("ats/tags".to_owned(), Kind::Snapshot, Lane::Snapshot)]
    );
}

#[test]
fn a_question_without_an_answer_is_asked_again() {
    let mut desk = Desk::known(&["ats/tags"]);
    parked(&mut desk, Standing::Unstated);
    desk.until_due();
    for seconds in [60, 120, 240] {
        look(&mut desk);
        desk.dispatch
            .looked(&id("a"), Err(LookFailed::Once), |_| None, at(desk.now_ms));
        assert_eq!(desk.until_due(), seconds * 1000);
    }
}

#[test]
fn a_refused_key_stops_everything_until_it_is_taken() {
    let mut desk = Desk::known(&["ats/tags", "ats/jobs"]);
    let fetching = desk.next().expect("a fetch");
    desk.ended(
        &fetching,
        Ended::Failed(FailedFetch::Key("refused".to_owned())),
    );
    assert!(desk.next().is_none() && desk.dispatch.is_key_refused());
    assert_eq!(
        desk.webhook(&changed("a", &["ats_tags"])),
        ACCEPTED,
        "bits are set all the same"
    );
    assert_eq!(desk.until_due(), MINUTE);
    assert_eq!(desk.dispatch.pass(at(desk.now_ms)), [Ask::Key]);
    desk.dispatch.key_tried(false, at(desk.now_ms));
    assert_eq!(desk.until_due(), 2 * MINUTE);
    assert_eq!(desk.dispatch.pass(at(desk.now_ms)), [Ask::Key]);
    desk.dispatch.key_tried(true, at(desk.now_ms));
    assert_eq!(desk.run().len(), 2);
}

#[test]
fn a_reload_tries_a_refused_key_again_and_a_second_refusal_stops_everything_as_the_first_did() {
    let mut desk = Desk::known(&["ats/tags", "ats/jobs"]);
    for _ in 0..2 {
        let fetching = desk.next().expect("a fetch");
        desk.ended(
            &fetching,
            Ended::Failed(FailedFetch::Key("refused".to_owned())),
        );
        assert!(desk.next().is_none() && desk.dispatch.is_key_refused());
        assert!(
            desk.dispatch
                .tables
                .values()
                .all(|table| table.error.is_none())
        );
        desk.dispatch.key_untried();
        assert!(!desk.dispatch.is_key_refused());
    }
    assert_eq!(desk.run().len(), 2);
}

#[test]
fn a_model_that_is_off_is_left_alone_and_tried_again_while_its_sisters_go_on() {
    let mut desk = Desk::known(&["ats/tags", "ats/jobs"]);
    let fetching = desk.next().expect("a fetch");
    let off = fetching.work.table.clone();
    desk.ended(
        &fetching,
        Ended::Failed(FailedFetch::Off(ModelOff::Disabled)),
    );
    assert_eq!(desk.run().len(), 1);
    let sister = match off.endpoint.as_str() {
        "ats/tags" => "ats_jobs",
        _ => "ats_tags",
    };
    desk.webhook(&changed("a", &[sister]));
    assert!(
        desk.run()
            .iter()
            .all(|(name, ..)| *name != off.endpoint.as_str())
    );
    let mut tried = None;
    while tried.is_none() {
        desk.until_due();
        tried = desk
            .run()
            .into_iter()
            .find(|(name, ..)| *name == off.endpoint.as_str());
    }
    assert_eq!(desk.now_ms, NOON + 6 * HOUR);
    assert!(
        desk.dispatch.tables[&off].off.is_none(),
        "it could be fetched"
    );
}

#[test]
fn a_model_that_is_off_is_tried_soon_when_its_rows_are_said_to_change() {
    let mut desk = Desk::known(&["ats/tags"]);
    let fetching = desk.next().expect("a fetch");
    desk.ended(
        &fetching,
        Ended::Failed(FailedFetch::Off(ModelOff::Disabled)),
    );
    for _ in 0..1_000 {
        desk.webhook(&changed("a", &["ats_tags"]));
    }
    assert_eq!(desk.until_due(), 10 * MINUTE);
    assert_eq!(desk.run().len(), 1);
    let table = &desk.dispatch.tables[&table("a", "ats/tags")];
    assert!(table.off.is_none());
}

#[test]
fn a_table_that_fails_is_tried_again_with_growing_waits_and_stays_dirty() {
    let mut desk = Desk::known(&["ats/tags"]);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let fetching = desk.next().expect("a try");
        desk.ended(
            &fetching,
            Ended::Failed(FailedFetch::Once("no answer".to_owned())),
        );
        assert!(desk.next().is_none());
        waits.push(desk.until_due() / 1000);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
    let error = desk.dispatch.tables[&table("a", "ats/tags")].error.clone();
    assert_eq!(
        error.map(|error| error.since),
        Some(at(NOON)),
        "since the first failure"
    );
    assert_eq!(desk.run().len(), 1);
    assert_eq!(desk.dispatch.tables[&table("a", "ats/tags")].error, None);
}

#[test]
fn a_notification_does_not_wait_for_the_retry_of_a_failed_table() {
    let mut desk = Desk::known(&["ats/tags"]);
    for _ in 0..5 {
        let fetching = desk.next().expect("a try");
        let failed = FailedFetch::Once("no answer".to_owned());
        desk.ended(&fetching, Ended::Failed(failed));
        desk.until_due();
    }
    let fetching = desk.next().expect("a try");
    let failed = FailedFetch::Once("no answer".to_owned());
    desk.ended(&fetching, Ended::Failed(failed));
    desk.passes(MINUTE);
    assert!(desk.next().is_none(), "the retry is in five minutes");
    desk.webhook(&changed("a", &["ats_tags"]));
    assert_eq!(desk.run().len(), 1);
    desk.passes(HOUR);
    assert!(desk.next().is_none(), "the retry finds nothing to do");
}

#[test]
fn notifications_in_an_outage_do_not_put_off_the_next_try() {
    let mut desk = Desk::known(&["ats/tags"]);
    let failed = || Ended::Failed(FailedFetch::Once("no lake".to_owned()));
    for _ in 0..4 {
        let fetching = desk.next().expect("a try");
        desk.ended(&fetching, failed());
        desk.until_due();
    }
    let fetching = desk.next().expect("a try");
    desk.ended(&fetching, failed());
    for _ in 0..5 {
        desk.passes(20_000);
        desk.webhook(&changed("a", &["ats_tags"]));
        let fetching = desk.next().expect("an announced one");
        desk.ended(&fetching, failed());
    }
    assert_eq!(desk.until_due() / 1000, 160 - 100, "as if nothing had come");
    assert_eq!(desk.run().len(), 1);
}

#[test]
fn a_snapshot_that_another_writer_committed_first_serves_the_schedule() {
    let mut rules = rules(&["ats/tags"]);
    rules.schedule.full_interval = Duration::from_hours(2);
    let mut desk = Desk::starting(rules, &[registration("a", "active")], NOON - HOUR);
    desk.run();
    desk.until_due();
    let snapshot = desk.next().expect("due");
    let theirs = covered_until(desk.now_ms);
    desk.ended(&snapshot, Ended::Overtaken(theirs));
    let ran = desk.run();
    assert_eq!(
        ran,
        [("ats/tags".to_owned(), Kind::Delta, Lane::CatchUp)],
        "what came since"
    );
    assert!(desk.until_due() > HOUR);
}

#[test]
fn a_delta_that_was_overtaken_is_fetched_again_soon() {
    let mut desk = Desk::known(&["ats/tags"]);
    let delta = desk.next().expect("dirty after the start");
    desk.ended(&delta, Ended::Overtaken(covered_until(NOON - MINUTE)));
    assert!(desk.next().is_none());
    assert_eq!(desk.until_due(), 5_000);
    assert_eq!(desk.run().len(), 1);
}
