//! Where fetches go: the seam for other pipelines.
//!
//! A sink takes a whole fetch and answers once it is durable, all or nothing; it also answers what it covers already.
//! The lake is one implementation, the in-memory sink of the tests another.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};

use crate::catalog::Endpoint;
use crate::fetch::Fetch;
use crate::ids::IntegrationId;
use crate::lake::{Coverage, Lake, LakeError, Receipt};
use crate::stream::{FetchError, FetchEvent};

/// Takes whole fetches.
pub trait Sink: Send + Sync {
    /// Returns what the sink holds of a table: its bases and the newest observation.
    fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> impl Future<Output = Result<Coverage, LakeError>> + Send;

    /// Takes a fetch. Drops the events once it holds no more than what a commit needs, so that the next fetch may begin
    /// while this one waits for company.
    ///
    /// Returns once it is durable and visible as a whole. After an error nothing of it is visible, unless the error says
    /// that the outcome is unknown: then it is visible as a whole or not at all.
    fn write(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> impl Future<Output = Result<Receipt, WriteError>> + Send;

    /// Says that no fetch is running any more, so that nothing waits for company before it is committed.
    fn flush(&self);
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
    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, LakeError> {
        self.coverage(endpoint, integration).await
    }

    async fn write(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<Receipt, WriteError> {
        let mut staging = self
            .begin(fetch, endpoint)
            .await
            .map_err(WriteError::Store)?;
        let mut events = Box::pin(events);
        while let Some(event) = events.next().await {
            match event.map_err(WriteError::Fetch)? {
                FetchEvent::Page { .. } => {}
                FetchEvent::Batch(batch) => staging.push(batch).await.map_err(WriteError::Store)?,
                FetchEvent::Quarantine(rows) => {
                    staging.quarantine(rows).await.map_err(WriteError::Store)?;
                }
                // Only here may anything become visible: a stream that stops before its end drops the staging.
                FetchEvent::End(end) => {
                    let sealed = staging.seal(end).await.map_err(WriteError::Store)?;
                    drop(events);
                    return sealed.commit().await.map_err(WriteError::Store);
                }
            }
        }
        Err(WriteError::Fetch(FetchError::Stopped { page: 0 }))
    }

    fn flush(&self) {
        Lake::flush(self);
    }
}
