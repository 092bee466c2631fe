//! Several committers write to one table, each as a separate process would.

use tokio::task::JoinSet;

use crate::delta::log::tests::*;

const COMMITTERS: usize = 4;
const ENTRIES: usize = 12;

async fn commit_all(store: TableStore, committer: usize) {
    let log = try_open(&store, 7).await.expect("opened");
    for number in 0..ENTRIES {
        let name = format!("{committer}-{number}");
        let mut read = log.state();
        while let CommitOutcome::Lost { state } = log
            .commit(&read, entry(&name, 1))
            .await
            .expect("the store works")
        {
            assert_eq!(state.txn(&name), None, "what was lost is not visible");
            assert!(state.version() > read.version());
            read = state;
        }
    }
}

async fn race(stores: Vec<TableStore>) {
    let last = stores.last().expect("one at least").clone();
    let mut committers = JoinSet::new();
    for (committer, store) in stores.into_iter().enumerate() {
        committers.spawn(commit_all(store, committer));
    }
    committers.join_all().await;

    let raw = raw_log(&last).await;
    assert_eq!(raw.len(), COMMITTERS * ENTRIES + 1, "one version per entry");
    let mut added: Vec<_> = raw
        .iter()
        .flatten()
        .filter_map(|line| line["add"]["path"].as_str())
        .collect();
    added.sort_unstable();
    added.dedup();
    assert_eq!(
        added.len(),
        COMMITTERS * ENTRIES,
        "every entry exactly once"
    );
    let log = open(&last).await;
    assert_eq!(log.state().txns().count(), COMMITTERS * ENTRIES);
    assert_eq!(live_paths(&log).await.len(), COMMITTERS * ENTRIES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_committers_in_memory_lose_no_entry() {
    let store = TableStore::memory();
    race(vec![store; COMMITTERS]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_committers_on_disk_lose_no_entry() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = folder.path().to_str().expect("unicode");
    let open = || TableStore::open(location, &BTreeMap::new()).expect("opened");
    race((0..COMMITTERS).map(|_| open()).collect()).await;
}
