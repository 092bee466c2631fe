//! `current` holds the newest observations of snapshots and deltas, whatever arrives in whichever order.

mod crash;
mod day_losses;
mod drift;
mod evolution;
mod forms;
mod guard;
mod isolation;
mod model;
mod newest_hashes;
mod packing;
mod second_look;
mod unchanged;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::decode::hash_of_id;
use crate::delta::store::TableStore;
use crate::fetch::Fetch;
use crate::lake::tests::support::*;
use crate::lake::{FoldReport, FoldSettings, FoldedTable, Lake, Part};

const MINUTE_US: i64 = 60_000_000;

/// An observation of a row of `ats/tags`: id, time, name (none for a deleted or empty row), `_op`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    id: String,
    at: i64,
    name: Option<String>,
    op: &'static str,
    changed_at: Option<i64>,
    remote_id: Option<&'static str>,
}

fn seen(id: &str, at: i64, name: &str) -> Seen {
    Seen {
        id: id.to_owned(),
        at,
        name: Some(name.to_owned()),
        op: "upsert",
        changed_at: Some(at - 10 * MINUTE_US),
        remote_id: None,
    }
}

fn gone(id: &str, at: i64, op: &'static str) -> Seen {
    Seen {
        name: None,
        op,
        ..seen(id, at, "")
    }
}

fn rows_batch(fetch: &Fetch, rows: &[Seen]) -> RecordBatch {
    let schema = tags().schema();
    let integration = &fetch.table.integration;
    let text = |value: &dyn Fn(&Seen) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let time = |value: &dyn Fn(&Seen) -> Option<i64>| -> ArrayRef {
        let times: TimestampMicrosecondArray = rows.iter().map(value).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let hash = |row: &Seen| match &row.name {
        Some(name) => name
            .bytes()
            .fold(17_i64, |hash, byte| hash.wrapping_mul(31) + i64::from(byte)),
        None if row.remote_id.is_some() => 17,
        None => hash_of_id(&row.id),
    };
    let column = |name: &str, len: usize, of: &arrow::datatypes::DataType| match name {
        "integration_key" => text(&|_| Some(integration.key().to_string())),
        "_integration_id" => text(&|_| Some(integration.to_string())),
        "_op" => text(&|row| Some(row.op.to_owned())),
        "_fetch_id" => text(&|_| Some(fetch.id.to_string())),
        "_fetched_at" => time(&|row| Some(row.at)),
        "_hash" => Arc::new(Int64Array::from_iter_values(rows.iter().map(hash))),
        "id" => text(&|row| Some(row.id.clone())),
        "name" => text(&|row| row.name.clone()),
        "remote_id" => text(&|row| row.remote_id.map(str::to_owned)),
        "changed_at" => time(&|row| row.name.as_ref().and(row.changed_at)),
        _ => new_null_array(of, len),
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| column(field.name(), rows.len(), field.data_type()));
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect("columns of the schema")
}

/// Commits a fetch with these rows.
async fn bring(lake: &Lake, fetch: &Fetch, rows: &[Seen], end_us: i64) {
    let mut staging = lake.begin(fetch, &tags()).await.expect("begins");
    for part in rows.chunks(7) {
        staging.push(rows_batch(fetch, part)).await.expect("pushed");
    }
    let receipt = staging.commit(end(end_us / 1_000, end_us)).await;
    let receipt = receipt.expect("committed");
    assert!(
        matches!(receipt, crate::sink::Receipt::Committed { .. }),
        "{receipt:?}"
    );
}

fn small_files() -> FoldSettings {
    FoldSettings {
        file_bytes: 2_000,
        ..FoldSettings::default()
    }
}

async fn fold(lake: &Lake) -> FoldReport {
    lake.fold(&tags(), None, &small_files())
        .await
        .expect("folded")
}

async fn fold_one(lake: &Lake) -> FoldedTable {
    let mut report = fold(lake).await;
    assert_eq!(report.tables.len(), 1, "{report:?}");
    report.tables.remove(0)
}

/// Returns the rows of `current`: id, time of observation, name. Fails when files of one integration overlap or are
/// not sorted.
async fn current(store: &TableStore, name: &str) -> Vec<(String, i64, Option<String>)> {
    let wanted = integration(name).key();
    let mut files = Vec::new();
    for (path, bytes) in live_files(store, Part::Current).await {
        let mut rows = Vec::new();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet file");
        for batch in reader.build().expect("a reader") {
            let batch = batch.expect("rows");
            let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
            let (ids, names) = (column("id"), column("name"));
            let (times, keys) = (column("_fetched_at"), column("integration_key"));
            for row in 0..batch.num_rows() {
                if keys.as_string::<i32>().value(row) != wanted.as_str() {
                    continue;
                }
                assert_eq!(column("_op").as_string::<i32>().value(row), "upsert");
                let name = names.as_string::<i32>();
                rows.push((
                    ids.as_string::<i32>().value(row).to_owned(),
                    times.as_primitive::<TimestampMicrosecondType>().value(row),
                    name.is_valid(row).then(|| name.value(row).to_owned()),
                ));
                assert!(column("_hash").as_primitive_opt::<Int64Type>().is_some());
            }
        }
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "{path}");
        files.push(rows);
    }
    files.sort();
    let rows: Vec<_> = files.into_iter().flatten().collect();
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "files overlap");
    rows
}

fn named(rows: &[(String, i64, Option<String>)]) -> Vec<(&str, &str)> {
    let names = rows
        .iter()
        .map(|(id, _, name)| (id.as_str(), name.as_deref().unwrap_or("-")));
    names.collect()
}

