//! Builds with different columns fold the same table.

use crate::catalog::Endpoint;
use crate::lake::Part;
use crate::lake::tests::fold::*;

/// Commits a row by a build that knows the column `added`.
async fn bring_wider(lake: &Lake, fetch: &Fetch, row: (&str, i64, i64)) {
    let endpoint = wider_tags();
    let rows = batch(&endpoint, fetch, &[row]);
    let mut columns = rows.columns().to_vec();
    let added = rows.schema().index_of("added").expect("known");
    columns[added] = Arc::new(StringArray::from(vec!["kept"]));
    let rows = RecordBatch::try_new(rows.schema(), columns).expect("a row");
    let mut staging = lake.begin(fetch, &endpoint).await.expect("begins");
    staging.push(rows).await.expect("pushed");
    staging.commit(end(row.1, row.1)).await.expect("committed");
}

async fn added(store: &TableStore) -> Vec<(String, Option<String>)> {
    let mut rows = Vec::new();
    for (_, bytes) in live_files(store, Part::Current).await {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet file");
        for batch in reader.build().expect("a reader") {
            let batch = batch.expect("rows");
            let ids = batch
                .column_by_name("id")
                .expect("a column")
                .as_string::<i32>();
            let added = batch.column_by_name("added").map(AsArray::as_string::<i32>);
            rows.extend((0..batch.num_rows()).map(|row| {
                let value = added.filter(|added| added.is_valid(row));
                let value = value.map(|added| added.value(row).to_owned());
                (ids.value(row).to_owned(), value)
            }));
        }
    }
    rows.sort();
    rows
}

fn names(lake: &Lake, endpoint: &Endpoint, part: Part) -> Vec<String> {
    let table = lake.tables().opened(endpoint, part).expect("opened");
    let state = table.log.state();
    let fields = state.schema().fields().iter();
    fields.map(|field| field.name().clone()).collect()
}

#[tokio::test]
async fn an_older_build_keeps_a_column_that_it_does_not_know() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring(
        &lake,
        &snapshot("a"),
        &[seen("1", 10, "one"), seen("3", 10, "three")],
        10,
    )
    .await;
    let newer = crate::lake::tests::support::lake(&store, &settings()).await;
    bring_wider(&newer, &delta("a"), ("2", 20, 1)).await;
    fold(&lake).await;
    let expected = [("1", None), ("2", Some("kept")), ("3", None)];
    let owned = |(id, value): (&str, Option<&str>)| (id.to_owned(), value.map(str::to_owned));
    assert_eq!(added(&store).await, expected.map(owned));
    // The value also stays when the older build rewrites the file for another row.
    bring(&lake, &delta("a"), &[seen("3", 30, "drei")], 30).await;
    fold(&lake).await;
    assert_eq!(added(&store).await, expected.map(owned));
}

#[tokio::test]
async fn current_has_the_columns_of_snapshots_in_their_order() {
    let store = TableStore::memory();
    let older = lake(&store, &settings()).await;
    bring(&older, &snapshot("a"), &[seen("1", 10, "one")], 10).await;
    let newer = lake(&store, &settings()).await;
    let endpoint = wider_tags();
    bring_wider(&newer, &snapshot("b"), ("2", 20, 1)).await;
    let report = newer.fold(&endpoint, None, &small_files()).await;
    assert_eq!(report.expect("folded").tables.len(), 2);
    let current = names(&newer, &endpoint, Part::Current);
    assert_eq!(current, names(&newer, &endpoint, Part::Snapshots));
    assert_eq!(current.last().map(String::as_str), Some("added"));
}
