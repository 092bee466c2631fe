//! A purge at once leaves no earlier version and no file of one, loses nothing of others, and may stop anywhere.

use crate::ids::IntegrationId;
use crate::lake::tests::upkeep::purge::{
    TABLES, confirmed, deleted_beside_another, rows_of_all, state_of,
};
use crate::lake::tests::upkeep::*;
use crate::lake::{LakeError, PurgeDepth, PurgeReport, PurgeSettings};

async fn try_forget(lake: &Lake, purged_too: bool) -> Result<PurgeReport, LakeError> {
    let settings = PurgeSettings {
        only: Some([integration("a")].into()),
        purged_too,
        ..PurgeSettings::default()
    };
    let gone = confirmed(lake, &settings).await?;
    lake.purge(&[tags()], &gone, PurgeDepth::Files).await
}

async fn forget(lake: &Lake) -> PurgeReport {
    let report = try_forget(lake, true).await.expect("purged");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

/// Returns the data files that the newest versions do not name.
async fn unnamed(aging: &Aging) -> Vec<String> {
    let mut named = Vec::new();
    for part in [Part::Snapshots, Part::Deltas, Part::Current] {
        named.extend(
            live_files(&aging.store, part)
                .await
                .into_iter()
                .map(|file| file.0),
        );
    }
    let all = paths(&aging.store)
        .await
        .into_iter()
        .map(|path| path.to_string());
    let data = all.filter(|path| path.starts_with("ats_tags/") && path.contains("/part-"));
    data.filter(|path| !named.contains(path)).collect()
}

#[tokio::test]
async fn nothing_but_the_newest_version_is_left_and_nothing_of_another_is_lost() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let lake = aging.lake().await;
    let all = rows_of_all(&aging, "b").await;
    let before = paths(&aging.store).await.len();
    let report = forget(&lake).await;
    assert!(report.deleted_files > 0 && report.deleted_bytes > 0);
    assert!(paths(&aging.store).await.len() < before);
    assert_eq!(unnamed(&aging).await, [""; 0]);
    assert_eq!(rows_of_all(&aging, "a").await, [0; TABLES]);
    assert_eq!(rows_of_all(&aging, "b").await, all);
    assert_eq!(state_of(&lake, &integration("a")).await, "purged");
    // Earlier versions of the registry name the customer, the newest does not.
    let names = paths(&aging.store).await.into_iter();
    let files = names.filter(|path| path.as_ref().starts_with("kombo_integrations/part-"));
    assert_eq!(files.count(), 1);
    let registered = lake.registered().await.expect("read").into_iter();
    let known = registered.filter(|row| !row.end_user.is_unknown());
    let known: Vec<_> = known.map(|row| row.integration).collect();
    assert_eq!(known, [integration("b")]);
    for table in ["ats_tags/snapshots", "ats_tags/deltas", "ats_tags/current"] {
        let names = paths(&aging.store).await;
        let log = format!("{table}/_delta_log/0");
        let kept: Vec<&str> = names
            .iter()
            .map(Path::as_ref)
            .filter(|one| one.starts_with(&log))
            .collect();
        let checkpoints = kept
            .iter()
            .filter(|name| name.ends_with(".checkpoint.parquet"));
        assert_eq!(checkpoints.count(), 1, "{kept:?}");
        for name in kept
            .iter()
            .filter(|name| name.strip_suffix(".json").is_some())
            .rev()
            .skip(1)
        {
            let found = aging
                .store
                .objects()
                .get(&Path::from(*name))
                .await
                .expect("there");
            let bytes = found.bytes().await.expect("bytes");
            let text = String::from_utf8(bytes.to_vec()).expect("JSON");
            assert!(
                text.contains("kombo_emptied") && !text.contains("\"add\""),
                "{text}"
            );
        }
    }
    // Emptied entries leave like others, a week later.
    aging.pass(8).await;
    keep_up(&aging.lake().await, &from_eight()).await;
    assert_eq!(rows_of_all(&aging, "b").await, all);
    let again = keep_up(&aging.lake().await, &from_eight()).await;
    assert!(again.tables.is_empty(), "{again:?}");
}

