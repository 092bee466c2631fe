//! Backfills of a twin in the same process, in paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use kombo_source::backfill::outcome::{TableEnding, TableOutcome};
use kombo_source::backfill::targets::Target;
use kombo_source::backfill::{Backfill, BackfillSettings};
use kombo_source::company::{Refusal, World};
use kombo_source::decode::{DecodeLimits, rebuild};
use kombo_source::ids::IntegrationId;
use kombo_source::ingest::IngestSettings;
use kombo_source::plan::Kind;
use kombo_source::sink::Sink;
use kombo_source::time::{ObservedAt, Tier};
use kombo_source::twin::TwinApi;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::memory_sink::MemorySink;
use crate::support::memory_world::{Unwatched, all_targets, ids, odd_world};
use crate::support::small_kombo::{Listing, SmallKombo, table, tags};

fn settings(want: Kind) -> BackfillSettings {
    BackfillSettings {
        want,
        skip_newer_than: None,
        confirm: false,
        concurrency: 4,
        limits: DecodeLimits::default(),
        ingest: IngestSettings::default(),
    }
}

async fn run(
    api: &TwinApi,
    sink: &MemorySink,
    settings: BackfillSettings,
) -> (Vec<Target>, Vec<TableOutcome>) {
    let targets = all_targets(api, &ids(api)).await;
    let backfill = Backfill::new(Arc::new(api.clone()), sink.clone(), settings);
    let outcomes = backfill.run(targets.clone(), |_| Unwatched, |_| {}).await;
    (targets, outcomes)
}

/// Returns the newest record of every id in the sink, as JSON rebuilt from the columns.
fn newest(target: &Target, batches: &[RecordBatch]) -> BTreeMap<String, Value> {
    let mut rows: BTreeMap<String, (i64, Value)> = BTreeMap::new();
    for batch in batches {
        let ids = batch.column_by_name("id").unwrap().as_string::<i32>();
        let seen = batch
            .column_by_name("_fetched_at")
            .unwrap()
            .as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let text = rebuild(&target.endpoint, batch, row).unwrap();
            let record: Value = serde_json::from_str(&text).unwrap();
            let entry = rows
                .entry(ids.value(row).to_owned())
                .or_insert((i64::MIN, Value::Null));
            if seen.value(row) > entry.0 {
                *entry = (seen.value(row), record);
            }
        }
    }
    rows.into_iter()
        .map(|(id, (_, record))| (id, record))
        .collect()
}

/// Returns the twin's answer to a full fetch, by id.
fn truth(api: &TwinApi, target: &Target) -> BTreeMap<String, Value> {
    let world = api.world().lock();
    let lines: Vec<String> = world
        .truth(&target.table.integration, &target.endpoint)
        .collect();
    let records = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    records
        .map(|record| (record["id"].as_str().unwrap().to_owned(), record))
        .collect()
}

