//! Settings from flags and environment variables, which win over the file.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use super::document::join;
use super::error::ConfigError;
use super::section::{SINKS, SOURCES};
use crate::api::{BaseUrl, Region};
use crate::ids::IntegrationId;

/// Settings from the command line. A value here wins over the file, and a list replaces the file's list.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--integration`: integration ids.
    pub integrations: Vec<String>,
    /// `--integrations-file`: file with one integration id a line. This file and `--integration` together replace the
    /// configuration's list and its file.
    pub integrations_file: Option<PathBuf>,
    /// `--endpoint`: names or patterns of endpoints.
    pub endpoints: Vec<String>,
    /// `--lake-url`: where the lake is.
    pub lake_url: Option<String>,
    /// `--region`: region of the Kombo environment.
    pub region: Option<Region>,
    /// `--api-url`: address of the API, in place of a region.
    pub api_url: Option<String>,
    /// `--concurrency`: most requests in flight at one time.
    pub concurrency: Option<NonZeroU32>,
    /// `--rate-limit`: requests per minute, for the complete API key.
    pub rate_limit: Option<NonZeroU32>,
    /// `--no-rate-limit`: switches the rate limit off.
    pub no_rate_limit: bool,
    /// `--data-dir`: folder of local state.
    pub data_dir: Option<PathBuf>,
    /// `--grace`: how long upkeep keeps unreferenced files.
    pub grace: Option<Duration>,
    /// `--delta-retention`: how long upkeep keeps rows of `deltas` at least.
    pub delta_retention: Option<Duration>,
    /// `--drift-retention`: how long upkeep keeps rows of `kombo_drift`.
    pub drift_retention: Option<Duration>,
}

impl Overrides {
    /// Applies these settings to a configuration from a file.
    pub(super) fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        self.apply_to_source(config)?;
        self.apply_to_lake(config);
        if let Some(folder) = &self.data_dir {
            config.data_dir.clone_from(folder);
        }
        Ok(())
    }

    /// Returns the options that these settings override, by their dotted paths in a file.
    pub(super) fn paths(&self, source: &str, sink: &str) -> Vec<String> {
        let overridden = [
            (!self.endpoints.is_empty(), source, "endpoints"),
            (self.region.is_some(), source, "region"),
            (self.region.is_some(), source, "endpoint"),
            (self.api_url.is_some(), source, "endpoint"),
            (self.concurrency.is_some(), source, "request.concurrency"),
            (self.rate_limit.is_some(), source, "request.rate_limit_num"),
            (
                self.rate_limit.is_some(),
                source,
                "request.rate_limit_duration_secs",
            ),
            (
                self.rate_limit.is_some() || self.no_rate_limit,
                source,
                "request.rate_limit_enabled",
            ),
            (self.data_dir.is_some(), "", "data_dir"),
            (self.lake_url.is_some(), sink, "url"),
            (self.grace.is_some(), sink, "upkeep.vacuum_grace_secs"),
            (
                self.delta_retention.is_some(),
                sink,
                "upkeep.delta_retention_secs",
            ),
            (
                self.drift_retention.is_some(),
                sink,
                "upkeep.drift_retention_secs",
            ),
        ];
        let overridden = overridden.into_iter().filter(|(is_set, ..)| *is_set);
        overridden
            .map(|(_, section, option)| join(section, option))
            .collect()
    }

    fn apply_to_source(&self, config: &mut Config) -> Result<(), ConfigError> {
        let source = &mut config.source;
        if !self.integrations.is_empty() || self.integrations_file.is_some() {
            let ids = self.integrations.iter().map(|text| {
                IntegrationId::new(text).map_err(|error| unusable("--integration", &error))
            });
            source.integrations = ids.collect::<Result<_, _>>()?;
            source.integrations_file.clone_from(&self.integrations_file);
            let path = join(&join(SOURCES.key, &source.name), "integrations_file");
            config.places.said_by_flag(path, "--integrations-file");
        }
        if !self.endpoints.is_empty() {
            source.endpoints.clone_from(&self.endpoints);
            let path = join(&join(SOURCES.key, &source.name), "endpoints");
            config.places.said_by_flag(path, "--endpoint");
        }
        if self.region.is_some() && self.api_url.is_some() {
            let problem = "and --api-url exclude each other: give one of them".to_owned();
            let flag = "--region";
            return Err(ConfigError::Flag { flag, problem });
        }
        if let Some(region) = self.region {
            (source.region, source.endpoint) = (region, None);
        }
        if let Some(text) = &self.api_url {
            let url = BaseUrl::try_from(text.clone());
            source.endpoint = Some(url.map_err(|reason| unusable("--api-url", &reason))?);
        }
        let request = &mut source.request;
        request.concurrency = self.concurrency.unwrap_or(request.concurrency);
        if let Some(requests) = self.rate_limit {
            request.rate_limit_num = requests;
            request.rate_limit_duration_secs = const { NonZeroU64::new(60).expect("not zero") };
            request.rate_limit_enabled = true;
        }
        request.rate_limit_enabled &= !self.no_rate_limit;
        Ok(())
    }

    fn apply_to_lake(&self, config: &mut Config) {
        let path = join(SINKS.key, &config.sink.name);
        let (lake, places) = (&mut config.sink.lake, &mut config.places);
        let mut by_flag = |option, flag| places.said_by_flag(join(&path, option), flag);
        if let Some(url) = &self.lake_url {
            // The options are those of the store that the file names. A folder has none, such as the backup of a bucket.
            if url.starts_with("file://") || !url.contains("://") {
                lake.options.clear();
            }
            lake.url.clone_from(url);
            by_flag("url", "--lake-url");
        }
        let upkeep = &mut lake.upkeep;
        if self.grace.is_some() {
            upkeep.vacuum_grace = self.grace;
            by_flag("upkeep.vacuum_grace_secs", "--grace");
        }
        if let Some(retention) = self.delta_retention {
            upkeep.delta_retention = retention;
            by_flag("upkeep.delta_retention_secs", "--delta-retention");
        }
        if let Some(retention) = self.drift_retention {
            upkeep.drift_retention = retention;
            by_flag("upkeep.drift_retention_secs", "--drift-retention");
        }
    }
}

fn unusable(flag: &'static str, reason: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Flag {
        flag,
        problem: format!("cannot be used: {reason}"),
    }
}
