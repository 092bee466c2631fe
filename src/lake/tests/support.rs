//! Makes rows for tests, and reads the lake's content back.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::catalog::{Catalog, Endpoint};
use crate::delta::store::TableStore;
use crate::fetch::{Fetch, FetchEnd, FetchMode};
use crate::ids::{IntegrationId, TableId};
use crate::lake::intake::committer::Committer;
use crate::lake::{Lake, LakeSettings, Part};
use crate::sink::Receipt;
use crate::time::{Base, Clock, Moment, ObservedAt, Tier, UpdatedAfter};

pub(super) const NOON: i64 = 1_700_000_000_000;

/// A wall clock that stands still until a test moves it.
pub(super) struct TestClock(AtomicI64);

impl TestClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOON)))
    }
}

impl TestClock {
    /// Returns a clock that is `millis` milliseconds ahead of the store's own clock.
    pub(super) fn off_the_stores_by(millis: i64) -> Arc<Self> {
        use crate::time::SystemClock;
        Arc::new(Self(AtomicI64::new(SystemClock.now().as_millis() + millis)))
    }

    pub(super) fn pass(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(super) fn settings() -> LakeSettings {
    LakeSettings {
        commit_window_secs: 0,
        ..LakeSettings::default()
    }
}

/// Settings with which a handful of rows becomes several runs.
pub(super) fn tiny_runs() -> LakeSettings {
    LakeSettings {
        run_bytes: NonZeroUsize::new(1).expect("not zero"),
        ..settings()
    }
}

pub(super) async fn lake(store: &TableStore, settings: &LakeSettings) -> Lake {
    Lake::over(store.clone(), settings, TestClock::new())
        .await
        .expect("the lake opens")
}

pub(super) fn tags() -> Arc<Endpoint> {
    Arc::clone(Catalog::embedded().find("ats/tags").expect("known"))
}

pub(super) fn integration(name: &str) -> IntegrationId {
    IntegrationId::new(&format!("tool:{name}")).expect("an id")
}

pub(super) fn snapshot(name: &str) -> Fetch {
    fetch(name, FetchMode::Snapshot)
}

pub(super) fn delta(name: &str) -> Fetch {
    let updated_after = UpdatedAfter::from_millis(NOON);
    let tier = Tier::Ordinary;
    fetch(
        name,
        FetchMode::Delta {
            tier,
            updated_after,
        },
    )
}

fn fetch(name: &str, mode: FetchMode) -> Fetch {
    let table = TableId {
        integration: integration(name),
        endpoint: tags().name().clone(),
    };
    Fetch::new(table, mode)
}

/// One row of `ats/tags`: id, when it was observed, and a payload that tells versions apart.
pub(super) type Row = (&'static str, i64, i64);

/// Makes a batch of an endpoint's rows. Columns that the test does not set are null.
pub(super) fn batch(endpoint: &Endpoint, fetch: &Fetch, rows: &[(&str, i64, i64)]) -> RecordBatch {
    let schema = endpoint.schema();
    let integration = &fetch.table.integration;
    let text = |value: &dyn Fn(&(&str, i64, i64)) -> String| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|row| Some(value(row)))
                .collect::<StringArray>(),
        )
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "integration_key" => text(&|_| integration.key().to_string()),
            "_integration_id" => text(&|_| integration.to_string()),
            "_op" => text(&|_| "upsert".to_owned()),
            "_fetch_id" => text(&|_| fetch.id.to_string()),
            "_fetched_at" => {
                let times = rows.iter().map(|row| row.1);
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            "_hash" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
            "id" => text(&|row| row.0.to_owned()),
            _ => new_null_array(field.data_type(), rows.len()),
        });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect("columns of the schema")
}

pub(super) fn end(base_ms: i64, seen_us: i64) -> FetchEnd {
    FetchEnd {
        base: Some(Base::from_millis(base_ms)),
        seen: ObservedAt::from_micros(seen_us),
        pages: 1,
        rows: 0,
        quarantined: 0,
        rest_values: 0,
    }
}

/// Runs a complete fetch. Each slice of rows is a batch.
pub(super) async fn run(lake: &Lake, fetch: &Fetch, pages: &[&[Row]], end: FetchEnd) -> Receipt {
    let mut staging = lake.begin(fetch, &tags()).await.expect("begins");
    for rows in pages {
        staging
            .push(batch(&tags(), fetch, rows))
            .await
            .expect("pushed");
    }
    staging.commit(end).await.expect("committed")
}