/// Removes members that are null: for a declared field, absent equals null. Undeclared nulls are in `_rest`.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(key, value)| (key.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn assert_equal(api: &TwinApi, target: &Target, sink: &MemorySink) {
    let (truth, found) = (
        truth(api, target),
        newest(target, &sink.batches(&target.table)),
    );
    assert_eq!(
        truth.keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>(),
        "{}",
        target.table
    );
    for (id, record) in &truth {
        assert_eq!(
            without_nulls(record),
            without_nulls(&found[id]),
            "{} {id}",
            target.table
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_backfill_brings_every_value_of_every_endpoint() {
    let (api, sink) = (odd_world(600), MemorySink::default());
    let (targets, outcomes) = run(&api, &sink, settings(Kind::Snapshot)).await;
    assert_eq!(targets.len(), outcomes.len());
    assert_eq!(targets.len(), 13 + 18 + 4 + 2);
    for outcome in &outcomes {
        assert!(
            matches!(outcome.ending, TableEnding::Committed(_)),
            "{}: {:?}",
            outcome.table,
            outcome.ending
        );
    }
    for target in &targets {
        assert_equal(&api, target, &sink);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delta_after_changes_brings_exactly_the_newest_versions() {
    let (api, sink) = (odd_world(300), MemorySink::default());
    let (targets, _) = run(&api, &sink, settings(Kind::Snapshot)).await;
    {
        let mut world = api.world().lock();
        world.advance(Duration::from_mins(20));
        for target in targets
            .iter()
            .filter(|target| target.endpoint.updated_after)
        {
            world.edit(&target.table.integration, &target.endpoint, 3);
            world.delete(&target.table.integration, &target.endpoint, 5);
        }
        world.advance(Duration::from_mins(1));
    }
    let (_, outcomes) = run(&api, &sink, settings(Kind::Delta)).await;
    for outcome in &outcomes {
        assert!(
            outcome.ending.is_success(),
            "{}: {:?}",
            outcome.table,
            outcome.ending
        );
    }
    for target in targets
        .iter()
        .filter(|target| target.endpoint.nested.is_empty())
    {
        assert_equal(&api, target, &sink);
    }
}

#[tokio::test(start_paused = true)]
async fn tables_with_a_young_snapshot_are_skipped() {
    let (api, sink) = (odd_world(50), MemorySink::default());
    run(&api, &sink, settings(Kind::Snapshot)).await;
    let skipping = BackfillSettings {
        skip_newer_than: Some(Duration::from_hours(12)),
        ..settings(Kind::Snapshot)
    };
    let (_, outcomes) = run(&api, &sink, skipping.clone()).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome.ending, TableEnding::Skipped))
    );
    api.world().lock().advance(Duration::from_hours(13));
    let (_, outcomes) = run(&api, &sink, skipping).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome.ending, TableEnding::Committed(_)))
    );
}

#[tokio::test(start_paused = true)]
async fn observations_of_a_table_are_strictly_later_from_fetch_to_fetch() {
    let (api, sink) = (odd_world(300), MemorySink::default());
    let (targets, _) = run(&api, &sink, settings(Kind::Snapshot)).await;
    let target = targets
        .iter()
        .find(|target| target.endpoint.name().as_str() == "ats/applications")
        .unwrap();
    let first = sink
        .covered(&target.endpoint, &target.table.integration)
        .await
        .unwrap()
        .seen
        .unwrap();
    run(&api, &sink, settings(Kind::Snapshot)).await;
    let batches = sink.batches(&target.table);
    let mut last = first.as_micros();
    for batch in &batches {
        let seen = batch
            .column_by_name("_fetched_at")
            .unwrap()
            .as_primitive::<TimestampMicrosecondType>();
        for row in 0..seen.len() {
            assert!(seen.value(row) > last, "row {row} is not later");
            last = seen.value(row);
        }
    }
}

/// Returns a target with a table of three rows that changed ten minutes ago.
async fn three_rows() -> (SmallKombo, Target) {
    let kombo = SmallKombo::new(Listing::ById, 10);
    kombo.change(|rows| ["a", "b", "c"].iter().for_each(|id| rows.set(id, 0)));
    kombo.pass(600).await;
    let target = Target {
        table: table(),
        endpoint: tags(),
        asked_at: ObservedAt::from_micros(kombo.now_ms() * 1_000),
        asked: Instant::now(),
    };
    (kombo, target)
}

