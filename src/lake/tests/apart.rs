//! Which rows of a fetch share a file: a large snapshot keeps deleted rows in files of their own.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::fetch::Fetch;
use crate::lake::intake::staged_runs::says_upserts_only;
use crate::lake::tests::support::*;
use crate::lake::{Lake, LakeError, LakeSettings, Part};

/// Id, time of observation, `_op`.
type Observed = (String, i64, &'static str);

/// A live file: whether it is tagged, and its rows.
struct Found {
    is_tagged: bool,
    rows: Vec<Observed>,
}

fn observed(id: u32, at: i64, op: &'static str) -> Observed {
    (format!("id-{id:04}"), at, op)
}

fn page(fetch: &Fetch, rows: &[Observed]) -> RecordBatch {
    let keys: Vec<(&str, i64, i64)> = rows.iter().map(|row| (&*row.0, row.1, row.1)).collect();
    let upserts = batch(&tags(), fetch, &keys);
    let ops: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2)));
    let names = upserts.schema();
    let columns = names.fields().iter().zip(upserts.columns());
    let columns = columns.map(|(field, column)| match field.name().as_str() {
        "_op" => Arc::clone(&ops),
        _ => Arc::clone(column),
    });
    RecordBatch::try_new(upserts.schema(), columns.collect()).expect("the same schema")
}

async fn bring(lake: &Lake, fetch: &Fetch, rows: &[Observed]) {
    let mut staging = lake.begin(fetch, &tags()).await.expect("begins");
    for rows in rows.chunks(10) {
        staging.push(page(fetch, rows)).await.expect("pushed");
    }
    staging.commit(end(1, 9_999)).await.expect("committed");
}

async fn found(store: &TableStore, part: Part) -> Vec<Found> {
    let lake = lake(store, &settings()).await;
    let folder = part.of(tags().name()).path();
    let mut found = Vec::new();
    for file in lake.files(&tags(), part).await.expect("files") {
        let path = format!("{folder}/{}", file.path);
        let bytes = store.objects().get(&path.into()).await.expect("there");
        let bytes = bytes.bytes().await.expect("bytes");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet file");
        let mut rows = Vec::new();
        for batch in reader.build().expect("a reader") {
            let batch = batch.expect("rows");
            let column = |name: &str| batch.column_by_name(name).expect("a column");
            let at = column("_fetched_at").as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                let text = |name: &str| column(name).as_string::<i32>().value(row);
                let ops = ["upsert", "delete", "absent"];
                let op = ops.into_iter().find(|op| *op == text("_op"));
                let op = op.expect("an operation");
                rows.push((text("id").to_owned(), at.value(row), op));
            }
        }
        assert!(
            rows.is_sorted_by(|a, b| a.0 < b.0),
            "a file is sorted by id"
        );
        found.push(Found {
            is_tagged: says_upserts_only(&file.tags()),
            rows,
        });
    }
    found
}

/// Returns the numbers of tagged and of other files, after a check of what they hold.
fn counted(files: &[Found]) -> (usize, usize) {
    for file in files {
        let is_upsert = |row: &Observed| row.2 == "upsert";
        assert_eq!(file.is_tagged, file.rows.iter().all(is_upsert));
        assert_eq!(!file.is_tagged, !file.rows.iter().any(is_upsert));
    }
    let tagged = files.iter().filter(|file| file.is_tagged).count();
    (tagged, files.len() - tagged)
}

fn sorted(files: Vec<Found>) -> Vec<Observed> {
    let mut rows: Vec<Observed> = files.into_iter().flat_map(|file| file.rows).collect();
    rows.sort();
    rows
}

/// Settings with which about thirty rows are a run.
fn short_runs() -> LakeSettings {
    let page = page(&snapshot("a"), &vec![observed(1, 1, "upsert"); 10]);
    let bytes = 3 * crate::delta::file::decoded_bytes::decoded_bytes(&page);
    LakeSettings {
        run_bytes: NonZeroUsize::new(bytes).expect("not zero"),
        ..settings()
    }
}

