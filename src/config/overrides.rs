//! What flags and environment variables say, above the file.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use crate::api::{BaseUrl, Region};
use crate::ids::IntegrationId;

use super::error::ConfigError;
use super::sink::check_lake_url;
use super::source::api_url_problem;
use super::{SinkSettings, SourceSettings};

/// Settings from the command line. What is set here wins over the file; a list takes the place of the file's list.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--integration`: whose rows.
    pub integrations: Vec<String>,
    /// `--endpoint`: patterns of endpoints.
    pub endpoints: Vec<String>,
    /// `--lake-url`: where the lake is.
    pub lake_url: Option<String>,
    /// `--region`: where the Kombo environment lives.
    pub region: Option<Region>,
    /// `--api-url`: the API's address, in place of a region.
    pub api_url: Option<String>,
    /// `--concurrency`: requests in flight at most.
    pub concurrency: Option<NonZeroU32>,
    /// `--rate-limit`: requests a minute, for the whole API key.
    pub rate_limit: Option<NonZeroU32>,
    /// `--no-rate-limit`: no budget at all.
    pub no_rate_limit: bool,
    /// `--data-dir`: where the program keeps small files of its own.
    pub data_dir: Option<PathBuf>,
}

impl Overrides {
    /// Puts the settings of a source above what the file says.
    pub(super) fn apply_to_source(&self, source: &mut SourceSettings) -> Result<(), ConfigError> {
        if !self.integrations.is_empty() {
            source.integrations = self.integration_ids()?;
        }
        if !self.endpoints.is_empty() {
            source.endpoints.clone_from(&self.endpoints);
        }
        match (self.region, &self.api_url) {
            (None, None) => {}
            (Some(region), None) => source.api_url = region.base_url(),
            (None, Some(text)) => {
                source.api_url = BaseUrl::parse(text).map_err(|error| ConfigError::Flag {
                    flag: "--api-url",
                    problem: format!("cannot be used: {}", api_url_problem(&error)),
                })?;
            }
            (Some(_), Some(_)) => {
                return Err(ConfigError::Flag {
                    flag: "--region",
                    problem: "and --api-url exclude each other: give one of them".to_owned(),
                });
            }
        }
        let request = &mut source.request;
        if let Some(concurrency) = self.concurrency {
            request.concurrency = concurrency;
        }
        if let Some(requests) = self.rate_limit {
            request.rate_limit_num = requests;
            request.rate_limit_duration_secs = const { NonZeroU64::new(60).expect("not zero") };
            request.rate_limit_enabled = true;
        }
        if self.no_rate_limit {
            request.rate_limit_enabled = false;
        }
        Ok(())
    }

    /// Puts the settings of a sink above what the file says.
    pub(super) fn apply_to_sink(&self, sink: &mut SinkSettings) -> Result<(), ConfigError> {
        if let Some(url) = &self.lake_url {
            check_lake_url(url).map_err(|problem| ConfigError::Flag {
                flag: "--lake-url",
                problem: problem.to_owned(),
            })?;
            sink.lake.url.clone_from(url);
        }
        Ok(())
    }

    fn integration_ids(&self) -> Result<Vec<IntegrationId>, ConfigError> {
        let ids = self.integrations.iter().map(|text| {
            IntegrationId::new(text).map_err(|error| ConfigError::Flag {
                flag: "--integration",
                problem: format!("cannot be used: {error}"),
            })
        });
        Ok(each_once(ids.collect::<Result<_, _>>()?))
    }
}

/// Drops repeats and keeps the order.
pub(super) fn each_once(ids: Vec<IntegrationId>) -> Vec<IntegrationId> {
    let mut kept = Vec::with_capacity(ids.len());
    for id in ids {
        if !kept.contains(&id) {
            kept.push(id);
        }
    }
    kept
}
