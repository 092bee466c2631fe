//! Rows of `deltas` expire when they are old and nothing can need them. All other rows stay.

use crate::decode::QuarantinedRow;
use crate::lake::FoldSettings;
use crate::lake::Part;
use crate::lake::layout::LakeTable;
use crate::lake::tests::upkeep::fixtures::{own_files, put_own, say_folded};
use crate::lake::tests::upkeep::*;
use crate::time::ObservedAt;

/// When the folded snapshot of `a` began: after every delta in the lake.
const SINCE: i64 = 1_000;

/// Makes one file with a day's deltas of two integrations, and a folded snapshot of `a` that began after them.
async fn one_file_of_two() -> Aging {
    one_file_in(Aging::new()).await
}

async fn one_file_in(aging: Aging) -> Aging {
    let lake = aging.lake().await;
    for at in 300..305 {
        let (row, base) = (("1", at, at), end(at, at));
        run(&lake, &delta("b"), &[&[row]], base).await;
        run(&lake, &delta("a"), &[&[("2", at, at), row]], base).await;
    }
    keep_up(&lake, &from_eight()).await;
    let rows: [Row; 2] = [("1", SINCE, 9), ("2", SINCE + 1, 9)];
    let full = end(SINCE, SINCE + 1);
    run(&lake, &snapshot("a"), &[&rows], full).await;
    say_folded(&lake, "a", SINCE, SINCE + 1).await;
    aging
}

fn only_letting_go() -> UpkeepSettings {
    UpkeepSettings {
        compact_files: 0,
        vacuum_grace: Some(UpkeepSettings::LONGEST_GRACE),
        ..UpkeepSettings::default()
    }
}

async fn deltas_of(aging: &Aging, name: &str) -> usize {
    let id = integration(name).to_string();
    let rows = stored(&aging.store, Part::Deltas).await;
    rows.into_iter().filter(|row| row.0 == id).count()
}

async fn left(lake: &Lake, settings: &UpkeepSettings) -> (u64, u64) {
    let report = keep_up(lake, settings).await;
    let done = of(&report, "ats_tags/deltas");
    done.map_or((0, 0), |done| (done.left_rows, done.left_files))
}

/// Returns the text of the last entry of a table's log.
async fn last_entry(store: &TableStore, table: &str) -> String {
    let paths = paths(store).await;
    let last = paths.iter().rfind(|path| {
        path.as_ref().starts_with(&format!("{table}/_delta_log"))
            && path.extension() == Some("json")
    });
    let found = store.objects().get(last.expect("entries")).await;
    let bytes = found.expect("there").bytes().await.expect("bytes");
    String::from_utf8(bytes.to_vec()).expect("JSON")
}

#[tokio::test]
async fn old_rows_leave_and_those_of_others_are_carried_over_in_their_order() {
    let aging = one_file_of_two().await;
    aging.pass(37).await;
    let lake = aging.lake().await;
    let overview = lake.overview(&tags()).await.expect("read").expect("there");
    let dry = UpkeepSettings {
        dry_run: true,
        ..only_letting_go()
    };
    let keys = paths(&aging.store).await;
    let planned = keep_up(&lake, &dry).await;
    assert_eq!(paths(&aging.store).await, keys, "a dry run changes nothing");
    let planned = of(&planned, "ats_tags/deltas").expect("something to do");
    assert_eq!((planned.left_rows, planned.left_files), (10, 1));
    assert_eq!((planned.leaving[0].rows, planned.leaving[0].of), (10, 15));

    assert_eq!(left(&lake, &only_letting_go()).await, (10, 1));
    let rows = stored(&aging.store, Part::Deltas).await;
    let expected: Vec<Row> = (300..305).map(|at| ("1", at, at)).collect();
    assert_eq!(rows, rows_of("b", &expected));
    let entry = last_entry(&aging.store, "ats_tags/deltas").await;
    assert!(entry.contains("\"RETAIN\""), "{entry}");
    assert!(!entry.contains("\"dataChange\":false"), "rows are gone");
    let after = lake.overview(&tags()).await.expect("read").expect("there");
    assert_eq!(after.tables, overview.tables, "no base moves");
    assert_eq!(left(&lake, &only_letting_go()).await, (0, 0));
}