/// Makes 200 rows, of which each `nth` is gone.
fn rows(nth: u32) -> Vec<Observed> {
    let op = |id: u32| match id % nth {
        0 if id.is_multiple_of(2) => "delete",
        0 => "absent",
        _ => "upsert",
    };
    // 7 and 200 have no common divisor, so each id comes once, and not in order.
    let ids = (0..200).map(|number| number * 7 % 200);
    ids.zip(1_000_i64..)
        .map(|(id, at)| observed(id, at, op(id)))
        .collect()
}

#[tokio::test]
async fn a_large_snapshot_has_its_deleted_rows_in_files_of_their_own() {
    for (nth, files) in [(25, (6..9, 1..2)), (5, (5..9, 2..4)), (1, (0..1, 6..14))] {
        let store = TableStore::memory();
        let lake = lake(&store, &short_runs()).await;
        bring(&lake, &snapshot("a"), &rows(nth)).await;
        let found = found(&store, Part::Snapshots).await;
        let (tagged, others) = counted(&found);
        assert!(
            files.0.contains(&tagged) && files.1.contains(&others),
            "each {nth}th row is gone: {tagged} and {others} files"
        );
        let mut all = rows(nth);
        all.sort();
        assert_eq!(sorted(found), all);
    }
}

#[tokio::test]
async fn a_snapshot_that_fits_in_one_file_stays_one_file() {
    for (nth, is_tagged) in [(25, false), (1_000, true)] {
        let store = TableStore::memory();
        let lake = lake(&store, &settings()).await;
        // The first row has the number 0, which each number divides.
        bring(&lake, &snapshot("a"), &rows(nth)[1..]).await;
        let [file] = found(&store, Part::Snapshots)
            .await
            .try_into()
            .unwrap_or_else(|files: Vec<Found>| panic!("{} files", files.len()));
        assert_eq!((file.is_tagged, file.rows.len()), (is_tagged, 199));
    }
}

#[tokio::test]
async fn of_an_id_with_and_without_a_deletion_the_newest_observation_stays() {
    let store = TableStore::memory();
    let lake = lake(&store, &short_runs()).await;
    let mut all = rows(1_000);
    // A row that is gone and comes back in a later run, and a row that goes in a later run.
    all[1].2 = "delete";
    let back = (all[1].0.clone(), 5_000, "upsert");
    let leaves = (all[2].0.clone(), 5_001, "absent");
    let later = [all.clone(), vec![back.clone(), leaves.clone()]].concat();
    bring(&lake, &snapshot("a"), &later).await;
    let files = found(&store, Part::Snapshots).await;
    assert!(counted(&files).0 > 1);
    all[1] = back;
    all[2] = leaves;
    all.sort();
    assert_eq!(sorted(files), all);
}

#[tokio::test]
async fn the_files_of_a_delta_are_not_divided_and_not_tagged() {
    let store = TableStore::memory();
    let lake = lake(&store, &short_runs()).await;
    bring(&lake, &delta("a"), &rows(5)).await;
    let files = found(&store, Part::Deltas).await;
    assert!(files.len() > 5 && files.iter().all(|file| !file.is_tagged));
    let mut all = rows(5);
    all.sort();
    assert_eq!(sorted(files), all);
}

#[tokio::test]
async fn a_run_is_written_while_rows_are_added_and_its_failure_ends_the_fetch() {
    let inner = TableStore::memory();
    let faulty = FaultyStore::new(inner.objects().clone(), 0..0, Failure::Before);
    let store = TableStore::over(faulty.clone(), inner.url().clone());
    let lake = lake(&store, &short_runs()).await;
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    faulty.set_away(true);
    let all = rows(1_000);
    let mut pages = all.chunks(10).map(|rows| page(&fetch, rows));
    for number in 0..4 {
        let page = pages.next().expect("twenty pages");
        let pushed = staging.push(page).await;
        assert!(pushed.is_ok(), "page {number} waits for no upload");
    }
    let failed = loop {
        if let Err(error) = staging.push(pages.next().expect("it fails")).await {
            break error;
        }
    };
    assert!(!matches!(failed, LakeError::Torn), "the store's own error");
    faulty.set_away(false);
    let committed = staging.commit(end(1, 9_999)).await;
    assert!(matches!(committed, Err(LakeError::Torn)), "{committed:?}");
    assert!(found(&inner, Part::Snapshots).await.is_empty());
}
