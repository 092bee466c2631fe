//! A search returns the matching rows, and does not read files that cannot hold such rows.

use std::sync::Arc;

use crate::delta::object_key::ObjectKey;
use crate::lake::layout::LakeTable;
use crate::lake::tests::drift::*;
use crate::lake::{DriftGroup, FoundDrift, UpkeepSettings};
use crate::time::Clock;

const DAY_MS: i64 = 86_400_000;

async fn found_by(lake: &Lake, filter: DriftFilter) -> Vec<String> {
    let rows = lake.drift(&filter).await.expect("read").going;
    rows.into_iter().map(|row| row.id).collect()
}

fn any() -> DriftFilter {
    DriftFilter {
        limit: 100,
        ..DriftFilter::default()
    }
}

/// Makes three comparisons: two of `a`, four days apart, and one of another table of `b`.
async fn three_comparisons() -> (TableStore, Lake, Vec<String>) {
    let (store, clock) = (TableStore::memory(), TestClock::new());
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let lake = Lake::over(store.clone(), &settings(), shared)
        .await
        .expect("opens");
    let later = NOON_US + 4 * DAY_MS * 1000;
    let first = staged(&lake, "a", vec![row("old", NOON_US)]).await;
    clock.pass(4 * DAY_MS);
    let gone = DriftRow {
        kind: DriftKind::Delete,
        cause: DriftCause::Guard,
        ..row("gone", later + 1)
    };
    let second = staged(&lake, "a", vec![row("new", later), gone]).await;
    let rows = vec![row("else", later + 2)];
    let third = drift::stage(lake.tables(), &integration("b"), &other(), "f2", rows)
        .await
        .expect("staged");
    let files = [&first, &second, &third].map(|file| file.as_ref().expect("a file"));
    let paths = files.map(|file| file.add.path.clone()).to_vec();
    let other = TableComparison {
        endpoint: other(),
        ..compared("b", 1, (1, 1), third)
    };
    let all = vec![
        compared("a", 1, (1, 1), first),
        compared("a", 2, (2, 2), second),
        other,
    ];
    drift::commit(lake.tables(), all).await.expect("committed");
    (store, lake, paths)
}

#[tokio::test]
async fn the_newest_come_first_and_a_filter_holds() {
    let (_, lake, _) = three_comparisons().await;
    assert_eq!(found_by(&lake, any()).await, ["else", "gone", "new", "old"]);
    let two = DriftFilter { limit: 2, ..any() };
    assert_eq!(found_by(&lake, two).await, ["else", "gone"]);
    let none = DriftFilter { limit: 0, ..any() };
    assert!(found_by(&lake, none).await.is_empty());
    let by = |filter| found_by(&lake, filter);
    let of_a = DriftFilter {
        integrations: Some([integration("a")].into()),
        ..any()
    };
    assert_eq!(by(of_a).await, ["gone", "new", "old"]);
    let of_jobs = DriftFilter {
        endpoints: Some([other()].into()),
        ..any()
    };
    assert_eq!(by(of_jobs).await, ["else"]);
    let deleted = DriftFilter {
        kind: Some(DriftKind::Delete),
        ..any()
    };
    assert_eq!(by(deleted).await, ["gone"]);
    let unannounced = DriftFilter {
        cause: Some(DriftCause::NoNotification),
        ..any()
    };
    assert_eq!(by(unannounced).await, ["else", "new", "old"]);
    let since = DriftFilter {
        since_us: Some(NOON_US + 4 * DAY_MS * 1000 + 1),
        ..any()
    };
    assert_eq!(by(since).await, ["else", "gone"]);
}

