//! What a sink holds of many tables, read in one pass per endpoint.

use std::collections::HashMap;
use std::sync::Arc;

use super::registry::Registry;
use crate::catalog::Endpoint;
use crate::ids::{EndpointName, IntegrationKey, TableId};
use crate::lake::{Coverage, LakeError};

/// Coverage by endpoint and integration.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(HashMap<EndpointName, HashMap<IntegrationKey, Coverage>>);

impl Held {
    /// Asks a sink for all tables of these endpoints.
    pub(super) async fn read(
        sink: &impl Registry,
        endpoints: Vec<Arc<Endpoint>>,
    ) -> Result<Self, LakeError> {
        let mut held = HashMap::new();
        for endpoint in endpoints {
            held.insert(endpoint.name().clone(), sink.held(&endpoint).await?);
        }
        Ok(Self(held))
    }

    /// Returns what is held of a table.
    pub(super) fn of(&self, table: &TableId) -> Option<Coverage> {
        self.0
            .get(&table.endpoint)?
            .get(&table.integration.key())
            .copied()
    }
}
