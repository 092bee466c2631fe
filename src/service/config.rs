//! The source as a pipeline builds it: options in, a future out.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;

use super::dispatch::Rules;
use super::settings::SourceSettings;
use crate::api::ApiKey;
use crate::catalog::{Catalog, Endpoint};
use crate::chore::Chore;
use crate::metrics::Metrics;
use crate::plan::Planner;
use crate::time::Clock;
use crate::webhook::Verifier;

/// The options of a source of type `kombo`, and the endpoints they select.
#[derive(Clone, Debug)]
pub struct KomboSourceConfig {
    pub(super) settings: SourceSettings,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
}

/// What a source sends to, by name.
#[derive(Clone, Debug)]
pub struct SourceOutput {
    /// The name of the output: the endpoint's table, such as `ats_applications`.
    pub port: String,
    /// The columns of its batches.
    pub schema: SchemaRef,
}

/// What a source claims for itself; two components that claim the same cannot run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A TCP port.
    Port(SocketAddr),
}

/// What a pipeline gives to the sources it builds.
pub struct SourceContext<S> {
    /// Where fetches go.
    pub sink: S,
    /// What the sink needs besides fetches, as it has handed it over; empty for a sink that needs nothing.
    pub chores: Vec<Box<dyn Chore>>,
    /// All endpoints there are: a notification names models of any of them.
    pub catalog: Catalog,
    /// The wall clock, used until Kombo's is known.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
    /// Where small files may be kept; losing them costs time, never rows.
    pub data_dir: PathBuf,
    /// Resolves when the source has to end.
    pub shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// How long fetches may go on after that.
    pub drain_limit: Duration,
}

/// What the configuration keeps elsewhere.
#[derive(Clone)]
pub struct Secrets {
    /// For requests.
    pub api_key: ApiKey,
    /// For webhooks; `None` when none are received.
    pub verifier: Option<Verifier>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl KomboSourceConfig {
    /// Takes the options and the endpoints that they select from a catalog.
    #[must_use]
    pub fn new(settings: SourceSettings, endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self {
            settings,
            endpoints,
        }
    }

    /// Returns one output per endpoint.
    #[must_use]
    pub fn outputs(&self) -> Vec<SourceOutput> {
        let outputs = self.endpoints.iter().map(|endpoint| SourceOutput {
            port: endpoint.name().table_name(),
            schema: endpoint.schema(),
        });
        outputs.collect()
    }

    /// Returns what it listens on.
    #[must_use]
    pub fn resources(&self) -> Vec<Resource> {
        let webhook = self.settings.webhook.as_ref();
        webhook
            .map(|webhook| Resource::Port(webhook.address))
            .into_iter()
            .collect()
    }

    /// Returns whether a fetch counts as done only once the sink has made it durable. Always.
    #[must_use]
    pub fn can_acknowledge(&self) -> bool {
        true
    }

    pub(super) fn rules(&self, catalog: &Catalog) -> Rules {
        let settings = &self.settings;
        let only: HashSet<_> = settings.integrations.iter().cloned().collect();
        Rules {
            planner: Planner::new(catalog, self.endpoints.clone(), settings.plan),
            endpoints: self.endpoints.clone(),
            only: (!only.is_empty()).then_some(only),
            schedule: settings.schedule,
            expects_webhooks: settings.webhook.is_some(),
            budget: settings.request.budget(),
        }
    }
}