/// Commits a full fetch of two rows.
async fn bring_two(lake: &Lake) {
    let rows = [seen("1", 10, "one"), seen("2", 11, "two")];
    bring(lake, &snapshot("a"), &rows, 11).await;
}

#[tokio::test]
async fn snapshot_and_deltas_become_one_row_per_record_and_a_second_fold_does_nothing() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    assert!(fold(&lake).await.tables.is_empty(), "nothing there");
    bring_two(&lake).await;
    bring(&lake, &snapshot("b"), &[seen("1", 10, "other")], 10).await;
    let delta_rows = [seen("2", 20, "deux"), seen("3", 21, "three")];
    bring(&lake, &delta("a"), &delta_rows, 21).await;

    let report = fold(&lake).await;
    assert_eq!((report.tables.len(), report.overtaken), (2, 0));
    let rows = current(&store, "a").await;
    assert_eq!(named(&rows), [("1", "one"), ("2", "deux"), ("3", "three")]);
    assert_eq!(named(&current(&store, "b").await), [("1", "other")]);
    assert!(fold(&lake).await.tables.is_empty(), "nothing waits");

    bring(
        &lake,
        &delta("a"),
        &[gone("1", 30, "delete"), seen("3", 31, "drei")],
        31,
    )
    .await;
    let done = fold_one(&lake).await;
    assert_eq!(
        (done.rows, done.changed, done.removed, done.snapshot),
        (2, 1, 1, false)
    );
    assert_eq!(
        named(&current(&store, "a").await),
        [("2", "deux"), ("3", "drei")]
    );
}

#[tokio::test]
async fn a_row_that_a_full_fetch_lacks_goes_only_when_something_says_so() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring_two(&lake).await;
    fold(&lake).await;
    bring(&lake, &snapshot("a"), &[seen("1", 100, "one")], 100).await;
    let done = fold_one(&lake).await;
    assert_eq!(
        named(&current(&store, "a").await),
        [("1", "one"), ("2", "two")]
    );
    assert_eq!(done.hold.expect("said").unconfirmed, 1);
    bring(&lake, &delta("a"), &[gone("2", 110, "absent")], 110).await;
    fold(&lake).await;
    assert_eq!(named(&current(&store, "a").await), [("1", "one")]);
}

#[tokio::test]
async fn a_deletion_that_was_folded_is_not_undone_by_an_older_row_of_a_snapshot() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring_two(&lake).await;
    fold(&lake).await;
    bring(&lake, &delta("a"), &[gone("2", 105, "delete")], 105).await;
    fold(&lake).await;
    // This full fetch began before the deletion and ended after it.
    let rows = [seen("1", 100, "uno"), seen("2", 102, "two")];
    bring(&lake, &snapshot("a"), &rows, 110).await;
    fold(&lake).await;
    assert_eq!(named(&current(&store, "a").await), [("1", "uno")]);
}

#[tokio::test]
async fn one_changed_row_rewrites_one_file() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let name = |row: i64| format!("row {row:05} {}", "x".repeat(60));
    let rows: Vec<Seen> = (0..200)
        .map(|row| seen(&format!("{row:04}"), 10 + row, &name(row)))
        .collect();
    bring(&lake, &snapshot("a"), &rows, 300).await;
    let first = fold_one(&lake).await;
    assert!(first.files > 5, "{first:?}");
    let before = live_files(&store, Part::Current).await;

    bring(&lake, &delta("a"), &[seen("0100", 400, "changed")], 400).await;
    let second = fold_one(&lake).await;
    assert_eq!((second.files, second.rows, second.changed), (1, 200, 1));
    let after = live_files(&store, Part::Current).await;
    let kept = after.iter().filter(|file| before.contains(file)).count();
    assert_eq!(kept, before.len() - 1);
    let rows = current(&store, "a").await;
    assert_eq!((rows.len(), rows[100].2.as_deref()), (200, Some("changed")));
}

#[tokio::test]
async fn pending_rows_beyond_the_budget_are_folded_part_by_part() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    for name in ["a", "b"] {
        let rows: Vec<Seen> = (0..60)
            .map(|row| seen(&format!("{row:03}"), 10 + row, "old"))
            .collect();
        bring(&lake, &snapshot(name), &rows, 100).await;
        for at in [200, 300] {
            let rows: Vec<Seen> = (0..60)
                .map(|row| seen(&format!("{row:03}"), at + row, &format!("new {at}")))
                .collect();
            bring(&lake, &delta(name), &rows, at + 60).await;
        }
    }
    let tight = FoldSettings {
        pending_bytes: 1_500,
        ..small_files()
    };
    let report = lake.fold(&tags(), None, &tight).await.expect("folded");
    assert_eq!(report.tables.len(), 2);
    for name in ["a", "b"] {
        let rows = current(&store, name).await;
        assert_eq!(rows.len(), 60);
        assert!(rows.iter().all(|row| row.2.as_deref() == Some("new 300")));
    }
}

#[tokio::test]
async fn a_snapshot_of_many_files_is_merged_in_stages() {
    let store = TableStore::memory();
    let lake = lake(&store, &tiny_runs()).await;
    // Each page is its own run, and the id ranges of the runs overlap.
    let rows: Vec<Seen> = (0..300)
        .map(|row| seen(&format!("{:03}", row * 7 % 300), 10 + row, "here"))
        .collect();
    bring(&lake, &snapshot("a"), &rows, 400).await;
    assert!(live_files(&store, Part::Snapshots).await.len() > 40);
    let done = fold_one(&lake).await;
    assert_eq!(done.rows, 300);
    assert_eq!(current(&store, "a").await.len(), 300);
}
