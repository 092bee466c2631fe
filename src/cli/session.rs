//! The parts that verbs need, built from the configuration: the lake, the client for Kombo, the selected endpoints.

use std::fmt::Display;
use std::sync::Arc;

use super::cli_error::{CliError, FAILED, USAGE};
use super::no_integrations::NAME_THEM;
use super::terminal::Terminal;
use crate::api::{ApiKey, HttpApi};
use crate::backfill::targets::KnownIntegration;
use crate::catalog::{Catalog, Endpoint};
use crate::config::Config;
use crate::decode::DecodeLimits;
use crate::ids::{EnvironmentId, IntegrationId};
use crate::lake::Lake;
use crate::service::KomboSourceConfig;
use crate::sink::Registration;
use crate::time::{Clock, SystemClock};

/// A configuration, with the endpoints that it selects.
pub(super) struct Session {
    /// The configuration: the file with the flags above it.
    pub(super) config: Config,
    /// The endpoints that the configuration selects, of all categories.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Every known endpoint.
    pub(super) catalog: Catalog,
    /// The wall clock.
    pub(super) clock: Arc<dyn Clock>,
}

impl Session {
    /// Selects the endpoints of the configuration. Opens no lake and sends no request.
    pub(super) fn new(config: Config, catalog: &Catalog) -> Result<Self, CliError> {
        let endpoints = config.select(catalog)?;
        Ok(Self {
            config,
            endpoints,
            catalog: catalog.clone(),
            clock: Arc::new(SystemClock),
        })
    }

    /// Prints warnings.
    pub(super) fn warn(warnings: impl IntoIterator<Item = impl Display>) {
        for warning in warnings {
            Terminal::stderr().print(&format!("warning: {warning}\n"));
        }
    }

    /// Returns who else can read the configuration's secrets, or can read and change the lake.
    pub(super) fn risks(&self) -> Vec<String> {
        let secrets = self.config.secrets_in_text();
        let secrets = secrets.iter().map(ToString::to_string);
        let folders = self.config.sink.lake.folder_risks();
        let folders = folders.iter().map(ToString::to_string);
        secrets.chain(folders).collect()
    }

    /// Returns the configuration that the service is built from.
    pub(super) fn source(&self) -> KomboSourceConfig {
        KomboSourceConfig::new(self.config.source.clone(), self.endpoints.clone())
    }

    /// Builds the client for Kombo. Sends no request.
    pub(super) fn api(&self) -> Result<Arc<HttpApi>, CliError> {
        let (key, warning) = self.config.api_key()?;
        Self::warn(warning);
        Ok(Arc::new(self.api_with(&key)?))
    }

    /// Builds the client for Kombo with this key.
    pub(super) fn api_with(&self, key: &ApiKey) -> Result<HttpApi, CliError> {
        let source = &self.config.source;
        let clock = Arc::clone(&self.clock);
        Ok(HttpApi::new(source.api_url(), key, &source.request, clock)?)
    }

    /// Opens the lake. Creates its layout document when the location is empty.
    pub(super) async fn lake(&self) -> Result<Lake, CliError> {
        Ok(Lake::open(&self.config.sink.lake, Arc::clone(&self.clock)).await?)
    }

    /// Opens the lake if there is one. Writes nothing.
    pub(super) async fn existing_lake(&self) -> Result<Option<Lake>, CliError> {
        let clock = Arc::clone(&self.clock);
        Ok(Lake::open_existing(&self.config.sink.lake, clock).await?)
    }

    /// Opens the lake, and fails if there is none. Writes nothing.
    pub(super) async fn lake_there(&self) -> Result<Lake, CliError> {
        let there = self.existing_lake().await?;
        there.ok_or_else(|| {
            let message = format!("there is no lake at {}", self.config.sink.lake.url);
            let advice = "check the path in --lake-url or kombo.yaml; `kombo-source backfill` and `kombo-source run` create a lake";
            CliError::new(FAILED, message, advice)
        })
    }

    /// Opens the lake, and fails if there is none. Fails also where the verb `writes` to tables of a store on which two
    /// writers would overwrite each other.
    pub(super) async fn lake_for(&self, writes: bool) -> Result<Lake, CliError> {
        let lake = self.lake_there().await?;
        if writes {
            lake.must_be_safe_to_write().await?;
        }
        Ok(lake)
    }

    /// Returns the limits of a page.
    pub(super) fn limits(&self) -> DecodeLimits {
        self.config.source.request.limits()
    }

    /// Returns the configured integrations; without any, those in the registry of the lake.
    pub(super) async fn integrations(
        &self,
        lake: Option<&Lake>,
    ) -> Result<Vec<IntegrationId>, CliError> {
        if !self.config.source.integrations.is_empty() {
            return Ok(self.config.source.integrations.clone());
        }
        let mut registered = match lake {
            Some(lake) => lake.registered().await?,
            None => Vec::new(),
        };
        // Integrations that Kombo did not find once are asked for again: a second check a day later decides.
        let asked = [ACTIVE, Registration::DELETING];
        registered.retain(|known| asked.contains(&known.state.as_str()));
        let ids: Vec<_> = registered.into_iter().map(|one| one.integration).collect();
        if ids.is_empty() {
            return Err(CliError::new(
                USAGE,
                "there is no integration to fetch: none is configured, and the lake has none",
                NAME_THEM,
            ));
        }
        Ok(ids)
    }

    /// Returns the registry entry of an integration that Kombo knows.
    pub(super) fn registration(
        &self,
        known: &KnownIntegration,
        environment: Option<&EnvironmentId>,
    ) -> Registration {
        let now_ms = self.clock.now().as_millis();
        Registration {
            integration: known.id.clone(),
            category: known.category,
            origin: "configuration".to_owned(),
            state: ACTIVE.to_owned(),
            since_ms: now_ms,
            state_since_ms: Some(now_ms),
            not_found_since_ms: None,
            environment: environment.cloned(),
            end_user: known.info.end_user.clone(),
        }
    }

    /// Returns how many requests may be in flight at once.
    pub(super) fn concurrency(&self) -> usize {
        self.config.source.request.concurrency.get() as usize
    }
}

/// The state of an integration whose rows are fetched.
const ACTIVE: &str = "active";
