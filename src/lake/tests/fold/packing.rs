//! Small tables share files of `current`, and large ones have files of their own.

use std::collections::BTreeSet;

use crate::lake::tests::fold::*;
use crate::lake::{UpkeepReport, UpkeepSettings};

/// Names of small customers.
fn customers(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("customer{at:02}")).collect()
}

async fn bring_new(lake: &Lake, names: &[String]) {
    for name in names {
        let rows = [seen("1", 10, name), seen("2", 11, "two")];
        bring(lake, &snapshot(name), &rows, 12).await;
    }
}

async fn files(store: &TableStore) -> usize {
    live_files(store, Part::Current).await.len()
}

async fn fold_of(lake: &Lake, name: &str, settings: &FoldSettings) -> FoldReport {
    let only = BTreeSet::from([integration(name).key()]);
    let folded = lake.fold(&tags(), Some(&only), settings).await;
    folded.expect("folded")
}

async fn keep_up(lake: &Lake) -> UpkeepReport {
    let settings = UpkeepSettings::default();
    let report = lake.upkeep(&[tags()], &settings).await.expect("kept up");
    assert!(report.failed.is_empty(), "{report:?}");
    report
}

/// Rows of a large table, with these ids.
fn rows(ids: impl Iterator<Item = i64>, at: i64) -> Vec<Seen> {
    ids.map(|id| seen(&format!("{id:04}"), at + id, "here"))
        .collect()
}

/// Settings with which a table of a few rows is large, and the files of its first snapshot are copied.
fn tiny_tables() -> FoldSettings {
    FoldSettings {
        file_bytes: 100_000,
        ..FoldSettings::default()
    }
}

/// Commits the first snapshot of a table in several files, which overlap in their ids.
async fn bring_runs(lake: &Lake) {
    let ids = (0..60).map(|row| row * 7 % 60);
    bring(lake, &snapshot("a"), &rows(ids, 100), 200).await;
}

#[tokio::test]
async fn small_tables_share_a_file_and_a_change_rewrites_that_file_alone() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring_new(&lake, &customers(20)).await;
    let report = fold(&lake).await;
    assert_eq!((report.tables.len(), report.shared_files), (20, 1));
    assert_eq!(files(&store).await, 1);
    bring_new(&lake, &["later".to_owned()]).await;
    fold(&lake).await;
    let before = live_files(&store, Part::Current).await;
    assert_eq!(before.len(), 2);

    bring(&lake, &delta("customer07"), &[seen("2", 30, "deux")], 30).await;
    let report = fold(&lake).await;
    assert_eq!((report.tables.len(), report.tables[0].rows), (1, 2));
    let after = live_files(&store, Part::Current).await;
    let kept = after.iter().filter(|file| before.contains(file)).count();
    assert_eq!((after.len(), kept), (2, 1));
    let of = |name: &'static str| current(&store, name);
    assert_eq!(
        named(&of("customer07").await),
        [("1", "customer07"), ("2", "deux")]
    );
    assert_eq!(
        named(&of("customer08").await),
        [("1", "customer08"), ("2", "two")]
    );
}

#[tokio::test]
async fn many_small_files_are_written_along_with_new_tables() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let names = customers(12);
    let settings = FoldSettings::default();
    for name in &names {
        bring_new(&lake, std::slice::from_ref(name)).await;
        fold_of(&lake, name, &settings).await;
    }
    assert!(files(&store).await <= 8, "{}", files(&store).await);
    for name in &names {
        assert_eq!(
            named(&current(&store, name).await),
            [("1", name.as_str()), ("2", "two")]
        );
    }
}

#[tokio::test]
async fn upkeep_merges_small_files_and_changes_no_row() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let names = customers(5);
    for name in &names {
        bring_new(&lake, std::slice::from_ref(name)).await;
        fold_of(&lake, name, &FoldSettings::default()).await;
    }
    assert_eq!(files(&store).await, 5);
    let report = keep_up(&lake).await;
    let merged = report
        .tables
        .iter()
        .find(|one| one.table == "ats_tags/current");
    let merged = merged.map(|one| (one.merged_files, one.merged_into));
    assert_eq!((merged, files(&store).await), (Some((5, 1)), 1));
    assert!(
        keep_up(&lake).await.tables.is_empty(),
        "nothing is left to do"
    );
    for name in &names {
        assert_eq!(
            named(&current(&store, name).await),
            [("1", name.as_str()), ("2", "two")]
        );
    }
    // The merged file still says which tables it has.
    bring(&lake, &delta("customer03"), &[seen("1", 30, "changed")], 30).await;
    assert_eq!(fold(&lake).await.tables.len(), 1);
    assert_eq!(
        named(&current(&store, "customer03").await),
        [("1", "changed"), ("2", "two")]
    );
}