/// A row in the lake: integration id, id, time of observation, payload.
pub(super) type Stored = (String, String, i64, i64);

/// Reads every live row through a newly opened lake, sorted.
pub(super) async fn stored(store: &TableStore, part: Part) -> Vec<Stored> {
    let mut rows = Vec::new();
    for (_, bytes) in live_files(store, part).await {
        rows.extend(read(bytes));
    }
    rows.sort();
    rows
}

/// Reads every live file. Returns its path and its bytes.
pub(super) async fn live_files(store: &TableStore, part: Part) -> Vec<(String, Bytes)> {
    let lake = lake(store, &settings()).await;
    let folder = part.of(tags().name()).path();
    let mut files = Vec::new();
    for file in lake.files(&tags(), part).await.expect("files") {
        let path = format!("{folder}/{}", file.path);
        let found = store.objects().get(&path.clone().into()).await;
        let bytes = found.expect("is there").bytes().await.expect("bytes");
        assert_eq!(bytes.len() as u64, file.size, "{path}");
        assert_eq!(
            file.num_records,
            Some(read(bytes.clone()).len() as u64),
            "{path}"
        );
        files.push((path, bytes));
    }
    files
}

pub(super) fn read(file: Bytes) -> Vec<Stored> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .expect("a Parquet file")
        .build()
        .expect("a reader");
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.expect("rows");
        let column = |name: &str| batch.column_by_name(name).expect("a column");
        for row in 0..batch.num_rows() {
            rows.push((
                column("_integration_id")
                    .as_string::<i32>()
                    .value(row)
                    .to_owned(),
                column("id").as_string::<i32>().value(row).to_owned(),
                column("_fetched_at")
                    .as_primitive::<TimestampMicrosecondType>()
                    .value(row),
                column("_hash").as_primitive::<Int64Type>().value(row),
            ));
        }
    }
    rows
}

/// Returns the rows that [`stored`] should return.
pub(super) fn rows_of(name: &str, rows: &[Row]) -> Vec<Stored> {
    let id = integration(name).to_string();
    rows.iter()
        .map(|(row, at, payload)| (id.clone(), (*row).to_owned(), *at, *payload))
        .collect()
}

/// Reads the quarantine. Returns integration id and row.
pub(super) async fn quarantined(store: &TableStore) -> Vec<(String, String)> {
    let listed = store.objects().list(Some(&"kombo_quarantine".into()));
    let mut rows = Vec::new();
    for file in listed.try_collect::<Vec<_>>().await.expect("listed") {
        if file.location.extension() != Some("parquet") {
            continue;
        }
        let found = store.objects().get(&file.location).await.expect("a file");
        let bytes = found.bytes().await.expect("bytes");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a Parquet file");
        for batch in reader.build().expect("a reader") {
            let batch = batch.expect("rows");
            let text = |name: &str, row: usize| {
                let column = batch.column_by_name(name).expect("a column");
                column.as_string::<i32>().value(row).to_owned()
            };
            rows.extend(
                (0..batch.num_rows()).map(|row| (text("_integration_id", row), text("row", row))),
            );
        }
    }
    rows
}

/// Counts the objects of a store.
pub(super) async fn objects_in(store: &TableStore) -> usize {
    use futures_util::StreamExt;
    store.objects().list(None).count().await
}

/// Returns `ats/tags` of a build with one more column, in front of the others.
pub(super) fn wider_tags() -> Arc<Endpoint> {
    let text = include_str!("../../../schemas/ats/tags.json");
    let wider = text.replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"added\", \"id\": 990, \"type\": \"string\", \"nullable\": true},",
        1,
    );
    let next = with_next_field_id(&wider);
    let catalog = Catalog::from_texts([("tags.json".to_owned(), next)]).expect("a catalog");
    Arc::clone(&catalog.endpoints()[0])
}

/// Makes room for field id 990.
fn with_next_field_id(schema: &str) -> String {
    let (front, rest) = schema.split_once("\"next_field_id\": ").expect("declared");
    let (_, back) = rest.split_once(',').expect("not the last key");
    format!("{front}\"next_field_id\": 991,{back}")
}

/// Returns the committer of one of the tables.
pub(super) async fn committer(lake: &Lake, part: Part) -> Arc<Committer> {
    let table = lake.tables().of_endpoint(&tags(), part).await;
    lake.intake.committer(table.expect("open"))
}
