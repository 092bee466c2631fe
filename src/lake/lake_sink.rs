//! The lake as a [`Sink`]: the only place that translates between the lake and the sink contract.
//!
//! This file has the loop that passes a fetch's events to [`Staging`](crate::lake::Staging), and `take_over`, which
//! needs both `intake` and `fold`. All other calls are passed on. Only the error type changes: text, causes, advice
//! and retryability are those of the [`LakeError`].

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use fastrand::Rng;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use crate::catalog::Endpoint;
use crate::customer::Issue;
use crate::fetch::Fetch;
use crate::ids::{InstanceId, IntegrationId, IntegrationKey};
use crate::lake::fold::Folding;
use crate::lake::{Lake, LakeError, Members, Sealed};
use crate::sink::{
    Advance, Candidate, Coverage, HashLookup, MissingRows, NewestHashes, Provenance, Receipt,
    Registration, Registrations, Registry, Sink, SinkError, Staged, StoredCandidates, WriteError,
};
use crate::stream::{FetchError, FetchEvent};

impl From<LakeError> for SinkError {
    fn from(error: LakeError) -> Self {
        let advice = error.advice();
        let (is_retryable, is_configuration) = (error.is_retryable(), error.is_configuration());
        let cause = error.sink_cause();
        Self::new(error, advice)
            .caused_by(cause)
            .retryable(is_retryable)
            .configuration(is_configuration)
    }
}

impl From<LakeError> for WriteError {
    fn from(error: LakeError) -> Self {
        Self::Store(error.into())
    }
}

impl Sink for Lake {
    type Staged = Sealed;

    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, SinkError> {
        Ok(self.coverage(endpoint, integration).await?)
    }

    async fn newest_hashes(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
        lookup: &HashLookup,
        most_bytes: u64,
    ) -> Result<NewestHashes, SinkError> {
        Ok(Lake::newest_hashes(self, endpoint, integration, lookup, most_bytes).await?)
    }

    async fn stage(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<Sealed, WriteError> {
        let mut staging = self.begin(fetch, endpoint).await?;
        let mut events = Box::pin(events);
        while let Some(event) = events.next().await {
            match event.map_err(WriteError::Fetch)? {
                FetchEvent::Page { .. } | FetchEvent::Asked { .. } => {}
                FetchEvent::Batch(batch) => staging.push(batch).await?,
                FetchEvent::Quarantine(rows) => staging.quarantine(rows).await?,
                // Rows may become visible only from here on. A stream that stops before its end drops the staging.
                FetchEvent::End(end) => return Ok(staging.seal(end).await?),
            }
        }
        Err(WriteError::Fetch(FetchError::Stopped { page: 0 }))
    }

    async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), SinkError> {
        Ok(Lake::advance(self, endpoint, advances).await?)
    }

    fn flush(&self) {
        Lake::flush(self);
    }
}

impl Staged for Sealed {
    async fn missing(&mut self, limit: usize, random: Rng) -> Result<MissingRows, SinkError> {
        Ok(Sealed::missing(self, limit, random).await?)
    }

    async fn lacked_twice(&mut self, ids: mpsc::Sender<Vec<String>>) -> Result<(), SinkError> {
        Ok(Sealed::lacked_twice(self, ids).await?)
    }

    async fn tombstones(&mut self, rows: mpsc::Sender<RecordBatch>) -> Result<(), SinkError> {
        Ok(Sealed::tombstones(self, rows).await?)
    }

    async fn take_over(&mut self) -> Result<(), SinkError> {
        Ok(Sealed::take_over(self).await?)
    }

    fn note(&mut self, provenance: Provenance) {
        Sealed::note(self, provenance);
    }

    async fn commit(self) -> Result<Receipt, SinkError> {
        Ok(Sealed::commit(self).await?)
    }
}

/// Operations that need `fold`. `intake` itself does not depend on `fold`.
impl Sealed {
    /// Makes sure that `current` has everything that the replaced snapshot saw. A row that the new snapshot lacks and
    /// that is not confirmed to be gone would otherwise be in no table. Fails when the table cannot be folded.
    pub async fn take_over(&self) -> Result<(), LakeError> {
        if !self.committer.replaces() || self.is_taken_over().await? {
            return Ok(());
        }
        let only = [self.key().clone()].into_iter().collect();
        let settings = self.intake.tables.settings.fold.at_full_speed();
        let folding = Folding::of(&self.intake);
        // Boxed, because the future of every fetch would otherwise become larger.
        let folded = Box::pin(folding.fold(&self.endpoint, Some(&only), &settings)).await?;
        let aside = folded.aside.into_iter().map(|aside| aside.error).next();
        folded.stopped.or(aside).map_or(Ok(()), Err)
    }
}

impl Registry for Lake {
    async fn registered(&self) -> Result<Vec<Registration>, SinkError> {
        Ok(Lake::registered(self).await?)
    }

    async fn register(&self, integrations: &[Registration]) -> Result<Registrations, SinkError> {
        let Members { going, aside } = Lake::register(self, integrations).await?;
        let refused = aside.into_iter();
        Ok(Registrations {
            stand: going,
            refused: refused
                .map(|aside| (aside.member, aside.error.into()))
                .collect(),
        })
    }

    async fn candidates(&self) -> Result<StoredCandidates, SinkError> {
        let (known, unread) = Lake::candidates(self).await?;
        let unread = unread.into_iter().map(SinkError::from).collect();
        Ok(StoredCandidates { known, unread })
    }

    async fn keep_candidates(&self, candidates: &[Candidate]) -> Result<(), SinkError> {
        Ok(Lake::keep_candidates(self, candidates).await?)
    }

    async fn keep_issues(&self, issues: &[Issue]) -> Result<(), SinkError> {
        Ok(Lake::keep_issues(self, issues).await?)
    }

    async fn there(&self, endpoints: Vec<Arc<Endpoint>>) -> Vec<Arc<Endpoint>> {
        Lake::there(self, &endpoints).await
    }

    async fn held(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> Result<HashMap<IntegrationKey, Coverage>, SinkError> {
        Ok(self.coverages(endpoint).await?)
    }

    async fn put_notes(&self, instance: &InstanceId, notes: Vec<u8>) -> Result<(), SinkError> {
        Ok(self.put_status(instance, notes.into()).await?)
    }
}
