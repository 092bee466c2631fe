//! Nothing is lost: Kombo's JSON, rebuilt from Parquet files alone, equals the JSON that was sent.

mod fixtures;
mod generate;
mod json;

use std::sync::Arc;

use arrow::array::RecordBatch;
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::decode::{DecodeLimits, PageDecoder, PageSummary, rebuild};
use kombo_source::fetch::{Fetch, FetchMode};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::time::ObservedAt;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::json::{Json, Spelling};

fn decode(endpoint: &Arc<Endpoint>, body: &str) -> (RecordBatch, PageSummary) {
    let table = TableId {
        integration: IntegrationId::new("tool:abc").expect("an id"),
        endpoint: endpoint.name().clone(),
    };
    let fetch = Fetch::new(table, FetchMode::Snapshot);
    let mut decoder = PageDecoder::new(Arc::clone(endpoint), &fetch, DecodeLimits::default());
    let summary = decoder
        .page(body.as_bytes(), ObservedAt::from_micros(1), |_| {})
        .expect("a page of rows with ids");
    (decoder.take_batch().expect("rows"), summary)
}

fn through_parquet(batch: &RecordBatch) -> RecordBatch {
    let mut file = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut file, batch.schema(), None).expect("a Parquet schema");
    writer.write(batch).expect("writing to memory");
    writer.close().expect("writing to memory");
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).expect("our own file");
    let batches: Vec<_> = reader
        .build()
        .expect("our own file")
        .collect::<Result<_, _>>()
        .expect("our own file");
    arrow::compute::concat_batches(&batches[0].schema(), &batches).expect("one schema")
}

/// Decodes a page, rebuilds its rows from Parquet, and compares the rows with what was sent.
fn check_rebuilt(
    endpoint: &Arc<Endpoint>,
    rows: &[Json],
    body: &str,
) -> Result<RecordBatch, TestCaseError> {
    let (batch, _) = decode(endpoint, body);
    let read_back = through_parquet(&batch);
    prop_assert_eq!(&read_back, &batch);
    for (index, sent) in rows.iter().enumerate() {
        let rebuilt = rebuild(endpoint, &read_back, index).expect("our own batch");
        let rebuilt = Json::parse(&rebuilt).expect("JSON");
        prop_assert_eq!(
            rebuilt.normal(&endpoint.fields),
            sent.clone().normal(&endpoint.fields)
        );
    }
    Ok(batch)
}

fn page(endpoint: &Endpoint, rows: &[Json], spelling: Spelling) -> String {
    let mut body = format!("{{\"data\":{{\"{}\":", endpoint.results);
    Json::List(rows.to_vec()).write(spelling, &mut body);
    body + "}}"
}

/// Reverses the order of all keys. Skips rows with two ids, because the first id identifies a row.
fn turned_round(rows: Vec<Json>, key: &str) -> Vec<Json> {
    let has_one_id = |row: &Json| match row {
        Json::Object(members) => {
            members
                .iter()
                .filter(|(name, _)| *name == json::units(key))
                .count()
                == 1
        }
        _ => false,
    };
    let turn = |row: Json| {
        if has_one_id(&row) {
            row.reversed()
        } else {
            row
        }
    };
    rows.into_iter().map(turn).collect()
}

fn hashes(batch: &RecordBatch) -> arrow::array::ArrayRef {
    Arc::clone(batch.column_by_name("_hash").expect("a system column"))
}

/// Returns the endpoint as an older build knew it: without the last field on every level.
fn older(endpoint: &Endpoint) -> Arc<Endpoint> {
    fn thin(fields: &mut Vec<serde_json::Value>) {
        if fields.len() > 1 {
            fields.pop();
        }
        for field in fields {
            let mut inner = field;
            while inner.get("item").is_some() {
                inner = &mut inner["item"];
            }
            if let Some(serde_json::Value::Array(fields)) = inner.get_mut("fields") {
                thin(fields);
            }
        }
    }
    let path = format!(
        "{}/schemas/{}.json",
        env!("CARGO_MANIFEST_DIR"),
        endpoint.name()
    );
    let text = std::fs::read_to_string(path).expect("a schema");
    let mut schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    thin(schema["fields"].as_array_mut().expect("fields"));
    let catalog =
        Catalog::from_texts([("older".to_owned(), schema.to_string())]).expect("a schema");
    Arc::clone(&catalog.endpoints()[0])
}

#[test]
fn kombos_json_is_rebuilt_from_the_parquet_of_every_schema() {
    for endpoint in Catalog::embedded().endpoints() {
        let older = older(endpoint);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
        let input = (
            generate::rows(&endpoint.fields, &endpoint.key),
            any::<bool>(),
            any::<bool>(),
        );
        let outcome = runner.run(&input, |(rows, spaced, escaped)| {
            let batch = check_rebuilt(
                endpoint,
                &rows,
                &page(endpoint, &rows, Spelling { spaced, escaped }),
            )?;
            let (rows, plain) = (
                turned_round(rows, &endpoint.key),
                Spelling {
                    spaced: false,
                    escaped: false,
                },
            );
            let by_older = check_rebuilt(&older, &rows, &page(endpoint, &rows, plain))?;
            prop_assert!(
                hashes(&batch) == hashes(&by_older),
                "the hash depends on schema, spelling or order"
            );
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{}: {error}", endpoint.name());
        }
    }
}

/// Number of random pages for each schema.
const CASES: u32 = 48;
