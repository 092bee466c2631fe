//! What can happen to an integration that counts as deleted, and to one whose rows are purged.

use super::super::standings::LearntBy;
use super::deletion::{READABLE, answer, missing, read_in, stands, stored};
use super::*;

#[test]
fn a_deleted_one_is_asked_for_daily_and_lives_again_when_kombo_answers_for_it() {
    for sign in ["look", "webhook"] {
        let rows = [Registration {
            not_found_since_ms: Some(NOON - 3 * DAY),
            state_since_ms: Some(NOON - 2 * DAY),
            ..read_in("a", "deleted", "own")
        }];
        let mut desk = Desk::starting(rules(&["ats/tags"]), &rows, NOON - 4 * DAY);
        let kombo = missing(&desk, "own");
        assert_eq!(answer(&mut desk, kombo), 1, "as without the restart");
        assert_eq!(stands(&desk, "a"), Standing::Deleted);
        assert!(desk.next().is_none(), "it is not fetched");
        if sign == "webhook" {
            desk.passes(2 * HOUR);
            desk.webhook(&changed("a", &["ats_tags"]));
        } else {
            assert_eq!(desk.until_due(), DAY);
        }
        assert_eq!(answer(&mut desk, |_| Ok(READABLE)), 1);
        assert_eq!(stored(&desk, "a").state, "active");
        assert_eq!(stored(&desk, "a").not_found_since_ms, None);
        assert_eq!(desk.run().len(), 1, "what was missed is fetched");
        let back = IntegrationNews::Stands {
            id: id("a"),
            before: Standing::Deleted,
            standing: Standing::Active,
            cause: match sign {
                "webhook" => LearntBy::Webhook,
                _ => LearntBy::Recheck,
            },
        };
        assert_eq!(std::mem::take(&mut desk.dispatch.news), [back]);
    }
}

#[test]
fn a_purged_one_is_asked_for_once_a_day_when_webhooks_speak_of_it_and_waits_for_a_person() {
    let rows = [read_in("a", "purged", "own")];
    let mut desk = Desk::starting(rules(&["ats/tags"]), &rows, NOON);
    assert!(desk.next().is_none() && desk.dispatch.next_due().is_none());
    let mut looks = 0;
    for _ in 0..48 {
        let purged = Reaction::Acknowledge("purged");
        assert_eq!(desk.webhook(&changed("a", &["ats_tags"])), purged);
        desk.webhook(&lifecycle("integration-created", "a", ""));
        desk.webhook(&lifecycle("integration-deleted", "a", ""));
        looks += answer(&mut desk, |_| Ok(READABLE));
        assert!(desk.next().is_none());
        desk.passes(HOUR);
    }
    assert_eq!((looks, stands(&desk, "a")), (2, Standing::Purged));
    let answers = vec![IntegrationNews::PurgedAnswers { id: id("a") }; 2];
    assert_eq!(std::mem::take(&mut desk.dispatch.news), answers);
}

#[test]
fn what_another_process_has_written_stands_above_what_this_one_says() {
    let since = Some(NOON - 2 * DAY);
    let rows = [Registration {
        not_found_since_ms: since,
        ..read_in("a", "deleting", "own")
    }];
    for state in ["deleting", "purged"] {
        let mut desk = Desk::starting(rules(&["ats/tags"]), &rows, NOON - 3 * DAY);
        desk.webhook(&lifecycle("integration-deleted", "a", ""));
        let questions = desk.dispatch.pass(at(NOON));
        let kombo = missing(&desk, "own");
        desk.dispatch
            .looked(&id("a"), kombo(&id("a")), |_| None, at(NOON));
        let told = desk.dispatch.unsaved();
        assert_eq!((questions.len(), &*told[0].state), (1, "deleted"));
        // A backfill has read the integration since the first check, or a purge has deleted its rows.
        let stand = Registration {
            state: state.to_owned(),
            not_found_since_ms: Some(NOON),
            ..told[0].clone()
        };
        desk.dispatch.saved(&told, &[stand], at(NOON));
        assert_eq!(stands(&desk, "a").as_str(), state);
        assert_eq!(stored(&desk, "a").not_found_since_ms, Some(NOON));
        assert!(desk.dispatch.unsaved().is_empty());
        assert_eq!(desk.dispatch.next_due().is_some(), state == "deleting");
    }
}
