//! Integrations that only webhooks have named: stored first, then asked for, and fetched only once Kombo has confirmed
//! them.

use super::deletion::READABLE;
use super::*;
use crate::service::dispatch::candidates::MOST;
use crate::service::dispatch::refusals::WhyDropped;
use crate::sink::Candidate;

pub(super) const STORED: Reaction = Reaction::Acknowledge("candidate");

pub(super) fn found() -> Heard {
    Heard::Found(READABLE)
}

/// Answers the questions about candidates that are due now, and returns the candidates.
pub(super) fn hear(desk: &mut Desk, kombo: impl Fn(&IntegrationId) -> Heard) -> Vec<IntegrationId> {
    let mut asked = Vec::new();
    loop {
        let questions = desk.dispatch.pass(at(desk.now_ms));
        if questions.is_empty() {
            return asked;
        }
        for question in questions {
            let Ask::Candidate(id) = question else {
                panic!("{question:?}")
            };
            desk.dispatch.heard(&id, kombo(&id), at(desk.now_ms));
            asked.push(id);
        }
    }
}

/// Stores the candidates, and returns the names in the list if there was one to store.
pub(super) fn keep(desk: &mut Desk) -> Option<Vec<String>> {
    let list = desk.dispatch.unkept(at(desk.now_ms))?;
    desk.dispatch.kept(&list, true);
    let mut names: Vec<_> = list.iter().map(|one| one.integration.to_string()).collect();
    names.sort();
    Some(names)
}

pub(super) fn named(desk: &mut Desk, name: &str) -> Reaction {
    desk.webhook(&changed(name, &["ats_tags"]))
}

fn news(desk: &mut Desk) -> Vec<IntegrationNews> {
    std::mem::take(&mut desk.dispatch.news)
}

fn dropped(name: &str, why: WhyDropped) -> Vec<IntegrationNews> {
    vec![IntegrationNews::Dropped { id: id(name), why }]
}

pub(super) fn empty() -> Desk {
    Desk::empty(rules(&["ats/tags"]))
}

#[test]
fn a_new_integration_is_stored_then_confirmed_then_registered_and_fetched() {
    let mut desk = empty();
    assert_eq!(named(&mut desk, "new"), Reaction::Keep(id("new")));
    assert_eq!(
        named(&mut desk, "new"),
        Reaction::Keep(id("new")),
        "still not stored"
    );
    assert!(!desk.dispatch.is_durable(&id("new")));
    assert_eq!(keep(&mut desk), Some(vec!["tool:new".to_owned()]));
    assert_eq!(keep(&mut desk), None, "nothing has changed");
    assert!(desk.dispatch.is_durable(&id("new")));
    assert_eq!(named(&mut desk, "new"), STORED);
    assert!(
        desk.dispatch.unsaved().is_empty(),
        "not registered before Kombo's answer"
    );
    assert!(
        desk.dispatch.next(at(NOON), |_| true).is_none(),
        "and not fetched"
    );

    assert_eq!(
        hear(&mut desk, |_| found()),
        [id("new")],
        "asked at once, and once"
    );
    assert_eq!(
        named(&mut desk, "new"),
        ACCEPTED,
        "durable among the candidates"
    );
    let ran = desk.run();
    assert_eq!(
        ran,
        [("ats/tags".to_owned(), Kind::Snapshot, Lane::Snapshot)]
    );
    let rows = desk.dispatch.unsaved();
    assert_eq!(
        (rows.len(), &*rows[0].state, &*rows[0].origin),
        (1, "active", "webhook")
    );

    // It leaves the list only after the registry has it.
    desk.passes(MINUTE);
    assert_eq!(keep(&mut desk), Some(vec!["tool:new".to_owned()]));
    desk.dispatch.saved(&rows, &rows, at(desk.now_ms));
    named(&mut desk, "other");
    assert_eq!(keep(&mut desk), Some(vec!["tool:other".to_owned()]));
}

#[test]
fn a_list_that_cannot_be_written_acknowledges_nothing_and_is_written_again() {
    let mut desk = empty();
    named(&mut desk, "a");
    let list = desk.dispatch.unkept(at(desk.now_ms)).expect("to be stored");
    desk.dispatch.kept(&list, false);
    assert!(!desk.dispatch.is_durable(&id("a")));
    assert_eq!(named(&mut desk, "a"), Reaction::Keep(id("a")));
    assert_eq!(keep(&mut desk), Some(vec!["tool:a".to_owned()]));
    assert_eq!(named(&mut desk, "a"), STORED);
}

