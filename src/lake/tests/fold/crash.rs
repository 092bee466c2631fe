//! Each call to the store fails once while a lake is folded. Readers see the old state or the new one, and a clean
//! run ends like an undisturbed one. Two folds at once do no harm.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::delta::store::faulty::{Ages, Failure, FaultyStore};
use crate::lake::Part;
use crate::lake::positions::Positions;
use crate::lake::tests::fold::guard::{everybody, nobody};
use crate::lake::tests::fold::*;

fn over(store: Arc<dyn ObjectStore>) -> TableStore {
    TableStore::over(store, "memory:///".parse().expect("a URL"))
}

/// Makes a table that is folded, and that then got a full fetch with drift and deltas. A second table waits, too.
async fn waiting() -> InMemory {
    let objects = InMemory::new();
    let store = over(Arc::new(objects.clone()));
    let lake = lake(&store, &settings()).await;
    let hour = 60 * MINUTE_US;
    bring(
        &lake,
        &snapshot("a"),
        &[seen("1", hour, "one"), seen("2", hour + 1, "two")],
        hour + 1,
    )
    .await;
    fold(&lake).await;
    bring(
        &lake,
        &delta("a"),
        &[seen("3", 2 * hour, "three")],
        2 * hour,
    )
    .await;
    let changed = Seen {
        changed_at: Some(3 * hour),
        ..seen("1", 9 * hour, "uno")
    };
    bring(
        &lake,
        &snapshot("a"),
        &[changed, seen("3", 9 * hour, "three")],
        9 * hour,
    )
    .await;
    bring(
        &lake,
        &delta("a"),
        &[gone("2", 10 * hour, "absent")],
        10 * hour,
    )
    .await;
    bring(&lake, &snapshot("b"), &[seen("1", hour, "other")], hour).await;
    objects
}

async fn read(objects: &InMemory) -> Vec<Vec<(String, i64, Option<String>)>> {
    let store = over(Arc::new(objects.clone()));
    vec![current(&store, "a").await, current(&store, "b").await]
}

/// Returns how many rows count as gone within a day.
async fn lost(objects: &InMemory) -> u64 {
    let lake = lake(&over(Arc::new(objects.clone())), &settings()).await;
    let current = lake.tables().existing(&tags(), Part::Current).await;
    let current = current.expect("opens").expect("there");
    let state = current.refreshed().await.expect("read");
    let positions = Positions::of(&integration("a").key(), &state);
    positions.lost.rows(10 * 60 * MINUTE_US)
}

async fn drifted(objects: &InMemory) -> Vec<String> {
    let store = over(Arc::new(objects.clone()));
    let lake = lake(&store, &settings()).await;
    let filter = crate::lake::DriftFilter {
        limit: 100,
        ..crate::lake::DriftFilter::default()
    };
    let found = lake.drift(&filter).await.expect("read").going;
    found.into_iter().map(|row| row.id).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_readers_see_one_state_and_a_clean_run_finishes_the_fold() {
    let old = waiting().await;
    let before = read(&old).await;
    let done = old.fork();
    fold(&lake(&over(Arc::new(done.clone())), &settings()).await).await;
    let (after, found) = (read(&done).await, drifted(&done).await);
    assert_ne!(before, after);
    assert_eq!(found, ["1"]);
    assert_eq!(lost(&done).await, 1);
    for failure in [Failure::Before, Failure::After] {
        for call in 0.. {
            let context = format!("{failure:?} at call {call}");
            let objects = old.fork();
            let shared: Arc<dyn ObjectStore> = Arc::new(objects.clone());
            let faulty =
                FaultyStore::aged(&shared, &Ages::default()).failing(call..call + 1, failure);
            let broken = over(Arc::clone(&faulty) as Arc<dyn ObjectStore>);
            if let Ok(lake) = Lake::over(broken, &settings(), TestClock::new()).await {
                drop(lake.fold(&tags(), None, &small_files()).await);
            }
            if faulty.calls() <= call {
                break;
            }
            for (table, (old, new)) in read(&objects).await.iter().zip(before.iter().zip(&after)) {
                assert!(table == old || table == new, "{context}");
            }
            fold(&lake(&over(Arc::new(objects.clone())), &settings()).await).await;
            assert_eq!(read(&objects).await, after, "{context}");
            assert_eq!(drifted(&objects).await, found, "{context}");
            assert_eq!(lost(&objects).await, 1, "{context}");
        }
    }
}

/// Makes a table of which many rows were held and came back.
async fn come_back() -> InMemory {
    let objects = InMemory::new();
    let lake = lake(&over(Arc::new(objects.clone())), &settings()).await;
    bring(&lake, &snapshot("a"), &everybody(1_000), 1_500).await;
    fold(&lake).await;
    bring(&lake, &delta("a"), &nobody(2_000, 150), 2_500).await;
    fold(&lake).await;
    bring(&lake, &delta("a"), &everybody(3_000), 3_500).await;
    objects
}

#[tokio::test(start_paused = true)]
async fn a_release_that_readers_see_is_told_whatever_call_fails() {
    let old = come_back().await;
    for failure in [Failure::Before, Failure::After] {
        for call in 0.. {
            let objects = old.fork();
            let shared: Arc<dyn ObjectStore> = Arc::new(objects.clone());
            let faulty =
                FaultyStore::aged(&shared, &Ages::default()).failing(call..call + 1, failure);
            let broken = over(Arc::clone(&faulty) as Arc<dyn ObjectStore>);
            let mut told = false;
            if let Ok(lake) = Lake::over(broken, &settings(), TestClock::new()).await
                && let Ok(report) = lake.fold(&tags(), None, &small_files()).await
            {
                told = report.tables.iter().any(|table| table.released.is_some());
            }
            if faulty.calls() <= call {
                break;
            }
            let seen = read(&objects).await[0][0].1 >= 3_000;
            assert_eq!(told, seen, "{failure:?} at call {call}");
        }
    }
}

#[tokio::test]
async fn two_folds_at_once_give_what_one_gives() {
    let objects = waiting().await;
    let one = lake(&over(Arc::new(objects.clone())), &settings()).await;
    let other = lake(&over(Arc::new(objects.clone())), &settings()).await;
    let (first, second) = tokio::join!(fold(&one), fold(&other));
    let folded = first.tables.len() + second.tables.len();
    let overtaken = first.overtaken + second.overtaken;
    assert_eq!(folded, 2, "{overtaken} overtaken");
    let rows = read(&objects).await;
    assert_eq!(named(&rows[0]), [("1", "uno"), ("3", "three")]);
    assert_eq!(drifted(&objects).await, ["1"], "said once");
    assert_eq!(lost(&objects).await, 1, "counted once");
}
