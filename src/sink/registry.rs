//! What a service stores beside its rows: the known integrations, the candidates, and the notes for `status`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::customer::Issue;
use crate::ids::{InstanceId, IntegrationKey};
use crate::sink::{Candidate, Coverage, Registration, SinkError, StoredCandidates};

/// Remembers integrations, and tells at a start what the sink holds of their tables. A service needs a registry; a
/// single fetch does not.
///
/// - **Ordering**: several processes may write at the same time. No write undoes what another process wrote.
/// - **Duplicates**: writing the same integration twice has the same effect as writing it once.
/// - **Cancellation and crashes**: each future may be dropped at any `.await`. What was to be written is then written
///   as a whole or not at all.
pub trait Registry: Send + Sync {
    /// Returns every integration that was ever stored.
    fn registered(&self) -> impl Future<Output = Result<Vec<Registration>, SinkError>> + Send;

    /// Stores new integrations and changes of known ones. Returns once they are durable.
    fn register(
        &self,
        integrations: &[Registration],
    ) -> impl Future<Output = Result<Registrations, SinkError>> + Send;

    /// Returns every candidate that is stored. Called once at a start.
    fn candidates(&self) -> impl Future<Output = Result<StoredCandidates, SinkError>> + Send;

    /// Makes the complete list of this process's candidates durable. The list takes the place of all that this process
    /// has stored or read by `candidates`, at the latest with a later call. A crash or an error leaves the old list, the
    /// new one or both. What another process stores meanwhile is kept.
    fn keep_candidates(
        &self,
        candidates: &[Candidate],
    ) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Stores issues that webhooks tell of. Returns once they are durable. An older state of an issue never replaces a newer
    /// one.
    fn keep_issues(&self, issues: &[Issue]) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Returns the endpoints of which the sink may have tables, in one pass. The others are new. A sink that cannot tell
    /// returns all of them.
    fn there(
        &self,
        endpoints: Vec<Arc<Endpoint>>,
    ) -> impl Future<Output = Vec<Arc<Endpoint>>> + Send {
        std::future::ready(endpoints)
    }

    /// Returns the coverage of all tables of an endpoint, in one pass.
    fn held(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> impl Future<Output = Result<HashMap<IntegrationKey, Coverage>, SinkError>> + Send;

    /// Replaces the notes of one service for `status`. No rule of the program reads the notes.
    fn put_notes(
        &self,
        instance: &InstanceId,
        notes: Vec<u8>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// The outcome of storing integrations.
#[derive(Clone, Debug, Default)]
pub struct Registrations {
    /// The stored value of each integration now. Other processes write, too, and their values may take precedence over
    /// the value of this call.
    pub stand: Vec<Registration>,
    /// Integrations that the registry refuses, each with the reason. All others are stored.
    pub refused: Vec<(Registration, SinkError)>,
}
