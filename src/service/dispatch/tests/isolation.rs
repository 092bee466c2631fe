//! A table that cannot be read is not treated as new, and an integration that the registry refuses does not stop the
//! others.

use super::*;

fn reading_nothing() -> Dispatch {
    let registered = [registration("a", "active")];
    let rules = rules(&["ats/tags", "ats/jobs"]);
    let tags = table("a", "ats/tags");
    let covered = |id: &TableId| {
        let known = (*id != tags).then(|| Holding::Known(Some(covered_until(NOON - HOUR))));
        known.unwrap_or(Holding::Unread)
    };
    Dispatch::new(rules, &registered, covered, at(NOON))
}

fn next(dispatch: &mut Dispatch) -> Vec<(TableId, Kind)> {
    let mut all = Vec::new();
    while let Some(fetching) = dispatch.next(at(NOON), |_| true) {
        all.push((fetching.work.table.clone(), fetching.work.kind));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn of_a_table_that_cannot_be_read_changes_are_asked_for_and_no_full_fetch() {
    let mut dispatch = reading_nothing();
    let expected = ["ats/jobs", "ats/tags"].map(|name| (table("a", name), Kind::Delta));
    assert_eq!(next(&mut dispatch), expected);
    let notes = dispatch.notes(at(NOON), None);
    let failing = notes.tables.iter().filter(|one| one.last_error.is_some());
    let failing: Vec<_> = failing.map(|one| one.endpoint.as_str()).collect();
    assert_eq!(failing, ["ats/tags"]);
}

#[test]
fn a_table_that_is_read_at_last_has_its_schedule_again() {
    let mut dispatch = reading_nothing();
    let tags = table("a", "ats/tags");
    dispatch.read(&tags, &covered_until(NOON - HOUR));
    let known = &dispatch.tables[&tags];
    assert_eq!(known.base, Some(Base::from_millis(NOON - HOUR)));
    assert_eq!(known.snapshot_base, Some(Base::from_millis(NOON - HOUR)));
    // The lake is read into the table once only: what a fetch has found since is newer.
    dispatch.read(&tags, &covered_until(NOON));
    let known = &dispatch.tables[&tags];
    assert_eq!(known.base, Some(Base::from_millis(NOON - HOUR)));
}

#[test]
fn a_refused_integration_is_let_go_and_does_not_come_into_the_next_batch() {
    let mut desk = Desk::empty(rules(&["ats/tags"]));
    for name in ["a", "b"] {
        let reaction = desk
            .dispatch
            .webhook(&changed(name, &["ats_tags"]), at(NOON));
        assert_eq!(reaction, Reaction::Keep(id(name)));
    }
    candidates::hear(&mut desk, |_| candidates::found());
    let batch = desk.dispatch.unsaved();
    assert_eq!(batch.len(), 2);
    desk.dispatch.saved(&batch[..1], &batch[..1], at(NOON));
    desk.dispatch
        .refuse(&id("b"), "its key belongs to another".to_owned());

    assert!(desk.dispatch.unsaved().is_empty());
    assert_eq!(
        next(&mut desk.dispatch),
        [(table("a", "ats/tags"), Kind::Snapshot)]
    );
    let again = |name| changed(name, &["ats_tags"]);
    assert_eq!(desk.dispatch.webhook(&again("a"), at(NOON)), ACCEPTED);
    assert_eq!(
        desk.dispatch.webhook(&again("b"), at(NOON)),
        Reaction::Refuse
    );
    let deleted = lifecycle("integration-deleted", "b", "");
    assert_eq!(desk.dispatch.webhook(&deleted, at(NOON)), Reaction::Refuse);
    assert!(
        desk.dispatch.unsaved().is_empty(),
        "nothing of it is written"
    );
    let note = &desk.dispatch.notes(at(NOON), None).integrations["tool:b"];
    assert_eq!(note.state, "refused");
    assert_eq!(note.reason.as_deref(), Some("its key belongs to another"));
}

#[test]
fn a_registry_that_is_read_at_last_adds_those_whom_nobody_had_named() {
    let mut desk = Desk::empty(rules(&["ats/tags"]));
    let taken = desk
        .dispatch
        .webhook(&changed("a", &["ats_tags"]), at(NOON));
    assert_eq!(taken, Reaction::Keep(id("a")));
    candidates::hear(&mut desk, |_| candidates::found());
    let registered = ["a", "b"].map(|name| registration(name, "active"));
    let covered = |_: &TableId| Some(covered_until(NOON - HOUR));
    desk.dispatch.registered(&registered, covered, at(NOON));
    assert!(desk.dispatch.accounts.contains_key(&id("b")));
    let expected = [
        (table("a", "ats/tags"), Kind::Snapshot),
        (table("b", "ats/tags"), Kind::Delta),
    ];
    assert_eq!(next(&mut desk.dispatch), expected);
}
