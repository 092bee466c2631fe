//! Fetches that finish together, and lakes that write to the same place.

use futures_util::StreamExt as _;
use futures_util::future::join_all;

use crate::delta::store::TableStore;
use crate::fetch::Fetch;
use crate::lake::tests::support::*;
use crate::lake::{Lake, LakeSettings, Part, Staging};
use crate::sink::Receipt;

/// Settings with a window longer than any test. A commit within the window was flushed, or was the first of its
/// table.
fn windowed() -> LakeSettings {
    LakeSettings {
        commit_window_secs: 3_600,
        ..settings()
    }
}

/// Flushes once `waiting` fetches wait for the window.
async fn flush_when(lake: &Lake, part: Part, waiting: usize) {
    let committer = committer(lake, part).await;
    while committer.waiting() < waiting {
        tokio::task::yield_now().await;
    }
    lake.flush();
}

fn version(receipt: &Receipt) -> u64 {
    match receipt {
        Receipt::Committed { version, .. } => *version,
        Receipt::Superseded => panic!("superseded"),
    }
}

async fn staged(lake: &Lake, fetch: &Fetch, rows: &[Row]) -> Staging {
    let mut staging = lake.begin(fetch, &tags()).await.expect("begins");
    let rows = batch(&tags(), fetch, rows);
    staging.push(rows).await.expect("pushed");
    staging
}

#[tokio::test]
async fn deltas_of_one_window_share_an_entry_and_a_file() {
    let store = TableStore::memory();
    let lake = lake(&store, &windowed()).await;
    run(&lake, &delta("a"), &[&[("1", 10, 1)]], end(1, 10)).await;
    let (b, c) = (delta("b"), delta("c"));
    let (first, second, ()) = tokio::join!(
        run(&lake, &b, &[&[("2", 11, 1), ("1", 12, 1)]], end(1, 12)),
        run(&lake, &c, &[&[("1", 13, 1)]], end(1, 13)),
        flush_when(&lake, Part::Deltas, 2),
    );
    assert_eq!(version(&first), version(&second));
    let files = live_files(&store, Part::Deltas).await;
    assert_eq!(files.len(), 2);
    let shared = files
        .into_iter()
        .map(|(_, bytes)| read(bytes))
        .max_by_key(Vec::len);
    let mut expected = rows_of("b", &[("1", 12, 1), ("2", 11, 1)]);
    expected.extend(rows_of("c", &[("1", 13, 1)]));
    expected.sort_by_key(|row| (integration(&row.0[5..]).key(), row.1.clone()));
    assert_eq!(shared, Some(expected), "in the order of integration and id");
}

#[tokio::test]
async fn a_thousand_integrations_are_one_entry_and_one_file() {
    let store = TableStore::memory();
    let lake = lake(&store, &windowed()).await;
    run(&lake, &delta("x"), &[], end(1, 10)).await;
    let names: Vec<String> = (0..1_000).map(|number| format!("i{number}")).collect();
    let fetches: Vec<Fetch> = names.iter().map(|name| delta(name)).collect();
    let rows: [&[Row]; 1] = [&[("1", 10, 1)]];
    let running = fetches
        .iter()
        .map(|fetch| run(&lake, fetch, &rows, end(1, 10)));
    let (receipts, ()) = tokio::join!(join_all(running), flush_when(&lake, Part::Deltas, 1_000));
    assert!(receipts.iter().all(|receipt| version(receipt) == 2));
    assert_eq!(stored(&store, Part::Deltas).await.len(), 1_000);
    assert_eq!(live_files(&store, Part::Deltas).await.len(), 1);
}

#[tokio::test]
async fn deltas_of_several_tables_that_take_much_memory_together_wait_for_no_window() {
    let store = TableStore::memory();
    let lake = lake(&store, &windowed()).await;
    let catalog = crate::catalog::Catalog::embedded();
    let large = "x".repeat(3 << 20);
    let names: Vec<String> = (0..10).map(|number| format!("i{number}")).collect();
    let mut running = Vec::new();
    for endpoint in ["ats/tags", "ats/offers"] {
        let endpoint = catalog.find(endpoint).expect("an endpoint");
        let first = lake.begin(&delta("first"), endpoint).await.expect("begins");
        first.commit(end(1, 10)).await.expect("committed");
        // The window of an hour has begun.
        for name in &names {
            let (lake, large, fetch) = (lake.clone(), large.clone(), delta(name));
            running.push(Box::pin(async move {
                let mut staging = lake.begin(&fetch, endpoint).await.expect("begins");
                let rows = batch(endpoint, &fetch, &[(large.as_str(), 10, 1)]);
                staging.push(rows).await.expect("pushed");
                staging.commit(end(1, 10)).await.expect("committed")
            }));
        }
    }
    // 20 deltas of 3 MB wait. Neither table alone has enough for an entry; the one with the most is committed.
    let answered = running
        .into_iter()
        .collect::<futures_util::stream::FuturesUnordered<_>>()
        .take(8)
        .collect::<Vec<_>>();
    let in_time = tokio::time::timeout(std::time::Duration::from_mins(5), answered);
    assert_eq!(in_time.await.expect("before the hour").len(), 8);
}

