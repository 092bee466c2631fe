//! The settings that flags can give in place of the configuration file.

use std::num::NonZeroU32;
use std::path::PathBuf;

use super::lake::{KomboArgs, LakeArgs};
use super::values::positive;
use crate::config::Overrides;

const SETTINGS: &str = "Settings (they win over the configuration file)";

/// Settings that can stand in the configuration file as well; here they win.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = SETTINGS)]
pub struct SettingsArgs {
    /// Whose rows; several times or with commas for several
    #[arg(short, long = "integration", value_name = "ID", value_delimiter = ',')]
    #[arg(env = "KOMBO_INTEGRATIONS", hide_env_values = true)]
    pub integrations: Vec<String>,
    /// Which endpoints: a name such as hris/employees or a pattern such as 'ats/*'; several times or with commas
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
    /// Whom to ask.
    #[command(flatten)]
    pub kombo: KomboArgs,
    /// Requests in flight at most
    #[arg(long, value_name = "N", env = "KOMBO_CONCURRENCY", hide_env_values = true, value_parser = positive)]
    pub concurrency: Option<NonZeroU32>,
    /// Requests a minute, for the whole API key
    #[arg(long, value_name = "N", env = "KOMBO_RATE_LIMIT", hide_env_values = true, value_parser = positive)]
    pub rate_limit: Option<NonZeroU32>,
    /// Keep to no budget; only against a server of your own
    #[arg(long, conflicts_with = "rate_limit")]
    pub no_rate_limit: bool,
    /// Small files of the program's own
    #[arg(long, value_name = "DIR")]
    #[arg(env = "KOMBO_DATA_DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,
}

impl SettingsArgs {
    /// Returns the settings as the configuration takes them.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            integrations: self.integrations.clone(),
            endpoints: self.endpoints.clone(),
            region: self.kombo.region,
            api_url: self.kombo.api_url.clone(),
            concurrency: self.concurrency,
            rate_limit: self.rate_limit,
            no_rate_limit: self.no_rate_limit,
            data_dir: self.data_dir.clone(),
            ..self.lake.overrides()
        }
    }
}