#[tokio::test]
async fn what_was_folded_leaves_and_current_made_anew_is_the_same() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    let now = aging.clock.now().as_millis() * 1000;
    let fold = async |rebuild| {
        let settings = FoldSettings {
            rebuild,
            ..FoldSettings::default()
        };
        let folded = lake.fold(&tags(), None, &settings).await;
        folded.expect("folded");
        stored(&aging.store, Part::Current).await
    };
    let step = |at: i64| (now + at, end(at, now + at));
    for at in 1..5 {
        let (observed, base) = step(at);
        run(
            &lake,
            &delta("a"),
            &[&[("1", observed, at), ("2", observed, at)]],
            base,
        )
        .await;
    }
    let (observed, base) = step(10);
    let rows: [Row; 3] = [("1", observed, 9), ("2", observed, 4), ("3", observed, 9)];
    run(&lake, &snapshot("a"), &[&rows], base).await;
    let (observed, base) = step(20);
    run(&lake, &delta("a"), &[&[("3", observed, 20)]], base).await;
    let current = fold(false).await;
    assert_eq!(current.len(), 3, "{current:?}");

    aging.pass(37).await;
    assert_eq!(left(&lake, &only_letting_go()).await, (8, 4));
    let rows = stored(&aging.store, Part::Deltas).await;
    assert_eq!(rows.len(), 1, "observed after the snapshot was begun");
    assert_eq!(fold(true).await, current);
}

#[tokio::test]
async fn a_file_without_a_row_left_goes_as_a_whole() {
    let aging = one_file_of_two().await;
    let lake = aging.lake().await;
    run(
        &lake,
        &snapshot("b"),
        &[&[("1", SINCE, 9)]],
        end(SINCE, SINCE),
    )
    .await;
    say_folded(&lake, "b", SINCE, SINCE).await;
    aging.pass(37).await;
    assert_eq!(left(&lake, &only_letting_go()).await, (15, 1));
    assert!(live_files(&aging.store, Part::Deltas).await.is_empty());
}

#[tokio::test]
async fn young_rows_stay_by_either_clock() {
    let aging = one_file_of_two().await;
    let lake = aging.lake().await;
    aging.pass(34).await;
    let short = UpkeepSettings {
        delta_retention: Duration::from_hours(35 * 24 - 1),
        ..only_letting_go()
    };
    let refused = lake.upkeep(&[tags()], &short).await;
    let refused = refused.expect_err("35 days at least").to_string();
    assert!(refused.starts_with("delta_retention_secs is 3020400, but must be at least 3024000"));
    let shortest = only_letting_go();
    assert_eq!(left(&lake, &shortest).await, (0, 0), "not old enough");
    aging.clock.pass(400 * DAY_MS);
    assert_eq!(left(&lake, &shortest).await, (0, 0), "one clock runs ahead");
}

#[tokio::test]
async fn nothing_leaves_that_is_not_in_a_folded_snapshot_or_that_is_held() {
    let aging = one_file_of_two().await;
    aging.pass(37).await;

    let newer = aging.fork();
    let lake = newer.lake().await;
    let later = end(SINCE + 5, SINCE + 5);
    run(&lake, &snapshot("a"), &[&[("1", SINCE + 5, 9)]], later).await;
    assert_eq!(
        left(&lake, &only_letting_go()).await,
        (0, 0),
        "not folded yet"
    );

    let held = aging.fork();
    let lake = held.lake().await;
    put_own(&lake, &LakeTable::Holds, &["a"], 0).await;
    assert_eq!(left(&lake, &only_letting_go()).await, (0, 0), "held back");
    let others = aging.fork();
    let lake = others.lake().await;
    put_own(&lake, &LakeTable::Holds, &["b"], 0).await;
    assert_eq!(left(&lake, &only_letting_go()).await, (10, 1), "of another");

    let lake = aging.lake().await;
    say_folded(&lake, "a", 303, SINCE).await;
    assert_eq!(
        left(&lake, &only_letting_go()).await,
        (6, 1),
        "begun before"
    );
    say_folded(&lake, "a", SINCE, 303).await;
    let rest = left(&lake, &only_letting_go()).await;
    assert_eq!(rest, (0, 0), "303 alone is not worth a file");
    assert_eq!(deltas_of(&aging, "a").await, 4);
}

#[tokio::test]
async fn a_second_service_that_exchanged_the_file_first_is_not_undone() {
    let aging = one_file_of_two().await;
    aging.pass(37).await;
    let (one, two) = (aging.lake().await, aging.lake().await);
    let settings = only_letting_go();
    let (first, second) = tokio::join!(left(&one, &settings), left(&two, &settings));
    let both = first.1 + second.1;
    assert_eq!(both, 1, "one of them did it: {first:?} {second:?}");
    assert_eq!(
        (deltas_of(&aging, "a").await, deltas_of(&aging, "b").await),
        (0, 5)
    );
}

