//! What makes an integration count as deleted: Kombo's own answer, twice, a day apart, with the right key. And what
//! ends a suspicion.

use super::*;
use crate::plan::{Begun, Doubt};

pub(super) const READABLE: FoundIntegration = FoundIntegration {
    category: Some(Category::Ats),
    standing: Standing::Active,
};

type Answer = Result<FoundIntegration, LookFailed>;

fn environment(name: &str) -> EnvironmentId {
    EnvironmentId::new(name).expect("a name")
}

/// Returns a registered integration that was read in an environment.
pub(super) fn read_in(name: &str, state: &str, read_in: &str) -> Registration {
    Registration {
        environment: Some(environment(read_in)),
        ..registration(name, state)
    }
}

/// Returns a desk with integrations that are fetched, all of one environment.
pub(super) fn known(names: &[&str]) -> Desk {
    let all: Vec<_> = names
        .iter()
        .map(|name| read_in(name, "active", "own"))
        .collect();
    Desk::starting(rules(&["ats/tags"]), &all, NOON - HOUR)
}

pub(super) fn stands(desk: &Desk, name: &str) -> Standing {
    desk.dispatch.accounts[&id(name)].standing.clone()
}

/// Answers the questions that are due now, has the registry accept everything, and returns the number of questions.
pub(super) fn answer(desk: &mut Desk, kombo: impl Fn(&IntegrationId) -> Answer) -> usize {
    let questions = desk.dispatch.pass(at(desk.now_ms));
    for question in &questions {
        let Ask::Integration { id, .. } = question else {
            panic!("{question:?}")
        };
        desk.dispatch
            .looked(id, kombo(id), |_| None, at(desk.now_ms));
    }
    let rows = desk.dispatch.unsaved();
    desk.dispatch.saved(&rows, &rows, at(desk.now_ms));
    questions.len()
}

/// Returns answers of a Kombo that finds no integration, and accepts a key of an environment.
pub(super) fn missing(desk: &Desk, key_of: &str) -> impl Fn(&IntegrationId) -> Answer + use<> {
    let begun = Begun::by(at(desk.now_ms), at(desk.now_ms));
    let key_of = environment(key_of);
    move |_| {
        Err(LookFailed::NotFound {
            begun,
            key_of: key_of.clone(),
        })
    }
}

/// Advances time while Kombo finds nothing, until a condition holds, and returns how long that took. Fetches are
/// refused.
fn while_missing(desk: &mut Desk, key_of: &str, until: impl Fn(&Desk) -> bool) -> i64 {
    let since_ms = desk.now_ms;
    while !until(desk) {
        assert!(desk.now_ms < since_ms + 60 * DAY, "it never holds");
        desk.until_due();
        let kombo = missing(desk, key_of);
        answer(desk, kombo);
        while let Some(fetching) = desk.dispatch.next(at(desk.now_ms), |_| true) {
            let gone = FailedFetch::Integration(Standing::Deleting);
            desk.ended(&fetching, Ended::Failed(gone));
        }
    }
    desk.now_ms - since_ms
}

/// Returns what the registry holds of an integration.
pub(super) fn stored(desk: &Desk, name: &str) -> Registration {
    let account = &desk.dispatch.accounts[&id(name)];
    account
        .registration(&id(name))
        .expect("its category is known")
}

#[test]
fn one_signed_deletion_while_kombo_answers_for_the_integration_changes_nothing() {
    let mut desk = known(&["a"]);
    desk.run();
    let deleted = lifecycle("integration-deleted", "a", "");
    // The webhook is sent again every hour, for three days.
    for _ in 0..72 {
        desk.webhook(&deleted);
        assert!(answer(&mut desk, |_| Ok(READABLE)) > 0);
        assert_eq!(stored(&desk, "a").state, "active");
        assert_eq!(stored(&desk, "a").not_found_since_ms, None);
        desk.passes(HOUR / 2);
        desk.webhook(&changed("a", &["ats_tags"]));
        assert!(!desk.run().is_empty(), "what was announced is fetched");
        desk.passes(HOUR / 2);
    }
}

#[test]
fn a_real_deletion_stops_the_fetches_at_once_and_counts_after_a_day() {
    let mut desk = known(&["a", "b"]);
    desk.run();
    desk.webhook(&lifecycle("integration-deleted", "a", ""));
    let kombo = missing(&desk, "own");
    assert_eq!(answer(&mut desk, kombo), 1);
    assert_eq!(stands(&desk, "a"), Standing::Deleting);
    assert_eq!(stored(&desk, "a").not_found_since_ms, Some(NOON));
    desk.webhook(&changed("b", &["ats_tags"]));
    assert_eq!(desk.run().len(), 1, "another one is fetched on");

    let mut desk = known(&["a"]);
    desk.run();
    desk.webhook(&lifecycle("integration-deleted", "a", ""));
    let took = while_missing(&mut desk, "own", |desk| {
        stands(desk, "a") == Standing::Deleted
    });
    assert!((DAY..DAY + 7 * HOUR).contains(&took), "{took}");
    let row = stored(&desk, "a");
    assert_eq!(
        (&*row.state, row.not_found_since_ms),
        ("deleted", Some(NOON))
    );
    assert_eq!(row.state_since_ms, Some(NOON + took));
}

