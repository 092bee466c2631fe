//! What a sink holds of many tables, read in one pass per endpoint. An endpoint that cannot be read is set aside: its
//! tables are not new, they are not known.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::warn;

use crate::catalog::Endpoint;
use crate::ids::{EndpointName, IntegrationKey, TableId};
use crate::sink::{Coverage, Registry};

/// Coverage by endpoint and integration.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(HashMap<EndpointName, Option<HashMap<IntegrationKey, Coverage>>>);

/// What is known of one table at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// The sink holds this much of it; nothing of a table that is new.
    Known(Option<Coverage>),
    /// The sink cannot be read there. What it holds is asked again before each fetch.
    Unread,
}

impl Held {
    /// Asks a sink for all tables of these endpoints.
    pub(super) async fn read(sink: &impl Registry, endpoints: Vec<Arc<Endpoint>>) -> Self {
        let mut held = HashMap::new();
        for endpoint in endpoints {
            let name = endpoint.name().clone();
            let read = sink.held(&endpoint).await;
            let read = read.inspect_err(|error| {
                let advice = error.advice();
                warn!(endpoint = %name, error = error as &dyn std::error::Error, advice, "{name} cannot be read: its tables are set aside and tried again later; the others are fetched");
            });
            held.insert(name, read.ok());
        }
        Self(held)
    }

    /// Returns what is held of a table.
    pub(super) fn of(&self, table: &TableId) -> Holding {
        match self.0.get(&table.endpoint) {
            Some(None) => Holding::Unread,
            Some(Some(held)) => Holding::Known(held.get(&table.integration.key()).copied()),
            None => Holding::Known(None),
        }
    }
}

impl From<Option<Coverage>> for Holding {
    fn from(coverage: Option<Coverage>) -> Self {
        Self::Known(coverage)
    }
}
