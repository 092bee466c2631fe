//! Rows that disappear in many small deltas within a day count as much as rows that disappear at once.

use crate::ids::IntegrationKey;
use crate::lake::Part;
use crate::lake::positions::Positions;
use crate::lake::tests::fold::guard::{accept, hold};
use crate::lake::tests::fold::*;
use crate::versions::guard::HoldState;

const HOUR: i64 = 3_600_000_000;
const START: i64 = 24_000 * HOUR;
const ROWS: i64 = 1_000;

fn key() -> IntegrationKey {
    integration("a").key()
}

async fn filled(store: &TableStore) -> Lake {
    let lake = lake(store, &settings()).await;
    let row = |row: i64| seen(&format!("{row:03}"), START + row, "here");
    let rows: Vec<Seen> = (0..ROWS).map(row).collect();
    bring(&lake, &snapshot("a"), &rows, START + ROWS).await;
    fold(&lake).await;
    lake
}

/// Deletes rows by a delta, and folds.
async fn delete(lake: &Lake, rows: std::ops::Range<i64>, at: i64) -> FoldedTable {
    let end = at + rows.end;
    let row = |row: i64| gone(&format!("{row:03}"), at + row, "delete");
    let rows: Vec<Seen> = rows.map(row).collect();
    bring(lake, &delta("a"), &rows, end).await;
    fold_one(lake).await
}

/// Returns how many rows count as gone within a day, from the log.
async fn lost(lake: &Lake, at: i64) -> u64 {
    let current = lake.tables().existing(&tags(), Part::Current).await;
    let current = current.expect("opens").expect("there");
    let state = current.refreshed().await.expect("read");
    Positions::of(&key(), &state).lost.rows(at)
}

#[tokio::test]
async fn many_small_deletions_within_a_day_are_held_like_a_large_one() {
    let store = TableStore::memory();
    drop(filled(&store).await);
    let mut rows = 1_000;
    for nth in 0..32 {
        // Another process each time: earlier losses are known from the log only.
        let lake = lake(&store, &settings()).await;
        let at = START + HOUR + nth * HOUR / 3;
        rows = delete(&lake, nth * 30..(nth + 1) * 30, at).await.rows;
        assert_eq!(
            rows,
            if nth < 3 {
                1_000 - (nth.unsigned_abs() + 1) * 30
            } else {
                910
            }
        );
    }
    let lake = lake(&store, &settings()).await;
    let held = hold(&lake).await;
    assert_eq!((held.state, held.removed), (HoldState::Held, 29 * 30));
    assert!(
        held.detail.contains("after 90 others within the last day"),
        "{}",
        held.detail
    );
    assert_eq!((rows, lost(&lake, held.until_us).await), (910, 90));
}

#[tokio::test]
async fn the_same_deletions_spread_over_days_go_unasked() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    for nth in 0..20 {
        let at = START + HOUR + nth * 24 * HOUR;
        let done = delete(&lake, nth * 30..(nth + 1) * 30, at).await;
        assert_eq!((done.removed, done.held), (30, 0), "{nth}");
    }
    assert!(lake.holds().await.expect("read").is_empty());
}

#[tokio::test]
async fn after_an_acceptance_the_next_small_deletion_goes() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    for nth in 0..4 {
        delete(&lake, nth * 30..(nth + 1) * 30, START + HOUR + nth * HOUR).await;
    }
    assert_eq!(hold(&lake).await.state, HoldState::Held);
    accept(&lake).await;
    assert_eq!(fold_one(&lake).await.removed, 30);
    assert_eq!(lost(&lake, START + 6 * HOUR).await, 0);
    let done = delete(&lake, 200..230, START + 6 * HOUR).await;
    assert_eq!((done.removed, done.held), (30, 0));
}

#[tokio::test]
async fn two_folds_of_the_same_losses_count_them_once() {
    let store = TableStore::memory();
    drop(filled(&store).await);
    let one = lake(&store, &settings()).await;
    let row = |row: i64| gone(&format!("{row:03}"), START + HOUR + row, "delete");
    let rows: Vec<Seen> = (0..30).map(row).collect();
    bring(&one, &delta("a"), &rows, START + 2 * HOUR).await;
    let other = lake(&store, &settings()).await;
    tokio::join!(fold(&one), fold(&other));
    assert_eq!(lost(&one, START + 2 * HOUR).await, 30);
}

#[tokio::test]
async fn making_current_anew_changes_nothing_of_what_was_lost() {
    let store = TableStore::memory();
    let lake = filled(&store).await;
    delete(&lake, 0..30, START + HOUR).await;
    let anew = FoldSettings {
        rebuild: true,
        ..small_files()
    };
    let report = lake.fold(&tags(), None, &anew).await.expect("folded");
    assert_eq!(report.tables.len(), 1);
    assert_eq!(report.tables[0].hold, None);
    assert_eq!(lost(&lake, START + HOUR + 30).await, 30);
}
