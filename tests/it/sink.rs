//! The conformance function of every sink: the contract of `Sink`, without regard to how a sink stores its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use fastrand::Rng;
use futures_util::stream;
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::decode::{DecodeLimits, PageDecoder};
use kombo_source::fetch::{Fetch, FetchEnd, FetchMode};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::lake::{Lake, LakeSettings, Part};
use kombo_source::sink::{Advance, Coverage, Receipt, Sink, Staged, Watermarks, WriteError};
use kombo_source::stream::{FetchError, FetchEvent};
use kombo_source::time::{Base, ObservedAt, SystemClock, Tier, UpdatedAfter};
use tokio::sync::mpsc;

use crate::parquet_folder_sink::{Manifest, ParquetFolderSink, rows};
use crate::support::memory_sink::MemorySink;

type Event = Result<FetchEvent, FetchError>;

fn endpoint() -> &'static Arc<Endpoint> {
    Catalog::embedded().find("ats/tags").unwrap()
}

fn table() -> TableId {
    TableId {
        integration: IntegrationId::new("tool:a").unwrap(),
        endpoint: endpoint().name().clone(),
    }
}

fn batch(fetch: &Fetch, ids: &[&str], seen: i64) -> Option<RecordBatch> {
    // The row has a value besides its id. A row with nothing but an id is a row that Kombo has emptied.
    let rows = ids
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","name":"n"}}"#));
    let rows: Vec<_> = rows.collect();
    let page = format!(
        r#"{{"status":"success","data":{{"results":[{}]}}}}"#,
        rows.join(",")
    );
    let mut decoder = PageDecoder::new(Arc::clone(endpoint()), fetch, DecodeLimits::default());
    decoder
        .page(page.as_bytes(), ObservedAt::from_micros(seen), |_| {})
        .unwrap();
    decoder.take_batch()
}

fn end(base_ms: i64, seen: i64) -> FetchEvent {
    FetchEvent::End(FetchEnd {
        base: Some(Base::from_millis(base_ms)),
        seen: ObservedAt::from_micros(seen),
        pages: 1,
        rows: 0,
        quarantined: 0,
        rest_values: 0,
    })
}

async fn write<S: Sink>(
    sink: &S,
    mode: FetchMode,
    ids: &[&str],
    seen: i64,
    last: Option<Event>,
) -> Result<(), WriteError> {
    let fetch = Fetch::new(table(), mode);
    let rows = batch(&fetch, ids, seen).map(|batch| Ok(FetchEvent::Batch(batch)));
    let events = rows.into_iter().chain(last);
    sink.write(&fetch, endpoint(), stream::iter(events)).await?;
    Ok(())
}

/// The rows of the table that a reader sees, by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Visible {
    snapshot: u64,
    deltas: u64,
}

/// Checks an empty sink against the contract of [`Sink`]. `open` opens the same place again, as another process does,
/// or as the next process after a crash.
async fn conforms<S: Sink>(open: impl AsyncFn() -> S, visible: impl AsyncFn() -> Visible) {
    let sink = open().await;
    assert_eq!(covered(&sink).await, Coverage::default());

    let broken = Err(FetchError::Stopped { page: 2 });
    assert!(
        write(&sink, FetchMode::Snapshot, &["1"], 10, Some(broken))
            .await
            .is_err()
    );
    assert!(
        write(&sink, FetchMode::Snapshot, &["1"], 10, None)
            .await
            .is_err()
    );
    drop(stage(&sink, FetchMode::Snapshot, &["1"], 5_000, 10).await);
    assert_eq!(visible().await, Visible::default());
    assert_eq!(covered(&sink).await, Coverage::default());

    replaces_snapshots(&sink, &async || visible().await.snapshot).await;
    bases_move_on_the_table_as_it_was(&sink).await;
    whoever_is_later_is_superseded(&sink).await;
    let rows = Visible {
        snapshot: 0,
        deltas: 1,
    };
    assert_eq!(visible().await, rows, "deltas leave the snapshot alone");
    what_is_taken_over_stays_known(&sink).await;
    let again = open().await;
    assert_eq!(covered(&again).await, covered(&sink).await);
    what_one_process_commits_supersedes_another(&sink, &again).await;
}

async fn covered<S: Sink>(sink: &S) -> Coverage {
    let integration = table().integration;
    sink.covered(endpoint(), &integration).await.unwrap()
}

