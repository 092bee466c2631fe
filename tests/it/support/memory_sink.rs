//! A sink that keeps committed rows in memory. It is a second implementation of the trait.

mod staged;
mod told;

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use fastrand::Rng;
use futures_util::{Stream, StreamExt};
use kombo_source::catalog::Endpoint;
use kombo_source::fetch::{Fetch, FetchEnd, FetchMode};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::sink::{
    Advance, Coverage, HashLookup, MissingRow, MissingRows, NewestHashes, Provenance, Receipt,
    Sink, SinkError, Staged, WriteError,
};
use kombo_source::stream::{FetchError, FetchEvent};
use kombo_source::time::{Bases, ObservedAt};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::memory_known::{Looks, lacks, newest, observations};

/// Keeps the committed batches of each table.
#[derive(Clone, Default)]
pub(crate) struct MemorySink {
    tables: Arc<Mutex<HashMap<TableId, Kept>>>,
    /// Draws how long each step takes.
    random: Option<Arc<Mutex<fastrand::Rng>>>,
    snapshot_wait: Duration,
    delta_wait: Duration,
    compare_wait: Duration,
    /// Whether the sink knows rows of older snapshots until they are confirmed to be gone.
    folds: bool,
    /// Whether the sink reports its newest hashes.
    tells: bool,
}

#[derive(Clone, Default)]
struct Kept {
    coverage: Coverage,
    /// The bases that were committed with deltas. They fence deltas.
    delta_bases: Bases,
    snapshot: Vec<RecordBatch>,
    /// The earlier snapshots.
    replaced: Vec<RecordBatch>,
    /// The rows that earlier snapshots left when they were taken over. `None` before the first `take_over`.
    taken_over: Option<Vec<RecordBatch>>,
    /// The start of the live snapshot, and the full fetches before it.
    looks: Option<Looks>,
    /// The provenance of the snapshot.
    provenance: Provenance,
    deltas: Vec<RecordBatch>,
}

/// A complete fetch that is not visible.
pub(crate) struct MemoryStaged {
    sink: MemorySink,
    fetch: Fetch,
    /// The state that must be unchanged at the commit.
    start: Start,
    batches: Vec<RecordBatch>,
    end: FetchEnd,
    provenance: Provenance,
    /// Ids that the fetch shows as deleted and that were known as present.
    shown: BTreeSet<String>,
}

type Start = (Option<ObservedAt>, Bases);

