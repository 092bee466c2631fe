//! Damage of a log, by every way in. Each damage is either named with its file, or passed over with the right state;
//! it never counts as fewer rows.

mod copies;
mod entries;

use futures_util::TryStreamExt;
use object_store::PutPayload;
use object_store::path::Path;

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
    let removed = fresh.removed().await.expect(case);
    assert!(removed.is_empty(), "{case}");
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
