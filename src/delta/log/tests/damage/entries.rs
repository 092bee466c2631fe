//! Entries that are broken or missing.

use crate::delta::log::tests::damage::*;

/// What a broken disk or a careless hand makes of an entry.
fn broken(whole: &bytes::Bytes) -> Vec<(&'static str, Vec<u8>, LogDamageKind)> {
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let without = |at: usize| {
        let kept = lines.iter().enumerate().filter(|(line, _)| *line != at);
        kept.flat_map(|(_, line)| line.to_vec())
            .collect::<Vec<u8>>()
    };
    vec![
        ("empty", Vec::new(), LogDamageKind::EmptyEntry),
        ("blank", b"\n \n".to_vec(), LogDamageKind::EmptyEntry),
        (
            "an empty object",
            b"{}\n".to_vec(),
            LogDamageKind::EmptyEntry,
        ),
        ("zeros", vec![0; 300], LogDamageKind::GarbledEntry),
        ("an array", b"[]".to_vec(), LogDamageKind::GarbledEntry),
        ("a number", b"3".to_vec(), LogDamageKind::GarbledEntry),
        (
            "another's",
            b"{\"hello\":\"world\"}".to_vec(),
            LogDamageKind::EmptyEntry,
        ),
        (
            "cut in a line",
            whole[..whole.len() / 2].to_vec(),
            LogDamageKind::GarbledEntry,
        ),
        (
            "cut after a line",
            without(lines.len() - 1),
            LogDamageKind::CutEntry,
        ),
        (
            "only a commitInfo",
            lines[0].to_vec(),
            LogDamageKind::CutEntry,
        ),
        ("an action lost", without(1), LogDamageKind::CutEntry),
    ]
}

#[tokio::test]
async fn a_broken_entry_is_named_wherever_it_is() {
    for home in homes().await {
        let store = &home.store;
        let late = reader_at_5(store).await;
        // In the middle after the last checkpoint, and the newest.
        for version in [7, NEWEST] {
            let whole = bytes(store, &json(version)).await;
            for (case, content, kind) in broken(&whole) {
                put(store, &json(version), content).await;
                let file = format!("{version:020}.json");
                assert_named(store, &late, &format!("{case} at {version}"), &file, kind).await;
                let fresh = try_open(store, 3).await.map(drop).expect_err(case);
                assert!(!fresh.to_string().contains("world"), "{fresh}");
            }
            put(store, &json(version), whole).await;
        }
        assert_whole(store, &late, "the entries are back").await;
    }
}

#[tokio::test]
async fn a_broken_version_0_is_named_and_the_table_is_never_begun_anew() {
    let store = TableStore::memory();
    open(&store).await;
    let whole = bytes(&store, &json(0)).await;
    for (case, content, kind) in broken(&whole) {
        put(&store, &json(0), content.clone()).await;
        let error = try_open(&store, 3).await.map(drop).expect_err(case);
        let file = "00000000000000000000.json".to_owned();
        assert_eq!(damage_of(&error), (file, kind), "{case}");
        assert_eq!(bytes(&store, &json(0)).await, content, "{case}");
    }
}

#[tokio::test]
async fn a_broken_entry_that_a_checkpoint_covers_hurts_nobody() {
    for home in homes().await {
        let late = reader_at_5(&home.store).await;
        put(&home.store, &json(2), "").await;
        assert_whole(&home.store, &late, "2 is empty").await;
    }
}

#[tokio::test]
async fn entries_of_other_writers_are_read_with_and_without_a_commit_info() {
    for home in homes().await {
        let store = &home.store;
        let late = reader_at_5(store).await;
        let texts = [
            r#"{"commitInfo":{"operation":"OPTIMIZE","operationParameters":{"zOrderBy":"[]","auto":false},"engineInfo":"x"}}"#,
            r#"{"commitInfo":{"operation":"VACUUM START"}}
{"domainMetadata":{"domain":"d","configuration":"","removed":false}}"#,
            r#"{"txn":{"appId":"another","version":1}}"#,
        ];
        for (text, version) in texts.iter().zip(NEWEST + 1..) {
            put(store, &json(version), *text).await;
        }
        for state in [
            late.refresh().await.expect("read"),
            open(store).await.state(),
        ] {
            assert_eq!(
                (state.version(), state.txn("another")),
                (NEWEST + 3, Some(1))
            );
        }
    }
}

#[tokio::test]
async fn a_gap_between_entries_is_named() {
    for home in homes().await {
        let store = &home.store;
        let late = reader_at_5(store).await;
        let whole = bytes(store, &json(7)).await;
        delete(store, &json(7)).await;
        let file = "00000000000000000007.json";
        assert_named(store, &late, "7 is gone", file, LogDamageKind::MissingEntry).await;
        // A process at version 6 must not fill the gap with another entry.
        let read = late.state();
        let outcome = late.commit(&read, entry("late", 1)).await;
        assert!(
            !matches!(outcome, Ok(CommitOutcome::Committed { .. })),
            "{outcome:?}"
        );
        put(store, &json(7), whole).await;
        assert_whole(store, &late, "7 is back").await;
    }
}

#[tokio::test]
async fn a_log_without_its_start_is_named() {
    for home in homes().await {
        let store = &home.store;
        let late = reader_at_5(store).await;
        for version in [3, 6] {
            delete(store, &checkpoint(version)).await;
        }
        delete(store, &hint()).await;
        assert_whole(store, &late, "every entry is there").await;
        let late = reader_at_5(store).await;
        for version in 0..=6 {
            delete(store, &json(version)).await;
        }
        let file = "00000000000000000007.json";
        assert_named(
            store,
            &late,
            "the log begins at 7",
            file,
            LogDamageKind::MissingStart,
        )
        .await;
    }
}

#[tokio::test]
async fn a_newest_entry_that_was_read_and_is_gone_is_named() {
    for home in homes().await {
        let store = &home.store;
        let log = open(store).await;
        delete(store, &json(NEWEST)).await;
        let error = log
            .refresh()
            .await
            .map(drop)
            .expect_err("8 was read before");
        let file = format!("{NEWEST:020}.json");
        assert_eq!(damage_of(&error), (file, LogDamageKind::MissingEntry));
    }
}
