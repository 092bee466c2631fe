//! What the verbs say when no integration is known: what the service waits for, and how to name integrations.
//!
//! Kombo has no endpoint that lists integrations, so the program cannot find them by itself.

use super::cli_error::{CONFIG, CliError};
use crate::lake::Lake;
use crate::service::SourceSettings;

/// Where nothing is known, and no webhook can name an integration either.
const NEVER: &str =
    "no integration is known and no webhook is configured, so nothing would ever be fetched";

/// How to name integrations, and where their ids are.
pub(super) const NAME_THEM: &str = "name integrations with --integration, under integrations, or in a file that integrations_file names; Kombo's dashboard shows the id of each integration, and the integration-created webhook holds it";

/// What a service without integrations waits for.
const WAITS: &str = "no integration is known: nothing is fetched until a webhook of Kombo names an integration and Kombo confirms it";

/// Returns what a lake without integrations means. The lake does not say what the configuration of its service lists.
pub(super) fn in_the_lake() -> String {
    format!(
        "no integration is in the lake yet: a service fetches the integrations that its configuration lists and those that webhooks name; {NAME_THEM}"
    )
}

/// What names no integration, and what a service then does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoIntegration {
    /// Webhooks can name integrations, so the service waits for them.
    Waits,
    /// No webhook is configured, so the service would wait for ever.
    Never,
}

impl NoIntegration {
    /// Returns `None` when the configuration or the lake knows an integration, or a candidate. A lake that cannot be read may
    /// know one.
    pub(super) async fn of(source: &SourceSettings, lake: Option<&Lake>) -> Option<Self> {
        if !source.integrations.is_empty() {
            return None;
        }
        if let Some(lake) = lake {
            let knows_none = lake.registered().await.is_ok_and(|known| known.is_empty())
                && lake
                    .candidates()
                    .await
                    .is_ok_and(|(named, unread)| named.is_empty() && unread.is_empty());
            if !knows_none {
                return None;
            }
        }
        Some(match source.webhook {
            Some(_) => Self::Waits,
            None => Self::Never,
        })
    }

    /// Returns what that means for the service.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Waits => WAITS,
            Self::Never => NEVER,
        }
    }

    /// Returns what to do.
    pub(super) fn advice(self) -> String {
        match self {
            Self::Waits => format!("to fetch now, {NAME_THEM}; then send SIGHUP to the service"),
            Self::Never => format!("{NAME_THEM}; or configure webhook, so that webhooks name them"),
        }
    }

    /// Returns the error of a service that would never fetch anything; `None` for one that waits for webhooks.
    pub(super) fn refusal(self) -> Option<CliError> {
        (self == Self::Never).then(|| CliError::new(CONFIG, self.text(), self.advice()))
    }
}
