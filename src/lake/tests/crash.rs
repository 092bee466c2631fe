//! Every call to the store fails once, before its work or after it with the answer lost. Then a clean run follows.

use std::ops::Range;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::decode::QuarantinedRow;
use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::lake::tests::support::*;
use crate::lake::{Lake, LakeError, Part};
use crate::sink::Receipt;
use crate::time::{Base, ObservedAt, Tier};

const OLD: [Row; 2] = [("1", 10, 1), ("2", 11, 1)];
const NEW: [Row; 2] = [("2", 31, 3), ("3", 32, 3)];
const CHANGED: [Row; 1] = [("1", 40, 4)];

/// Fetches a snapshot of several runs, one of which repeats an id, and then a delta with a quarantined row. Fetches
/// only what the bases say is missing, like the program after a restart.
async fn script(store: &TableStore) -> Result<(), LakeError> {
    let lake = Lake::over(store.clone(), &tiny_runs(), TestClock::new()).await?;
    let coverage = lake.coverage(&tags(), &integration("a")).await?;
    if coverage.snapshot_base < Some(Base::from_millis(300)) {
        let fetch = snapshot("a");
        let mut staging = lake.begin(&fetch, &tags()).await?;
        for rows in [&[("2", 30, 2)][..], &NEW] {
            staging.push(batch(&tags(), &fetch, rows)).await?;
        }
        let receipt = staging.commit(end(300, 32)).await?;
        assert!(matches!(receipt, Receipt::Committed { .. }), "{receipt:?}");
    }
    if coverage.bases.get(Tier::Ordinary) < Some(Base::from_millis(400)) {
        let fetch = delta("a");
        let mut staging = lake.begin(&fetch, &tags()).await?;
        staging.push(batch(&tags(), &fetch, &CHANGED)).await?;
        staging
            .quarantine(vec![QuarantinedRow {
                reason: "id is null",
                raw: "{}".to_owned(),
                observed_at: ObservedAt::from_micros(40),
            }])
            .await?;
        let receipt = staging.commit(end(400, 40)).await?;
        assert!(matches!(receipt, Receipt::Committed { .. }), "{receipt:?}");
    }
    Ok(())
}

fn over(objects: Arc<dyn ObjectStore>) -> TableStore {
    TableStore::over(objects, "memory:///".parse().expect("a URL"))
}

/// Makes a store that holds an older snapshot, and a failing store over the same objects.
async fn stores(
    failing: Range<usize>,
    failure: Failure,
) -> (TableStore, TableStore, Arc<FaultyStore>) {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let clean = over(Arc::clone(&objects));
    let before = lake(&clean, &settings()).await;
    run(&before, &snapshot("a"), &[&OLD], end(100, 11)).await;
    let faulty = FaultyStore::new(objects, failing, failure);
    (clean, over(Arc::clone(&faulty) as _), faulty)
}

/// Checks what must hold at every instant, whatever failed.
async fn check(store: &TableStore, context: &str) {
    let lake = lake(store, &settings()).await;
    let coverage = lake
        .coverage(&tags(), &integration("a"))
        .await
        .expect("coverage");
    let replaced = coverage.snapshot_base == Some(Base::from_millis(300));
    let expected = if replaced { NEW } else { OLD };
    assert_eq!(
        stored(store, Part::Snapshots).await,
        rows_of("a", &expected),
        "{context}"
    );
    let changed = coverage.bases.get(Tier::Ordinary) == Some(Base::from_millis(400));
    let expected: &[Row] = if changed { &CHANGED } else { &[] };
    assert_eq!(
        stored(store, Part::Deltas).await,
        rows_of("a", expected),
        "{context}"
    );
    assert!(
        !changed || !quarantined(store).await.is_empty(),
        "{context}"
    );
}

#[tokio::test]
async fn whatever_call_fails_a_clean_run_gives_the_same_rows() {
    for failure in Failure::ALL {
        let mut failed = 0;
        for call in 0.. {
            let context = format!("{failure:?} at call {call}");
            let (clean, broken, faulty) = stores(call..call + 1, failure).await;
            let outcome = script(&broken).await;
            if faulty.calls() <= call {
                break;
            }
            failed += usize::from(outcome.is_err());
            check(&clean, &context).await;

            script(&clean).await.expect("nothing fails");
            check(&clean, &context).await;
            assert_eq!(
                stored(&clean, Part::Snapshots).await,
                rows_of("a", &NEW),
                "{context}"
            );
            assert_eq!(
                stored(&clean, Part::Deltas).await,
                rows_of("a", &CHANGED),
                "{context}"
            );

            let before = objects_in(&clean).await;
            script(&clean).await.expect("nothing fails");
            assert_eq!(
                objects_in(&clean).await,
                before,
                "{context}: the second run changed something"
            );
        }
        assert!(failed > 0, "{failure:?}: no call was disturbed");
    }
}
