//! Checkpoints, hints and logs that are broken or missing.

use crate::delta::log::kernel::read_checkpoint;
use crate::delta::log::tests::damage::*;

/// Does to the copies in a log what `case` says.
async fn harm(store: &TableStore, case: &str) {
    let garbage = "jane@example.com".repeat(50);
    match case {
        "the newest checkpoint is missing" => delete(store, &checkpoint(6)).await,
        "the newest checkpoint is empty" => put(store, &checkpoint(6), "").await,
        "the newest checkpoint is cut" => cut(store, &checkpoint(6)).await,
        "the newest checkpoint is garbage" => put(store, &checkpoint(6), garbage).await,
        "both checkpoints are garbage" => {
            put(store, &checkpoint(3), garbage.clone()).await;
            put(store, &checkpoint(6), garbage).await;
        }
        "the hint points ahead" => put(store, &hint(), r#"{"version":7,"size":1}"#).await,
        "the hint points far ahead" => {
            put(store, &hint(), r#"{"version":70000,"size":1}"#).await;
        }
        "the hint is empty" => put(store, &hint(), "").await,
        "the hint is garbage" => put(store, &hint(), "jane@example.com").await,
        "the hint is cut" => cut(store, &hint()).await,
        "the hint is gone" => delete(store, &hint()).await,
        _ => put(store, &log_file("00000000000000000008.crc"), garbage).await,
    }
}

#[tokio::test]
async fn a_hint_or_checkpoint_that_leads_nowhere_is_passed_over_and_mended() {
    let cases = [
        "the newest checkpoint is missing",
        "the newest checkpoint is empty",
        "the newest checkpoint is cut",
        "the newest checkpoint is garbage",
        "both checkpoints are garbage",
        "the hint points ahead",
        "the hint points far ahead",
        "the hint is empty",
        "the hint is garbage",
        "the hint is cut",
        "the hint is gone",
        "a checksum is garbage",
    ];
    for case in cases {
        for home in homes().await {
            let store = &home.store;
            let late = reader_at_5(store).await;
            harm(store, case).await;
            let before = names(store).await;
            assert_whole(store, &late, case).await;
            assert_eq!(names(store).await, before, "reading writes nothing: {case}");

            // The next commit mends.
            let log = try_open(store, 100).await.expect(case);
            commit(&log, entry("f9", 9)).await;
            let text = store.read_if_there(&hint()).await.expect(case);
            let text: Value = serde_json::from_slice(&text.unwrap_or_default()).unwrap_or_default();
            if case != "the hint is gone" && case != "a checksum is garbage" {
                assert_eq!(text["version"], 9, "{case}");
                assert!(bytes(store, &checkpoint(9)).await.len() > 500, "{case}");
            }
            // Whoever reads the log by its checkpoints alone reads every file.
            let objects = Arc::clone(store.objects());
            let what = Replay::Files(settings(100).bounded);
            let read = read_checkpoint(objects, &table(), 9, what).await;
            let files = read.expect("others can read the log").live;
            assert_eq!(files.iter().count(), 9, "{case}");
            let mended = try_open(store, 100).await.expect(case);
            assert!(mended.flaws().is_empty(), "{case}");
            assert_eq!(live_paths(&mended).await.len(), 9, "{case}");
        }
    }
}

#[tokio::test]
async fn a_checkpoint_that_nothing_can_replace_is_named() {
    for home in homes().await {
        let store = &home.store;
        let late = reader_at_5(store).await;
        for version in 0..=4 {
            delete(store, &json(version)).await;
        }
        delete(store, &checkpoint(3)).await;
        cut(store, &checkpoint(6)).await;
        let error = try_open(store, 3).await.map(drop).expect_err("no state");
        let file = "00000000000000000006.checkpoint.parquet".to_owned();
        assert_eq!(
            damage_of(&error),
            (file, LogDamageKind::UnreadableCheckpoint)
        );
        // Whoever knows version 5 goes on with the entries.
        let state = late.refresh().await.expect("entries 6 to 8 are there");
        assert_eq!((state.version(), state.txns().count()), (NEWEST, 8));
    }
}

#[tokio::test]
async fn a_checkpoint_stands_for_its_entry_and_all_before_it() {
    for home in homes().await {
        let store = &home.store;
        let [late, later, latest] = [
            reader_at_5(store).await,
            reader_at_5(store).await,
            reader_at_5(store).await,
        ];
        delete(store, &json(6)).await;
        assert_whole(store, &late, "6 is gone, its checkpoint is there").await;
        for version in 0..6 {
            delete(store, &json(version)).await;
        }
        assert_whole(store, &later, "0 to 6 are gone").await;
        // The checkpoint is the newest that is left.
        for version in 7..=NEWEST {
            delete(store, &json(version)).await;
        }
        for log in [&latest, &open(store).await] {
            let state = log.refresh().await.expect("read");
            assert_eq!((state.version(), state.txns().count()), (6, 6));
            assert_eq!(live_paths(log).await.len(), 6);
        }
        // The next commit comes after the checkpoint.
        assert_eq!(commit(&latest, entry("next", 1)).await, 7);
    }
}

#[tokio::test]
async fn a_process_behind_a_checkpoint_without_its_entry_does_not_write_that_version_again() {
    for home in homes().await {
        let store = &home.store;
        let late = reader_at_5(store).await;
        for version in 6..=NEWEST {
            delete(store, &json(version)).await;
        }
        let state = late.refresh().await.expect("read");
        assert_eq!((state.version(), state.txns().count()), (6, 6));
    }
}

#[tokio::test]
async fn a_log_without_entries_and_checkpoints_is_never_a_new_table() {
    for left in ["data files", "the hint", "a checksum"] {
        for home in homes().await {
            let store = &home.store;
            let late = reader_at_5(store).await;
            for name in names(store).await {
                if left != "the hint" || name != "_last_checkpoint" {
                    delete(store, &log_file(&name)).await;
                }
            }
            if left == "a checksum" {
                put(store, &log_file("00000000000000000008.crc"), "{}").await;
            }
            let before = names(store).await;
            let named = ("_delta_log".to_owned(), LogDamageKind::MissingLog);
            let error = try_open(store, 3).await.map(drop).expect_err(left);
            assert_eq!(damage_of(&error), named, "open beside {left}");
            let error = late.refresh().await.map(drop).expect_err(left);
            assert_eq!(damage_of(&error), named, "refresh beside {left}");
            match DeltaLog::exists(store, &table()).await {
                Ok(there) => assert!(there, "exists beside {left}"),
                Err(error) => assert_eq!(damage_of(&error), named, "exists beside {left}"),
            }
            assert_eq!(
                names(store).await,
                before,
                "nothing is created beside {left}"
            );
        }
    }
}

#[tokio::test]
async fn a_checkpoint_alone_is_a_table() {
    for home in homes().await {
        let store = &home.store;
        for name in names(store).await {
            if name != "00000000000000000006.checkpoint.parquet" {
                delete(store, &log_file(&name)).await;
            }
        }
        let log = try_open(store, 3).await.expect("opened");
        assert_eq!(log.state().version(), 6);
        assert_eq!(live_paths(&log).await.len(), 6);
    }
}

#[tokio::test]
async fn damage_is_never_made_lasting_by_a_checkpoint() {
    for home in homes().await {
        let store = &home.store;
        let log = open(store).await;
        put(store, &json(7), "").await;
        log.checkpoint().await.map(drop).expect_err("7 is empty");
        assert!(
            !names(store)
                .await
                .contains(&"00000000000000000008.checkpoint.parquet".to_owned())
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_is_never_taken_for_damage() {
    for home in homes().await {
        let (store, counter) = {
            let counter = FaultyStore::new(Arc::clone(home.store.objects()), 0..0, Failure::Before);
            let objects = Arc::clone(&counter);
            (TableStore::over(objects, home.store.url().clone()), counter)
        };
        try_open(&store, 100).await.map(drop).expect("opened");
        let calls = counter.calls();
        assert!(calls > 4, "{calls}");
        for from in 0..calls {
            let counter = FaultyStore::new(
                Arc::clone(home.store.objects()),
                from..usize::MAX,
                Failure::Before,
            );
            let store = TableStore::over(counter, home.store.url().clone());
            let error = try_open(&store, 100)
                .await
                .map(drop)
                .expect_err("the store is away");
            assert!(
                error.is_retryable() && error.damage().is_none(),
                "{from}: {error:?}"
            );
        }
    }
}
