//! What a verb says when Kombo refuses the API key: from where the key came, and which address refused it.

use super::cli_error::{CliError, NO_PERMISSION};
use crate::api::{ApiError, ErrorReach, HttpApi, KomboApi};
use crate::config::Config;
use crate::ids::EnvironmentId;
use crate::words::with_causes;

/// Asks Kombo whether it accepts the key, and returns the environment of the key. Returns `None` when Kombo gave no answer
/// about the key: the requests that follow then say what is wrong.
pub(super) async fn tested(
    config: &Config,
    api: &HttpApi,
) -> Result<Option<EnvironmentId>, CliError> {
    match api.check_key().await {
        Ok(key) => Ok(Some(key.environment_id)),
        Err(error) if error.reach() == ErrorReach::Key => Err(refused(config, &error)),
        Err(_) => Ok(None),
    }
}

/// Returns the error of a key that Kombo refuses.
pub(super) fn refused(config: &Config, error: &ApiError) -> CliError {
    let message = format!("{}; {}", with_causes(error), origin(config));
    CliError::new(NO_PERMISSION, message, error.advice())
}

/// Returns from where the key came, and which address was asked. The key itself is not shown.
pub(super) fn origin(config: &Config) -> String {
    let (from, asked) = (config.api_key_origin(), config.source.api_url());
    format!("the key came from {from}, and {asked} was asked")
}
