//! Settings that flags can give instead of the configuration file.

use std::num::NonZeroU32;
use std::path::PathBuf;

use super::lake::{KomboArgs, LakeArgs};
use super::values::positive;
use crate::config::Overrides;

const SETTINGS: &str = "Settings (flags win over the configuration file)";

/// Settings that the configuration file has as well. A flag wins over the file.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = SETTINGS)]
pub struct SettingsArgs {
    /// Integration ids; repeat it or use commas
    #[arg(short, long = "integration", value_name = "ID", value_delimiter = ',')]
    #[arg(env = "KOMBO_INTEGRATIONS", hide_env_values = true)]
    pub integrations: Vec<String>,
    /// File with one integration id a line
    #[arg(long, value_name = "FILE")]
    #[arg(env = "KOMBO_INTEGRATIONS_FILE", hide_env_values = true)]
    pub integrations_file: Option<PathBuf>,
    /// Endpoints: a name such as hris/employees, or a pattern such as 'ats/*'; repeat it or use commas
    #[arg(
        short,
        long = "endpoint",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    #[arg(env = "KOMBO_ENDPOINTS", hide_env_values = true)]
    pub endpoints: Vec<String>,
    /// Where the lake is.
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Which Kombo environment.
    #[command(flatten)]
    pub kombo: KomboArgs,
    /// Most requests in flight at once
    #[arg(long, value_name = "N", env = "KOMBO_CONCURRENCY", hide_env_values = true, value_parser = positive)]
    pub concurrency: Option<NonZeroU32>,
    /// Requests per minute for the API key
    #[arg(long, value_name = "N", env = "KOMBO_RATE_LIMIT", hide_env_values = true, value_parser = positive)]
    pub rate_limit: Option<NonZeroU32>,
    /// Disable rate limiting; only for a server of your own, such as the twin
    #[arg(long, conflicts_with = "rate_limit")]
    pub no_rate_limit: bool,
}

impl SettingsArgs {
    /// Returns the settings as the configuration takes them.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            integrations: self.integrations.clone(),
            integrations_file: self.integrations_file.clone(),
            endpoints: self.endpoints.clone(),
            region: self.kombo.region,
            api_url: self.kombo.api_url.clone(),
            concurrency: self.concurrency,
            rate_limit: self.rate_limit,
            no_rate_limit: self.no_rate_limit,
            ..self.lake.overrides()
        }
    }
}
