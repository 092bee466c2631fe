//! The rows of a full fetch that no delta had brought.

use crate::lake::DriftFilter;
use crate::lake::tests::fold::*;
use crate::sink::Provenance;
use crate::versions::drift::{DriftCause, DriftKind};

const HOUR: i64 = 60 * MINUTE_US;

/// Four rows are fetched at 10 o'clock. A full fetch at 20 o'clock finds one row unchanged, and one row as a delta
/// had brought it at 11. Two more rows changed at 15, and one changed a minute before. One row is gone.
async fn compared(store: &TableStore) -> (Lake, FoldedTable) {
    let lake = lake(store, &settings()).await;
    let first = ["1", "2", "3", "4"].map(|id| seen(id, 10 * HOUR, "old name"));
    bring(&lake, &snapshot("a"), &first, 10 * HOUR).await;
    fold(&lake).await;
    let changed = |id, changed_at, at, name| Seen {
        changed_at: Some(changed_at),
        ..seen(id, at, name)
    };
    let brought = [changed("2", 11 * HOUR, 11 * HOUR + 1, "announced")];
    bring(&lake, &delta("a"), &brought, 11 * HOUR + 1).await;
    let rows = [
        changed("1", 10 * HOUR - 10 * MINUTE_US, 20 * HOUR, "old name"),
        changed("2", 11 * HOUR, 20 * HOUR, "announced"),
        changed("3", 15 * HOUR, 20 * HOUR, "missed"),
        changed("5", 20 * HOUR - MINUTE_US, 20 * HOUR, "just now"),
        changed("6", 15 * HOUR, 20 * HOUR, "missed, new"),
    ];
    bring(&lake, &snapshot("a"), &rows, 20 * HOUR).await;
    let done = fold_one(&lake).await;
    (lake, done)
}

async fn found(lake: &Lake) -> Vec<(String, Vec<String>, Option<i64>)> {
    let filter = DriftFilter {
        limit: 10,
        ..DriftFilter::default()
    };
    let found = lake.drift(&filter).await.expect("read").going.into_iter();
    let mut found: Vec<_> = found
        .map(|row| (row.id, row.columns, row.wrong_secs))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_full_fetch_names_what_no_delta_had_brought_and_nothing_else() {
    let store = TableStore::memory();
    let (lake, done) = compared(&store).await;
    let missed = DriftCause::NoNotification;
    let expected = [
        (DriftKind::Insert, missed, 1),
        (DriftKind::Update, missed, 1),
    ];
    assert_eq!(done.drift, expected);
    let five_hours = Some(5 * 3_600);
    let expected = [
        ("3".to_owned(), vec!["name".to_owned()], five_hours),
        ("6".to_owned(), vec![], five_hours),
    ];
    assert_eq!(found(&lake).await, expected);
    let complete = lake.completeness().await.expect("read");
    let rows: Vec<_> = complete
        .values()
        .map(|one| (one.rows, one.drifted))
        .collect();
    assert_eq!(rows, [(6, 2)]);
}

#[tokio::test]
async fn what_was_announced_and_not_fetched_yet_is_no_drift() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring(
        &lake,
        &snapshot("a"),
        &[seen("1", 10 * HOUR, "old")],
        10 * HOUR,
    )
    .await;
    fold(&lake).await;
    let full = snapshot("a");
    let mut staging = lake.begin(&full, &tags()).await.expect("begins");
    let changed = Seen {
        changed_at: Some(15 * HOUR),
        ..seen("1", 20 * HOUR, "new")
    };
    let rows = rows_batch(&full, &[changed]);
    staging.push(rows).await.expect("pushed");
    let mut sealed = staging
        .seal(end(20 * HOUR / 1_000, 20 * HOUR))
        .await
        .expect("sealed");
    sealed.note(Provenance {
        prior: None,
        announced: Some(crate::time::Moment::from_millis(15 * HOUR / 1_000)),
    });
    sealed.commit().await.expect("committed");
    assert!(fold_one(&lake).await.drift.is_empty());
}