#[tokio::test]
async fn a_row_is_found_as_it_was_written() {
    let (_, lake, _) = three_comparisons().await;
    let filter = DriftFilter { limit: 1, ..any() };
    let fetched_at_us = NOON_US + 4 * DAY_MS * 1000 + 2;
    let expected = FoundDrift {
        integration: "tool:b".to_owned(),
        endpoint: "ats/jobs".to_owned(),
        id: "else".to_owned(),
        kind: "update".to_owned(),
        cause: "no_notification".to_owned(),
        columns: vec!["outcome".to_owned(), "candidate".to_owned()],
        fetched_at_us,
        known_fetched_at_us: Some(5),
        changed_at_us: None,
        wrong_since_us: Some(fetched_at_us - 2_500_000),
        wrong_secs: Some(2),
        fetch_id: "f2".to_owned(),
    };
    assert_eq!(lake.drift(&filter).await.expect("read").going, [expected]);
}

#[tokio::test]
async fn alike_rows_are_counted_whatever_the_limit() {
    let (_, lake, _) = three_comparisons().await;
    let filter = DriftFilter { limit: 0, ..any() };
    let (counts, _) = lake.drift_counts(&filter).await.expect("read");
    let group = |endpoint: &str, kind: &str, cause: &str| DriftGroup {
        endpoint: endpoint.to_owned(),
        kind: kind.to_owned(),
        cause: cause.to_owned(),
    };
    let expected = [
        (group("ats/jobs", "update", "no_notification"), 1),
        (group("ats/tags", "delete", "guard"), 1),
        (group("ats/tags", "update", "no_notification"), 2),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}

/// A missing file is set aside by every search that reads the file. So the set-aside files show which files were
/// read.
#[tokio::test]
async fn files_that_cannot_hold_what_is_asked_for_are_not_read() {
    let (store, lake, paths) = three_comparisons().await;
    let gone = ObjectKey::Listed(&LakeTable::Drift.path(), &paths[0]).path();
    store.objects().delete(&gone).await.expect("deleted");
    let found = lake.drift(&any()).await.expect("the others are read");
    assert_eq!(found.aside.len(), 1, "the old file is gone");
    let told = found.aside[0].error.to_string();
    assert!(told.contains(&paths[0]), "{told}");

    let since = DriftFilter {
        since_us: Some(NOON_US + 3 * DAY_MS * 1000),
        ..any()
    };
    assert_eq!(found_by(&lake, since).await, ["else", "gone", "new"]);
    let full = DriftFilter { limit: 3, ..any() };
    assert_eq!(found_by(&lake, full).await, ["else", "gone", "new"]);
    let other_table = DriftFilter {
        endpoints: Some([other()].into()),
        ..any()
    };
    assert_eq!(found_by(&lake, other_table).await, ["else"]);
    let other_integration = DriftFilter {
        integrations: Some([integration("b")].into()),
        ..any()
    };
    assert_eq!(found_by(&lake, other_integration).await, ["else"]);
}

#[tokio::test]
async fn merged_files_are_found_again() {
    let (store, lake, _) = three_comparisons().await;
    let upkeep = UpkeepSettings {
        compact_files: 2,
        ..UpkeepSettings::default()
    };
    let report = lake.upkeep(&[], &upkeep).await.expect("kept up");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    let merged: Vec<u64> = report.tables.iter().map(|done| done.merged_files).collect();
    assert_eq!(merged, [2], "the two of one day");
    assert_eq!(found_by(&lake, any()).await, ["else", "gone", "new", "old"]);
    let of_jobs = DriftFilter {
        endpoints: Some([other()].into()),
        ..any()
    };
    assert_eq!(found_by(&lake, of_jobs).await, ["else"]);
    assert_eq!(counts(&store, "a").await, Some((2, 2, 2)));
}

#[tokio::test]
async fn many_rows_leave_the_newest() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let ids: Vec<String> = (0..3_000).map(|number| format!("{number:04}")).collect();
    let rows = ids.iter().zip(NOON_US..).map(|(id, at)| row(id, at));
    let file = staged(&lake, "a", rows.collect()).await;
    let one = compared("a", 1, (3_000, 3_000), file);
    drift::commit(lake.tables(), vec![one])
        .await
        .expect("committed");
    let filter = DriftFilter { limit: 2, ..any() };
    assert_eq!(found_by(&lake, filter).await, ["2999", "2998"]);
}