#[tokio::test]
async fn whoever_gives_up_waiting_is_not_committed() {
    let store = TableStore::memory();
    let lake = lake(&store, &windowed()).await;
    run(&lake, &delta("a"), &[], end(1, 10)).await;
    let fetch = delta("b");
    tokio::select! {
        _ = run(&lake, &fetch, &[&[("1", 10, 1)]], end(1, 10)) => panic!("the window is long"),
        () = async {
            let committer = committer(&lake, Part::Deltas).await;
            while committer.waiting() == 0 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let c = delta("c");
    tokio::join!(
        run(&lake, &c, &[&[("1", 10, 1)]], end(1, 10)),
        flush_when(&lake, Part::Deltas, 2)
    );
    assert_eq!(
        stored(&store, Part::Deltas).await,
        rows_of("c", &[("1", 10, 1)])
    );
}

#[tokio::test]
async fn a_snapshot_overtaken_by_another_process_is_not_visible() {
    let store = TableStore::memory();
    let (slow, fast) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    let staging = staged(&slow, &snapshot("a"), &[("1", 10, 1)]).await;
    run(&fast, &snapshot("a"), &[&[("1", 20, 2)]], end(2, 20)).await;
    let receipt = staging.commit(end(1, 10)).await.expect("an answer");
    assert_eq!(receipt, Receipt::Superseded);
    assert_eq!(
        stored(&store, Part::Snapshots).await,
        rows_of("a", &[("1", 20, 2)])
    );
    // When the table is fetched again, the fetch is committed.
    run(&slow, &snapshot("a"), &[&[("1", 30, 3)]], end(3, 30)).await;
    assert_eq!(
        stored(&store, Part::Snapshots).await,
        rows_of("a", &[("1", 30, 3)])
    );
}

#[tokio::test]
async fn a_snapshot_is_not_overtaken_by_deltas_or_other_integrations() {
    let store = TableStore::memory();
    let (slow, fast) = (
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    );
    let staging = staged(&slow, &snapshot("a"), &[("1", 10, 1)]).await;
    run(&fast, &delta("a"), &[&[("1", 20, 2)]], end(2, 20)).await;
    run(&fast, &snapshot("b"), &[&[("1", 20, 2)]], end(2, 20)).await;
    let receipt = staging.commit(end(1, 10)).await.expect("an answer");
    assert!(matches!(receipt, Receipt::Committed { .. }), "{receipt:?}");
    let expected = [rows_of("a", &[("1", 10, 1)]), rows_of("b", &[("1", 20, 2)])].concat();
    assert_eq!(stored(&store, Part::Snapshots).await, expected);
}

#[tokio::test]
async fn a_shared_file_is_written_again_without_the_rows_of_who_lost() {
    let store = TableStore::memory();
    let (slow, fast) = (
        lake(&store, &windowed()).await,
        lake(&store, &settings()).await,
    );
    run(&slow, &delta("x"), &[], end(1, 10)).await;
    let lost = staged(&slow, &delta("a"), &[("1", 10, 1)]).await;
    let kept = staged(&slow, &delta("b"), &[("1", 10, 1)]).await;
    run(&fast, &delta("a"), &[&[("1", 20, 2)]], end(2, 20)).await;
    let (lost, kept, ()) = tokio::join!(
        lost.commit(end(1, 10)),
        kept.commit(end(1, 10)),
        flush_when(&slow, Part::Deltas, 2),
    );
    assert_eq!(lost.expect("an answer"), Receipt::Superseded);
    let kept = kept.expect("an answer");
    assert!(
        matches!(
            kept,
            Receipt::Committed {
                rows: 1,
                files: 1,
                ..
            }
        ),
        "{kept:?}"
    );
    let expected = [rows_of("a", &[("1", 20, 2)]), rows_of("b", &[("1", 10, 1)])].concat();
    assert_eq!(stored(&store, Part::Deltas).await, expected);
}

#[tokio::test]
async fn two_fetches_of_a_table_at_once_leave_one() {
    let store = TableStore::memory();
    let lake = lake(&store, &windowed()).await;
    run(&lake, &delta("x"), &[], end(1, 10)).await;
    let one = staged(&lake, &delta("a"), &[("1", 10, 1)]).await;
    let two = staged(&lake, &delta("a"), &[("1", 20, 2)]).await;
    let (one, two, ()) = tokio::join!(
        one.commit(end(1, 10)),
        two.commit(end(2, 20)),
        flush_when(&lake, Part::Deltas, 2),
    );
    // Files are written on other threads, so either file may be ready first.
    let (row, loser) = match (one.expect("an answer"), two.expect("an answer")) {
        (Receipt::Committed { .. }, loser) => (("1", 10, 1), loser),
        (loser, _) => (("1", 20, 2), loser),
    };
    assert_eq!(loser, Receipt::Superseded);
    assert_eq!(stored(&store, Part::Deltas).await, rows_of("a", &[row]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lakes_that_race_on_a_disk_hide_nothing_of_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = folder.path().to_str().expect("UTF-8");
    let store = TableStore::open(url, &std::collections::BTreeMap::new()).expect("a store");
    let lakes = [
        lake(&store, &settings()).await,
        lake(&store, &settings()).await,
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for (writer, lake) in lakes.into_iter().enumerate() {
        for name in ["a", "b", "c"] {
            let lake = lake.clone();
            tasks.spawn(async move { (name, committed_rows(&lake, name, writer).await) });
        }
    }
    let mut expected = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (name, rows) = done.expect("no panic");
        assert_eq!(rows.len(), 5);
        expected.extend(rows_of(name, &rows));
    }
    expected.sort();
    assert_eq!(stored(&store, Part::Deltas).await, expected);
}

/// Commits five deltas, and fetches again whenever the other lake commits first. The payload is the number of the
/// try.
async fn committed_rows(lake: &Lake, name: &str, writer: usize) -> Vec<Row> {
    let mut committed = Vec::new();
    for attempt in 1.. {
        let payload = i64::try_from(writer).expect("0 or 1") * 1_000 + attempt;
        let row = ("1", payload, payload);
        let receipt = run(lake, &delta(name), &[&[row]], end(payload, payload)).await;
        if receipt != Receipt::Superseded {
            committed.push(row);
        }
        if committed.len() == 5 {
            break;
        }
    }
    committed
}