#[tokio::test]
async fn a_late_file_is_rewritten_for_a_single_row() {
    let aging = one_file_in(Aging::days_ago(60)).await;
    aging.pass(37).await;
    let lake = aging.lake().await;
    say_folded(&lake, "a", 301, SINCE).await;
    assert_eq!(
        left(&lake, &only_letting_go()).await,
        (0, 0),
        "not worth it yet"
    );
    aging.pass(6).await;
    assert_eq!(left(&aging.lake().await, &only_letting_go()).await, (2, 1));
    assert_eq!(deltas_of(&aging, "a").await, 8);
}

#[tokio::test]
async fn old_rows_leave_the_quarantine_and_its_small_files_are_merged() {
    let aging = Aging::days_ago(60);
    let lake = aging.lake().await;
    let quarantine = async |name: &str, at_us: i64| {
        let mut staging = lake.begin(&delta(name), &tags()).await.expect("begins");
        let row = QuarantinedRow {
            reason: "no usable id",
            raw: "{}".to_owned(),
            observed_at: ObservedAt::from_micros(at_us),
        };
        staging.quarantine(vec![row]).await.expect("kept");
        staging
            .commit(end(at_us / 1_000, at_us))
            .await
            .expect("committed");
    };
    let now_us = || aging.clock.now().as_millis() * 1_000;
    quarantine("a", now_us()).await;
    aging.pass(20).await;
    for name in ["a", "b", "c"] {
        quarantine(name, now_us()).await;
    }
    let settings = UpkeepSettings {
        compact_files: 3,
        ..only_letting_go()
    };
    let rows = async |lake: &Lake| {
        let files = own_files(lake, &LakeTable::Quarantine).await;
        files
            .iter()
            .filter_map(|file| file.num_records)
            .collect::<Vec<_>>()
    };
    let report = keep_up(&aging.lake().await, &settings).await;
    let done = of(&report, "kombo_quarantine").expect("kept up");
    assert_eq!(
        (done.left_rows, done.merged_files, done.merged_into),
        (0, 4, 1)
    );
    assert_eq!(rows(&aging.lake().await).await, [4]);
    aging.pass(16).await;
    let report = keep_up(&aging.lake().await, &settings).await;
    let done = of(&report, "kombo_quarantine").expect("kept up");
    assert_eq!((done.left_rows, done.left_files), (1, 1));
    assert_eq!(rows(&aging.lake().await).await, [3]);
    aging.pass(20).await;
    keep_up(&aging.lake().await, &settings).await;
    assert_eq!(rows(&aging.lake().await).await, [0_u64; 0]);
}

#[tokio::test]
async fn old_days_leave_the_drift_and_small_files_of_a_day_are_merged() {
    let aging = Aging::new();
    let lake = aging.lake().await;
    let day =
        |days: i64| i32::try_from(aging.clock.now().as_millis() / DAY_MS - days).expect("a day");
    put_own(&lake, &LakeTable::Drift, &["a", "b"], day(402)).await;
    for name in ["a", "b", "c"] {
        put_own(&lake, &LakeTable::Drift, &[name], day(399)).await;
    }
    let settings = UpkeepSettings {
        compact_files: 3,
        ..only_letting_go()
    };
    let report = keep_up(&lake, &settings).await;
    let done = of(&report, "kombo_drift").expect("kept up");
    assert_eq!((done.left_rows, done.left_files), (2, 1));
    assert_eq!((done.merged_files, done.merged_into), (3, 1));
    let files = own_files(&lake, &LakeTable::Drift).await;
    let rows: Vec<_> = files.iter().filter_map(|file| file.num_records).collect();
    assert_eq!(rows, [3]);
    assert!(keep_up(&lake, &settings).await.tables.is_empty());
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_only_old_rows_leave_and_a_clean_run_finishes() {
    let old = one_file_of_two().await;
    old.pass(37).await;
    for (failure, first) in [(Failure::Before, 0), (Failure::After, 1)] {
        // Each third call: all of them together take minutes.
        for call in (first..).step_by(3) {
            let context = format!("{failure:?} at call {call}");
            let aging = old.fork();
            let (broken, faulty) = aging.failing(call, failure);
            let clock = Arc::clone(&aging.clock) as Arc<dyn Clock>;
            if let Ok(lake) = Lake::over(broken, &settings(), clock).await {
                drop(lake.upkeep(&[tags()], &only_letting_go()).await);
            }
            if faulty.calls() <= call {
                break;
            }
            let kept = (deltas_of(&aging, "a").await, deltas_of(&aging, "b").await);
            assert!(kept == (10, 5) || kept == (0, 5), "{context}: {kept:?}");
            keep_up(&aging.lake().await, &only_letting_go()).await;
            let kept = (deltas_of(&aging, "a").await, deltas_of(&aging, "b").await);
            assert_eq!(kept, (0, 5), "{context}");
        }
    }
}
