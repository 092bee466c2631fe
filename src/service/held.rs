//! What a sink covers of many tables, read in one pass per endpoint. If an endpoint cannot be read, the coverage of its
//! tables is unknown. Unknown is not the same as new: a new table needs a first snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::warn;

use crate::catalog::Endpoint;
use crate::ids::{EndpointName, IntegrationKey, TableId};
use crate::sink::{Coverage, Registry};
use crate::words::with_causes;

/// Coverage by endpoint and integration.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(HashMap<EndpointName, Option<HashMap<IntegrationKey, Coverage>>>);

/// What is known of one table at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// What the sink covers of the table; `None` if the table is new.
    Known(Option<Coverage>),
    /// The sink cannot read this endpoint. Coverage is read again before each fetch.
    Unread,
}

impl Held {
    /// Reads the coverage of all tables of these endpoints. An endpoint that cannot be read is logged.
    pub(super) async fn read(sink: &impl Registry, endpoints: Vec<Arc<Endpoint>>) -> Self {
        let mut held = HashMap::new();
        for endpoint in sink.there(endpoints).await {
            let name = endpoint.name().clone();
            let read = sink.held(&endpoint).await;
            let read = read.inspect_err(|error| {
                let advice = error.advice();
                warn!(endpoint = %name, error = with_causes(error), advice, "tables of {name} cannot be read from the lake: they are tried again later; tables of other endpoints are fetched");
            });
            held.insert(name, read.ok());
        }
        Self(held)
    }

    /// Returns what is known of one table.
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
