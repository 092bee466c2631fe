//! A purge runs beside fetches, folds and upkeep of the customers in the same files.

use super::*;

#[tokio::test]
async fn commits_of_others_meanwhile_are_kept_and_the_purge_goes_on() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let (one, two, third) = (aging.lake().await, aging.lake().await, aging.lake().await);
    let gone = confirmed(&one, &at_once()).await.expect("due");
    let tables = [tags()];
    let fetches = async {
        for at in 400..410 {
            run(&third, &delta("b"), &[&[("3", at, at)]], end(at, at)).await;
        }
    };
    let merging = UpkeepSettings {
        compact_files: 2,
        ..UpkeepSettings::default()
    };
    let ((), first, _) = tokio::join!(
        fetches,
        one.purge(&tables, &gone, PurgeDepth::Rows),
        two.upkeep(&tables, &merging)
    );
    assert!(first.expect("purged").failed.is_empty());
    assert_eq!(rows_of_all(&aging, "a").await, [0; TABLES]);
    assert_eq!(rows_of_all(&aging, "b").await, [1, 18, 2, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn neighbours_in_a_shared_file_are_folded_purged_and_merged_at_the_same_time() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let lakes = [aging.lake().await, aging.lake().await, aging.lake().await];
    let gone = confirmed(&lakes[0], &at_once()).await.expect("due");
    let tables = [tags()];
    let folds = async |name: &'static str, rows: [&'static str; 5]| {
        for (at, id) in (400..).zip(rows) {
            run(&lakes[2], &delta(name), &[&[(id, at, at)]], end(at, at)).await;
            let folded = lakes[2].fold(&tags(), None, &FoldSettings::default()).await;
            let folded = folded.expect("folded");
            assert!(
                folded.aside.is_empty() && folded.stopped.is_none(),
                "{folded:?}"
            );
        }
    };
    let upkeep = UpkeepSettings::default();
    let newcomer = snapshot("c");
    let (purged, merged, ..) = tokio::join!(
        lakes[0].purge(&tables, &gone, PurgeDepth::Rows),
        lakes[1].upkeep(&tables, &upkeep),
        folds("b", ["3", "4", "3", "5", "1"]),
        run(&lakes[1], &newcomer, &[&[("1", 500, 1)]], end(500, 500)),
    );
    assert!(purged.expect("purged").failed.is_empty());
    assert!(merged.expect("kept up").failed.is_empty());
    let folded = lakes[0].fold(&tags(), None, &FoldSettings::default()).await;
    assert!(folded.expect("folded").aside.is_empty());
    assert_eq!(rows_of_all(&aging, "a").await, [0; TABLES]);
    assert_eq!(
        rows_of_all(&aging, "b").await[2],
        5,
        "ids 1 to 5, once each"
    );
    assert_eq!(rows_of_all(&aging, "c").await[2], 1);
}
