//! What the commands that talk to Kombo or to the lake have in common: the parts, put together from configuration.

use std::sync::Arc;

use super::cli_error::{CliError, FAILED, USAGE};
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

/// A configuration with its parts.
pub(super) struct Session {
    /// What was configured.
    pub(super) config: Config,
    /// The endpoints it selects, over all categories.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// All the endpoints there are.
    pub(super) catalog: Catalog,
    /// The wall clock.
    pub(super) clock: Arc<dyn Clock>,
}

impl Session {
    /// Works out what the configuration selects. Offline.
    pub(super) fn new(config: Config, catalog: &Catalog) -> Result<Self, CliError> {
        let endpoints = config.select(catalog)?;
        Ok(Self {
            config,
            endpoints,
            catalog: catalog.clone(),
            clock: Arc::new(SystemClock),
        })
    }

    /// Returns what the service is built from.
    pub(super) fn source(&self) -> KomboSourceConfig {
        KomboSourceConfig::new(self.config.source.clone(), self.endpoints.clone())
    }

    /// Makes the client for Kombo. Sends nothing yet.
    pub(super) fn api(&self) -> Result<Arc<HttpApi>, CliError> {
        let (key, warning) = self.config.api_key()?;
        if let Some(warning) = warning {
            eprintln!("warning: {warning}");
        }
        Ok(Arc::new(self.api_with(&key)?))
    }

    /// Makes the client for Kombo with a given key.
    pub(super) fn api_with(&self, key: &ApiKey) -> Result<HttpApi, CliError> {
        let source = &self.config.source;
        let clock = Arc::clone(&self.clock);
        Ok(HttpApi::new(source.api_url(), key, &source.request, clock)?)
    }

    /// Opens the lake; creates its layout document when the place is empty.
    pub(super) async fn lake(&self) -> Result<Lake, CliError> {
        Ok(Lake::open(&self.config.sink.lake, Arc::clone(&self.clock)).await?)
    }

    /// Opens the lake if there is one; writes nothing.
    pub(super) async fn existing_lake(&self) -> Result<Option<Lake>, CliError> {
        let clock = Arc::clone(&self.clock);
        Ok(Lake::open_existing(&self.config.sink.lake, clock).await?)
    }

    /// Opens the lake that has to be there; writes nothing.
    pub(super) async fn lake_there(&self) -> Result<Lake, CliError> {
        let there = self.existing_lake().await?;
        there.ok_or_else(|| {
            let message = format!("there is no lake at {}", self.config.sink.lake.url);
            let advice = "give --lake-url, or run it where kombo.yaml is";
            CliError::new(FAILED, message, advice)
        })
    }

    /// Returns the bounds on what a page may hold.
    pub(super) fn limits(&self) -> DecodeLimits {
        self.config.source.request.limits()
    }

    /// Returns the configured integrations, or else those the lake knows.
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
        // Those that Kombo did not find are asked for again: a second look a day later decides.
        let asked = [ACTIVE, Registration::DELETING];
        registered.retain(|known| asked.contains(&known.state.as_str()));
        let ids: Vec<_> = registered.into_iter().map(|one| one.integration).collect();
        if ids.is_empty() {
            return Err(CliError::new(
                USAGE,
                "there is no integration to fetch: none is configured, and the lake knows none",
                "give --integration TOOL:ID, or list them under integrations; Kombo's dashboard shows the ids",
            ));
        }
        Ok(ids)
    }

    /// Returns what the registry is told of an integration that answered.
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
        }
    }

    /// Returns how many tables are fetched at once.
    pub(super) fn concurrency(&self) -> usize {
        self.config.source.request.concurrency.get() as usize
    }
}

/// The state of an integration whose rows are fetched.
const ACTIVE: &str = "active";
