//! What a service keeps beside its rows: which integrations there are, and what it leaves for `status`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::sink::{Coverage, Registration, SinkError};

/// Remembers integrations, and knows at a start what is held of their tables. A service needs it; a fetch does not.
///
/// - Several processes may write at once. No write undoes what another wrote.
/// - Dropping a future at any `.await` is safe: what was asked for is written as a whole or not at all.
pub trait Registry: Send + Sync {
    /// Returns every integration that was ever written down.
    fn registered(&self) -> impl Future<Output = Result<Vec<Registration>, SinkError>> + Send;

    /// Writes integrations down, new ones and changes. Returns once they are durable.
    fn register(
        &self,
        integrations: &[Registration],
    ) -> impl Future<Output = Result<Registrations, SinkError>> + Send;

    /// Returns what is held of all tables of an endpoint, in one pass.
    fn held(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> impl Future<Output = Result<HashMap<IntegrationKey, Coverage>, SinkError>> + Send;

    /// Puts the service's notes for `status` in the place of the earlier ones. No rule reads them.
    fn put_notes(&self, notes: Vec<u8>) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// What came of writing integrations down.
#[derive(Clone, Debug, Default)]
pub struct Registrations {
    /// What stands of them now. Other processes write, too, and what they know may stand above what this one said.
    pub stand: Vec<Registration>,
    /// Integrations that are refused for what they are, each with the reason. The others are written all the same.
    pub refused: Vec<(Registration, SinkError)>,
}
