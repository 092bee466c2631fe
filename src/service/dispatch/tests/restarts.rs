//! What a start asks for, and what the notes for `status` say however many integrations there are.

use super::candidates::{STORED, empty, found, hear, keep, named};
use super::*;

#[test]
fn a_crash_between_the_answer_200_and_the_question_loses_nothing() {
    let mut desk = empty();
    named(&mut desk, "a");
    let list = desk.dispatch.unkept(at(desk.now_ms)).expect("to be stored");
    desk.dispatch.kept(&list, true);
    assert_eq!(named(&mut desk, "a"), STORED);
    // The process crashes here, and another one starts from what is stored.
    let mut desk = empty();
    desk.dispatch.recall(&list, at(desk.now_ms));
    assert_eq!(named(&mut desk, "a"), STORED, "durable");
    assert_eq!(hear(&mut desk, |_| found()), [id("a")]);
    assert_eq!(desk.run().len(), 1);

    // The crash comes after the registry was written: the stored candidate is known, costs no question and is tidied up.
    let mut desk = Desk::known(&["ats/tags"]);
    desk.dispatch.recall(&list, at(desk.now_ms));
    assert!(hear(&mut desk, |_| found()).is_empty());
    assert_eq!(keep(&mut desk), Some(Vec::new()));
}

#[test]
fn a_restart_asks_for_no_integration_that_kombo_has_confirmed() {
    let states = [
        "active",
        "setup_pending",
        "inactive",
        "authentication_invalid",
        "deleted",
        "purged",
        "PAUSED",
    ];
    let names: Vec<_> = (0..700).map(|number| format!("{number}")).collect();
    let rows = names
        .iter()
        .zip(states.iter().cycle())
        .map(|(name, state)| Registration {
            state_since_ms: Some(NOON - 3 * DAY + 2 * HOUR),
            not_found_since_ms: (*state == "deleted").then_some(NOON - 4 * DAY),
            ..registration(name, state)
        });
    let rows: Vec<_> = rows.collect();
    let mut desk = Desk::starting(rules(&["ats/tags"]), &rows, NOON - HOUR);
    assert_eq!(desk.dispatch.pass(at(NOON + 1)), []);
    // Their rhythm goes on: within a day each that is parked is asked for.
    let mut asked = HashSet::new();
    while let Some(due) = desk
        .dispatch
        .next_due()
        .filter(|due| *due <= at(NOON + DAY))
    {
        loop {
            let questions = desk.dispatch.pass(due);
            if questions.is_empty() {
                break;
            }
            for ask in questions {
                let Ask::Integration { id, is_new: false } = ask else {
                    panic!("{ask:?}")
                };
                desk.dispatch
                    .looked(&id, Err(LookFailed::Once), |_| None, due);
                asked.insert(id);
            }
        }
    }
    assert_eq!(asked.len(), 500, "all but the active and the purged ones");
}

#[test]
fn a_local_clock_that_runs_ahead_has_no_parked_integration_asked_for_at_a_start() {
    let rows = [registration("a", "inactive"), registration("b", "inactive")];
    let rows = rows.map(|row| Registration {
        state_since_ms: Some(NOON - HOUR / 2),
        ..row
    });
    let mut desk = Desk::starting(rules(&["ats/tags"]), &rows, NOON - HOUR);
    desk.now_ms = NOON + 7 * DAY;
    desk.dispatch = Dispatch::new(rules(&["ats/tags"]), &rows, |_| None, at(desk.now_ms));
    assert_eq!(desk.dispatch.pass(at(desk.now_ms)), []);
    // Kombo's first answer brings its clock. A webhook that came before it is not put off.
    named(&mut desk, "b");
    desk.now_ms = NOON;
    let of_b = Ask::Integration {
        id: id("b"),
        is_new: false,
    };
    assert_eq!(desk.dispatch.pass(at(NOON)), [of_b]);
    assert_eq!(desk.until_due(), HOUR / 2, "as without the restart");
}

#[test]
fn the_notes_name_some_thousands_with_those_that_need_attention_first_and_count_the_others() {
    use crate::service::dispatch::status_notes::{INTEGRATIONS, TABLES};
    let names: Vec<_> = (0..TABLES).map(|number| format!("{number:05}")).collect();
    let mut rows: Vec<_> = names
        .iter()
        .map(|name| registration(name, "active"))
        .collect();
    rows.last_mut().expect("many").state = "inactive".to_owned();
    let mut desk = Desk::starting(rules(&["ats/tags", "ats/jobs"]), &rows, NOON - MINUTE);
    named(&mut desk, "new");
    let notes = desk.dispatch.notes(at(NOON), None);
    assert_eq!(
        (notes.integrations.len(), notes.tables.len()),
        (INTEGRATIONS, TABLES)
    );
    assert_eq!(notes.integrations_left_out, (TABLES - INTEGRATIONS) as u64);
    assert_eq!(
        (notes.tables_left_out, notes.candidates),
        (TABLES as u64, 1)
    );
    let last = format!("tool:{}", names[TABLES - 1]);
    assert_eq!(notes.integrations[&last].state, "inactive");
    assert!(!notes.integrations.contains_key("tool:new"));
}
