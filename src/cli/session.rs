//! What the commands that talk to Kombo or to the lake have in common: the parts, put together from configuration.

use std::sync::Arc;

use super::failure::{FAILED, Failure, USAGE};
use crate::api::{ApiKey, HttpApi};
use crate::catalog::{Catalog, Endpoint};
use crate::config::Config;
use crate::decode::DecodeLimits;
use crate::ids::{EnvironmentId, IntegrationId};
use crate::lake::Lake;
use crate::sink::Registration;
use crate::time::{Clock, SystemClock};

/// A configuration with its parts.
pub(super) struct Session {
    /// What was configured.
    pub(super) config: Config,
    /// The endpoints it selects, over all categories.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// The wall clock.
    pub(super) clock: Arc<dyn Clock>,
}

impl Session {
    /// Works out what the configuration selects. Offline.
    pub(super) fn new(config: Config, catalog: &Catalog) -> Result<Self, Failure> {
        let endpoints = config.select(catalog)?.endpoints().to_vec();
        Ok(Self {
            config,
            endpoints,
            clock: Arc::new(SystemClock),
        })
    }

    /// Makes the client for Kombo. Sends nothing yet.
    pub(super) fn api(&self) -> Result<Arc<HttpApi>, Failure> {
        let (key, warning) = self.config.api_key()?;
        if let Some(warning) = warning {
            eprintln!("warning: {warning}");
        }
        Ok(Arc::new(self.api_with(&key)?))
    }

    /// Makes the client for Kombo with a given key.
    pub(super) fn api_with(&self, key: &ApiKey) -> Result<HttpApi, Failure> {
        let source = &self.config.source;
        let clock = Arc::clone(&self.clock);
        Ok(HttpApi::new(source.api_url(), key, &source.request, clock)?)
    }

    /// Opens the lake; creates its layout document when the place is empty.
    pub(super) async fn lake(&self) -> Result<Lake, Failure> {
        Ok(Lake::open(&self.config.sink.lake, Arc::clone(&self.clock)).await?)
    }

    /// Opens the lake if there is one; writes nothing.
    pub(super) async fn existing_lake(&self) -> Result<Option<Lake>, Failure> {
        let clock = Arc::clone(&self.clock);
        Ok(Lake::open_existing(&self.config.sink.lake, clock).await?)
    }

    /// Opens the lake that has to be there; writes nothing.
    pub(super) async fn lake_there(&self) -> Result<Lake, Failure> {
        let there = self.existing_lake().await?;
        there.ok_or_else(|| {
            let message = format!("there is no lake at {}", self.config.sink.lake.url);
            let advice = "give --lake-url, or run it where kombo.yaml is";
            Failure::new(FAILED, message, advice)
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
    ) -> Result<Vec<IntegrationId>, Failure> {
        if !self.config.source.integrations.is_empty() {
            return Ok(self.config.source.integrations.clone());
        }
        let registered = match lake {
            Some(lake) => lake.registered().await?,
            None => Vec::new(),
        };
        // Those that Kombo did not find are asked for again: a second look a day later decides.
        let asked = [ACTIVE, Registration::DELETING];
        let active = registered
            .into_iter()
            .filter(|known| asked.contains(&known.state.as_str()));
        let ids: Vec<_> = active.map(|known| known.integration).collect();
        if ids.is_empty() {
            return Err(Failure::new(
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
        known: &crate::backfill::targets::Known,
        environment: Option<&EnvironmentId>,
    ) -> Registration {
        Registration {
            integration: known.id.clone(),
            category: known.category,
            origin: "configuration".to_owned(),
            state: ACTIVE.to_owned(),
            since_ms: self.clock.now().as_millis(),
            state_since_ms: Some(self.clock.now().as_millis()),
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
