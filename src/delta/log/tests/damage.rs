//! Damage of a log, by every way in. Each damage is either named with its file, or passed over with the right state;
//! it never counts as fewer rows.

use futures_util::TryStreamExt;
use object_store::PutPayload;
use object_store::path::Path;

use crate::delta::log::kernel::read_checkpoint;
use crate::delta::log::tests::*;
use crate::delta::object_key::ObjectKey;

/// Entries of the log in these tests, after version 0. Checkpoints are at versions 3 and 6.
const NEWEST: u64 = 8;

fn log_file(name: &str) -> Path {
    Path::from(format!("{}/_delta_log/{name}", table()))
}

fn json(version: u64) -> Path {
    ObjectKey::LogEntry(&table(), version).path()
}

fn checkpoint(version: u64) -> Path {
    ObjectKey::Checkpoint(&table(), version).path()
}

fn hint() -> Path {
    ObjectKey::LastCheckpoint(&table()).path()
}

async fn put(store: &TableStore, key: &Path, bytes: impl Into<PutPayload>) {
    store.objects().put(key, bytes.into()).await.expect("put");
}

async fn delete(store: &TableStore, key: &Path) {
    store.objects().delete(key).await.expect("deleted");
}

async fn bytes(store: &TableStore, key: &Path) -> bytes::Bytes {
    store.read(key).await.expect("there")
}

async fn cut(store: &TableStore, key: &Path) {
    let whole = bytes(store, key).await;
    put(store, key, whole.slice(..whole.len() / 2)).await;
}

/// A store in memory or on disk.
struct Home {
    store: TableStore,
    _folder: Option<tempfile::TempDir>,
}

/// Makes the same log in memory and on disk: version 0, then eight entries with a file and a transaction each.
async fn homes() -> [Home; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let location = folder.path().to_str().expect("unicode");
    let disk = TableStore::open(location, &BTreeMap::new()).expect("opened");
    let homes = [
        Home {
            store: TableStore::memory(),
            _folder: None,
        },
        Home {
            store: disk,
            _folder: Some(folder),
        },
    ];
    for home in &homes {
        let log = try_open(&home.store, 3).await.expect("opened");
        for step in 1..=NEWEST {
            let step = i64::try_from(step).expect("few");
            commit(&log, entry(&format!("f{step}"), step)).await;
        }
        let data = format!("{}/integration_key=k/f1", table());
        put(&home.store, &data.into(), "rows").await;
    }
    homes
}

/// A log that was opened before the damage, at version 5.
async fn reader_at_5(store: &TableStore) -> DeltaLog {
    let late = open(store).await;
    let replayed = late.reader.read(Some(5), Replay::State).await;
    let state = replayed
        .expect("read")
        .state(&table(), settings(100).bounded);
    late.known().state = Arc::new(state.expect("a state"));
    late
}

fn damage_of(error: &LogError) -> (String, LogDamageKind) {
    let damage = error
        .damage()
        .unwrap_or_else(|| panic!("not damage: {error}"));
    assert!(!error.is_retryable(), "{error}");
    let name = damage.file.rsplit('/').next().expect("a name");
    (name.to_owned(), damage.kind.clone())
}

/// Asserts that opening the log anew, and following it from version 5, name the same damage.
async fn assert_named(
    store: &TableStore,
    late: &DeltaLog,
    case: &str,
    file: &str,
    kind: LogDamageKind,
) {
    let expected = (file.to_owned(), kind);
    let error = try_open(store, 3).await.map(drop).expect_err(case);
    assert_eq!(damage_of(&error), expected, "open: {case}");
    let error = late.refresh().await.map(drop).expect_err(case);
    assert_eq!(damage_of(&error), expected, "refresh: {case}");
    let there = DeltaLog::exists(store, &table()).await;
    assert!(matches!(there, Ok(true)), "exists: {case}");
}

/// Asserts that every way in gives all eight files and transactions.
async fn assert_whole(store: &TableStore, late: &DeltaLog, case: &str) {
    let fresh = try_open(store, 100).await.expect(case);
    let state = late.refresh().await.expect(case);
    for (log, state) in [(&fresh, fresh.state()), (late, state)] {
        assert_eq!(state.version(), NEWEST, "{case}");
        assert_eq!(state.txns().count(), 8, "{case}");
        let files = log.live_files(&state).await.expect(case);
        assert_eq!(files.len(), 8, "{case}");
    }
    assert!(
        DeltaLog::exists(store, &table()).await.expect(case),
        "{case}"
    );
    let removed = fresh.removed_since(Moment::default()).await.expect(case);
    assert!(removed.is_empty(), "{case}");
}

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

/// Lists the names in the log, in order.
async fn names(store: &TableStore) -> Vec<String> {
    let listed = store.objects().list(Some(&ObjectKey::Log(&table()).path()));
    let listed: Vec<_> = listed.try_collect().await.expect("listed");
    let names = listed.iter().filter_map(|found| found.location.filename());
    let mut names: Vec<String> = names.map(ToOwned::to_owned).collect();
    names.sort();
    names
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
            let files = read_checkpoint(objects, &table(), 9, Replay::Files).await;
            assert_eq!(files.expect("others can read the log").len(), 9, "{case}");
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
