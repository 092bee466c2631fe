//! Holds are written completely, also by several writers at once, and a decision of the operator stays.

use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::delta::log::Entry;
use crate::delta::object_key::Partition;
use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::lake::layout::LakeTable;
use crate::lake::tables::OpenTable;
use crate::lake::tests::support::*;
use crate::lake::{Hold, Lake, LakeError};
use crate::versions::guard::{HoldCause, HoldState};

fn held(name: &str, until_us: i64) -> Hold {
    Hold {
        integration: integration(name),
        endpoint: tags().name().clone(),
        state: HoldState::Held,
        since_us: 10,
        until_us,
        held_rows: 700,
        removed: 600,
        nulled: 100,
        unconfirmed: 0,
        table_rows: 2_000,
        columns: vec!["name".to_owned()],
        cause: HoldCause::MassDelete,
        detail: "600 of 2,000 rows would vanish".to_owned(),
        confirmable_us: None,
        decided_at_us: None,
        updated_at_us: until_us,
    }
}

fn in_state(state: HoldState, until_us: i64) -> Hold {
    Hold {
        state,
        decided_at_us: Some(until_us + 1),
        ..held("a", until_us)
    }
}

async fn put(lake: &Lake, hold: &Hold) -> Hold {
    let stored = lake.put_holds(std::slice::from_ref(hold)).await;
    stored.expect("put").pop().expect("one")
}

async fn stored_holds(store: &TableStore) -> Vec<Hold> {
    lake(store, &settings()).await.holds().await.expect("read")
}

async fn table(lake: &Lake) -> OpenTable {
    let schema = crate::lake::ledgers::holds::schema();
    let table = lake.tables().open(&LakeTable::Holds, &schema).await;
    table.expect("open")
}

async fn version(lake: &Lake) -> u64 {
    let table = table(lake).await;
    table.refreshed().await.expect("read").version()
}

#[tokio::test]
async fn a_hold_is_read_as_it_was_put_and_the_others_stay() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let (a, b) = (held("a", 20), in_state(HoldState::Resolved, 30));
    put(&lake, &held("b", 1)).await;
    assert_eq!(put(&lake, &a).await, a);
    assert_eq!(put(&lake, &b).await, b);
    assert_eq!(stored_holds(&store).await, [b, held("b", 1)]);
}

#[tokio::test]
async fn saying_the_same_again_writes_nothing() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    put(&lake, &held("a", 20)).await;
    let before = version(&lake).await;
    let later = Hold {
        updated_at_us: 99,
        ..held("a", 20)
    };
    put(&lake, &later).await;
    assert_eq!(version(&lake).await, before);
    assert_eq!(stored_holds(&store).await, [held("a", 20)]);
    lake.put_holds(&[]).await.expect("nothing to do");
    assert_eq!(version(&lake).await, before);
}

#[tokio::test]
async fn what_is_accepted_is_held_again_only_for_something_later() {
    use HoldState::{Accepted, Confirmed, Held, Resolved};
    // The stored hold, the hold that is put, and the result, each with its latest observation.
    let cases = [
        ((Held, 20), (Accepted, 20), (Accepted, 20)),
        ((Held, 20), (Accepted, 19), (Held, 20)),
        ((Held, 20), (Accepted, 21), (Accepted, 21)),
        ((Accepted, 20), (Held, 20), (Accepted, 20)),
        ((Accepted, 20), (Held, 10), (Accepted, 20)),
        ((Accepted, 20), (Held, 21), (Held, 21)),
        ((Accepted, 20), (Resolved, 10), (Resolved, 10)),
        ((Confirmed, 20), (Accepted, 20), (Confirmed, 20)),
        ((Resolved, 20), (Accepted, 30), (Resolved, 20)),
        ((Resolved, 20), (Held, 20), (Held, 20)),
        ((Held, 20), (Confirmed, 10), (Confirmed, 10)),
        ((Held, 20), (Held, 10), (Held, 10)),
    ];
    for (stored, new, expected) in cases {
        let store = TableStore::memory();
        let lake = lake(&store, &settings()).await;
        put(&lake, &in_state(stored.0, stored.1)).await;
        let stands = put(&lake, &in_state(new.0, new.1)).await;
        let context = format!("{new:?} onto {stored:?}");
        assert_eq!((stands.state, stands.until_us), expected, "{context}");
        assert_eq!(stored_holds(&store).await, [stands], "{context}");
    }
}

