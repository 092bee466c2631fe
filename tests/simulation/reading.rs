//! Reads the lake by its own means: Parquet files and Delta log entries, straight from the objects in memory.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures_util::FutureExt;
use kombo_source::ids::IntegrationId;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::truth::version_in;

/// One row of the lake, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// The integration's key.
    pub(crate) key: String,
    /// The record's id.
    pub(crate) id: String,
    /// `upsert`, `delete` or `absent`.
    pub(crate) op: String,
    /// The number of the version. `None` where the name is null.
    pub(crate) version: Option<u32>,
    /// When the row was observed, in microseconds.
    pub(crate) fetched_us: i64,
}

/// Returns the key of an integration.
pub(crate) fn key_of(id: &str) -> String {
    IntegrationId::new(id).expect("an id").key().to_string()
}

/// Returns the folder of an endpoint's tables.
pub(crate) fn folder_of(endpoint: &str) -> String {
    endpoint.replace(['/', '-'], "_")
}

/// Returns the rows of a data file. `key` is the partition of the file.
pub(crate) fn rows_of(path: &str, key: Option<&str>, objects: &InMemory) -> Vec<Found> {
    let Some(bytes) = read(objects, path) else {
        return Vec::new();
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build);
    let mut rows = Vec::new();
    for batch in reader.expect("a Parquet file") {
        let batch = batch.expect("rows");
        let [keys, ids, names, ops] =
            ["integration_key", "id", "name", "_op"].map(|name| texts(&batch, name));
        let fetched = batch.column_by_name("_fetched_at").map(|fetched| {
            let micros = cast(fetched, &DataType::Int64).expect("an instant");
            micros.as_primitive::<Int64Type>().clone()
        });
        for nth in 0..batch.num_rows() {
            let text = |texts: &Option<StringArray>| {
                let texts = texts.as_ref().filter(|texts| texts.is_valid(nth));
                texts.map(|texts| texts.value(nth).to_owned())
            };
            rows.push(Found {
                key: text(&keys)
                    .or_else(|| key.map(str::to_owned))
                    .unwrap_or_default(),
                id: text(&ids).unwrap_or_default(),
                op: text(&ops).unwrap_or_default(),
                version: text(&names).as_deref().and_then(version_in),
                fetched_us: fetched.as_ref().map_or(0, |fetched| fetched.value(nth)),
            });
        }
    }
    rows
}

/// Returns the texts of a column of a data file.
pub(crate) fn column_of(path: &str, name: &str, objects: &InMemory) -> Vec<String> {
    let Some(bytes) = read(objects, path) else {
        return Vec::new();
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes);
    let reader = reader.and_then(ParquetRecordBatchReaderBuilder::build);
    let batches = reader
        .expect("a Parquet file")
        .map(|batch| batch.expect("rows"));
    let columns = batches.filter_map(|batch| texts(&batch, name));
    let owned = |texts: StringArray| {
        texts
            .iter()
            .flatten()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    columns.flat_map(owned).collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Option<StringArray> {
    let column: &ArrayRef = batch.column_by_name(name)?;
    let texts = cast(column, &DataType::Utf8).expect("a text");
    texts.as_any().downcast_ref::<StringArray>().cloned()
}

/// Reads an object. It is in memory, so nothing waits.
pub(crate) fn read(objects: &InMemory, path: &str) -> Option<Bytes> {
    let path = Path::parse(path).ok()?;
    let read = async { objects.get(&path).await.ok()?.bytes().await.ok() };
    read.now_or_never().flatten()
}

/// Returns the path of a file as it is in the store. Entries have it percent-encoded.
pub(crate) fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = byte.filter(|_| *first == b'%') {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
