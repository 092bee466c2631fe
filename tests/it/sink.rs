//! What every sink has to do, whatever lies behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use fastrand::Rng;
use futures_util::stream;
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::decode::{DecodeLimits, PageDecoder};
use kombo_source::fetch::{Fetch, FetchEnd, FetchMode};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::lake::{Advance, Lake, LakeSettings, Marks, Part, Receipt};
use kombo_source::sink::{Sink, Staged, WriteError};
use kombo_source::stream::{FetchError, FetchEvent};
use kombo_source::time::{Base, ObservedAt, SystemClock, Tier, UpdatedAfter};
use tokio::sync::mpsc;

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
    let rows: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
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

/// Checks a sink that is empty. `visible` counts the rows of the table's snapshot that a reader sees.
async fn conforms<S: Sink>(sink: S, visible: impl AsyncFn() -> u64) {
    let covered = async || {
        sink.covered(endpoint(), &table().integration)
            .await
            .unwrap()
    };
    let untouched = covered().await;
    assert_eq!(untouched.bases.get(Tier::Ordinary), None);

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
    assert_eq!((visible().await, covered().await), (0, untouched));
    replaces_snapshots(&sink, &visible).await;
    bases_move_on_the_table_as_it_was(&sink).await;
    whoever_is_later_is_superseded(&sink).await;
    assert_eq!(visible().await, 0, "deltas leave the snapshot alone");
}

/// Leaves a snapshot without rows.
async fn replaces_snapshots<S: Sink>(sink: &S, visible: &impl AsyncFn() -> u64) {
    let covered = async || {
        let integration = table().integration;
        sink.covered(endpoint(), &integration).await.unwrap()
    };
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
    let first = covered().await;
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
    let last = covered().await;
    assert_eq!(
        last.bases.get(Tier::Daily),
        Some(Base::from_millis(6_000)),
        "bases never go back"
    );
    assert!(last.seen >= Some(ObservedAt::from_micros(300)));
    assert_ne!(last.marks.snapshots, first.marks.snapshots);
}

/// The sink holds a snapshot of the row "2" alone.
async fn lacks_what_it_replaces<S: Sink>(sink: &S) {
    for (ids, missing) in [
        (&["2", "4"][..], vec![]),
        (&["3"][..], vec!["2".to_owned()]),
    ] {
        let fetch = Fetch::new(table(), FetchMode::Snapshot);
        let rows = batch(&fetch, ids, 250).map(|batch| Ok(FetchEvent::Batch(batch)));
        let events = stream::iter(rows.into_iter().chain([Ok(end(7_000, 250))]));
        let mut staged = sink.stage(&fetch, endpoint(), events).await.unwrap();
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
        // Dropped: nobody sees it.
    }
}

async fn bases_move_on_the_table_as_it_was<S: Sink>(sink: &S) {
    let integration = table().integration;
    let before = sink.covered(endpoint(), &integration).await.unwrap();
    let mut bases = before.bases;
    bases.raise(Tier::Hourly, Base::from_millis(9_000));
    for (marks, hourly) in [(Marks::default(), 6_000), (before.marks, 9_000)] {
        let integration = integration.clone();
        let advance = Advance {
            integration,
            bases,
            marks,
        };
        sink.advance(endpoint(), &[advance]).await.unwrap();
        let after = sink
            .covered(endpoint(), &table().integration)
            .await
            .unwrap();
        let hourly = Some(Base::from_millis(hourly));
        assert_eq!(after.bases.get(Tier::Hourly), hourly);
        assert_eq!(after.marks, before.marks);
    }
}

async fn whoever_is_later_is_superseded<S: Sink>(sink: &S) {
    let mode = FetchMode::Delta {
        tier: Tier::Ordinary,
        updated_after: UpdatedAfter::from_millis(0),
    };
    let stage = async |seen| {
        let fetch = Fetch::new(table(), mode);
        let rows = batch(&fetch, &["1"], seen).map(|batch| Ok(FetchEvent::Batch(batch)));
        let events = stream::iter(rows.into_iter().chain([Ok(end(7_000, seen))]));
        sink.stage(&fetch, endpoint(), events).await.unwrap()
    };
    let (first, second) = (stage(400).await, stage(500).await);
    let receipt = first.commit().await.unwrap();
    let Receipt::Committed { seen, .. } = receipt else {
        panic!("superseded");
    };
    let covered = sink
        .covered(endpoint(), &table().integration)
        .await
        .unwrap();
    assert_eq!(covered.marks.deltas, Some(seen));
    assert_eq!(second.commit().await.unwrap(), Receipt::Superseded);
    let not_later = stage(seen.as_micros()).await;
    assert_eq!(not_later.commit().await.unwrap(), Receipt::Superseded);
    let after = sink.covered(endpoint(), &table().integration).await;
    assert_eq!(after.unwrap(), covered, "nothing of it is there");
}

#[tokio::test]
async fn the_sink_in_memory_conforms() {
    let sink = MemorySink::default();
    let rows = async || {
        let batches = sink.snapshot(&table());
        batches.iter().map(|batch| batch.num_rows() as u64).sum()
    };
    conforms(sink.clone(), rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lake_conforms() {
    let settings = LakeSettings {
        url: "memory:".to_owned(),
        options: BTreeMap::new(),
        commit_window_secs: 0,
        ..LakeSettings::default()
    };
    let lake = Lake::open(&settings, Arc::new(SystemClock)).await.unwrap();
    let rows = async || {
        let files = lake.files(endpoint(), Part::Snapshots).await.unwrap();
        files.iter().map(|file| file.num_records.unwrap()).sum()
    };
    conforms(lake.clone(), rows).await;
}