#[test]
fn a_fetch_that_finds_none_has_kombo_asked_with_proof_within_a_minute() {
    let mut desk = known(&["a"]);
    let fetching = desk.next().expect("a fetch");
    let gone = FailedFetch::Integration(Standing::Deleting);
    desk.ended(&fetching, Ended::Failed(gone));
    assert_eq!(stands(&desk, "a"), Standing::Deleting);
    assert_eq!(stored(&desk, "a").not_found_since_ms, None, "no proof yet");
    assert_eq!(desk.until_due(), MINUTE);
    let kombo = missing(&desk, "own");
    assert_eq!(answer(&mut desk, kombo), 1);
    assert_eq!(stored(&desk, "a").not_found_since_ms, Some(desk.now_ms));
}

#[test]
fn restarts_neither_lose_nor_fake_the_first_look() {
    let mut desk = known(&["a", "b"]);
    desk.webhook(&lifecycle("integration-deleted", "a", ""));
    let kombo = missing(&desk, "own");
    answer(&mut desk, kombo);
    // The checks of a process that does not restart come after 1, 3, 7, 13, 19 and 25 hours.
    for hour in 1..=25 {
        let rows = [stored(&desk, "a"), stored(&desk, "b")];
        let now_ms = NOON + hour * HOUR;
        desk = Desk {
            dispatch: Dispatch::new(rules(&["ats/tags"]), &rows, |_| None, at(now_ms)),
            now_ms,
        };
        let kombo = missing(&desk, "own");
        let due = usize::from([1, 3, 7, 13, 19, 25].contains(&hour));
        assert_eq!(answer(&mut desk, kombo), due, "the rhythm goes on");
        let expected = if hour < 25 {
            Standing::Deleting
        } else {
            Standing::Deleted
        };
        assert_eq!(stands(&desk, "a"), expected, "after {hour} h");
        assert_eq!(stored(&desk, "a").not_found_since_ms, Some(NOON));
    }
}

#[test]
fn any_answer_for_the_integration_ends_the_suspicion_and_another_begins_anew() {
    let inactive = FoundIntegration {
        standing: Standing::Inactive,
        ..READABLE
    };
    for alive in [
        Ok(READABLE),
        Ok(inactive),
        Err(LookFailed::Stands(Standing::SetupPending)),
    ] {
        let mut desk = known(&["a", "b"]);
        desk.webhook(&lifecycle("integration-deleted", "a", ""));
        while_missing(&mut desk, "own", |desk| desk.now_ms > NOON + DAY / 2);
        desk.passes(HOUR);
        desk.webhook(&changed("a", &["ats_tags"]));
        answer(&mut desk, |_| alive.clone());
        assert_ne!(stands(&desk, "a"), Standing::Deleting, "{alive:?}");
        assert_eq!(stored(&desk, "a").not_found_since_ms, None, "{alive:?}");
        desk.passes(DAY);
        desk.webhook(&lifecycle("integration-deleted", "a", ""));
        let kombo = missing(&desk, "own");
        answer(&mut desk, kombo);
        assert_eq!(stands(&desk, "a"), Standing::Deleting, "{alive:?}");
        assert_eq!(stored(&desk, "a").not_found_since_ms, Some(desk.now_ms));
    }
}

#[test]
fn a_look_without_an_answer_or_with_a_refused_key_counts_for_nothing() {
    for failed in [LookFailed::Once, LookFailed::Key] {
        let mut desk = known(&["a", "b"]);
        desk.webhook(&lifecycle("integration-deleted", "a", ""));
        let kombo = missing(&desk, "own");
        answer(&mut desk, kombo);
        while desk.now_ms < NOON + 3 * DAY {
            desk.until_due();
            answer(&mut desk, |_| Err(failed.clone()));
            desk.run();
        }
        assert_eq!(stands(&desk, "a"), Standing::Deleting, "{failed:?}");
        assert_eq!(stored(&desk, "a").not_found_since_ms, Some(NOON));
        let deleted = |desk: &Desk| stands(desk, "a") == Standing::Deleted;
        while_missing(&mut desk, "own", deleted);
    }
}

#[test]
fn the_key_of_another_environment_finds_none_and_none_is_deleted() {
    let names = ["a", "b", "c"];
    let mut desk = known(&names);
    while_missing(&mut desk, "other", |desk| desk.now_ms > NOON + 30 * DAY);
    let doubted = |name: &str| IntegrationNews::Doubted {
        id: id(name),
        doubt: Doubt::OtherEnvironment,
    };
    let news = std::mem::take(&mut desk.dispatch.news);
    for name in names {
        assert_eq!(stands(&desk, name), Standing::Deleting);
        assert_eq!(stored(&desk, name).not_found_since_ms, None);
        let told = news.iter().filter(|news| **news == doubted(name));
        assert_eq!(told.count(), 1, "told once");
    }
    while desk.dispatch.accounts.values().any(|one| !one.is_fetched()) {
        desk.until_due();
        answer(&mut desk, |_| Ok(READABLE));
    }
    assert_eq!(
        desk.run().len(),
        3,
        "with the right key all are fetched again"
    );
}