#[tokio::test(start_paused = true)]
async fn a_backfill_that_confirms_takes_every_snapshot_twice() {
    let (kombo, target) = three_rows().await;
    let settings = BackfillSettings {
        confirm: true,
        skip_newer_than: Some(Duration::from_hours(1)),
        ..settings(Kind::Snapshot)
    };
    let backfill = Backfill::new(Arc::new(kombo.clone()), MemorySink::default(), settings);
    let run = async |target: &Target| {
        let targets = vec![target.clone()];
        backfill.run(targets, |_| Unwatched, |_| {}).await
    };
    let outcomes = run(&target).await;
    assert!(matches!(outcomes[0].ending, TableEnding::Committed(_)));
    assert_eq!((outcomes[0].rows, kombo.asked().len()), (3, 2));
    let outcomes = run(&target).await;
    assert!(matches!(outcomes[0].ending, TableEnding::Skipped));
    assert_eq!(kombo.asked().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_delta_that_finds_nothing_commits_nothing_and_its_base_is_written_at_the_end() {
    let (kombo, target) = three_rows().await;
    let sink = MemorySink::default();
    let run = async |mode| {
        let api = Arc::new(kombo.clone());
        let backfill = Backfill::new(api, sink.clone(), settings(mode));
        let targets = vec![target.clone()];
        let mut outcomes = backfill.run(targets, |_| Unwatched, |_| {}).await;
        outcomes.remove(0)
    };
    run(Kind::Snapshot).await;
    kombo.pass(600).await;
    let before = sink.batches(&target.table);
    let outcome = run(Kind::Delta).await;
    assert!(matches!(outcome.ending, TableEnding::Unchanged));
    assert!(outcome.ending.is_success());
    assert_eq!(sink.batches(&target.table), before);
    let covered = sink.covered(&target.endpoint, &target.table.integration);
    let bases = covered.await.unwrap().bases;
    assert_eq!(bases.get(Tier::Ordinary), outcome.done.unwrap().base);
}

/// Counts the tables of one integration by outcome: committed, failed, not tried.
fn counts(outcomes: &[TableOutcome], id: &IntegrationId) -> [usize; 3] {
    let own = || {
        outcomes
            .iter()
            .filter(|outcome| outcome.table.integration == *id)
    };
    let count =
        |ends: fn(&TableEnding) -> bool| own().filter(|outcome| ends(&outcome.ending)).count();
    [
        count(|ending| matches!(ending, TableEnding::Committed(_))),
        count(|ending| matches!(ending, TableEnding::Failed(_))),
        count(|ending| matches!(ending, TableEnding::NotTried { .. })),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_error_that_reaches_a_whole_integration_is_met_once_and_stops_no_other() {
    let (api, sink) = (odd_world(50), MemorySink::default());
    let ids = ids(&api);
    let inactive = Refusal::with_code("INTEGRATION.INACTIVE");
    assert!(api.world().lock().refuse(&ids[1], None, inactive));
    let one_by_one = BackfillSettings {
        concurrency: 1,
        ..settings(Kind::Snapshot)
    };
    let (_, outcomes) = run(&api, &sink, one_by_one).await;
    assert_eq!(counts(&outcomes, &ids[1]), [0, 1, 17]);
    assert_eq!(counts(&outcomes, &ids[0]), [13, 0, 0]);
    assert_eq!(counts(&outcomes, &ids[2]), [4, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_switched_off_is_left_out_and_its_rows_stay() {
    let (api, sink) = (odd_world(50), MemorySink::default());
    let (targets, _) = run(&api, &sink, settings(Kind::Snapshot)).await;
    let target = &targets[0];
    let before = sink.batches(&target.table);
    let table = &target.table;
    let disabled = Refusal::with_code("INTEGRATION.MODEL_DISABLED");
    let off = |world: &mut World| {
        world.refuse(&table.integration, Some(&table.endpoint), disabled.clone())
    };
    assert!(off(&mut api.world().lock()));
    let (_, outcomes) = run(&api, &sink, settings(Kind::Snapshot)).await;
    let outcome = outcomes.iter().find(|outcome| outcome.table == *table);
    assert!(matches!(
        outcome.unwrap().ending,
        TableEnding::LeftOut { .. }
    ));
    assert!(outcomes.iter().all(|outcome| outcome.ending.is_success()));
    assert_eq!(sink.batches(table), before);
}

#[tokio::test(start_paused = true)]
async fn a_delta_that_ran_lately_is_skipped_and_an_older_one_is_not() {
    let (api, sink) = (odd_world(50), MemorySink::default());
    run(&api, &sink, settings(Kind::Snapshot)).await;
    api.world().lock().advance(Duration::from_hours(2));
    run(&api, &sink, settings(Kind::Delta)).await;
    let lately = BackfillSettings {
        skip_newer_than: Some(Duration::from_hours(1)),
        ..settings(Kind::Delta)
    };
    let (targets, outcomes) = run(&api, &sink, lately.clone()).await;
    let skipped = |outcomes: &[TableOutcome]| {
        let ends = outcomes.iter().map(|outcome| &outcome.ending);
        ends.filter(|ending| matches!(ending, TableEnding::Skipped))
            .count()
    };
    assert_eq!(skipped(&outcomes), targets.len());
    api.world().lock().advance(Duration::from_mins(61));
    let (_, outcomes) = run(&api, &sink, lately).await;
    assert_eq!(skipped(&outcomes), 0);
}
