//! A change that would remove many rows at once is held. The hold ends when the operator accepts it, when a full
//! fetch a day later confirms it, or when the rows come back.

use crate::lake::Hold;
use crate::lake::Part;
use crate::lake::tests::fold::*;
use crate::versions::guard::HoldState;

pub(super) const ROWS: i64 = 300;

pub(super) fn everybody(at: i64) -> Vec<Seen> {
    let row = |row: i64| seen(&format!("{row:03}"), at + row, &format!("{row:08}"));
    (0..ROWS).map(row).collect()
}

pub(super) fn nobody(at: i64, rows: i64) -> Vec<Seen> {
    let row = |row: i64| gone(&format!("{row:03}"), at + row, "delete");
    (0..rows).map(row).collect()
}

pub(super) async fn filled(store: &TableStore) -> Lake {
    let lake = lake(store, &settings()).await;
    bring(&lake, &snapshot("a"), &everybody(1_000), 1_500).await;
    fold(&lake).await;
    lake
}

pub(super) async fn hold(lake: &Lake) -> Hold {
    let mut holds = lake.holds().await.expect("read");
    assert_eq!(holds.len(), 1);
    holds.remove(0)
}

/// Accepts the hold.
pub(super) async fn accept(lake: &Lake) {
    let accepted = Hold {
        state: HoldState::Accepted,
        ..hold(lake).await
    };
    lake.put_holds(&[accepted]).await.expect("accepted");
}

/// Returns all rows, with the first `rows` rows as deleted.
pub(super) fn all_but(rows: i64, at: i64) -> Vec<Seen> {
    let mut all = nobody(at, rows);
    let left = usize::try_from(rows).expect("not negative");
    all.extend(everybody(at + ROWS).into_iter().skip(left));
    all
}

#[tokio::test]
async fn a_mass_deletion_is_held_while_other_changes_go_on() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    bring(&lake, &delta("a"), &nobody(2_000, 150), 2_500).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (300, 0, 150));
    let held = hold(&lake).await;
    assert_eq!(
        (held.state, held.removed, held.table_rows),
        (HoldState::Held, 150, 300)
    );
    assert_eq!(held.since_us, 2_000);
    bring(
        &lake,
        &delta("a"),
        &[seen("200", 3_000, "changed"), seen("900", 3_001, "new")],
        3_001,
    )
    .await;
    fold(&lake).await;
    let rows = current(&store, "a").await;
    assert_eq!((rows.len(), rows[200].2.as_deref()), (301, Some("changed")));
    assert_eq!(hold(&lake).await.state, HoldState::Held);
}

#[tokio::test]
async fn what_is_accepted_goes_and_what_comes_later_is_judged_anew() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    bring(&lake, &delta("a"), &nobody(2_000, 150), 2_500).await;
    fold(&lake).await;
    accept(&lake).await;
    // Another lake, so that nothing is known from memory.
    let lake = crate::lake::tests::support::lake(&store, &settings()).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (150, 150, 0));
    let released = done.released.expect("told");
    assert_eq!(
        (released.state, released.rows, released.in_part),
        (HoldState::Accepted, 150, false)
    );
    assert!(fold(&lake).await.tables.is_empty());
    let rest: Vec<Seen> = (150..ROWS)
        .map(|row| gone(&format!("{row:03}"), 4_000 + row, "delete"))
        .collect();
    bring(&lake, &delta("a"), &rest, 5_000).await;
    fold(&lake).await;
    assert_eq!(current(&store, "a").await.len(), 150);
    assert_eq!(hold(&lake).await.state, HoldState::Held);
}

#[tokio::test]
async fn rows_that_come_back_end_the_hold() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    bring(&lake, &delta("a"), &nobody(2_000, ROWS), 2_500).await;
    fold(&lake).await;
    bring(&lake, &delta("a"), &everybody(3_000), 3_500).await;
    let done = fold_one(&lake).await;
    assert_eq!(
        (done.rows, done.held, done.changed),
        (300, 0, 0),
        "the same values"
    );
    assert_eq!(hold(&lake).await.state, HoldState::Resolved);
    let released = done.released.expect("told");
    assert_eq!((released.state, released.rows), (HoldState::Resolved, 0));
    let rows = current(&store, "a").await;
    assert!(rows.iter().all(|row| row.1 >= 3_000), "observed anew");
}

