mod damage;
mod faults;
mod races;
mod refusals;

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema};
use object_store::ObjectStoreExt;

use crate::delta::log::*;
use crate::delta::object_key::ObjectKey;
use crate::delta::object_key::TablePath;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::time::{Backoff, Moment};

/// A wall clock that stands still.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Moment {
        Moment::from_millis(1_795_435_200_000)
    }
}

fn table() -> TablePath {
    TablePath::new("ats_applications/snapshots")
}

fn shape(columns: &[&str]) -> TableShape {
    let column = |name: &&str| Field::new(*name, DataType::Utf8, true);
    TableShape {
        schema: Arc::new(Schema::new(columns.iter().map(column).collect::<Vec<_>>())),
        partition_columns: vec!["integration_key".to_owned()],
        description: "rows of a test".to_owned(),
    }
}

fn settings(checkpoint_interval: u64) -> LogSettings {
    LogSettings {
        checkpoint_interval: NonZeroU64::new(checkpoint_interval).expect("not zero"),
        clock: Arc::new(Noon),
        bounded: BoundedColumns {
            key: "integration_key",
            id: "id",
            observed: "_fetched_at",
        },
    }
}

/// Retries without waiting.
fn impatience() -> Patience {
    Patience {
        backoff: Backoff::new(Duration::ZERO, Duration::ZERO),
        ..Patience::default()
    }
}

async fn open(store: &TableStore) -> DeltaLog {
    try_open(store, 100).await.expect("opened")
}

async fn try_open(store: &TableStore, checkpoint_interval: u64) -> Result<DeltaLog, LogError> {
    let shape = shape(&["integration_key", "id"]);
    let settings = settings(checkpoint_interval);
    DeltaLog::open_patiently(store, table(), shape, settings, impatience()).await
}

fn file(name: &str) -> AddFile {
    AddFile {
        path: format!("integration_key=k/{name}"),
        partition_values: BTreeMap::from([("integration_key".to_owned(), "k".to_owned())]),
        size: 10,
        modified_at: Moment::from_millis(5),
        stats: r#"{"numRecords":3}"#.to_owned(),
        tags: BTreeMap::from([("base".to_owned(), "7".to_owned())]),
    }
}

/// An entry that adds one file, and one transaction named like the file.
fn entry(name: &str, version: i64) -> Entry {
    Entry {
        operation: "TEST",
        adds: vec![file(name)],
        removes: vec![],
        rearranges: false,
        txns: vec![(name.to_owned(), version)],
    }
}

async fn commit(log: &DeltaLog, entry: Entry) -> u64 {
    match log.commit(&log.state(), entry).await.expect("committed") {
        CommitOutcome::Committed { version } => version,
        CommitOutcome::Lost { .. } => panic!("nobody else writes"),
    }
}

async fn live_paths(log: &DeltaLog) -> Vec<String> {
    let files = log.live_files(&log.state()).await.expect("listed");
    files.iter().map(|file| file.path.clone()).collect()
}

/// Reads the raw log, without the code under test: the actions of each version, in order.
async fn raw_log(store: &TableStore) -> Vec<Vec<Value>> {
    let mut entries = Vec::new();
    for version in 0.. {
        let key = ObjectKey::LogEntry(&table(), version).path();
        let Ok(found) = store.objects().get(&key).await else {
            break;
        };
        let bytes = found.bytes().await.expect("bytes");
        let text = std::str::from_utf8(&bytes).expect("text");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        entries.push(lines.collect());
    }
    entries
}

#[tokio::test]
async fn a_new_table_asks_no_more_than_reader_1_and_writer_2() {
    let store = TableStore::memory();
    let log = open(&store).await;
    assert_eq!(log.state().version(), 0);
    let raw = raw_log(&store).await;
    assert_eq!(raw.len(), 1);
    assert_eq!(raw[0][0]["commitInfo"]["operation"], "CREATE TABLE");
    assert_eq!(
        raw[0][1].to_string(),
        r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#
    );
    let metadata = &raw[0][2]["metaData"];
    assert_eq!(
        metadata["partitionColumns"].to_string(),
        r#"["integration_key"]"#
    );
    assert_eq!(
        metadata["configuration"].to_string(),
        r#"{"delta.checkpointInterval":"100","delta.deletedFileRetentionDuration":"interval 30 days","delta.logRetentionDuration":"interval 7 days"}"#
    );
    open(&store).await;
    assert_eq!(
        raw_log(&store).await.len(),
        1,
        "opening again changes nothing"
    );
}

