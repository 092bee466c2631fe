//! A second full fetch confirms the losses of a first one only when it began at least a day later, and row by row.

use crate::lake::tests::fold::guard::*;
use crate::lake::tests::fold::*;
use crate::time::{ObservedAt, SecondLook};
use crate::versions::guard::HoldState;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 3600 * SECOND;
const START: i64 = 1_000 * DAY;

/// Returns the rows from `from` up to and without `to`, seen from the instant `at` on.
fn some(from: i64, to: i64, at: i64) -> Vec<Seen> {
    let row = |row: i64| seen(&format!("{row:03}"), at + row, &format!("{row:08}"));
    (from..to).map(row).collect()
}

/// Returns tombstones of the same range of rows.
fn tombstones(from: i64, to: i64, at: i64) -> Vec<Seen> {
    let row = |row: i64| gone(&format!("{row:03}"), at + row, "absent");
    (from..to).map(row).collect()
}

async fn filled_at_start(store: &TableStore) -> Lake {
    let lake = lake(store, &settings()).await;
    bring(&lake, &snapshot("a"), &some(0, ROWS, START), START + 1_000).await;
    fold(&lake).await;
    lake
}

/// Commits a full fetch that began at `at` and saw only these rows.
async fn look(lake: &Lake, rows: &[Seen], at: i64) {
    bring(lake, &snapshot("a"), rows, at + 1_000).await;
}

#[tokio::test]
async fn a_rerun_leaves_held_what_a_full_fetch_lacked_and_one_begun_a_day_later_confirms_it() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    let first = START + DAY;
    // Kombo was asked for the missing rows and did not know them. That is committed before the full fetch.
    bring(
        &lake,
        &delta("a"),
        &tombstones(0, 120, first + 2_000),
        first + 3_000,
    )
    .await;
    look(&lake, &some(120, ROWS, first), first).await;
    assert_eq!(fold_one(&lake).await.rows, 300);
    let begun = hold(&lake).await;
    assert_eq!((begun.state, begun.removed), (HoldState::Held, 120));
    let due = SecondLook::default().due(ObservedAt::from_micros(first + 2_119));
    assert_eq!(begun.confirmable_us, Some(due.as_micros()));
    let too_early = [4 * SECOND, 8 * SECOND, 12 * SECOND, DAY - SECOND];
    for at in too_early.map(|later| first + later) {
        // Another process, so that nothing is known from memory.
        let lake = crate::lake::tests::support::lake(&store, &settings()).await;
        look(&lake, &some(120, ROWS, at), at).await;
        let done = fold_one(&lake).await;
        assert_eq!((done.rows, done.removed, done.held), (300, 0, 120));
        assert_eq!(done.released, None);
        let held = done.hold.expect("it says so");
        assert_eq!(held.confirmable_us, begun.confirmable_us, "as before");
        assert_eq!((held.state, held.since_us), (begun.state, begun.since_us));
    }
    let second = due.as_micros();
    look(&lake, &some(120, ROWS, second), second).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (180, 120, 0));
    let released = done.released.expect("told");
    assert_eq!(
        (released.state, released.rows, released.in_part),
        (HoldState::Confirmed, 120, false)
    );
    assert_eq!(hold(&lake).await.state, HoldState::Confirmed);
    assert!(fold(&lake).await.tables.is_empty());
}

#[tokio::test]
async fn a_deletion_that_was_announced_is_confirmed_by_a_full_fetch_a_day_later() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    bring(
        &lake,
        &delta("a"),
        &nobody(START + DAY, 200),
        START + DAY + 500,
    )
    .await;
    fold(&lake).await;
    let second = START + 2 * DAY + 500;
    let mut rows = nobody(second, 200);
    rows.extend(some(200, ROWS, second));
    look(&lake, &rows, second).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (100, 200, 0));
    assert_eq!(hold(&lake).await.state, HoldState::Confirmed);
}

#[tokio::test]
async fn what_only_full_fetches_show_as_deleted_is_confirmed_by_two_a_day_apart() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    for (at, rows, state) in [
        (DAY, 300, HoldState::Held),
        (DAY + SECOND, 300, HoldState::Held),
        (2 * DAY - 1, 300, HoldState::Held),
        (2 * DAY + SECOND, 0, HoldState::Confirmed),
    ] {
        look(&lake, &nobody(START + at, ROWS), START + at).await;
        assert_eq!(fold_one(&lake).await.rows, rows, "{at}");
        assert_eq!(hold(&lake).await.state, state, "{at}");
    }
}

#[tokio::test]
async fn rows_held_at_the_first_look_confirm_no_others_at_the_second() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    let (first, second) = (START + DAY, START + 3 * DAY);
    bring(
        &lake,
        &delta("a"),
        &tombstones(0, 120, first + 2_000),
        first + 3_000,
    )
    .await;
    look(&lake, &some(120, ROWS, first), first).await;
    fold(&lake).await;
    // The first 120 rows are back, and as many other rows are missing.
    bring(
        &lake,
        &delta("a"),
        &tombstones(150, 270, second + 2_000),
        second + 3_000,
    )
    .await;
    let mut rows = some(0, 150, second);
    rows.extend(some(270, ROWS, second));
    look(&lake, &rows, second).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (300, 0, 120));
    let held = hold(&lake).await;
    assert_eq!((held.state, held.removed), (HoldState::Held, 120));
    assert_eq!(done.released, None, "nothing went");
    assert!(held.confirmable_us > Some(second + DAY));
}