#[tokio::test]
async fn a_hold_whose_end_was_not_written_down_ends_with_the_next_fold() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    bring(&lake, &delta("a"), &nobody(2_000, 150), 2_500).await;
    fold(&lake).await;
    accept(&lake).await;
    fold(&lake).await;
    let left_over = Hold {
        state: HoldState::Held,
        until_us: i64::MAX / 2,
        ..hold(&lake).await
    };
    lake.put_holds(&[left_over]).await.expect("put");
    let done = fold_one(&lake).await;
    let released = done.released.expect("told");
    assert_eq!((done.rows, released.state), (150, HoldState::Resolved));
    assert_eq!(hold(&lake).await.state, HoldState::Resolved);
    assert!(fold(&lake).await.tables.is_empty());
}

#[tokio::test]
async fn what_a_snapshot_takes_away_can_be_accepted() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    bring(&lake, &snapshot("a"), &nobody(5_000, ROWS), 5_900).await;
    fold(&lake).await;
    accept(&lake).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed), (0, 300));
    assert!(current(&store, "a").await.is_empty());
    assert!(fold(&lake).await.tables.is_empty());
}

#[tokio::test]
async fn a_column_that_turns_null_everywhere_is_held_and_other_columns_are_not_lost() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    let nameless: Vec<Seen> = everybody(2_000)
        .into_iter()
        .map(|row| Seen { name: None, ..row })
        .collect();
    // Rows with nothing left but their id count as gone.
    bring(&lake, &delta("a"), &nameless, 2_500).await;
    fold(&lake).await;
    let rows = current(&store, "a").await;
    assert!(rows.iter().all(|row| row.2.is_some()), "the names stay");
    assert_eq!(hold(&lake).await.held_rows, 300);
}

#[tokio::test]
async fn rows_that_a_full_fetch_lacks_go_when_somebody_accepts_it_and_deltas_say_so() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    let rows: Vec<Seen> = everybody(5_000).into_iter().take(290).collect();
    bring(&lake, &snapshot("a"), &rows, 5_900).await;
    assert_eq!(fold_one(&lake).await.rows, 300);
    let held = hold(&lake).await;
    assert_eq!((held.state, held.unconfirmed), (HoldState::Held, 10));
    accept(&lake).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed), (290, 10));
    assert_eq!(done.released.map(|released| released.rows), Some(10));
    assert_eq!(stored(&store, Part::Deltas).await.len(), 10);
    // The table's own rows in `deltas` change nothing further.
    fold(&lake).await;
    assert!(fold(&lake).await.tables.is_empty());
    assert_eq!(current(&store, "a").await.len(), 290);
}

#[tokio::test]
async fn what_was_accepted_goes_even_if_a_full_fetch_says_the_same_before_the_next_fold() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    bring(&lake, &delta("a"), &nobody(2_000, 150), 2_500).await;
    fold(&lake).await;
    accept(&lake).await;
    bring(&lake, &snapshot("a"), &all_but(150, 9_000), 9_900).await;
    let done = fold_one(&lake).await;
    assert_eq!((done.rows, done.removed, done.held), (150, 150, 0));
    assert_eq!(hold(&lake).await.state, HoldState::Accepted);
    assert_eq!(done.released.map(|released| released.rows), Some(150));
}

#[tokio::test]
async fn a_row_that_a_full_fetch_shows_as_deleted_is_told_from_one_that_it_lacks() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    let full = snapshot("a");
    let mut staging = lake.begin(&full, &tags()).await.expect("begins");
    let mut rows = nobody(9_000, 2);
    rows.extend(everybody(9_100).into_iter().skip(3));
    staging
        .push(rows_batch(&full, &rows))
        .await
        .expect("pushed");
    let mut sealed = staging.seal(end(9, 9_900)).await.expect("sealed");
    let random = fastrand::Rng::with_seed(1);
    let missing = sealed.missing(10, random).await.expect("compared");
    let ids: Vec<&str> = missing.ids.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((&ids[..], missing.shown), (&["002"][..], 2));
}
