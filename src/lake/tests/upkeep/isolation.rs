//! One unreadable file or table does not stop the upkeep of the rest.

use crate::lake::layout::LakeTable;
use crate::lake::tests::damage::{delete_file, found, truncate_newest_entry};
use crate::lake::tests::upkeep::fixtures::{put_own, say_folded};
use crate::lake::tests::upkeep::*;

/// Makes old deltas of one integration in small files, and a folded snapshot that began after them.
async fn old_deltas() -> Aging {
    let aging = Aging::new();
    let lake = aging.lake().await;
    for at in 300..310 {
        run(&lake, &delta("a"), &[&[("1", at, at)]], end(at, at)).await;
    }
    run(
        &lake,
        &snapshot("a"),
        &[&[("1", 1_000, 9)]],
        end(1_000, 1_000),
    )
    .await;
    say_folded(&lake, "a", 1_000, 1_000).await;
    aging
}

async fn kept_up(lake: &Lake) -> UpkeepReport {
    let settings = from_eight();
    lake.upkeep(&[tags()], &settings).await.expect("goes on")
}

/// Returns the names of the members that failed. Each has a cure.
fn failed(report: &UpkeepReport) -> Vec<(&str, String)> {
    let failed = report.failed.iter();
    let told = failed.map(|aside| {
        assert!(aside.error.advice().contains("from a backup"));
        let told = crate::words::with_causes(&aside.error);
        (aside.member.as_str(), told)
    });
    told.collect()
}

#[tokio::test]
async fn a_missing_file_of_deltas_is_named_and_the_others_of_its_day_are_merged_and_let_go() {
    let aging = old_deltas().await;
    let files = found(&aging.store, "ats_tags/deltas", "/part-").await;
    aging
        .store
        .objects()
        .delete(&files[0])
        .await
        .expect("deleted");
    let lake = aging.lake().await;
    let report = kept_up(&lake).await;
    let done = of(&report, "ats_tags/deltas").expect("kept up");
    assert_eq!((done.merged_files, done.merged_into), (9, 1));
    let [(table, told)] = &failed(&report)[..] else {
        panic!("one file: {:?}", report.failed);
    };
    assert_eq!(*table, "ats_tags/deltas");
    assert!(told.contains(files[0].as_ref()), "{told}");

    aging.pass(40).await;
    let report = kept_up(&aging.lake().await).await;
    let done = of(&report, "ats_tags/deltas").expect("kept up");
    assert_eq!((done.left_rows, done.left_files), (9, 1));
    assert!(
        failed(&report)
            .iter()
            .any(|(_, told)| told.contains(files[0].as_ref()))
    );
}

#[tokio::test]
async fn without_the_holds_no_row_leaves_and_everything_else_is_kept_up() {
    let aging = old_deltas().await;
    let lake = aging.lake().await;
    put_own(&lake, &LakeTable::Holds, &["b"], 1).await;
    put_stray(&aging.store).await;
    aging.pass(40).await;
    let gone = delete_file(&aging.store, "kombo_holds", "part-").await;
    let report = kept_up(&aging.lake().await).await;
    let [(table, told)] = &failed(&report)[..] else {
        panic!("the holds: {:?}", report.failed);
    };
    assert_eq!(*table, "kombo_holds");
    assert!(told.contains(&gone), "{told}");
    let done = of(&report, "ats_tags/deltas").expect("kept up");
    assert_eq!(
        (done.left_rows, done.merged_files, done.deleted_files),
        (0, 10, 1)
    );
}

#[tokio::test]
async fn a_damaged_log_of_one_table_is_named_and_no_row_leaves_that_needs_it() {
    for broken in ["ats_tags/snapshots", "ats_tags/current", "ats_tags/deltas"] {
        let aging = old_deltas().await;
        aging.pass(40).await;
        let entry = truncate_newest_entry(&aging.store, broken).await;
        let report = kept_up(&aging.lake().await).await;
        let [(table, told)] = &failed(&report)[..] else {
            panic!("one table: {:?}", report.failed);
        };
        assert_eq!(*table, broken);
        assert!(told.contains(&entry), "{told}");
        let left = of(&report, "ats_tags/deltas").map_or(0, |done| done.left_rows);
        assert_eq!(left, 0);
    }
}
