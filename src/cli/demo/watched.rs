//! A sink around the lake that reports each fetch and commit to the live demo.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use fastrand::Rng;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::catalog::Endpoint;
use crate::customer::Issue;
use crate::fetch::{Fetch, FetchMode};
use crate::ids::{InstanceId, IntegrationId, IntegrationKey, TableId};
use crate::lake::{Lake, Part, Sealed};
use crate::sink::{
    Advance, Candidate, Coverage, MissingRows, Provenance, Receipt, Registration, Registrations,
    Registry, Sink, SinkError, Staged, StoredCandidates, WriteError,
};
use crate::stream::{FetchError, FetchEvent};

/// A lake that reports each step to a channel.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) lake: Lake,
    pub(super) tell: mpsc::Sender<Seen>,
}

/// A step of a fetch, and when it happened.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) table: TableId,
    pub(super) step: LakeStep,
}

/// A step of a fetch on its way into the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LakeStep {
    /// The last page is staged. Nothing is visible yet.
    Fetched(WalkCount),
    /// The rows are committed and visible.
    Committed { part: Part, version: u64, rows: u64 },
}

/// What one pass over all pages brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WalkCount {
    pub(super) pages: u64,
    /// Rows on all pages.
    pub(super) rows: u64,
    /// Rows that the lake did not have.
    pub(super) new: u64,
}

/// A staged fetch, and the channel that its commit is reported to.
pub(super) struct WatchedFetch {
    sealed: Sealed,
    fetch: Fetch,
    tell: mpsc::Sender<Seen>,
}

impl WalkCount {
    fn add(&mut self, event: &Result<FetchEvent, FetchError>) {
        match event {
            Ok(FetchEvent::Page { rows, .. }) => {
                self.pages += 1;
                self.rows += rows;
            }
            Ok(FetchEvent::Batch(batch)) => self.new += batch.num_rows() as u64,
            _ => {}
        }
    }
}

impl Sink for Watched {
    type Staged = WatchedFetch;

    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, SinkError> {
        self.lake.covered(endpoint, integration).await
    }

    async fn stage(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<WatchedFetch, WriteError> {
        let mut walk = WalkCount::default();
        let events = events.inspect(|event| walk.add(event));
        let sealed = self.lake.stage(fetch, endpoint, events).await?;
        tell(&self.tell, fetch, LakeStep::Fetched(walk)).await;
        Ok(WatchedFetch {
            sealed,
            fetch: fetch.clone(),
            tell: self.tell.clone(),
        })
    }

    async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), SinkError> {
        Sink::advance(&self.lake, endpoint, advances).await
    }

    fn flush(&self) {
        Sink::flush(&self.lake);
    }
}

impl Staged for WatchedFetch {
    async fn missing(&mut self, limit: usize, random: Rng) -> Result<MissingRows, SinkError> {
        Staged::missing(&mut self.sealed, limit, random).await
    }

    async fn lacked_twice(&mut self, ids: mpsc::Sender<Vec<String>>) -> Result<(), SinkError> {
        Staged::lacked_twice(&mut self.sealed, ids).await
    }

    async fn tombstones(&mut self, rows: mpsc::Sender<RecordBatch>) -> Result<(), SinkError> {
        Staged::tombstones(&mut self.sealed, rows).await
    }

    async fn take_over(&mut self) -> Result<(), SinkError> {
        Staged::take_over(&mut self.sealed).await
    }

    fn note(&mut self, provenance: Provenance) {
        Staged::note(&mut self.sealed, provenance);
    }

    async fn commit(self) -> Result<Receipt, SinkError> {
        let receipt = Staged::commit(self.sealed).await?;
        if let Receipt::Committed { version, rows, .. } = receipt {
            let part = match self.fetch.mode {
                FetchMode::Snapshot => Part::Snapshots,
                FetchMode::Delta { .. } => Part::Deltas,
            };
            let step = LakeStep::Committed {
                part,
                version,
                rows,
            };
            tell(&self.tell, &self.fetch, step).await;
        }
        Ok(receipt)
    }
}

impl Registry for Watched {
    async fn registered(&self) -> Result<Vec<Registration>, SinkError> {
        Registry::registered(&self.lake).await
    }

    async fn register(&self, integrations: &[Registration]) -> Result<Registrations, SinkError> {
        Registry::register(&self.lake, integrations).await
    }

    async fn candidates(&self) -> Result<StoredCandidates, SinkError> {
        Registry::candidates(&self.lake).await
    }

    async fn keep_candidates(&self, candidates: &[Candidate]) -> Result<(), SinkError> {
        Registry::keep_candidates(&self.lake, candidates).await
    }

    async fn keep_issues(&self, issues: &[Issue]) -> Result<(), SinkError> {
        Registry::keep_issues(&self.lake, issues).await
    }

    async fn held(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> Result<HashMap<IntegrationKey, Coverage>, SinkError> {
        self.lake.held(endpoint).await
    }

    async fn put_notes(&self, instance: &InstanceId, notes: Vec<u8>) -> Result<(), SinkError> {
        self.lake.put_notes(instance, notes).await
    }
}

async fn tell(to: &mpsc::Sender<Seen>, fetch: &Fetch, step: LakeStep) {
    let seen = Seen {
        at: Instant::now(),
        table: fetch.table.clone(),
        step,
    };
    // The fetch goes on when the demo no longer listens.
    drop(to.send(seen).await);
}