async fn stage<S: Sink>(
    sink: &S,
    mode: FetchMode,
    ids: &[&str],
    base_ms: i64,
    seen: i64,
) -> S::Staged {
    let fetch = Fetch::new(table(), mode);
    let rows = batch(&fetch, ids, seen).map(|batch| Ok(FetchEvent::Batch(batch)));
    let events = stream::iter(rows.into_iter().chain([Ok(end(base_ms, seen))]));
    sink.stage(&fetch, endpoint(), events).await.unwrap()
}

/// Checks that a snapshot replaces the earlier one. Leaves a snapshot without rows.
async fn replaces_snapshots<S: Sink>(sink: &S, visible: &impl AsyncFn() -> u64) {
    let full = async |ids: &[&str], base, seen| {
        write(
            sink,
            FetchMode::Snapshot,
            ids,
            seen,
            Some(Ok(end(base, seen))),
        )
        .await
        .unwrap();
    };
    full(&["1", "2", "3"], 5_000, 100).await;
    assert_eq!(visible().await, 3);
    let first = covered(sink).await;
    for tier in Tier::ALL {
        assert_eq!(first.bases.get(tier), Some(Base::from_millis(5_000)));
    }
    assert_eq!(first.snapshot_base, Some(Base::from_millis(5_000)));
    assert!(first.seen >= Some(ObservedAt::from_micros(100)));

    full(&["2"], 6_000, 200).await;
    assert_eq!(
        visible().await,
        1,
        "a snapshot takes the place of the one before"
    );

    lacks_what_it_replaces(sink).await;

    full(&[], 4_000, 300).await;
    assert_eq!(visible().await, 0, "a snapshot without rows is one, too");
    let last = covered(sink).await;
    assert_eq!(
        last.bases.get(Tier::Daily),
        Some(Base::from_millis(6_000)),
        "bases never go back"
    );
    assert!(last.seen >= Some(ObservedAt::from_micros(300)));
    assert_ne!(last.watermarks.snapshots, first.watermarks.snapshots);
}

/// Checks the comparison with the replaced snapshot. The sink holds a snapshot with only the row "2".
async fn lacks_what_it_replaces<S: Sink>(sink: &S) {
    for (ids, missing) in [
        (&["2", "4"][..], vec![]),
        (&["3"][..], vec!["2".to_owned()]),
    ] {
        let mut staged = stage(sink, FetchMode::Snapshot, ids, 7_000, 250).await;
        let found = staged.missing(9, Rng::with_seed(1)).await.unwrap();
        let ids: Vec<_> = found.ids.iter().map(|missing| &missing.id).collect();
        assert_eq!(ids, missing.iter().collect::<Vec<_>>());
        let seen = found
            .ids
            .iter()
            .map(|missing| missing.last_seen.as_micros());
        assert!(seen.eq(missing.iter().map(|_| 200)));
        assert_eq!(
            staged.missing(0, Rng::with_seed(1)).await.unwrap().total,
            missing.len() as u64
        );
        assert_eq!(found.lacked_twice, 0, "the live one has it");
        let (sender, mut twice) = mpsc::channel(9);
        staged.lacked_twice(sender).await.unwrap();
        let twice = std::iter::from_fn(|| twice.try_recv().ok());
        assert_eq!(twice.flatten().count(), 0);
        // The staged fetch is dropped, and no reader sees it.
    }
}

async fn bases_move_on_the_table_as_it_was<S: Sink>(sink: &S) {
    let integration = table().integration;
    let before = covered(sink).await;
    let mut bases = before.bases;
    bases.raise(Tier::Hourly, Base::from_millis(9_000));
    for (watermarks, hourly) in [(Watermarks::default(), 6_000), (before.watermarks, 9_000)] {
        let integration = integration.clone();
        let advance = Advance {
            integration,
            bases,
            watermarks,
        };
        sink.advance(endpoint(), &[advance]).await.unwrap();
        let after = covered(sink).await;
        let hourly = Some(Base::from_millis(hourly));
        assert_eq!(after.bases.get(Tier::Hourly), hourly);
        assert_eq!(after.watermarks, before.watermarks);
    }
}