#[test]
fn beyond_the_limit_new_integrations_are_refused_and_known_ones_are_taken() {
    let mut desk = Desk::known(&["ats/tags"]);
    desk.run();
    for number in 0..MOST {
        let name = format!("forged-{number}");
        assert_eq!(named(&mut desk, &name), Reaction::Keep(id(&name)));
    }
    for number in 0..10_000 {
        let refused = named(&mut desk, &format!("more-{number}"));
        assert_eq!(refused, Reaction::Full);
    }
    let created = lifecycle("integration-created", "late", "");
    assert_eq!(desk.webhook(&created), Reaction::Full);
    assert_eq!(
        named(&mut desk, "forged-7"),
        Reaction::Keep(id("forged-7")),
        "known"
    );
    assert_eq!(named(&mut desk, "a"), ACCEPTED, "a customer");
    assert_eq!(desk.dispatch.candidates(), MOST);
    let told = news(&mut desk);
    assert_eq!(told.len(), 10, "lines of ten seconds");
    let first = IntegrationNews::Refused(Refused::One(id("more-0")));
    assert_eq!(told[0], first);
    desk.passes(MINUTE);
    hear(&mut desk, |_| Heard::Nothing);
    let more = IntegrationNews::Refused(Refused::More(10_001 - 10));
    assert!(news(&mut desk).contains(&more));
    // Each one that Kombo does not find makes room.
    desk.passes(10 * MINUTE);
    hear(&mut desk, |_| Heard::NotFound);
    assert_eq!(named(&mut desk, "late"), Reaction::Keep(id("late")));
}

#[test]
fn questions_about_candidates_have_a_tenth_of_the_budget_and_two_are_under_way() {
    let mut rules = rules(&["ats/tags"]);
    rules.budget = NonZeroU32::new(300).map(|requests| (requests, Duration::from_mins(1)));
    let mut desk = Desk::empty(rules);
    for number in 0..MOST {
        named(&mut desk, &format!("forged-{number}"));
    }
    let under_way = desk.dispatch.pass(at(desk.now_ms));
    assert_eq!(under_way.len(), 2);
    for ask in under_way {
        let Ask::Candidate(id) = ask else {
            panic!("{ask:?}")
        };
        desk.dispatch.heard(&id, Heard::Nothing, at(desk.now_ms));
    }
    let mut asked = 2 + hear(&mut desk, |_| Heard::NotFound).len();
    assert_eq!(asked, 30);
    for second in 1..600 {
        desk.passes(1000);
        asked += hear(&mut desk, |_| Heard::NotFound).len();
        assert!(asked <= 30 * (second / 60 + 1), "{asked} in {second} s");
    }
    assert_eq!(asked, 300, "in ten minutes");
}

#[test]
fn no_question_about_a_candidate_is_asked_while_the_key_is_refused() {
    let mut desk = Desk::known(&["ats/tags"]);
    let fetching = desk.next().expect("a fetch");
    let refused = FailedFetch::Key("refused".to_owned());
    desk.ended(&fetching, Ended::Failed(refused));
    assert_eq!(named(&mut desk, "new"), Reaction::Keep(id("new")));
    assert!(hear(&mut desk, |_| found()).is_empty());
    desk.dispatch.key_tried(true, at(desk.now_ms));
    assert_eq!(hear(&mut desk, |_| found()), [id("new")]);
}

#[test]
fn a_webhook_that_comes_before_kombo_finds_the_integration_has_kombo_asked_again() {
    let mut desk = empty();
    named(&mut desk, "early");
    assert_eq!(hear(&mut desk, |_| Heard::NotFound).len(), 1);
    assert_eq!(desk.until_due(), MINUTE);
    assert_eq!(hear(&mut desk, |_| found()).len(), 1);
    assert_eq!(desk.run().len(), 1);
}

#[test]
fn what_kombo_does_not_find_for_five_minutes_is_dropped_and_may_come_again() {
    let mut desk = empty();
    named(&mut desk, "forged");
    keep(&mut desk);
    let mut asked = 0;
    while desk.dispatch.candidates() > 0 {
        asked += hear(&mut desk, |_| Heard::NotFound).len();
        desk.passes(MINUTE);
    }
    assert_eq!((asked, desk.now_ms), (4, NOON + 8 * MINUTE));
    assert_eq!(news(&mut desk), dropped("forged", WhyDropped::NotFound));
    assert_eq!(keep(&mut desk), Some(Vec::new()), "the list is tidied up");
    assert!(desk.dispatch.unsaved().is_empty() && desk.dispatch.tables.is_empty());
    assert_eq!(desk.dispatch.next_due(), None);
    assert_eq!(named(&mut desk, "forged"), Reaction::Keep(id("forged")));
}

#[test]
fn a_webhook_during_the_last_question_has_kombo_asked_once_more() {
    let mut desk = empty();
    named(&mut desk, "a");
    keep(&mut desk);
    desk.passes(10 * MINUTE);
    assert_eq!(desk.dispatch.pass(at(desk.now_ms)).len(), 1);
    assert_eq!(named(&mut desk, "a"), STORED);
    desk.dispatch
        .heard(&id("a"), Heard::NotFound, at(desk.now_ms));
    desk.until_due();
    assert_eq!(hear(&mut desk, |_| found()).len(), 1);
    assert_eq!(desk.run().len(), 1);
}