#[tokio::test]
async fn a_writer_that_knows_an_older_version_reads_the_newest_and_loses_nothing() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let (writer, other, lake) = (aging.lake().await, aging.lake().await, aging.lake().await);
    let open = async |lake: &Lake| {
        let table = lake.tables().of_endpoint(&tags(), Part::Deltas).await;
        drop(table.expect("open"));
    };
    open(&writer).await;
    open(&other).await;
    // Entries that `other` has not read, from right before the purge.
    run(&writer, &delta("b"), &[&[("5", 500, 5)]], end(500, 500)).await;
    forget(&lake).await;
    run(&other, &delta("b"), &[&[("6", 600, 6)]], end(600, 600)).await;
    run(&writer, &delta("b"), &[&[("7", 700, 7)]], end(700, 700)).await;
    let rows = stored(&aging.store, Part::Deltas).await;
    let ids: Vec<&str> = rows
        .iter()
        .map(|row| row.1.as_str())
        .filter(|id| *id > "4")
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let known = aging.lake().await.overview(&tags()).await.expect("read");
    assert_eq!(other.overview(&tags()).await.expect("read"), known);
}

#[tokio::test]
async fn what_was_purged_before_can_be_forgotten_and_only_when_it_is_named() {
    let aging = deleted_beside_another().await;
    aging.pass(15).await;
    let lake = aging.lake().await;
    let gone: Vec<IntegrationId> = {
        let gone = confirmed(&lake, &PurgeSettings::default())
            .await
            .expect("due");
        let report = lake.purge(&[tags()], &gone, PurgeDepth::Rows).await;
        report.expect("purged").integrations
    };
    assert_eq!(gone, [integration("a")]);
    assert!(!unnamed(&aging).await.is_empty());
    let unasked = try_forget(&lake, false).await.expect("nothing is due");
    assert!(unasked.integrations.is_empty() && !unnamed(&aging).await.is_empty());
    assert_eq!(forget(&lake).await.integrations, gone);
    assert_eq!(unnamed(&aging).await, [""; 0]);
    assert_eq!(state_of(&lake, &integration("a")).await, "purged");
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_nothing_of_others_leaves_and_the_next_one_finishes() {
    let deleted = deleted_beside_another().await;
    deleted.pass(15).await;
    let all = rows_of_all(&deleted, "b").await;
    for (failure, first) in [(Failure::Before, 0), (Failure::After, 5)] {
        // Each eleventh call: all of them together take too long.
        for call in (first..).step_by(11) {
            let context = format!("{failure:?} at call {call}");
            let aging = deleted.fork();
            let (broken, faulty) = aging.failing(call, failure);
            let clock = Arc::clone(&aging.clock) as Arc<dyn Clock>;
            if let Ok(lake) = Lake::over(broken, &settings(), clock).await {
                drop(try_forget(&lake, false).await);
            }
            if faulty.calls() <= call {
                break;
            }
            assert_eq!(rows_of_all(&aging, "b").await, all, "{context}");
            let lake = aging.lake().await;
            forget(&lake).await;
            assert_eq!(rows_of_all(&aging, "a").await, [0; TABLES], "{context}");
            assert_eq!(rows_of_all(&aging, "b").await, all, "{context}");
            // A file that the stopped purge had just written may be left. It holds the rows that stay.
            for path in unnamed(&aging).await {
                let found = aging.store.objects().get(&path.into()).await;
                let file = found.expect("there").bytes().await.expect("bytes");
                let of_a = |row: &Stored| row.0 == integration("a").to_string();
                assert!(!read(file).iter().any(of_a), "{context}");
            }
            assert_eq!(state_of(&lake, &integration("a")).await, "purged");
        }
    }
}
