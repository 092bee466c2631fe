//! Which rows are missing in two full fetches that began far enough apart, whether or not somebody folds in between.

use fastrand::Rng;
use object_store::ObjectStoreExt;

use crate::delta::store::TableStore;
use crate::lake::tests::damage::{found, truncate_newest_entry};
use crate::lake::tests::support::*;
use crate::lake::{FoldSettings, Part, SnapshotHistory};

const HOUR: i64 = 3_600_000_000;

/// What happens besides the commit of a full fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Fold,
    /// Some rows are unconfirmed, so the replaced snapshot is taken over first.
    TakeOver,
}

/// Commits a full fetch with these ids, by a new process. Returns the rows that this fetch and an earlier one lack.
async fn full(store: &TableStore, hour: i64, ids: &[&'static str], then: Then) -> Vec<String> {
    let lake = lake(store, &settings()).await;
    let fetch = snapshot("a");
    let at = hour * HOUR;
    let rows: Vec<Row> = ids.iter().map(|id| (*id, at, 1)).collect();
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    staging
        .push(batch(&tags(), &fetch, &rows))
        .await
        .expect("pushed");
    let mut sealed = staging.seal(end(at / 1_000, at)).await.expect("sealed");
    let missing = sealed
        .missing(99, Rng::with_seed(1))
        .await
        .expect("compared");
    if then == Then::TakeOver {
        sealed.take_over().await.expect("taken over");
    }
    sealed.commit().await.expect("committed");
    if then == Then::Fold {
        let folded = lake.fold(&tags(), None, &FoldSettings::default()).await;
        folded.expect("folded");
    }
    let twice = missing.ids.into_iter().filter(|id| id.lacked_twice);
    twice.map(|id| id.id).collect()
}

async fn facts(store: &TableStore) -> SnapshotHistory {
    let lake = lake(store, &settings()).await;
    let table = lake.tables().of_endpoint(&tags(), Part::Snapshots).await;
    let state = table.expect("open").refreshed().await.expect("read");
    SnapshotHistory::of(&integration("a").key(), |app| state.txn(app)).expect("there")
}

#[tokio::test]
async fn reruns_confirm_nothing_before_a_day_is_over() {
    let store = TableStore::memory();
    full(&store, 0, &["1", "2"], Then::Fold).await;
    // The second full fetch lacks a row of the first one. Then each hour another one agrees, three of them at once.
    let hours = [1, 1, 1].into_iter().chain(1..=48);
    for hour in hours {
        let twice = full(&store, hour, &["1"], Then::Fold).await;
        // The day counts from hour 24. Until then the remembered full fetch is the first one, which has the row.
        let expected: &[&str] = if hour == 48 { &["2"] } else { &[] };
        assert_eq!(twice, expected, "hour {hour}");
    }
}

#[tokio::test]
async fn a_full_fetch_a_day_after_another_confirms_what_both_lack() {
    let store = TableStore::memory();
    full(&store, 0, &["1", "2", "3"], Then::Fold).await;
    assert!(full(&store, 24 * 7, &["1"], Then::Fold).await.is_empty());
    // Row 3 is back in between.
    let lake = lake(&store, &settings()).await;
    let at = 24 * 7 * HOUR + 5;
    run(&lake, &delta("a"), &[&[("3", at, 2)]], end(at / 1_000, at)).await;
    assert_eq!(full(&store, 24 * 14, &["1"], Then::Fold).await, ["2"]);
}

#[tokio::test]
async fn what_only_an_unfolded_full_fetch_has_seen_makes_the_looks_begin_anew() {
    let store = TableStore::memory();
    full(&store, 0, &["1", "2"], Then::Fold).await;
    full(&store, 24, &["1", "2"], Then::Nothing).await;
    assert!(full(&store, 48, &["1"], Then::Nothing).await.is_empty());
    // Nothing records any more that row 2 was seen in hour 24.
    let forgotten = facts(&store).await;
    assert_eq!(forgotten.first_look, None);
    assert_eq!(forgotten.next_look.as_micros(), 48 * HOUR);
    assert!(full(&store, 49, &["1"], Then::Nothing).await.is_empty());
    assert!(
        full(&store, 72, &["1"], Then::Fold).await.is_empty(),
        "hour 49 was folded nowhere"
    );
    assert!(full(&store, 95, &["1"], Then::Fold).await.is_empty());
    assert_eq!(full(&store, 96, &["1"], Then::Fold).await, ["2"]);
}

#[tokio::test]
async fn what_a_full_fetch_replaces_stays_known_when_rows_are_unconfirmed() {
    let store = TableStore::memory();
    full(&store, 0, &["1", "2"], Then::Nothing).await;
    full(&store, 1, &["1"], Then::TakeOver).await;
    assert!(full(&store, 2, &["1"], Then::TakeOver).await.is_empty());
    assert!(full(&store, 24, &["1"], Then::TakeOver).await.is_empty());
    assert_eq!(full(&store, 48, &["1"], Then::Fold).await, ["2"]);
    assert_eq!(
        stored(&store, Part::Current).await.len(),
        2,
        "nothing says that it is gone"
    );
}

/// Returns how many rows `current` has after a rebuild.
async fn made_anew(store: &TableStore) -> usize {
    let lake = lake(store, &settings()).await;
    let anew = FoldSettings {
        rebuild: true,
        ..FoldSettings::default()
    };
    lake.fold(&tags(), None, &anew).await.expect("folded");
    stored(store, Part::Current).await.len()
}

#[tokio::test]
async fn what_cannot_be_taken_over_is_not_replaced() {
    let store = TableStore::memory();
    full(&store, 0, &["1", "2"], Then::Fold).await;
    full(&store, 1, &["1", "2", "3"], Then::Nothing).await;
    // Every fold sets the table aside, because the result of the comparison cannot be stored.
    truncate_newest_entry(&store, "kombo_drift").await;
    let lake = lake(&store, &settings()).await;
    let fetch = snapshot("a");
    let at = 2 * HOUR;
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    let rows = batch(&tags(), &fetch, &[("1", at, 1)]);
    staging.push(rows).await.expect("pushed");
    let sealed = staging.seal(end(at / 1_000, at)).await.expect("sealed");
    let taken_over = sealed.take_over().await;
    let error = taken_over.expect_err("3 is known to the snapshot alone");
    assert!(error.to_string().contains("kombo_drift"), "{error}");
}

#[tokio::test]
async fn current_is_made_anew_only_without_a_full_fetch_that_is_not_folded() {
    let store = TableStore::memory();
    full(&store, 0, &["1", "2"], Then::Fold).await;
    full(&store, 1, &["1"], Then::TakeOver).await;
    assert_eq!(made_anew(&store).await, 2, "nothing says that 2 is gone");
    assert_eq!(made_anew(&store).await, 2, "and it is held now");
}

#[tokio::test]
async fn rows_that_stay_unconfirmed_stay_when_the_holds_are_moved_away() {
    let store = TableStore::memory();
    full(&store, 0, &["1", "2"], Then::Fold).await;
    full(&store, 1, &["1"], Then::Fold).await;
    for path in found(&store, "kombo_holds", "").await {
        store.objects().delete(&path).await.expect("deleted");
    }
    let lake = lake(&store, &settings()).await;
    let at = 2 * HOUR;
    run(&lake, &delta("a"), &[&[("4", at, 2)]], end(at / 1_000, at)).await;
    let folded = lake.fold(&tags(), None, &FoldSettings::default()).await;
    folded.expect("folded");
    assert_eq!(stored(&store, Part::Current).await.len(), 3);
    assert_eq!(
        lake.holds().await.expect("read").len(),
        1,
        "it is held again"
    );
    assert_eq!(made_anew(&store).await, 3, "nothing says that 2 is gone");
}
