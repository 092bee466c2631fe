//! The results of full fetches become visible once, and are found again.

mod crash;
mod search;

use arrow::array::AsArray;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::delta::file::data_files::Written;
use crate::delta::object_key::ObjectKey;
use crate::delta::store::TableStore;
use crate::ids::EndpointName;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::completeness::TableComparison;
use crate::lake::ledgers::create_drift_and_holds;
use crate::lake::ledgers::drift;
use crate::lake::tests::support::*;
use crate::lake::{DriftFilter, DriftRow, Lake};
use crate::time::ObservedAt;
use crate::versions::drift::{DriftCause, DriftKind};

const NOON_US: i64 = NOON * 1000;

fn row(id: &str, fetched_at_us: i64) -> DriftRow {
    DriftRow {
        id: id.to_owned(),
        kind: DriftKind::Update,
        cause: DriftCause::NoNotification,
        columns: vec!["outcome".to_owned(), "candidate".to_owned()],
        fetched_at_us,
        known_fetched_at_us: Some(5),
        changed_at_us: None,
        wrong_since_us: Some(fetched_at_us - 2_500_000),
    }
}

async fn staged(lake: &Lake, name: &str, rows: Vec<DriftRow>) -> Option<Written> {
    drift::stage(lake.tables(), &integration(name), tags().name(), "f1", rows)
        .await
        .expect("staged")
}

fn compared(
    name: &str,
    snapshot: i64,
    counts: (u64, u64),
    file: Option<Written>,
) -> TableComparison {
    TableComparison {
        integration: integration(name),
        endpoint: tags().name().clone(),
        snapshot: ObservedAt::from_micros(snapshot),
        rows: counts.0,
        drifted: counts.1,
        files: file.into_iter().collect(),
    }
}

/// Returns all drift rows, the newest first: integration and id.
async fn found(store: &TableStore) -> Vec<(String, String)> {
    let filter = DriftFilter {
        limit: usize::MAX,
        ..DriftFilter::default()
    };
    let rows = lake(store, &settings()).await.drift(&filter).await;
    let rows = rows.expect("read").going.into_iter();
    rows.map(|row| (row.integration, row.id)).collect()
}

fn of(name: &str, ids: &[&str]) -> Vec<(String, String)> {
    let whose = integration(name).to_string();
    ids.iter()
        .map(|id| (whose.clone(), (*id).to_owned()))
        .collect()
}

async fn version(lake: &Lake) -> u64 {
    let table = drift::open(lake.tables()).await.expect("open");
    table.refreshed().await.expect("read").version()
}

/// Returns the instant, the rows compared and the rows drifted of a table's last comparison.
async fn counts(store: &TableStore, name: &str) -> Option<(i64, u64, u64)> {
    let all = lake(store, &settings()).await.completeness().await;
    let table = (integration(name).key(), "ats_tags".to_owned());
    let one = all.expect("read").get(&table).copied()?;
    Some((one.compared.as_micros(), one.rows, one.drifted))
}

#[tokio::test]
async fn a_comparison_is_invisible_until_it_is_committed() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let file = staged(&lake, "a", vec![row("2", NOON_US), row("1", NOON_US)]).await;
    assert_eq!(found(&store).await, []);
    assert_eq!(counts(&store, "a").await, None);

    let one = compared("a", 100, (50, 2), file);
    drift::commit(lake.tables(), vec![one])
        .await
        .expect("committed");
    assert_eq!(found(&store).await, of("a", &["1", "2"]));
    assert_eq!(counts(&store, "a").await, Some((100, 50, 2)));
}

#[tokio::test]
async fn a_file_is_sorted_and_lies_in_the_day_of_its_commit() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let rows = vec![row("b", NOON_US), row("c", NOON_US), row("a", NOON_US)];
    let file = staged(&lake, "a", rows).await.expect("a file");
    assert!(
        file.add.path.starts_with("commit_date=2023-11-14/"),
        "{}",
        file.add.path
    );
    let key = ObjectKey::Listed(&LakeTable::Drift.path(), &file.add.path).path();
    let read = store.objects().get(&key).await.expect("is there");
    let reader = ParquetRecordBatchReaderBuilder::try_new(read.bytes().await.expect("bytes"));
    let mut reader = reader.expect("a Parquet file").build().expect("a reader");
    let batch = reader.next().expect("a batch").expect("rows");
    let ids = batch.column_by_name("id").expect("a column");
    let ids: Vec<_> = ids.as_string::<i32>().iter().flatten().collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(batch.column_by_name("commit_date").is_none());
}

