//! Which requests a notification causes: the setting.

use serde::Deserialize;

/// Which requests a notification causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanMode {
    /// Those whose answer can hold a changed row.
    #[default]
    Changed,
    /// One for every configured endpoint.
    All,
}