async fn whoever_is_later_is_superseded<S: Sink>(sink: &S) {
    let stage = async |seen| stage(sink, delta(), &["1"], 7_000, seen).await;
    let (first, second) = (stage(400).await, stage(500).await);
    let receipt = first.commit().await.unwrap();
    let Receipt::Committed { seen, .. } = receipt else {
        panic!("superseded");
    };
    let left = covered(sink).await;
    assert_eq!(left.watermarks.deltas, Some(seen));
    assert_eq!(second.commit().await.unwrap(), Receipt::Superseded);
    let not_later = stage(seen.as_micros()).await;
    assert_eq!(not_later.commit().await.unwrap(), Receipt::Superseded);
    assert_eq!(covered(sink).await, left, "nothing of it is there");
}

/// Checks `take_over`. A snapshot lacks the row "1" of the deltas, and the row is not confirmed to be gone.
async fn what_is_taken_over_stays_known<S: Sink>(sink: &S) {
    for seen in [1_000, 2_000] {
        let mut staged = stage(sink, FetchMode::Snapshot, &["5"], 8_000, seen).await;
        let found = staged.missing(9, Rng::with_seed(1)).await.unwrap();
        let ids: Vec<_> = found.ids.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["1"], "at {seen}");
        assert_eq!(found.as_of, covered(sink).await.watermarks.deltas);
        staged.take_over().await.unwrap();
        let receipt = staged.commit().await.unwrap();
        assert!(matches!(receipt, Receipt::Committed { rows: 1, .. }));
    }
    // A row of the replaced snapshot stays known in the same way.
    for (ids, missing) in [(["6"], vec!["1", "5"]), (["7"], vec!["1", "5", "6"])] {
        let seen = covered(sink).await.seen.unwrap().as_micros() + 1;
        let mut staged = stage(sink, FetchMode::Snapshot, &ids, 8_000, seen).await;
        let found = staged.missing(9, Rng::with_seed(1)).await.unwrap();
        let mut ids: Vec<_> = found.ids.iter().map(|row| row.id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, missing);
        staged.take_over().await.unwrap();
        staged.commit().await.unwrap();
    }
}

async fn what_one_process_commits_supersedes_another<S: Sink>(one: &S, another: &S) {
    let seen = covered(one).await.seen.unwrap().as_micros() + 1;
    for mode in [FetchMode::Snapshot, delta()] {
        let late = stage(another, mode, &["9"], 9_000, seen + 1).await;
        let first = stage(one, mode, &["8"], 9_000, seen).await;
        let receipt = first.commit().await.unwrap();
        assert!(matches!(receipt, Receipt::Committed { .. }));
        let after = covered(another).await;
        assert_eq!(covered(one).await, after, "both see the same");
        assert_eq!(late.commit().await.unwrap(), Receipt::Superseded);
        assert_eq!(covered(one).await, after);
    }
}

fn delta() -> FetchMode {
    FetchMode::Delta {
        tier: Tier::Ordinary,
        updated_after: UpdatedAfter::from_millis(0),
    }
}

fn rows_of(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}

#[tokio::test]
async fn the_sink_in_memory_conforms() {
    let sink = MemorySink::default();
    let visible = async || Visible {
        snapshot: rows_of(&sink.snapshot(&table())),
        deltas: rows_of(&sink.deltas(&table())),
    };
    conforms(async || sink.clone(), visible).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lake_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let settings = LakeSettings {
        url: format!("file://{}", folder.path().display()),
        options: BTreeMap::new(),
        commit_window_secs: 0,
        ..LakeSettings::default()
    };
    let open = async || Lake::open(&settings, Arc::new(SystemClock)).await.unwrap();
    let reader = open().await;
    let rows = async |part| {
        let files = reader.files(endpoint(), part).await.unwrap();
        files.iter().map(|file| file.num_records.unwrap()).sum()
    };
    let visible = async || Visible {
        snapshot: rows(Part::Snapshots).await,
        deltas: rows(Part::Deltas).await,
    };
    conforms(open, visible).await;
}

#[tokio::test]
async fn the_folder_of_parquet_files_conforms() {
    let root = tempfile::tempdir().unwrap();
    let open = async || ParquetFolderSink::open(root.path());
    let folder = open().await.folder(endpoint(), &table().integration);
    let count = |names: &[String]| {
        let rows = names.iter().map(|name| rows(&folder.join(name)).unwrap());
        rows.map(|rows| rows.len() as u64).sum()
    };
    let visible = async || {
        let manifest = Manifest::read(&folder).unwrap();
        Visible {
            snapshot: count(&manifest.snapshot),
            deltas: count(&manifest.deltas),
        }
    };
    conforms(open, visible).await;
}
