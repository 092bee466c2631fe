//! Where fetches go: the seam for other pipelines.
//!
//! A sink takes a whole fetch and answers once it is durable, all or nothing; it also answers what it covers already.
//! Between the two stands a [`Staged`] fetch: all of it is there, nothing of it is visible.
//! The lake is one implementation, the in-memory sink of the tests another.

use std::sync::Arc;

use arrow::array::RecordBatch;
use fastrand::Rng;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use crate::catalog::Endpoint;
use crate::fetch::Fetch;
use crate::ids::IntegrationId;
use crate::lake::{
    Advance, BroughtRows, Circumstances, Coverage, Lake, LakeError, Missing, NewestHashes, Receipt,
    Sealed,
};
use crate::stream::{FetchError, FetchEvent};

/// Takes whole fetches.
pub trait Sink: Send + Sync {
    /// A fetch that it holds and that is not visible.
    type Staged: Staged;

    /// Returns what the sink holds of a table: its bases and the newest observation, other writers' included.
    fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> impl Future<Output = Result<Coverage, LakeError>> + Send;

    /// Returns what the newest observation of rows is that a delta has brought, as far as reading `most_bytes` tells: other
    /// writers' observations included, and none that may yet be taken out. A row that is not in the answer is written again,
    /// which costs an observation; a row that is in it with a hash that is not the newest's would be lost.
    fn newest_hashes(
        &self,
        _endpoint: &Arc<Endpoint>,
        _integration: &IntegrationId,
        _rows: &BroughtRows,
        _most_bytes: u64,
    ) -> impl Future<Output = Result<NewestHashes, LakeError>> + Send {
        async { Ok(NewestHashes::default()) }
    }

    /// Takes a fetch up to its end. Drops the events once it holds no more than what a commit needs, so that the next
    /// fetch may begin while this one waits for company. Asks nothing of the events before it knows what they may be
    /// overtaken by: whatever is committed to this part of the table from then on supersedes the fetch.
    fn stage(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> impl Future<Output = Result<Self::Staged, WriteError>> + Send;

    /// Stages a fetch and commits it.
    fn write(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> impl Future<Output = Result<Receipt, WriteError>> + Send {
        async move {
            let staged = self.stage(fetch, endpoint, events).await?;
            staged.commit().await.map_err(WriteError::Store)
        }
    }

    /// Raises bases of an endpoint's tables without rows, of those tables whose marks are as given.
    fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> impl Future<Output = Result<(), LakeError>> + Send;

    /// Says that no fetch is running any more, so that nothing waits for company before it is committed.
    fn flush(&self);
}

/// A whole fetch that is not visible yet. Dropping it leaves nothing that anybody sees.
pub trait Staged: Send {
    /// Compares it with what the sink knows: which ids it lacks, how many there are and a random sample of `limit`, and how
    /// many it shows as deleted. None for a delta.
    ///
    /// Known is what the newest observation says is there, of the snapshot it is about to replace, of deltas, and of what
    /// older snapshots had where the sink keeps it.
    fn missing(
        &mut self,
        limit: usize,
        random: Rng,
    ) -> impl Future<Output = Result<Missing, LakeError>> + Send;

    /// Sends, some at a time, those of the ids it lacks that an earlier snapshot lacks, too, which began a
    /// [`SecondLook`](crate::time::SecondLook) before it. Ends without an error once nobody listens.
    fn lacked_twice(
        &mut self,
        ids: mpsc::Sender<Vec<String>>,
    ) -> impl Future<Output = Result<(), LakeError>> + Send;

    /// Sends, some at a time, its own rows that the last comparison found known as present and that it shows as deleted. Ends
    /// without an error once nobody listens.
    fn tombstones(
        &mut self,
        rows: mpsc::Sender<RecordBatch>,
    ) -> impl Future<Output = Result<(), LakeError>> + Send;

    /// Sees to it that what the sink knows stays known once this snapshot is committed, also what it lacks. Called before the
    /// commit when rows are missing that are not confirmed to be gone.
    fn take_over(&mut self) -> impl Future<Output = Result<(), LakeError>> + Send;

    /// Takes note of what is kept beside a snapshot. Means nothing for a delta; untold, nothing is known.
    fn note(&mut self, circumstances: Circumstances);

    /// Returns once the fetch is durable and visible as a whole. After an error nothing of it is visible, unless the
    /// error says that the outcome is unknown: then it is visible as a whole or not at all.
    fn commit(self) -> impl Future<Output = Result<Receipt, LakeError>> + Send;
}

/// Why a fetch was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The fetch did not reach its last page.
    #[error("the fetch did not reach its last page")]
    Fetch(#[source] FetchError),
    /// The rows could not be stored.
    #[error("the rows could not be stored")]
    Store(#[source] LakeError),
}

impl WriteError {
    /// Returns whether a snapshot is known to have ended early.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::CutShort { .. }))
    }

    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.advice(),
            Self::Store(error) => error.advice(),
        }
    }
}

impl Sink for Lake {
    type Staged = Sealed;

    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, LakeError> {
        self.coverage(endpoint, integration).await
    }

    async fn newest_hashes(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
        rows: &BroughtRows,
        most_bytes: u64,
    ) -> Result<NewestHashes, LakeError> {
        Lake::newest_hashes(self, endpoint, integration, rows, most_bytes).await
    }

    async fn stage(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<Sealed, WriteError> {
        let mut staging = self
            .begin(fetch, endpoint)
            .await
            .map_err(WriteError::Store)?;
        let mut events = Box::pin(events);
        while let Some(event) = events.next().await {
            match event.map_err(WriteError::Fetch)? {
                FetchEvent::Page { .. } | FetchEvent::Asked { .. } => {}
                FetchEvent::Batch(batch) => staging.push(batch).await.map_err(WriteError::Store)?,
                FetchEvent::Quarantine(rows) => {
                    staging.quarantine(rows).await.map_err(WriteError::Store)?;
                }
                // Only here may anything become visible: a stream that stops before its end drops the staging.
                FetchEvent::End(end) => {
                    return staging.seal(end).await.map_err(WriteError::Store);
                }
            }
        }
        Err(WriteError::Fetch(FetchError::Stopped { page: 0 }))
    }

    async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), LakeError> {
        Lake::advance(self, endpoint, advances).await
    }

    fn flush(&self) {
        Lake::flush(self);
    }
}

impl Staged for Sealed {
    async fn missing(&mut self, limit: usize, random: Rng) -> Result<Missing, LakeError> {
        Sealed::missing(self, limit, random).await
    }

    async fn lacked_twice(&mut self, ids: mpsc::Sender<Vec<String>>) -> Result<(), LakeError> {
        Sealed::lacked_twice(self, ids).await
    }

    async fn tombstones(&mut self, rows: mpsc::Sender<RecordBatch>) -> Result<(), LakeError> {
        Sealed::tombstones(self, rows).await
    }

    async fn take_over(&mut self) -> Result<(), LakeError> {
        Sealed::take_over(self).await
    }

    fn note(&mut self, circumstances: Circumstances) {
        Sealed::note(self, circumstances);
    }

    async fn commit(self) -> Result<Receipt, LakeError> {
        Sealed::commit(self).await
    }
}
