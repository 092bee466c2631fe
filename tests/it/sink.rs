//! What every sink has to do, whatever lies behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures_util::stream;
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::decode::{DecodeLimits, PageDecoder};
use kombo_source::fetch::{Fetch, FetchEnd, FetchMode};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::lake::{Lake, LakeSettings, Part};
use kombo_source::sink::{Sink, WriteError};
use kombo_source::stream::{FetchError, FetchEvent};
use kombo_source::time::{Base, ObservedAt, SystemClock, Tier};

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

    let full = async |ids: &[&str], base, seen| {
        write(
            &sink,
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

    full(&[], 4_000, 300).await;
    assert_eq!(visible().await, 0, "a snapshot without rows is one, too");
    let last = covered().await;
    assert_eq!(
        last.bases.get(Tier::Daily),
        Some(Base::from_millis(6_000)),
        "bases never go back"
    );
    assert!(last.seen >= Some(ObservedAt::from_micros(300)));
}

#[tokio::test]
async fn the_sink_in_memory_conforms() {
    let sink = MemorySink::default();
    let rows = async || {
        let batches = sink.batches(&table());
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
