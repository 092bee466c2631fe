//! What the service keeps beside its rows: which integrations there are, and what it leaves for `status`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::lake::{Coverage, Lake, LakeError, Members, Registration};

/// Remembers integrations, and knows at a start what is held of their tables.
pub trait Registry: Send + Sync {
    /// Returns every integration that was ever written down.
    fn registered(&self) -> impl Future<Output = Result<Vec<Registration>, LakeError>> + Send;

    /// Writes integrations down, new ones and changes. Returns once they are durable: what stands of them then, since other
    /// processes write, too, and what they know may stand above what this one says; and those that are refused for what
    /// they are.
    fn register(
        &self,
        integrations: &[Registration],
    ) -> impl Future<Output = Result<Members<Registration, Registration>, LakeError>> + Send;

    /// Returns what is held of all tables of an endpoint, in one pass.
    fn held(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> impl Future<Output = Result<HashMap<IntegrationKey, Coverage>, LakeError>> + Send;

    /// Puts the service's notes for `status` in the place of those that are there. No rule reads them.
    fn put_notes(&self, notes: Vec<u8>) -> impl Future<Output = Result<(), LakeError>> + Send;
}

impl Registry for Lake {
    async fn registered(&self) -> Result<Vec<Registration>, LakeError> {
        Lake::registered(self).await
    }

    async fn register(
        &self,
        integrations: &[Registration],
    ) -> Result<Members<Registration, Registration>, LakeError> {
        Lake::register(self, integrations).await
    }

    async fn held(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> Result<HashMap<IntegrationKey, Coverage>, LakeError> {
        let overview = self.overview(endpoint).await?;
        let tables = overview.into_iter().flat_map(|overview| overview.tables);
        Ok(tables.map(|(key, table)| (key, table.coverage)).collect())
    }

    async fn put_notes(&self, notes: Vec<u8>) -> Result<(), LakeError> {
        self.put_status(notes.into()).await
    }
}
