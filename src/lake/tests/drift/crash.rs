//! Every call to the store fails once, before its work or after it with the answer lost. Then a clean run follows.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::lake::LakeError;
use crate::lake::tests::drift::*;

/// Does what a fold does after a restart: compares the snapshots that the lake has no comparison of.
async fn script(store: &TableStore) -> Result<(), LakeError> {
    let lake = Lake::over(store.clone(), &settings(), TestClock::new()).await?;
    let done = lake.completeness().await?;
    let mut all = Vec::new();
    for (name, snapshot) in [("a", 100), ("b", 200)] {
        let table = (integration(name).key(), "ats_tags".to_owned());
        if done
            .get(&table)
            .is_some_and(|one| one.compared.as_micros() >= snapshot)
        {
            continue;
        }
        let rows = vec![row("2", NOON_US), row("1", NOON_US)];
        let file =
            drift::stage(lake.tables(), &integration(name), tags().name(), "f1", rows).await?;
        all.push(compared(name, snapshot, (50, 2), file));
    }
    // Commits twice, as after a lost answer: the first commit may have succeeded.
    drift::commit(lake.tables(), all.clone()).await?;
    drift::commit(lake.tables(), all).await
}

#[tokio::test]
async fn whatever_call_fails_each_comparison_is_there_once() {
    let expected = [of("a", &["1", "2"]), of("b", &["1", "2"])].concat();
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
            let rows = found(&clean).await;
            assert!(rows.is_empty() || rows == expected, "{context}: {rows:?}");

            script(&clean).await.expect("nothing fails");
            assert_eq!(found(&clean).await, expected, "{context}");
            assert_eq!(counts(&clean, "b").await, Some((200, 50, 2)), "{context}");

            let before = objects_in(&clean).await;
            script(&clean).await.expect("nothing fails");
            let after = objects_in(&clean).await;
            assert_eq!(after, before, "{context}: the second run changed something");
        }
        assert!(failed > 0, "{failure:?}: no call was disturbed");
    }
}
