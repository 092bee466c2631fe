//! What is written down of an integration.

use crate::ids::{Category, EnvironmentId, IntegrationId};

/// What a registry knows of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id.
    pub integration: IntegrationId,
    /// The API family it belongs to.
    pub category: Category,
    /// How it became known: `configuration`, `webhook`.
    pub origin: String,
    /// What is known of it: `active`, `deleting`, `deleted`, `purged`.
    pub state: String,
    /// When it became known, in milliseconds since the epoch. What is stored stays.
    pub since_ms: i64,
    /// Since when it is in that state, in milliseconds since the epoch. What is stored stays while the state does.
    pub state_since_ms: Option<i64>,
    /// When the first look began that did not find it, in milliseconds since the epoch; `None` while Kombo finds it.
    pub not_found_since_ms: Option<i64>,
    /// The environment that it was read in last. What is stored stays until another is known.
    pub environment: Option<EnvironmentId>,
}

impl Registration {
    /// The state of an integration that Kombo does not find.
    pub const DELETING: &'static str = "deleting";
    /// The state of one that Kombo has not found twice, far enough apart.
    pub const DELETED: &'static str = "deleted";
    /// The state of a deleted one whose rows have left the sink.
    pub const PURGED: &'static str = "purged";
}
