//! Integrations that only webhooks have named.

use crate::ids::{Category, IntegrationId};
use crate::sink::SinkError;

/// An integration that a signed webhook has named and that Kombo has not confirmed. No row of a candidate is fetched, and
/// no reader of the registry sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The integration's id.
    pub integration: IntegrationId,
    /// The API family that the webhook named; `None` if this version does not know it.
    pub category: Option<Category>,
    /// When the first webhook came, in milliseconds since the epoch.
    pub since_ms: i64,
}

/// The candidates that a sink holds.
#[derive(Debug, Default)]
pub struct StoredCandidates {
    /// The candidates that could be read, each once.
    pub known: Vec<Candidate>,
    /// Why others could not be read. What is unread stays stored.
    pub unread: Vec<SinkError>,
}