#[tokio::test]
async fn a_fold_that_knows_nothing_of_a_decision_does_not_undo_it() {
    let store = TableStore::memory();
    let (folding, person) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    put(&folding, &held("a", 20)).await;
    let accepted = in_state(HoldState::Accepted, 20);
    put(&person, &accepted).await;
    let stands = put(&folding, &held("a", 20)).await;
    assert_eq!(stands, accepted);
    assert_eq!(stored_holds(&store).await, [accepted]);
}

#[tokio::test]
async fn two_writers_at_once_keep_each_others_rows() {
    let store = TableStore::memory();
    let (left, right) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    for round in 0..5 {
        let (a, b) = (held("a", round), held("b", round));
        tokio::join!(put(&left, &a), put(&right, &b));
        assert_eq!(stored_holds(&store).await, [a, b]);
    }
}

/// A build that knows another enum value and another column wrote a row.
#[tokio::test]
async fn rows_and_columns_of_a_newer_build_pass_through() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    put(&lake, &held("a", 20)).await;
    let table = table(&lake).await;
    let read = async || {
        let state = table.refreshed().await.expect("read");
        let file = table.live(&state).await.expect("listed").pop();
        let file = file.expect("one file");
        let bytes = table.files.read(&file.path).await.expect("read");
        let mut batches = crate::delta::file::writer::read(bytes, &[]).expect("Parquet");
        (state, file, batches.next().expect("rows").expect("rows"))
    };
    let (state, file, batch) = read().await;
    let mut fields = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("who", DataType::Utf8, true)));
    let mut columns = batch.columns().to_vec();
    columns[3] = Arc::new(StringArray::from(vec!["pondered"]));
    columns.push(Arc::new(StringArray::from(vec!["somebody"])));
    let newer = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("rows");
    let written = table.files.write_batch(newer, Partition::Whole).await;
    let entry = Entry {
        operation: "HOLD",
        adds: vec![written.expect("written").expect("rows").add],
        removes: vec![(&*file).into()],
        ..Entry::default()
    };
    table.log.commit(&state, entry).await.expect("committed");
    assert_eq!(stored_holds(&store).await, [], "unknown value");

    put(&lake, &held("b", 30)).await;
    let (_, _, batch) = read().await;
    let text = |name| {
        let column = batch.column_by_name(name).expect("kept");
        column.as_string::<i32>().value(0).to_owned()
    };
    assert_eq!(
        (text("state"), text("who")),
        ("pondered".into(), "somebody".into())
    );
    assert_eq!(batch.num_rows(), 2);
}

async fn script(store: &TableStore) -> Result<(), LakeError> {
    let lake = Lake::over(store.clone(), &settings(), TestClock::new()).await?;
    lake.put_holds(&[held("a", 20), held("b", 20)]).await?;
    lake.put_holds(&[in_state(HoldState::Accepted, 20)]).await?;
    Ok(())
}

#[tokio::test]
async fn whatever_call_fails_a_clean_run_gives_the_same_holds() {
    let expected = [in_state(HoldState::Accepted, 20), held("b", 20)];
    for failure in Failure::ALL {
        let mut failed = 0;
        for call in 0.. {
            let context = format!("{failure:?} at call {call}");
            let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let url = || "memory:///".parse().expect("a URL");
            let clean = TableStore::over(Arc::clone(&objects), url());
            let faulty = FaultyStore::new(objects, call..call + 1, failure);
            let broken = TableStore::over(Arc::clone(&faulty) as _, url());
            let outcome = script(&broken).await;
            if faulty.calls() <= call {
                break;
            }
            failed += usize::from(outcome.is_err());
            let holds = stored_holds(&clean).await;
            assert!([0, 2].contains(&holds.len()), "{context}: half of them");

            script(&clean).await.expect("nothing fails");
            assert_eq!(stored_holds(&clean).await, expected, "{context}");

            let before = objects_in(&clean).await;
            script(&clean).await.expect("nothing fails");
            let after = objects_in(&clean).await;
            assert_eq!(after, before, "{context}: the second run changed something");
        }
        assert!(failed > 0, "{failure:?}: no call was disturbed");
    }
}