#[test]
fn one_that_was_never_read_is_never_deleted() {
    let rows = [registration("a", "active")];
    let mut desk = Desk::starting(rules(&["ats/tags"]), &rows, NOON - HOUR);
    while_missing(&mut desk, "own", |desk| desk.now_ms > NOON + 30 * DAY);
    assert_eq!(stands(&desk, "a"), Standing::Deleting);
    assert_eq!(stored(&desk, "a").not_found_since_ms, None);
}

#[test]
fn a_fetch_tells_the_registry_in_which_environment_an_integration_is_read() {
    let rows = [registration("a", "active")];
    let mut desk = Desk::starting(rules(&["ats/tags"]), &rows, NOON - HOUR);
    desk.dispatch
        .key_belongs(Some(environment("own")), at(NOON));
    desk.run();
    assert!(desk.dispatch.unsaved().is_empty(), "not for each fetch");
    desk.passes(MINUTE);
    desk.run();
    let rows = desk.dispatch.unsaved();
    assert_eq!(rows[0].environment, Some(environment("own")));
    desk.dispatch.saved(&rows, &rows, at(desk.now_ms));
    // A fetch that began with the previous key says nothing about the new one.
    desk.webhook(&changed("a", &["ats_tags"]));
    let fetching = desk.next().expect("a fetch");
    desk.dispatch.key_changed();
    desk.dispatch
        .key_belongs(Some(environment("other")), at(desk.now_ms));
    desk.covered(&fetching, Some(1));
    desk.passes(MINUTE);
    desk.run();
    assert!(desk.dispatch.unsaved().is_empty());
}

#[test]
fn while_kombo_finds_none_of_an_environment_it_takes_a_week() {
    let mut desk = known(&["a", "b", "c"]);
    let any = |desk: &Desk| {
        ["a", "b", "c"]
            .iter()
            .any(|name| stands(desk, name) == Standing::Deleted)
    };
    let took = while_missing(&mut desk, "own", any);
    assert!(took >= 7 * DAY, "{took}");
    let news = std::mem::take(&mut desk.dispatch.news);
    let many = news
        .iter()
        .filter(|news| matches!(news, IntegrationNews::AmongMany { .. }));
    assert!(many.count() >= 2, "{news:?}");
}

#[test]
fn a_deletion_told_of_a_parked_integration_has_kombo_asked_and_it_stays_parked() {
    let mut desk = known(&["a"]);
    let fetching = desk.next().expect("a fetch");
    let inactive = FailedFetch::Integration(Standing::Inactive);
    desk.ended(&fetching, Ended::Failed(inactive));
    desk.passes(MINUTE);
    desk.webhook(&lifecycle("integration-deleted", "a", ""));
    let found = FoundIntegration {
        standing: Standing::Inactive,
        ..READABLE
    };
    assert_eq!(answer(&mut desk, |_| Ok(found.clone())), 1);
    assert_eq!(stands(&desk, "a"), Standing::Inactive);
    desk.passes(MINUTE);
    desk.webhook(&lifecycle("integration-deleted", "a", ""));
    let kombo = missing(&desk, "own");
    answer(&mut desk, kombo);
    assert_eq!(stands(&desk, "a"), Standing::Deleting);
}

#[test]
fn one_that_is_read_before_kombo_has_named_the_keys_environment_belongs_to_it() {
    for named_late in [true, false] {
        // After a restart all tables are asked for at once, and the environment of the key is unknown.
        let all = [registration("a", "active")];
        let mut desk = Desk::starting(rules(&["ats/tags"]), &all, NOON - HOUR);
        desk.dispatch.used_key.environment = None;
        let fetching = desk.dispatch.next(at(desk.now_ms), |_| true).expect("due");
        let own = Some(environment("own"));
        if !named_late {
            desk.dispatch.key_belongs(own.clone(), at(desk.now_ms));
        }
        desk.covered(&fetching, Some(0));
        if named_late {
            desk.dispatch.key_belongs(own.clone(), at(desk.now_ms));
        }
        let account = &desk.dispatch.accounts[&id("a")];
        assert_eq!(account.environment, own);
    }
}

#[test]
fn what_was_read_with_a_key_of_before_belongs_to_no_environment_of_the_next() {
    let all = [registration("a", "active")];
    let mut desk = Desk::starting(rules(&["ats/tags"]), &all, NOON - HOUR);
    desk.dispatch.used_key.environment = None;
    let fetching = desk.dispatch.next(at(desk.now_ms), |_| true).expect("due");
    desk.dispatch.key_changed();
    desk.dispatch
        .key_belongs(Some(environment("other")), at(desk.now_ms));
    desk.covered(&fetching, Some(0));
    assert_eq!(desk.dispatch.accounts[&id("a")].environment, None);
}
