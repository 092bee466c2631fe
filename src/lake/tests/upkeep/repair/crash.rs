//! A repair that is stopped anywhere, or runs beside another repair, ends as if it had run alone.

use crate::lake::Part;
use crate::lake::positions::Positions;
use crate::lake::tests::upkeep::repair::*;

#[tokio::test]
async fn two_repairs_at_once_make_the_same_moves() {
    let aging = poisoned().await;
    fold(&aging.lake().await).await;
    let before = order(&aging.store).await;
    let (one, two) = (aging.lake().await, aging.lake().await);
    let tags = [tags()];
    let settings = RepairSettings::default();
    let (first, second) = tokio::join!(one.repair(&tags, settings), two.repair(&tags, settings));
    for report in [first, second] {
        let report = report.expect("repaired");
        assert!(report.failed.is_empty(), "{:?}", report.failed);
    }
    is_right(&aging, &before, "two at once").await;
}

/// Repairs as far as the store lets it. Returns whether something failed.
async fn disturbed(aging: &Aging, store: &TableStore) -> bool {
    let clock = Arc::clone(&aging.clock) as Arc<dyn Clock>;
    let Ok(lake) = Lake::over(store.clone(), &settings(), clock).await else {
        return true;
    };
    match lake.repair(&[tags()], RepairSettings::default()).await {
        Ok(report) => !report.failed.is_empty(),
        Err(_) => true,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_the_next_repair_ends_right_also_when_a_fold_comes_between() {
    let old = poisoned().await;
    fold(&old.lake().await).await;
    let before = order(&old.store).await;
    for (failure, folds) in [(Failure::Before, true), (Failure::After, false)] {
        let mut failed = 0;
        for call in 0.. {
            let context = format!("{failure:?} at call {call}, a fold between: {folds}");
            let aging = old.fork();
            let (broken, faulty) = aging.failing(call, failure);
            failed += usize::from(disturbed(&aging, &broken).await);
            if faulty.calls() <= call {
                break;
            }
            assert_eq!(order(&aging.store).await.len(), before.len(), "{context}");
            if folds {
                fold(&aging.lake().await).await;
            }
            // An hour later, instants that were moved before stay where they are.
            aging.clock.pass(3_600_000);
            repair(&aging.lake().await).await;
            is_right(&aging, &before, &context).await;
            aging.clock.pass(-3_600_000);
        }
        assert!(failed > 0, "{failure:?}: no call was disturbed");
    }
}

#[tokio::test]
async fn a_fold_begun_before_a_repair_is_overtaken_by_it_also_where_current_was_right() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    run(&lake, &snapshot("a"), &[&[("1", 100, 1)]], end(1, 100)).await;
    fold(&lake).await;
    let at_us = YEAR_9999;
    run(&lake, &delta("a"), &[&[("1", at_us, 2)]], end(1, at_us)).await;
    later_than_the_store(&aging);
    // A fold becomes visible only if these positions are unchanged since it began.
    let positions = async || {
        let table = lake.tables().of_endpoint(&tags(), Part::Current).await;
        let state = table.expect("open").refreshed().await.expect("read");
        Positions::of(&integration("a").key(), &state)
    };
    let before = positions().await;
    repair(&lake).await;
    assert_ne!(positions().await, before);
    fold(&lake).await;
    assert_eq!(current(&aging.store).await, [("1".to_owned(), 2)]);
    assert_eq!(ahead(&aging).await, []);
}