#[tokio::test]
async fn an_entry_is_these_lines() {
    let store = TableStore::memory();
    let log = open(&store).await;
    assert_eq!(commit(&log, entry("a", 1)).await, 1);
    let files = log.live_files(&log.state()).await.expect("listed");
    let mut second = entry("b c", 2);
    second.removes = vec![RemoveFile::from(&*files[0])];
    commit(&log, second).await;

    let raw = raw_log(&store).await;
    let mut info = raw[2][0]["commitInfo"].clone();
    let commit_id = info["commit_id"].take();
    assert_eq!(commit_id.as_str().map(str::len), Some(32));
    assert_ne!(commit_id, raw[1][0]["commitInfo"]["commit_id"]);
    let engine = format!("kombo-source/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(info["engineInfo"], engine);
    assert_eq!(info["timestamp"], 1_795_435_200_000_i64);
    let actions: Vec<String> = raw[2][1..].iter().map(ToString::to_string).collect();
    assert_eq!(
        actions,
        [
            r#"{"txn":{"appId":"b c","version":2}}"#,
            r#"{"remove":{"dataChange":true,"deletionTimestamp":1795435200000,"extendedFileMetadata":true,"partitionValues":{"integration_key":"k"},"path":"integration_key=k/a","size":10}}"#,
            r#"{"add":{"dataChange":true,"modificationTime":5,"partitionValues":{"integration_key":"k"},"path":"integration_key=k/b%20c","size":10,"stats":"{\"numRecords\":3}","tags":{"base":"7"}}}"#,
        ]
    );
    assert_eq!(live_paths(&log).await, ["integration_key=k/b c"]);
}

#[tokio::test]
async fn a_state_read_through_a_checkpoint_equals_the_one_kept_while_writing() {
    let store = TableStore::memory();
    let log = try_open(&store, 4).await.expect("opened");
    let mut removes = Vec::new();
    for step in 0..11_i64 {
        let mut next = entry(&format!("f{step}"), step);
        next.txns.push(("shared".to_owned(), step));
        next.removes = std::mem::take(&mut removes);
        commit(&log, next).await;
        if step % 3 == 0 {
            let files = log.live_files(&log.state()).await.expect("listed");
            removes = vec![RemoveFile::from(&**files.first().expect("one at least"))];
        }
    }
    let hint = ObjectKey::LastCheckpoint(&table()).path();
    let hint = store
        .objects()
        .get(&hint)
        .await
        .expect("a checkpoint was due");
    let hint = hint.bytes().await.expect("bytes");
    let hint: Value = serde_json::from_slice(&hint).expect("JSON");
    assert_eq!(hint["version"], 8);

    let fresh = open(&store).await;
    assert_eq!(fresh.state().version(), 11);
    assert_eq!(fresh.state().txns, log.state().txns);
    assert_eq!(fresh.state().txn("shared"), Some(10));
    let kept = log.live_files(&log.state()).await.expect("listed");
    let read = fresh.live_files(&fresh.state()).await.expect("listed");
    assert_eq!(kept, read);
    assert_eq!(kept[0].num_records, Some(3));
    assert_eq!(kept[0].tag("base"), Some("7"));
}

#[tokio::test]
async fn a_refresh_reads_what_others_committed_and_nothing_twice() {
    let store = TableStore::memory();
    let (one, two) = (open(&store).await, open(&store).await);
    let before = one.live_files(&one.state()).await.expect("listed");
    assert!(before.is_empty());
    for step in 0..3 {
        commit(&two, entry(&format!("f{step}"), step)).await;
    }
    let state = one.refresh().await.expect("read");
    assert_eq!((state.version(), state.txn("f2")), (3, Some(2)));
    assert_eq!(live_paths(&one).await.len(), 3, "files are followed too");
    assert!(Arc::ptr_eq(&one.state(), &state));
}

#[tokio::test]
async fn files_are_listed_from_the_store_once_and_then_followed() {
    let memory = TableStore::memory();
    let counter = FaultyStore::new(Arc::clone(memory.objects()), 0..0, Failure::Before);
    let objects = Arc::clone(&counter);
    let store = TableStore::over(objects, memory.url().clone());
    let log = open(&store).await;
    let read = log.state();
    assert!(live_paths(&log).await.is_empty());
    let listed = counter.calls();
    let files = log.live_files(&read).await.expect("listed");
    assert!(files.is_empty());
    // This state was read before the files were listed for the first time.
    log.commit(&read, entry("a", 1)).await.expect("committed");
    commit(&log, entry("b", 1)).await;
    assert_eq!(
        live_paths(&log).await,
        ["integration_key=k/a", "integration_key=k/b"]
    );
    let calls = counter.calls() - listed;
    assert_eq!(calls, 4, "two puts and their read-backs, nothing else");
}

#[tokio::test]
async fn the_files_of_a_key_are_listed_by_partition_or_by_bounds() {
    let add = |key: &str| AddFile {
        path: format!("integration_key={key}/part"),
        partition_values: BTreeMap::from([("integration_key".to_owned(), key.to_owned())]),
        ..file("part")
    };
    let paths = async |log: &DeltaLog, key: &str| {
        let files = log.live_files_of(&log.state(), key).await.expect("listed");
        let paths = files.iter().map(|file| file.path.clone());
        paths.collect::<Vec<_>>()
    };
    let store = TableStore::memory();
    let log = open(&store).await;
    let adds = ["a", "a-b", "b"].map(add).into();
    let next = Entry {
        adds,
        ..Entry::default()
    };
    commit(&log, next).await;
    assert_eq!(paths(&log, "a").await, ["integration_key=a/part"]);
    assert!(paths(&log, "c").await.is_empty());

    let bounds = |least: &str, most: &str| AddFile {
        path: format!("{least}-{most}"),
        partition_values: BTreeMap::new(),
        stats: format!(
            r#"{{"minValues":{{"integration_key":"{least}"}},"maxValues":{{"integration_key":"{most}"}}}}"#
        ),
        ..file("part")
    };
    let store = TableStore::memory();
    let whole = TableShape {
        partition_columns: Vec::new(),
        ..shape(&["integration_key", "id"])
    };
    let log = DeltaLog::open(&store, table(), whole, settings(100));
    let log = log.await.expect("opened");
    let adds = vec![bounds("a", "c"), bounds("b", "d"), bounds("d", "e")];
    let next = Entry {
        adds,
        ..Entry::default()
    };
    commit(&log, next).await;
    assert_eq!(paths(&log, "c").await, ["a-c", "b-d"]);
}

#[tokio::test]
async fn a_lost_race_shows_nothing_of_ours_and_the_winners_transactions() {
    let store = TableStore::memory();
    let (one, two) = (open(&store).await, open(&store).await);
    let read = two.state();
    commit(&one, entry("winner", 1)).await;
    let outcome = two
        .commit(&read, entry("loser", 1))
        .await
        .expect("an outcome");
    let CommitOutcome::Lost { state } = outcome else {
        panic!("the version was taken");
    };
    assert_eq!(
        (state.version(), state.txn("winner"), state.txn("loser")),
        (1, Some(1), None)
    );
    assert_eq!(raw_log(&store).await.len(), 2);
    let outcome = two
        .commit(&read, entry("loser", 1))
        .await
        .expect("an outcome");
    assert!(
        matches!(outcome, CommitOutcome::Lost { .. }),
        "the state is still too old"
    );
    let outcome = two
        .commit(&state, entry("loser", 1))
        .await
        .expect("an outcome");
    assert!(matches!(outcome, CommitOutcome::Committed { version: 2 }));
}

#[tokio::test]
async fn missing_columns_go_out_once_and_an_older_build_writes_on() {
    let store = TableStore::memory();
    let old = open(&store).await;
    let new_shape = shape(&["integration_key", "id", "name"]);
    let new = DeltaLog::open(&store, table(), new_shape, settings(100));
    let new = new.await.expect("opened");
    assert_eq!(
        new.state().schema().fields().len(),
        2,
        "nothing goes out by opening"
    );
    commit(&new, entry("a", 1)).await;
    commit(&new, entry("b", 1)).await;
    old.refresh().await.expect("read");
    commit(&old, entry("c", 1)).await;

    let raw = raw_log(&store).await;
    let metadata: Vec<_> = raw
        .iter()
        .flatten()
        .filter(|line| !line["metaData"].is_null())
        .collect();
    assert_eq!(metadata.len(), 2, "created, then changed once");
    assert_eq!(metadata[0]["metaData"]["id"], metadata[1]["metaData"]["id"]);
    let names: Vec<_> = old
        .state()
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, ["integration_key", "id", "name"]);
    let fresh = open(&store).await;
    assert_eq!(fresh.state().schema(), new.state().schema());
}
