//! What the lake answers for rows that a delta brings again: the newest observation, wherever it is, or nothing.

use std::collections::BTreeMap;

use object_store::ObjectStoreExt;

use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::lake::Part;
use crate::lake::tests::fold::*;
use crate::sink::{HashLookup, NewestHashes};
use crate::time::UpdatedAfter;

const ENOUGH: u64 = 8 << 20;

fn brought(ids: &[&str], changed_after_us: i64) -> HashLookup {
    HashLookup {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        changed_after: UpdatedAfter::from_millis(changed_after_us / 1_000),
    }
}

async fn asked(lake: &Lake, name: &str, ids: &[&str], most_bytes: u64) -> NewestHashes {
    let asked = brought(ids, 0);
    let (tags, integration) = (tags(), integration(name));
    let found = lake.newest_hashes(&tags, &integration, &asked, most_bytes);
    found.await.expect("answered")
}

/// Returns the names that the hashes stand for.
async fn told(lake: &Lake, ids: &[&str]) -> BTreeMap<String, i64> {
    asked(lake, "a", ids, ENOUGH)
        .await
        .hashes
        .into_iter()
        .collect()
}

fn hash(row: &Seen) -> i64 {
    let batch = rows_batch(&delta("a"), std::slice::from_ref(row));
    let hashes = batch.column_by_name("_hash").expect("a column");
    hashes.as_primitive::<Int64Type>().value(0)
}

fn expected(rows: &[Seen]) -> BTreeMap<String, i64> {
    rows.iter().map(|row| (row.id.clone(), hash(row))).collect()
}

#[tokio::test]
async fn the_newest_observation_is_found_in_snapshot_deltas_and_current() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let ids = ["1", "2", "3", "4", "9"];
    assert_eq!(told(&lake, &ids).await, BTreeMap::new(), "nothing is there");
    let of_snapshot = [
        seen("1", 1_000, "A"),
        seen("2", 1_001, "B"),
        seen("3", 1_002, "C"),
    ];
    bring(&lake, &snapshot("a"), &of_snapshot, 1_002).await;
    assert_eq!(told(&lake, &ids).await, expected(&of_snapshot));
    // Rows of another integration in the same tables do not matter.
    bring(&lake, &snapshot("b"), &[seen("4", 1_000, "D")], 1_000).await;
    bring(&lake, &delta("b"), &[seen("1", 9_000, "X")], 9_000).await;
    bring(
        &lake,
        &delta("a"),
        &[seen("2", 2_000, "BB"), seen("4", 2_001, "D")],
        2_001,
    )
    .await;
    bring(&lake, &delta("a"), &[seen("2", 3_000, "B")], 3_000).await;
    let newest = [
        seen("1", 1_000, "A"),
        seen("2", 3_000, "B"),
        seen("3", 1_002, "C"),
        seen("4", 2_001, "D"),
    ];
    assert_eq!(
        told(&lake, &ids).await,
        expected(&newest),
        "A, B, A: the last A"
    );
    fold(&lake).await;
    assert_eq!(told(&lake, &ids).await, expected(&newest), "folded");
    bring(&lake, &delta("a"), &[seen("1", 4_000, "AA")], 4_000).await;
    assert_eq!(
        told(&lake, &["1"]).await,
        expected(&[seen("1", 4_000, "AA")])
    );
    let reopened = crate::lake::tests::fold::lake(&store, &settings()).await;
    assert_eq!(
        told(&reopened, &["1", "3"]).await.len(),
        2,
        "after a restart"
    );
}

#[tokio::test]
async fn a_row_that_the_live_snapshot_did_not_have_is_not_told() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring(
        &lake,
        &snapshot("a"),
        &[seen("1", 1_000, "A"), seen("2", 1_001, "B")],
        1_001,
    )
    .await;
    bring(&lake, &delta("a"), &[seen("3", 1_500, "C")], 1_500).await;
    fold(&lake).await;
    assert_eq!(told(&lake, &["1", "2", "3"]).await.len(), 3);
    // The snapshot may have missed the rows. The fold keeps them until more is known, and may still remove them.
    bring(&lake, &snapshot("a"), &[seen("1", 2_000, "A")], 2_000).await;
    let only = expected(&[seen("1", 2_000, "A")]);
    assert_eq!(told(&lake, &["1", "2", "3"]).await, only);
    fold(&lake).await;
    assert_eq!(told(&lake, &["1", "2", "3"]).await, only);
    bring(&lake, &delta("a"), &[seen("2", 2_500, "B")], 2_500).await;
    assert_eq!(told(&lake, &["2"]).await.len(), 1, "it was seen since");
}

