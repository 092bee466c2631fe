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
use crate::lake::LeaseObjects;
use crate::metrics::Metrics;
use crate::plan::Planner;
use crate::time::{Clock, Uptime};
use crate::webhook::Verifier;

/// The options of a source of type `kombo`, and the endpoints they select.
#[derive(Clone, Debug)]
pub struct KomboSourceConfig {
    pub(super) settings: SourceSettings,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Whether webhooks come by another way than the listener.
    has_own_listener: bool,
}

/// One named output of a source.
#[derive(Clone, Debug)]
pub struct SourceOutput {
    /// Name of the output, which is the name of the endpoint's table, such as `ats_applications`.
    pub port: String,
    /// The columns of the output's batches.
    pub schema: SchemaRef,
}

/// A resource that a source claims. Two components that claim the same resource cannot run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A TCP port.
    Port(SocketAddr),
}

/// Makes the background work of a sink.
pub type MakeChores = Box<dyn FnMut() -> Vec<Box<dyn Chore>> + Send>;

/// What a pipeline hands to the sources that it builds.
pub struct SourceContext<S> {
    /// The sink that fetches are written to.
    pub sink: S,
    /// Makes the background work that the sink needs besides fetches. Called each time that the service begins to work: once,
    /// or once for each time that it gets the lease.
    pub chores: MakeChores,
    /// The lease of the sink, for a service that shares its sink with a standby. Used unless `lease.enabled` is off.
    pub lease: Option<LeaseObjects>,
    /// All endpoints that exist, also those that are not fetched: a notification may name models of any endpoint.
    pub catalog: Catalog,
    /// The local wall clock. It is used until Kombo's clock is known.
    pub clock: Arc<dyn Clock>,
    /// The clock that the lease is measured by.
    pub uptime: Uptime,
    /// The metrics of this process.
    pub metrics: Metrics,
    /// Folder for small local files, such as the hint file. Losing them costs time, never rows.
    pub data_dir: PathBuf,
    /// Resolves when the source has to end.
    pub shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// How long running fetches may go on after `shutdown` has resolved.
    pub drain_limit: Duration,
}

/// The secrets, which the configuration keeps elsewhere.
#[derive(Clone)]
pub struct Secrets {
    /// API key for requests to Kombo.
    pub api_key: ApiKey,
    /// Verifies webhooks; `None` if no webhooks are received.
    pub verifier: Option<Verifier>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl KomboSourceConfig {
    /// Joins the options with the endpoints that they select from a catalog.
    #[must_use]
    pub fn new(settings: SourceSettings, endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self {
            settings,
            endpoints,
            has_own_listener: false,
        }
    }

    /// Expects webhooks although the source has no listener: the program has a server of its own, and passes verified
    /// webhooks to [`Built::webhooks`](super::Built::webhooks).
    #[must_use]
    pub fn with_own_listener(mut self) -> Self {
        self.has_own_listener = true;
        self
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

    /// Returns the resources that the source claims: the port of the webhook listener.
    #[must_use]
    pub fn resources(&self) -> Vec<Resource> {
        let webhook = self.settings.webhook.as_ref();
        webhook
            .map(|webhook| Resource::Port(webhook.address))
            .into_iter()
            .collect()
    }

    /// Returns whether the source waits for acknowledgements. Always `true`: a fetch counts as done only once the sink
    /// has made it durable.
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
            expects_webhooks: self.has_own_listener || settings.webhook.is_some(),
            budget: settings.request.budget(),
        }
    }
}