impl MemorySink {
    /// Makes a sink that takes up to five seconds to begin a fetch, and whose commits wait up to a minute for other
    /// commits.
    pub(crate) fn slow(seed: u64) -> Self {
        Self {
            random: Some(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)))),
            ..Self::default()
        }
    }

    /// Makes the sink know every row until it is confirmed to be gone, as the lake does with `current`.
    pub(crate) fn folding(self) -> Self {
        Self {
            folds: true,
            ..self
        }
    }

    /// Makes the sink report its newest hashes, as the lake does.
    pub(crate) fn telling(self) -> Self {
        Self {
            tells: true,
            ..self
        }
    }

    /// Returns the same sink for a process whose snapshots wait `snapshot_wait` for their commit.
    pub(crate) fn with_snapshots_that_wait(&self, snapshot_wait: Duration) -> Self {
        Self {
            snapshot_wait,
            ..self.clone()
        }
    }

    /// Returns the same sink for a process whose deltas wait `delta_wait` for their commit.
    pub(crate) fn with_deltas_that_wait(&self, delta_wait: Duration) -> Self {
        Self {
            delta_wait,
            ..self.clone()
        }
    }

    /// Returns the same sink for a process that pauses `compare_wait` after it compared a snapshot.
    pub(crate) fn with_comparisons_that_wait(&self, compare_wait: Duration) -> Self {
        Self {
            compare_wait,
            ..self.clone()
        }
    }

    async fn up_to(&self, secs: u64) {
        let drawn = self.random.as_ref().map(|random| {
            let millis = random.lock().unwrap().u64(0..secs * 1_000);
            Duration::from_millis(millis)
        });
        if let Some(wait) = drawn {
            sleep(wait).await;
        }
    }

    /// Returns the visible batches of a table: first the snapshot's, then the deltas'.
    pub(crate) fn batches(&self, table: &TableId) -> Vec<RecordBatch> {
        let kept = self.kept(table);
        kept.snapshot.into_iter().chain(kept.deltas).collect()
    }

    /// Returns only the batches of deltas.
    pub(crate) fn deltas(&self, table: &TableId) -> Vec<RecordBatch> {
        self.kept(table).deltas
    }

    /// Returns only the batches of the snapshot.
    pub(crate) fn snapshot(&self, table: &TableId) -> Vec<RecordBatch> {
        self.kept(table).snapshot
    }

    /// Returns the ids that the sink knows as present, including older snapshots: the rows that `current` would show.
    pub(crate) fn known(&self, table: &TableId) -> BTreeSet<String> {
        let kept = self.kept(table);
        let snapshots = kept.replaced.iter().chain(&kept.snapshot);
        let known = newest(snapshots, &kept.deltas, None).into_iter();
        known
            .filter_map(|(id, (_, there))| there.then_some(id))
            .collect()
    }

    /// Returns the provenance of the snapshot.
    pub(crate) fn provenance(&self, table: &TableId) -> Provenance {
        self.kept(table).provenance
    }

    fn tables(&self) -> MutexGuard<'_, HashMap<TableId, Kept>> {
        self.tables.lock().unwrap()
    }

    fn kept(&self, table: &TableId) -> Kept {
        self.tables().get(table).cloned().unwrap_or_default()
    }

    fn start(&self, fetch: &Fetch) -> Start {
        let kept = self.kept(&fetch.table);
        match fetch.mode {
            FetchMode::Snapshot => (kept.coverage.watermarks.snapshots, Bases::default()),
            FetchMode::Delta { .. } => (kept.coverage.watermarks.deltas, kept.delta_bases),
        }
    }
}

impl Sink for MemorySink {
    type Staged = MemoryStaged;

    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, SinkError> {
        let table = TableId {
            integration: integration.clone(),
            endpoint: endpoint.name().clone(),
        };
        Ok(self.kept(&table).coverage)
    }

    async fn newest_hashes(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
        rows: &HashLookup,
        _most_bytes: u64,
    ) -> Result<NewestHashes, SinkError> {
        self.up_to(5).await;
        let table = TableId {
            integration: integration.clone(),
            endpoint: endpoint.name().clone(),
        };
        let mut told = NewestHashes::default();
        if self.tells {
            told.hashes = self.kept(&table).newest_hashes(&rows.ids);
        }
        Ok(told)
    }

    async fn stage(
        &self,
        fetch: &Fetch,
        _endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<MemoryStaged, WriteError> {
        self.up_to(5).await;
        let start = self.start(fetch);
        let (mut events, mut batches) = (pin!(events), Vec::new());
        while let Some(event) = events.next().await {
            match event.map_err(WriteError::Fetch)? {
                FetchEvent::Batch(batch) => batches.push(batch),
                FetchEvent::End(end) => {
                    return Ok(MemoryStaged {
                        sink: self.clone(),
                        fetch: fetch.clone(),
                        start,
                        batches,
                        end,
                        provenance: Provenance::default(),
                        shown: BTreeSet::new(),
                    });
                }
                _ => {}
            }
        }
        Err(WriteError::Fetch(FetchError::Stopped { page: 0 }))
    }

    async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), SinkError> {
        let mut tables = self.tables();
        for advance in advances {
            let table = TableId {
                integration: advance.integration.clone(),
                endpoint: endpoint.name().clone(),
            };
            let Kept {
                coverage,
                delta_bases,
                ..
            } = tables.entry(table).or_default();
            if coverage.advance(advance) {
                delta_bases.raise_all(&advance.bases);
            }
        }
        Ok(())
    }

    fn flush(&self) {}
}

fn ids(batches: &[RecordBatch]) -> BTreeSet<String> {
    batches
        .iter()
        .flat_map(|batch| {
            let ids = batch.column_by_name("id").unwrap().as_string::<i32>();
            ids.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