/// Readers of `current` and `deltas` do not see an unfolded snapshot. If the next delta dropped a row that only such
/// a snapshot shows, readers would see a later change without the earlier one.
#[tokio::test]
async fn what_only_an_unfolded_snapshot_has_shown_is_not_told() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let first = [
        seen("1", 1_000, "A"),
        seen("2", 1_001, "B"),
        seen("3", 1_002, "C"),
    ];
    bring(&lake, &snapshot("a"), &first, 1_002).await;
    fold(&lake).await;
    bring(&lake, &delta("a"), &[seen("3", 1_500, "CC")], 1_500).await;
    let second = [
        seen("1", 2_000, "AA"),
        seen("2", 2_001, "B"),
        seen("3", 2_002, "CC"),
        seen("4", 2_003, "D"),
    ];
    bring(&lake, &snapshot("a"), &second, 2_003).await;
    let ids = ["1", "2", "3", "4"];
    let same = expected(&[seen("2", 2_001, "B"), seen("3", 2_002, "CC")]);
    assert_eq!(told(&lake, &ids).await, same, "readers see these already");
    bring(&lake, &delta("a"), &[seen("1", 3_000, "AA")], 3_000).await;
    let mut with_one = same.clone();
    with_one.extend(expected(&[seen("1", 3_000, "AA")]));
    assert_eq!(told(&lake, &ids).await, with_one, "it is in `deltas` now");
    fold(&lake).await;
    assert_eq!(told(&lake, &ids).await.len(), 4, "and now all are folded");
}

#[tokio::test]
async fn a_row_that_is_gone_is_told_as_kombo_sent_it_and_an_absent_one_never() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    let rows = [
        seen("1", 1_000, "A"),
        seen("2", 1_001, "B"),
        seen("3", 1_002, "C"),
    ];
    bring(&lake, &snapshot("a"), &rows, 1_002).await;
    fold(&lake).await;
    let deleted = gone("1", 2_000, "delete");
    bring(
        &lake,
        &delta("a"),
        &[deleted.clone(), gone("2", 2_001, "absent")],
        2_001,
    )
    .await;
    let with_three = expected(&[deleted.clone(), seen("3", 1_002, "C")]);
    assert_eq!(told(&lake, &["1", "2", "3"]).await, with_three);
    fold(&lake).await;
    assert_eq!(
        told(&lake, &["1", "2", "3"]).await,
        with_three,
        "`current` has neither"
    );
    // The row is back and folded, so the earlier deletion does not count.
    bring(&lake, &delta("a"), &[seen("1", 3_000, "A")], 3_000).await;
    fold(&lake).await;
    assert_eq!(
        told(&lake, &["1"]).await,
        expected(&[seen("1", 3_000, "A")])
    );
    // Deletions are found as far back as the delta asks, and no further.
    let recent = brought(&["1", "3"], 10_000_000);
    bring(&lake, &delta("a"), &[gone("1", 4_000, "delete")], 4_000).await;
    fold(&lake).await;
    let found = lake
        .newest_hashes(&tags(), &integration("a"), &recent, ENOUGH)
        .await;
    let found = found.expect("answered").hashes;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["3"]);
}

