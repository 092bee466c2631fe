//! What is stored about an integration.

use crate::customer::EndUser;
use crate::ids::{Category, EnvironmentId, IntegrationId};

/// What a registry knows about an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The integration's id.
    pub integration: IntegrationId,
    /// The API family that the integration belongs to.
    pub category: Category,
    /// How the integration became known: `configuration` or `webhook`.
    pub origin: String,
    /// The state of the integration: `active`, `deleting`, `deleted` or `purged`.
    pub state: String,
    /// When the integration became known, in milliseconds since the epoch. The stored value is never changed.
    pub since_ms: i64,
    /// Since when the integration is in `state`, in milliseconds since the epoch. The stored value is kept while the
    /// state is the same.
    pub state_since_ms: Option<i64>,
    /// When the first check began that did not find the integration, in milliseconds since the epoch. `None` while
    /// Kombo finds the integration.
    pub not_found_since_ms: Option<i64>,
    /// The environment in which the integration was read last. The stored value is kept until another environment is
    /// known.
    pub environment: Option<EnvironmentId>,
    /// Who the customer is, as Kombo says. The stored value is kept until Kombo says another, and leaves with a purge.
    pub end_user: EndUser,
}

impl Registration {
    /// The state of an integration that Kombo does not find.
    pub const DELETING: &'static str = "deleting";
    /// The state of an integration that Kombo did not find in two checks, far enough apart.
    pub const DELETED: &'static str = "deleted";
    /// The state of a deleted integration whose rows were removed from the sink.
    pub const PURGED: &'static str = "purged";
}
