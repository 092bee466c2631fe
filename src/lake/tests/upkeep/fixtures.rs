//! What a fold, the guard and full fetches leave in a lake.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};

use crate::delta::log::{CommitOutcome, Entry};
use crate::delta::object_key::Partition;
use crate::lake::layout::LakeTable;
use crate::lake::layout::of_day;
use crate::lake::ledgers::{self, drift, holds, issues, model_coverage, quarantine};
use crate::lake::tables::OpenTable;
use crate::lake::tests::support::*;
use crate::lake::{Lake, LiveFile, Part};

/// Writes what a fold writes: an integration's live snapshot that began at `since_us` is folded, and its deltas up to
/// `folded_us`.
pub(super) async fn say_folded(lake: &Lake, name: &str, since_us: i64, folded_us: i64) {
    let key = integration(name).key();
    let app = |what: &str| format!("kombo/{key}/{what}");
    let snapshots = lake.tables().of_endpoint(&tags(), Part::Snapshots).await;
    let snapshots = snapshots.expect("open");
    let seen = snapshots.refreshed().await.expect("read").txn(&app("seen"));
    let since = vec![(app("since"), since_us)];
    commit(lake, Part::Snapshots, since).await;
    let folded = [
        ("snapshot", seen.expect("a snapshot")),
        ("folded", folded_us),
        ("rows", 2),
    ];
    let folded = folded.map(|(what, value)| (app(what), value));
    commit(lake, Part::Current, folded.to_vec()).await;
}

/// Writes that rows of an integration are held, and that `lost` other rows disappeared at an instant.
pub(super) async fn say_held(lake: &Lake, name: &str, at_secs: i64, lost: i64) {
    let key = integration(name).key();
    let app = |what: &str| format!("kombo/{key}/{what}");
    let said = vec![(app("held"), 2), (app("lost/0"), at_secs << 30 | lost)];
    commit(lake, Part::Current, said).await;
}

async fn commit(lake: &Lake, part: Part, txns: Vec<(String, i64)>) {
    let table = lake
        .tables()
        .of_endpoint(&tags(), part)
        .await
        .expect("open");
    let state = table.refreshed().await.expect("read");
    let entry = Entry {
        operation: "TEST",
        txns,
        ..Entry::default()
    };
    let outcome = table.log.commit(&state, entry).await.expect("committed");
    assert!(matches!(outcome, CommitOutcome::Committed { .. }));
}

/// Puts a file of an integration into `current`.
pub(super) async fn put_current(lake: &Lake, name: &str, rows: &[Row]) {
    let table = lake.tables().of_endpoint(&tags(), Part::Current).await;
    let table = table.expect("open");
    let rows = batch(&tags(), &delta(name), rows);
    put(&table, rows, Partition::Whole).await;
}

async fn put(table: &OpenTable, rows: RecordBatch, partition: Partition) {
    let written = table.files.write_batch(rows, partition).await;
    let state = table.refreshed().await.expect("read");
    let entry = Entry {
        operation: "TEST",
        adds: written
            .expect("written")
            .into_iter()
            .map(|file| file.add)
            .collect(),
        ..Entry::default()
    };
    table.log.commit(&state, entry).await.expect("committed");
}

/// Puts a file into one of the lake's own tables, with one row for each of these integrations.
pub(super) async fn put_own(lake: &Lake, table: &LakeTable, names: &[&str], day: i32) {
    let schema = match table {
        LakeTable::Drift => drift::schema(),
        LakeTable::Holds => holds::schema(),
        LakeTable::Coverage => model_coverage::schema(),
        LakeTable::Issues => issues::schema(),
        _ => quarantine::schema(),
    };
    // Rows of the quarantine expire by their observation.
    let at_us = match table {
        LakeTable::Quarantine => i64::from(day) * 86_400_000_000,
        _ => 1,
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| values(field, names, day, at_us));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect("rows");
    let table = lake.tables().open(table, &schema).await.expect("open");
    let partition = match table.name {
        LakeTable::Drift => of_day(day),
        _ => Partition::Whole,
    };
    put(&table, batch, partition).await;
}

fn values(field: &Field, names: &[&str], day: i32, at_us: i64) -> ArrayRef {
    let rows = names.len();
    match field.data_type() {
        DataType::Utf8 => Arc::new(StringArray::from_iter_values(names.iter().map(|name| {
            match field.name().as_str() {
                "integration_key" => integration(name).key().to_string(),
                "state" => "held".to_owned(),
                "cause" => "mass_delete".to_owned(),
                "endpoint" => tags().name().to_string(),
                _ => integration(name).to_string(),
            }
        }))),
        DataType::Date32 => Arc::new(Date32Array::from(vec![day; rows])),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![true; rows])),
        DataType::Int64 => Arc::new(Int64Array::from(vec![1; rows])),
        DataType::Timestamp(..) => {
            Arc::new(TimestampMicrosecondArray::from(vec![at_us; rows]).with_timezone("UTC"))
        }
        DataType::List(element) => {
            let none = OffsetBuffer::<i32>::new_zeroed(rows);
            let texts = Arc::new(StringArray::from(Vec::<&str>::new()));
            Arc::new(ListArray::new(Arc::clone(element), none, texts, None))
        }
        other => panic!("{other}"),
    }
}

/// Lists the live files of one of the lake's own tables.
pub(super) async fn own_files(lake: &Lake, table: &LakeTable) -> Vec<Arc<LiveFile>> {
    let Some(table) = ledgers::existing(lake.tables(), table).await.expect("open") else {
        return Vec::new();
    };
    let state = table.refreshed().await.expect("read");
    table.live(&state).await.expect("files")
}