#[tokio::test]
async fn what_was_compared_is_not_committed_again() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let file = staged(&lake, "a", vec![row("1", NOON_US)]).await;
    let one = compared("a", 100, (50, 1), file);
    drift::commit(lake.tables(), vec![one.clone()])
        .await
        .expect("first");
    let before = version(&lake).await;

    let again = staged(&lake, "a", vec![row("1", NOON_US)]).await;
    let again = compared("a", 100, (50, 1), again);
    let older = compared("a", 99, (40, 0), None);
    drift::commit(lake.tables(), vec![one, again, older])
        .await
        .expect("nothing to do");
    assert_eq!(version(&lake).await, before);
    assert_eq!(found(&store).await, of("a", &["1"]));
    assert_eq!(counts(&store, "a").await, Some((100, 50, 1)));
}

#[tokio::test]
async fn many_tables_are_one_entry_and_the_later_comparison_of_one_stands() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let before = version(&lake).await;
    let first = staged(&lake, "a", vec![row("1", NOON_US)]).await;
    let second = staged(&lake, "a", vec![row("2", NOON_US + 1)]).await;
    let all = vec![
        compared("a", 200, (60, 1), second),
        compared("b", 150, (7, 0), None),
        compared("a", 100, (50, 1), first),
    ];
    drift::commit(lake.tables(), all).await.expect("committed");
    assert_eq!(version(&lake).await, before + 1);
    assert_eq!(found(&store).await, of("a", &["2", "1"]));
    assert_eq!(counts(&store, "a").await, Some((200, 60, 1)));
    assert_eq!(counts(&store, "b").await, Some((150, 7, 0)));
}

#[tokio::test]
async fn of_two_writers_only_one_commits_the_same_comparison() {
    let store = TableStore::memory();
    let (left, right) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    let mut both = Vec::new();
    for (lake, own) in [(&left, "l"), (&right, "r")] {
        let shared = staged(lake, "a", vec![row("1", NOON_US)]).await;
        let own_file = staged(lake, own, vec![row("9", NOON_US)]).await;
        both.push(vec![
            compared("a", 100, (50, 1), shared),
            compared(own, 100, (9, 1), own_file),
        ]);
    }
    let second = both.pop().expect("two");
    let first = both.pop().expect("two");
    let (one, other) = tokio::join!(
        drift::commit(left.tables(), first),
        drift::commit(right.tables(), second)
    );
    one.and(other).expect("committed");
    let expected = [of("a", &["1"]), of("l", &["9"]), of("r", &["9"])].concat();
    assert_eq!(found(&store).await, expected);
}

#[tokio::test]
async fn both_tables_are_there_to_be_named() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    assert_eq!(
        lake.drift(&DriftFilter::default())
            .await
            .expect("read")
            .going,
        []
    );
    assert!(lake.completeness().await.expect("read").is_empty());
    assert_eq!(lake.holds().await.expect("read"), []);
    for table in [LakeTable::Drift, LakeTable::Holds] {
        assert!(
            !lake.tables().exists(&table).await.expect("read"),
            "{table}"
        );
    }
    create_drift_and_holds(lake.tables()).await;
    for table in [LakeTable::Drift, LakeTable::Holds] {
        assert!(lake.tables().exists(&table).await.expect("read"), "{table}");
    }
    assert_eq!(lake.holds().await.expect("read"), []);
}

#[test]
fn a_drifted_row_is_not_named_where_it_is_printed() {
    let printed = format!("{:?}", row("secret-id", 1));
    assert!(!printed.contains("secret-id"), "{printed}");
    assert_eq!(row("1", NOON_US).wrong_secs(), Some(2));
    let ahead = DriftRow {
        wrong_since_us: Some(NOON_US + 1),
        ..row("1", NOON_US)
    };
    assert_eq!(ahead.wrong_secs(), Some(0));
}

fn other() -> EndpointName {
    EndpointName::from_stored("ats/jobs").expect("a name")
}
