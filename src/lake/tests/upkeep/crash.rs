//! Each call to the store fails once during upkeep. Readers see the same rows then, and after a clean run.

use crate::lake::tests::upkeep::*;

/// Conflicts concern puts of log entries only. The tests of the log cover them.
const FAILURES: [Failure; 2] = [Failure::Before, Failure::After];

/// Makes a lake with a replaced snapshot, three small deltas, a checkpoint and an unreferenced file, all of them old.
async fn old_lake() -> Aging {
    let aging = Aging::new();
    let lake = aging.lake().await;
    for at in [100, 200] {
        run(&lake, &snapshot("a"), &[&[("1", at, at)]], end(at, at)).await;
    }
    for at in 300..304 {
        run(&lake, &delta("a"), &[&[("1", at, at)]], end(at, at)).await;
    }
    put_stray(&aging.store).await;
    aging.pass(15).await;
    aging
}

fn merging() -> UpkeepSettings {
    UpkeepSettings {
        compact_files: 2,
        ..UpkeepSettings::default()
    }
}

/// Runs upkeep as far as the store lets it. Returns whether something failed.
async fn disturbed(aging: &Aging, store: &TableStore) -> bool {
    let clock = Arc::clone(&aging.clock) as Arc<dyn Clock>;
    let Ok(lake) = Lake::over(store.clone(), &settings(), clock).await else {
        return true;
    };
    match lake.upkeep(&[tags()], &merging()).await {
        Ok(report) => !report.failed.is_empty(),
        Err(_) => true,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_no_row_changes_and_a_clean_run_finishes_the_work() {
    let old = old_lake().await;
    let before = view(&old.store).await;
    let lake = old.lake().await;
    let overview = lake.overview(&tags()).await.expect("read").expect("there");
    for failure in FAILURES {
        let mut failed = 0;
        for call in 0.. {
            let context = format!("{failure:?} at call {call}");
            let aging = old.fork();
            let (broken, faulty) = aging.failing(call, failure);
            failed += usize::from(disturbed(&aging, &broken).await);
            if faulty.calls() <= call {
                break;
            }
            assert_eq!(view(&aging.store).await, before, "{context}");

            let fresh = aging.lake().await;
            keep_up(&fresh, &merging()).await;
            let after = fresh.overview(&tags()).await.expect("read").expect("there");
            assert_eq!(after.tables, overview.tables, "{context}");
            assert_eq!(after.delta_files, 1, "{context}");
            assert_eq!(view(&aging.store).await, before, "{context}");
            let left = paths(&aging.store).await;
            let stray = |path: &Path| path.as_ref().contains("part-stray");
            assert!(!left.iter().any(stray), "{context}");
        }
        assert!(failed > 0, "{failure:?}: no call was disturbed");
    }
}
