//! Tests with one page each: what goes to columns, to `_rest`, to quarantine, or becomes an error.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::*;
use crate::catalog::Catalog;
use crate::fetch::FetchMode;
use crate::ids::{IntegrationId, TableId};

/// Declares one column of each kind.
const FIELDS: &str = r#"[
    {"name": "id", "id": 100, "type": "string"},
    {"name": "text", "id": 101, "type": "string"},
    {"name": "int", "id": 102, "type": "int"},
    {"name": "float", "id": 103, "type": "float"},
    {"name": "bool", "id": 104, "type": "bool"},
    {"name": "at", "id": 105, "type": "timestamp"},
    {"name": "day", "id": 106, "type": "date"},
    {"name": "midnight", "id": 107, "type": "date", "wire": "timestamp"},
    {"name": "free", "id": 108, "type": "json"},
    {"name": "one", "id": 109, "type": "struct", "fields": [
        {"name": "a", "id": 110, "type": "string"}, {"name": "b", "id": 111, "type": "int"}]},
    {"name": "many", "id": 112, "type": "list", "item": {"id": 113, "type": "struct", "fields": [
        {"name": "a", "id": 114, "type": "string"}]}},
    {"name": "ints", "id": 115, "type": "list", "item": {"id": 116, "type": "int"}}
]"#;

fn endpoint_with(fields: &str) -> Arc<Endpoint> {
    let schema = format!(
        r#"{{"category": "ats", "endpoint": "things", "path": "/ats/things", "results": "results", "key": "id",
            "paged": true, "page_size": null, "updated_after": true, "include_deleted": true, "ids": true,
            "remote_ids": true, "deprecated": false, "beta": false, "next_field_id": 200, "models": [], "nested": [],
            "fields": {fields}}}"#
    );
    let catalog = Catalog::from_texts([("things".to_owned(), schema)]).expect("a schema");
    Arc::clone(&catalog.endpoints()[0])
}

fn decoder_of(endpoint: &Arc<Endpoint>, limits: DecodeLimits) -> PageDecoder {
    let table = TableId {
        integration: IntegrationId::new("tool:abc").expect("an id"),
        endpoint: endpoint.name().clone(),
    };
    PageDecoder::new(
        Arc::clone(endpoint),
        &Fetch::new(table, FetchMode::Snapshot),
        limits,
    )
}

fn decoder() -> PageDecoder {
    decoder_of(&endpoint_with(FIELDS), DecodeLimits::default())
}

fn read(decoder: &mut PageDecoder, body: &str) -> Result<PageSummary, DecodeError> {
    decoder.page(body.as_bytes(), ObservedAt::from_micros(1000), |_| {})
}

