//! The setting that decides which requests a notification causes.

use serde::Deserialize;

/// Which requests a notification causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanMode {
    /// Requests for the endpoints that can return a changed row.
    #[default]
    Changed,
    /// One request for every configured endpoint.
    All,
}