#[tokio::test]
async fn what_cannot_be_told_within_the_bound_is_left_out() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring(&lake, &snapshot("a"), &[seen("1", 1_000, "A")], 1_000).await;
    bring(
        &lake,
        &delta("a"),
        &[seen("1", 2_000, "B"), seen("2", 2_001, "C")],
        2_001,
    )
    .await;
    let read = asked(&lake, "a", &["1", "2"], ENOUGH).await;
    assert_eq!((read.hashes.len(), read.bytes), (2, 2 * (64 << 10)));
    for most in [0, 1, (64 << 10) - 1] {
        let read = asked(&lake, "a", &["1", "2"], most).await;
        assert_eq!(read, NewestHashes::default(), "{most}");
    }
    // Nothing is answered from `deltas` alone, because files that were not read may hold newer rows.
    let read = asked(&lake, "a", &["1", "2"], 2 * (64 << 10) - 1).await;
    assert_eq!((read.hashes.len(), read.bytes), (0, 64 << 10));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error_and_no_answer() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    bring(&lake, &snapshot("a"), &[seen("1", 1_000, "A")], 1_000).await;
    for file in lake.files(&tags(), Part::Snapshots).await.expect("files") {
        let path = format!("ats_tags/snapshots/{}", file.path);
        store.objects().delete(&path.into()).await.expect("deleted");
    }
    let asked = brought(&["1"], 0);
    let found = lake
        .newest_hashes(&tags(), &integration("a"), &asked, ENOUGH)
        .await;
    assert!(found.is_err());
}

/// Makes a table of 20,000 rows with ids like Kombo's, in a store that counts reads.
async fn large() -> (Arc<FaultyStore>, Lake, Vec<String>) {
    let memory = TableStore::memory();
    let counting = FaultyStore::new(Arc::clone(memory.objects()), 0..0, Failure::Before);
    let store = TableStore::over(Arc::clone(&counting) as _, memory.url().clone());
    let lake = lake(&store, &settings()).await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut ids: Vec<String> = (0..20_000)
        .map(|_| (0..24).map(|_| random.alphanumeric()).collect())
        .collect();
    ids.sort();
    let rows: Vec<Seen> = (1_000..)
        .zip(&ids)
        .map(|(at, id)| seen(id, at, &format!("the tag {id}")))
        .collect();
    let fetch = snapshot("a");
    let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
    let batch = rows_batch(&fetch, &rows);
    staging.push(batch).await.expect("pushed");
    staging.commit(end(30, 30_000)).await.expect("committed");
    (counting, lake, ids)
}

#[tokio::test]
async fn one_row_of_twenty_thousand_is_found_without_reading_the_table() {
    let (counting, lake, ids) = large().await;
    let settings = FoldSettings::default();
    lake.fold(&tags(), None, &settings).await.expect("folded");
    let files = lake.files(&tags(), Part::Current).await.expect("files");
    let whole: u64 = files.iter().map(|file| file.size).sum();
    // The logs are read once. All further reads are data.
    told(&lake, &[&ids[1]]).await;
    let before = (counting.bytes_read(), counting.calls());
    assert_eq!(told(&lake, &[&ids[12_345]]).await.len(), 1);
    let (bytes, calls) = (
        counting.bytes_read() - before.0,
        counting.calls() - before.1,
    );
    println!("{bytes} of {whole} bytes in {calls} calls");
    assert!(
        bytes < 200_000 && bytes < whole / 4,
        "{bytes} of {whole} bytes"
    );
    let before = counting.bytes_read();
    assert_eq!(told(&lake, &["0000"]).await.len(), 0);
    assert!(counting.bytes_read() - before < 200_000);
}

#[tokio::test]
async fn a_row_of_another_integration_in_the_same_file_says_nothing() {
    let store = TableStore::memory();
    let lake = lake(&store, &settings()).await;
    for name in ["a", "b"] {
        bring(&lake, &snapshot(name), &[seen("1", 1_000, "A")], 1_000).await;
    }
    let mut staged = Vec::new();
    for (name, row) in [("a", seen("2", 2_000, "B")), ("b", seen("1", 3_000, "X"))] {
        let fetch = delta(name);
        let mut staging = lake.begin(&fetch, &tags()).await.expect("begins");
        staging
            .push(rows_batch(&fetch, &[row]))
            .await
            .expect("pushed");
        let sealed = staging.seal(end(3, 3_000)).await;
        staged.push(sealed.expect("sealed").commit());
    }
    for receipt in futures_util::future::join_all(staged).await {
        receipt.expect("committed");
    }
    let files = lake.files(&tags(), Part::Deltas).await.expect("files");
    assert_eq!(files.len(), 1, "they share one");
    let expected = expected(&[seen("1", 1_000, "A"), seen("2", 2_000, "B")]);
    assert_eq!(told(&lake, &["1", "2"]).await, expected);
}