fn page_of(rows: &str) -> String {
    format!(r#"{{"status":"success","data":{{"next":null,"results":[{rows}]}}}}"#)
}

/// Decodes rows of the endpoint with one column of each kind.
fn batch_of(rows: &str) -> RecordBatch {
    let mut decoder = decoder();
    read(&mut decoder, &page_of(rows)).expect("a page");
    decoder.take_batch().expect("rows")
}

/// Decodes the members of one row. Returns its `_rest` and the rebuilt JSON.
fn rest_and_rebuilt(members: &str) -> (Option<String>, String) {
    let batch = batch_of(&format!(r#"{{"id":"x",{members}}}"#));
    let rest = batch["_rest"].as_string::<i32>();
    let rest = rest.is_valid(0).then(|| rest.value(0).to_owned());
    (
        rest,
        rebuild(&endpoint_with(FIELDS), &batch, 0).expect("our own batch"),
    )
}

fn error_of(body: &str) -> DecodeError {
    read(&mut decoder(), body).expect_err("no page")
}

fn hash_of(fields: &str, row: &str) -> i64 {
    let mut decoder = decoder_of(&endpoint_with(fields), DecodeLimits::default());
    read(&mut decoder, &page_of(row)).expect("a page");
    decoder.take_batch().expect("a row")["_hash"]
        .as_primitive::<Int64Type>()
        .value(0)
}

#[test]
fn a_value_that_its_column_gives_back_leaves_nothing_over() {
    let members = r#""text":"é\n","int":5,"float":4.5,"bool":true,"at":"2026-01-02T03:04:05.678Z","day":"2026-01-02","midnight":"2026-01-02T00:00:00.000Z","free":{ "n" : 1.0 },"one":{"a":"x"},"many":[{"a":"y"},null],"ints":[1,2]"#;
    let (rest, rebuilt) = rest_and_rebuilt(members);
    assert_eq!(rest, None);
    assert_eq!(rebuilt, format!(r#"{{"id":"x",{members}}}"#));
}

#[test]
fn a_value_that_its_column_would_change_is_left_over_as_it_was_sent() {
    for (member, pointer, raw) in [
        (r#""text":1.0"#, "/text", "1.0"),
        (r#""text":"\ud800""#, "/text", r#""\ud800""#),
        (r#""int":0.5"#, "/int", "0.5"),
        (r#""int":"5""#, "/int", r#""5""#),
        (r#""float":9007199254740993"#, "/float", "9007199254740993"),
        (r#""float":1e400"#, "/float", "1e400"),
        (r#""bool":"true""#, "/bool", r#""true""#),
        (
            r#""at":"2026-01-02T03:04:05Z""#,
            "/at",
            r#""2026-01-02T03:04:05Z""#,
        ),
        (r#""day":"2026-02-29""#, "/day", r#""2026-02-29""#),
        (r#""midnight":"2026-01-02""#, "/midnight", r#""2026-01-02""#),
        (
            r#""midnight":"2026-01-02T01:00:00.000Z""#,
            "/midnight",
            r#""2026-01-02T01:00:00.000Z""#,
        ),
        (r#""one":[ 1 ]"#, "/one", "[ 1 ]"),
        (r#""many":{"a":1}"#, "/many", r#"{"a":1}"#),
        (r#""many":[{"a":7}]"#, "/many/0/a", "7"),
        (r#""ints":[1,"2"]"#, "/ints/1", r#""2""#),
        (r#""new":null"#, "/new", "null"),
        (r#""a/b~c\"":[]"#, r#"/a~1b~0c\""#, "[]"),
        (r#""\udfff":1"#, r"/\udfff", "1"),
        (r#""one":{"c":{"d":2}}"#, "/one/c", r#"{"d":2}"#),
    ] {
        let (rest, rebuilt) = rest_and_rebuilt(member);
        assert_eq!(rest, Some(format!(r#"{{"{pointer}":{raw}}}"#)), "{member}");
        assert_eq!(rebuilt, format!(r#"{{"id":"x",{member}}}"#));
    }
}

#[test]
fn the_first_of_two_keys_takes_the_column_and_the_others_are_left_over_in_order() {
    let (rest, rebuilt) = rest_and_rebuilt(r#""int":1,"int":2,"int":1,"id":"y""#);
    assert_eq!(rest.as_deref(), Some(r#"{"/int":2,"/int":1,"/id":"y"}"#));
    assert_eq!(rebuilt, r#"{"id":"x","int":1,"int":2,"int":1,"id":"y"}"#);
    let (rest, _) = rest_and_rebuilt(r#""int":"one","int":2"#);
    assert_eq!(rest.as_deref(), Some(r#"{"/int":"one","/int":2}"#));
}

#[test]
fn null_is_null_in_every_column() {
    let names = [
        "text", "int", "float", "bool", "at", "day", "midnight", "free", "one", "many", "ints",
    ];
    let members: Vec<_> = names
        .iter()
        .map(|name| format!(r#""{name}":null"#))
        .collect();
    let batch = batch_of(&format!(r#"{{"id":"x",{}}}"#, members.join(",")));
    for name in names.iter().chain(&["_rest"]) {
        assert!(batch[*name].is_null(0), "{name}");
    }
}

#[test]
fn system_columns_say_whose_row_it_is_and_what_became_of_it() {
    let batch = batch_of(
        r#"{"id":"x","remote_deleted_at":null},{"remote_deleted_at":"2026-01-01T00:00:00.000Z","id":"y"},{"id":"z"}"#,
    );
    let op = batch["_op"].as_string::<i32>();
    assert_eq!(
        op.iter().flatten().collect::<Vec<_>>(),
        ["upsert", "delete", "upsert"]
    );
    assert_eq!(
        batch["_integration_id"].as_string::<i32>().value(2),
        "tool:abc"
    );
    assert!(
        batch["integration_key"]
            .as_string::<i32>()
            .value(0)
            .starts_with("tool-abc-")
    );
    assert_eq!(batch.schema(), endpoint_with(FIELDS).schema());
}

#[test]
fn fetched_at_grows_with_every_row_whatever_the_pages_say() {
    let mut decoder = decoder().with_last_seen(ObservedAt::from_micros(5000));
    let body = page_of(r#"{"id":"a"},{"id":"b"}"#);
    for observed_at in [1000, 1000, 9000] {
        decoder
            .page(
                body.as_bytes(),
                ObservedAt::from_micros(observed_at),
                |_| {},
            )
            .expect("a page");
    }
    assert_eq!(decoder.last_seen(), ObservedAt::from_micros(9001));
    let batch = decoder.take_batch().expect("rows");
    let fetched_at = batch["_fetched_at"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(fetched_at.values(), &[5001, 5002, 5003, 5004, 9000, 9001]);
}

#[test]
fn rows_gather_over_pages_until_they_are_taken() {
    let mut decoder = decoder();
    assert!(decoder.take_batch().is_none());
    for _ in 0..2 {
        read(
            &mut decoder,
            &page_of(r#"{"id":"a","many":[{"a":"1"}]},{"id":"b","many":[{},{}]}"#),
        )
        .expect("a page");
    }
    assert_eq!(decoder.pending_rows(), 4);
    assert!(decoder.pending_bytes() > 400);
    assert_eq!(decoder.take_batch().map(|batch| batch.num_rows()), Some(4));
    assert_eq!((decoder.pending_rows(), decoder.pending_bytes()), (0, 0));
}

#[test]
fn a_large_page_comes_in_batches_of_bounded_size_and_fails_as_a_whole() {
    let mut decoder = decoder();
    let text = "x".repeat(1 << 20);
    let row = |id: usize| format!(r#"{{"id":"r{id}","text":"{text}"}}"#);
    let page = page_of(&(0..20).map(row).collect::<Vec<_>>().join(","));
    read(&mut decoder, &page_of(r#"{"id":"a"}"#)).expect("a small page before");
    let cut = page.replace(r#""r19""#, "19x");
    read(&mut decoder, &cut).expect_err("no JSON in its last row");
    assert_eq!(decoder.pending_rows(), 1, "only the row before");
    read(&mut decoder, &page).expect("the page");
    assert!(decoder.pending_bytes() > 20 << 20);
    let batches: Vec<_> = std::iter::from_fn(|| decoder.take_batch()).collect();
    let rows: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [1, 8, 8, 4]);
    let ids = batches.iter().flat_map(|batch| {
        let ids = batch["id"].as_string::<i32>();
        ids.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    });
    let expected = std::iter::once("a".to_owned()).chain((0..20).map(|id| format!("r{id}")));
    assert_eq!(ids.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!((decoder.pending_rows(), decoder.pending_bytes()), (0, 0));
}

#[test]
fn the_hash_never_changes() {
    assert_eq!(hash_of(FIELDS, r#"{"id":"x"}"#), HASH_OF_ID);
    let row = r#"{"id":"x","one":{"a":"\ud83d\ude00\ud800","b":null},"ints":[1,1.0,true,false,[]],"new":{}}"#;
    assert_eq!(hash_of(FIELDS, row), HASH_OF_ALL);
}

/// The expected hash was computed from the definition with another implementation of XXH3.
const HASH_OF_ID: i64 = 1_187_018_475_391_993_260;
const HASH_OF_ALL: i64 = -8_362_308_485_573_545_588;

#[test]
fn the_hash_is_of_the_record_and_not_of_its_spelling_or_schema() {
    let row = r#"{"id":"x","one":{"a":"é","b":1},"ints":[1,2],"text":null}"#;
    let respelled = r#"{ "ints" : [1 , 2], "one":{"b":1,"\u0061":"\u00e9"}, "id":"x" }"#;
    let only_id = r#"[{"name": "id", "id": 100, "type": "string"}]"#;
    let hash = hash_of(FIELDS, row);
    assert_eq!(hash, hash_of(FIELDS, respelled));
    assert_eq!(hash, hash_of(only_id, row));
    for other in [
        r#"{"id":"x","one":{"a":"é","b":1},"ints":[2,1]}"#,
        r#"{"id":"x","one":{"a":"é","b":1.0},"ints":[1,2]}"#,
        r#"{"id":"x","one":{"a":"é","b":1,"c":null},"ints":[1,2]}"#,
        r#"{"id":"x","one":{"a":"é","b":1},"ints":[1,2],"ints":[1,2]}"#,
        r#"{"id":"x","one":{"a":"é","b":"1"},"ints":[1,2]}"#,
        r#"{"id":"x","one":{"b":"é","a":1},"ints":[1,2]}"#,
    ] {
        assert_ne!(hash, hash_of(FIELDS, other), "{other}");
    }
}

#[test]
fn a_row_without_a_usable_id_is_kept_apart_and_takes_no_place() {
    let mut rows: Vec<_> = (0..99)
        .map(|n| format!(r#"{{"id":"{n}","many":[{{"a":"{n}"}}]}}"#))
        .collect();
    for bad in [
        r#"{"int":1,"many":[{"a":"q"},{}],"new":1}"#,
        r#"{"id":null}"#,
        r#"{"id":7}"#,
        r#"{"id":""}"#,
        r#"{"id":"\ud800"}"#,
        r#""id""#,
        "[]",
    ] {
        rows.insert(50, bad.to_owned());
        let mut decoder = decoder();
        let summary = read(&mut decoder, &page_of(&rows.join(","))).expect("one in a hundred");
        assert_eq!((summary.rows, summary.rest_values), (99, 0));
        assert_eq!(summary.quarantined.len(), 1);
        assert_eq!(summary.quarantined[0].raw, bad);
        assert!(!format!("{summary:?}").contains(bad));
        let batch = decoder.take_batch().expect("rows");
        assert_eq!(
            rebuild(&decoder.endpoint, &batch, 50).as_deref(),
            Ok(r#"{"id":"50","many":[{"a":"50"}]}"#)
        );
        rows.remove(50);
    }
}

#[test]
fn more_than_one_row_in_a_hundred_without_an_id_fails_the_page() {
    let error = error_of(&page_of(r#"{"id":"a"},{"id":null},{"id":"b"}"#));
    assert_eq!(
        error,
        DecodeError::RowsWithoutId {
            rows: 3,
            without_id: 1
        }
    );
}

#[test]
fn a_page_that_fails_leaves_nothing_behind() {
    let mut decoder = decoder();
    read(
        &mut decoder,
        &page_of(r#"{"id":"a","one":{"a":"1"},"many":[{"a":"2"}]}"#),
    )
    .expect("a page");
    let seen = decoder.last_seen();
    let cut = page_of(
        r#"{"id":"b","new":1,"one":{"a":"x"},"ints":[1]},{"id":"c","one":{"b":1},"many":[{"a":"3"},{"a"#,
    );
    read(&mut decoder, cut.trim_end_matches("]}}")).expect_err("cut off");
    assert_eq!((decoder.pending_rows(), decoder.last_seen()), (1, seen));
    read(&mut decoder, &page_of(r#"{"id":"d","many":[{"a":"4"}]}"#)).expect("a page");
    let batch = decoder.take_batch().expect("rows");
    assert_eq!(
        rebuild(&decoder.endpoint, &batch, 1).as_deref(),
        Ok(r#"{"id":"d","many":[{"a":"4"}]}"#)
    );
}

#[test]
fn list_elements_beyond_the_limit_are_left_over_with_their_whole_list() {
    let limits = DecodeLimits {
        page_elements: 3,
        ..DecodeLimits::default()
    };
    let mut decoder = decoder_of(&endpoint_with(FIELDS), limits);
    let row = r#"{"id":"a","ints":[1,2],"many":[{"a":1},{"b":2}]}"#;
    let summary = read(&mut decoder, &page_of(row)).expect("a page");
    assert_eq!(summary.rest_values, 1);
    let batch = decoder.take_batch().expect("a row");
    assert_eq!(
        batch["_rest"].as_string::<i32>().value(0),
        r#"{"/many":[{"a":1},{"b":2}]}"#
    );
    assert_eq!(rebuild(&decoder.endpoint, &batch, 0).as_deref(), Ok(row));
    assert_eq!(
        hash_of(FIELDS, row),
        batch["_hash"].as_primitive::<Int64Type>().value(0)
    );
}

mod envelope;
mod instants;
mod oracle;
mod rebuilding;