#[tokio::test]
async fn files_of_a_large_first_snapshot_are_copied_and_put_in_order_later() {
    let store = TableStore::memory();
    let lake = lake(&store, &tiny_runs()).await;
    bring_runs(&lake).await;
    let runs = live_files(&store, Part::Snapshots).await.len();
    assert!(runs > 2);
    let report = lake
        .fold(&tags(), None, &tiny_tables())
        .await
        .expect("folded");
    assert_eq!((report.tables[0].rows, report.tables[0].changed), (60, 60));
    assert_eq!(files(&store).await, runs, "each run is a file of `current`");
    assert_eq!(ids(&store).await.len(), 60);

    // A delta rewrites the one file that has the row.
    let before = live_files(&store, Part::Current).await;
    let changes = [seen("0031", 300, "changed"), gone("0032", 301, "delete")];
    bring(&lake, &delta("a"), &changes, 310).await;
    let report = lake
        .fold(&tags(), None, &tiny_tables())
        .await
        .expect("folded");
    assert_eq!((report.tables[0].rows, report.tables[0].removed), (59, 1));
    let after = live_files(&store, Part::Current).await;
    let kept = after.iter().filter(|file| before.contains(file)).count();
    assert!(kept >= runs - 2, "{kept} of {runs}");

    // A row that no file has comes with one of them.
    bring(&lake, &delta("a"), &[seen("9999", 320, "new")], 330).await;
    let report = lake
        .fold(&tags(), None, &tiny_tables())
        .await
        .expect("folded");
    assert_eq!(report.tables[0].rows, 60);
    let before = stored(&store, Part::Current).await;
    assert_eq!(ids(&store).await.len(), 60);

    // Packing puts the rows in order. `current` fails on files that overlap.
    let table = lake.tables().of_endpoint(&tags(), Part::Current).await;
    let table = table.expect("opened");
    let packed = crate::lake::fold::pack(&table, &tiny_tables(), false).await;
    assert!(packed.expect("packed").files > 2);
    assert_eq!(stored(&store, Part::Current).await, before);
    assert_eq!(current(&store, "a").await.len(), 60);
    let again = crate::lake::fold::pack(&table, &tiny_tables(), false).await;
    assert_eq!(again.expect("packed").files, 0);
}

/// Returns the ids in `current`. Fails when one is there twice.
async fn ids(store: &TableStore) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (id, ..) in stored(store, Part::Current)
        .await
        .iter()
        .map(|row| (row.1.clone(), ()))
    {
        assert!(ids.insert(id), "an id is there twice");
    }
    ids
}

#[tokio::test]
async fn a_row_of_the_first_snapshot_that_a_delta_saw_later_is_not_copied() {
    let store = TableStore::memory();
    let lake = lake(&store, &tiny_runs()).await;
    let early = [
        seen("0005", 400, "changed"),
        gone("0006", 401, "delete"),
        seen("0777", 402, "new"),
    ];
    bring_runs(&lake).await;
    bring(&lake, &delta("a"), &early, 410).await;
    let report = lake
        .fold(&tags(), None, &tiny_tables())
        .await
        .expect("folded");
    assert_eq!(report.tables[0].rows, 60);
    let ids = ids(&store).await;
    assert!(ids.contains("0005") && !ids.contains("0006") && ids.contains("0777"));
    let rows = stored(&store, Part::Current).await;
    let changed = rows.iter().find(|row| row.1 == "0005").expect("there");
    assert_eq!(changed.2, 400, "the later observation stands");
}

#[tokio::test]
async fn deleted_and_emptied_rows_of_a_large_first_snapshot_stay_away() {
    let store = TableStore::memory();
    let lake = lake(&store, &tiny_runs()).await;
    let mut all = rows((0..60).map(|row| row * 7 % 60), 100);
    all[3].op = "delete";
    all[3].name = None;
    all[17].name = None;
    bring(&lake, &snapshot("a"), &all, 200).await;
    let report = lake
        .fold(&tags(), None, &tiny_tables())
        .await
        .expect("folded");
    assert_eq!(report.tables[0].rows, 58);
    let ids = ids(&store).await;
    assert!(!ids.contains(&all[3].id) && !ids.contains(&all[17].id));
    assert_eq!(ids.len(), 58);
}