#[test]
fn a_candidate_without_an_answer_is_asked_ever_more_seldom_and_expires_after_a_week() {
    let mut desk = empty();
    named(&mut desk, "a");
    keep(&mut desk);
    let mut asked = 0;
    while desk.dispatch.candidates() > 0 {
        asked += hear(&mut desk, |_| Heard::Nothing).len();
        desk.dispatch
            .next_due()
            .inspect(|due| desk.now_ms = due.as_millis());
    }
    assert!((7 * 24..7 * 24 + 10).contains(&asked), "{asked}");
    let age = desk.now_ms - NOON;
    assert!((7 * DAY..7 * DAY + 2 * HOUR).contains(&age), "{age}");
    assert_eq!(news(&mut desk), dropped("a", WhyDropped::Expired));
}

#[test]
fn a_replayed_webhook_costs_a_question_a_minute_and_no_write() {
    let mut desk = empty();
    named(&mut desk, "a");
    keep(&mut desk);
    let (mut asked, mut writes) = (0, 0);
    for _ in 0..6_000 {
        for _ in 0..100 {
            named(&mut desk, "a");
        }
        asked += hear(&mut desk, |_| Heard::Nothing).len();
        writes += keep(&mut desk).iter().count();
        desk.passes(100);
    }
    assert_eq!((asked, writes), (10, 0), "in ten minutes");
}

#[test]
fn the_list_is_written_once_for_many_and_once_a_minute_for_resolved_ones() {
    let mut desk = empty();
    for number in 0..500 {
        named(&mut desk, &format!("new-{number}"));
    }
    assert_eq!(keep(&mut desk).map(|list| list.len()), Some(500));
    let (mut writes, mut rows) = (0, 0);
    while desk.dispatch.candidates() > 0 {
        hear(&mut desk, |_| found());
        let unsaved = desk.dispatch.unsaved();
        desk.dispatch.saved(&unsaved, &unsaved, at(desk.now_ms));
        let list = keep(&mut desk);
        writes += list.iter().count();
        rows += list.map_or(0, |list| list.len());
        desk.passes(1000);
    }
    assert!(
        writes < 10 && rows < 2_500,
        "{writes} writes of {rows} rows"
    );
    assert_eq!(desk.dispatch.accounts.len(), 500);
}

#[test]
fn an_error_that_names_a_state_confirms_the_integration_and_a_category_of_another_build_drops_it() {
    let mut desk = empty();
    named(&mut desk, "a");
    hear(&mut desk, |_| Heard::Stands(Standing::Inactive));
    assert_eq!(desk.dispatch.unsaved()[0].state, "inactive");
    assert!(desk.next().is_none(), "it is parked");
    assert_eq!(desk.until_due(), HOUR);

    named(&mut desk, "b");
    news(&mut desk);
    let unknown = FoundIntegration {
        category: None,
        ..READABLE
    };
    let kombo = |asked: &IntegrationId| {
        assert_eq!(*asked, id("b"));
        Heard::Found(unknown.clone())
    };
    for ask in desk.dispatch.pass(at(desk.now_ms)) {
        if let Ask::Candidate(asked) = ask {
            desk.dispatch.heard(&asked, kombo(&asked), at(desk.now_ms));
        }
    }
    assert_eq!(news(&mut desk), dropped("b", WhyDropped::UnknownCategory));
}

#[test]
fn integrations_that_the_configuration_names_are_no_candidates() {
    let mut rules = rules(&["ats/tags"]);
    rules.only = Some(HashSet::from([id("a")]));
    let mut desk = Desk::empty(rules.clone());
    assert_eq!(named(&mut desk, "a"), ACCEPTED);
    assert_eq!(
        named(&mut desk, "b"),
        Reaction::Acknowledge("not_configured")
    );
    let stored = ["a", "b"].map(|name| Candidate {
        integration: id(name),
        category: None,
        since_ms: NOON,
    });
    desk.dispatch.recall(&stored, at(NOON));
    assert_eq!(desk.dispatch.candidates(), 0);
    assert_eq!(
        desk.dispatch
            .next(at(NOON), |_| true)
            .map(|one| one.work.table.integration),
        Some(id("a"))
    );

    // A reload that leaves a candidate out ends the questions about it.
    let mut desk = empty();
    named(&mut desk, "b");
    hear(&mut desk, |_| Heard::Nothing);
    desk.dispatch.adopt(rules, |_| None, at(NOON));
    assert_eq!(desk.dispatch.candidates(), 0);
    assert!(desk.dispatch.is_durable(&id("b")), "nothing to wait for");
}

#[test]
fn deletions_of_the_unknown_are_not_kept_and_ids_that_are_too_long_are_no_webhooks() {
    let mut desk = empty();
    let deleted = lifecycle("integration-deleted", "a", "");
    assert_eq!(desk.webhook(&deleted), Reaction::Acknowledge("not_known"));
    named(&mut desk, "a");
    assert_eq!(
        desk.webhook(&deleted),
        Reaction::Keep(id("a")),
        "Kombo's answer decides"
    );
    for bad in [String::new(), "a".repeat(300)] {
        let body = format!(
            r#"{{"id":"e","type":"data-changed","data":{{"integration_id":"{bad}","integration_category":"ATS","changed_models":[]}}}}"#
        );
        assert!(preview(body.as_bytes()).is_err());
    }
    assert_eq!(desk.dispatch.candidates(), 1);
}