#[tokio::test]
async fn what_is_confirmed_goes_and_what_came_later_stays_held() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    let hour = DAY / 24;
    bring(
        &lake,
        &delta("a"),
        &tombstones(0, 120, START + hour),
        START + 2 * hour,
    )
    .await;
    bring(
        &lake,
        &delta("a"),
        &tombstones(120, 240, START + 20 * hour),
        START + 21 * hour,
    )
    .await;
    fold(&lake).await;
    let second = START + 26 * hour;
    look(&lake, &some(240, ROWS, second), second).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (180, 120, 120));
    let released = done.released.expect("told");
    assert_eq!(
        (released.state, released.rows, released.in_part),
        (HoldState::Confirmed, 120, true)
    );
    assert_eq!(hold(&lake).await.state, HoldState::Held);
    let third = START + 45 * hour;
    look(&lake, &some(240, ROWS, third), third).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (60, 120, 0));
    assert_eq!(hold(&lake).await.state, HoldState::Confirmed);
}

#[tokio::test]
async fn rows_that_were_seen_between_two_looks_are_not_confirmed() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    let (first, between, second) = (START + DAY, START + DAY + DAY / 2, START + 3 * DAY);
    bring(&lake, &delta("a"), &tombstones(0, 150, first), first + 200).await;
    fold(&lake).await;
    look(&lake, &some(0, ROWS, between), between).await;
    let done = fold_one(&lake).await;
    assert_eq!(
        done.released.map(|one| one.state),
        Some(HoldState::Resolved)
    );
    bring(
        &lake,
        &delta("a"),
        &tombstones(0, 150, second - DAY / 2),
        second - DAY / 4,
    )
    .await;
    look(&lake, &some(150, ROWS, second), second).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.held), (300, 150));
    assert_eq!(hold(&lake).await.state, HoldState::Held);
}

#[tokio::test]
async fn rows_that_nobody_could_be_asked_for_go_when_two_looks_a_day_apart_lack_them() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    let (first, second) = (START + DAY, START + 2 * DAY + SECOND);
    for at in [first, first + 4 * SECOND] {
        look(&lake, &some(120, ROWS, at), at).await;
        assert_eq!(fold_one(&lake).await.rows, 300);
        let held = hold(&lake).await;
        assert_eq!((held.state, held.unconfirmed), (HoldState::Held, 120));
        assert_eq!(held.confirmable_us, Some(first + 120 + DAY));
    }
    // The second full fetch lacks the rows as well, and commits that.
    bring(
        &lake,
        &delta("a"),
        &tombstones(0, 120, second + 2_000),
        second + 3_000,
    )
    .await;
    look(&lake, &some(120, ROWS, second), second).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (180, 120, 0));
    assert_eq!(hold(&lake).await.state, HoldState::Confirmed);
}

/// Returns all rows without a name, but with another value.
fn nameless(at: i64) -> Vec<Seen> {
    let row = |row| Seen {
        name: None,
        remote_id: Some("r"),
        ..row
    };
    some(0, ROWS, at).into_iter().map(row).collect()
}

#[tokio::test]
async fn a_column_that_a_delta_turned_null_is_confirmed_by_a_full_fetch_a_day_later() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    bring(
        &lake,
        &delta("a"),
        &nameless(START + DAY),
        START + DAY + 500,
    )
    .await;
    fold(&lake).await;
    let held = hold(&lake).await;
    assert_eq!((held.nulled, held.columns), (300, vec!["name".to_owned()]));
    assert_eq!(held.confirmable_us, Some(START + 2 * DAY + 299));
    for (at, names) in [(DAY + SECOND, 300), (2 * DAY + 299, 0)] {
        look(&lake, &nameless(START + at), START + at).await;
        fold(&lake).await;
        let rows = current(&store, "a").await;
        let named = rows.iter().filter(|row| row.2.is_some()).count();
        assert_eq!(named, names, "{at}");
    }
    assert_eq!(hold(&lake).await.state, HoldState::Confirmed);
}

#[tokio::test]
async fn a_column_that_only_full_fetches_turn_null_waits_for_a_person() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    for day in [1, 3, 7] {
        let at = START + day * DAY;
        look(&lake, &nameless(at), at).await;
        assert_eq!(fold_one(&lake).await.held, 300);
        let held = hold(&lake).await;
        assert_eq!((held.state, held.confirmable_us), (HoldState::Held, None));
    }
    accept(&lake).await;
    let done = fold_one(&lake).await;
    assert_eq!(done.released.map(|released| released.rows), Some(300));
    assert!(current(&store, "a").await.iter().all(|row| row.2.is_none()));
}

#[tokio::test]
async fn a_look_whose_rows_were_kept_as_they_were_does_not_count_as_one_that_lacked_them() {
    let store = TableStore::memory();
    let lake = filled_at_start(&store).await;
    let (first, second) = (START + DAY, START + 3 * DAY);
    // The first full fetch saw all rows, without names. So the rows are kept, and no column says when they were last
    // seen.
    look(&lake, &nameless(first), first).await;
    fold(&lake).await;
    look(&lake, &nobody(second, ROWS), second).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.held), (300, 300));
    let third = second + DAY + 500;
    look(&lake, &nobody(third, ROWS), third).await;
    assert_eq!(fold_one(&lake).await.rows, 0, "missing twice");
}
