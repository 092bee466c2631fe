//! The options of a source of type `kombo`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::api::{ApiSettings, BaseUrl, Region, SetupError};
use crate::ids::IntegrationId;
use crate::plan::PlanMode;

use super::overrides::each_once;
use super::webhook::WebhookSettings;

/// Rows remembered where nothing else is said: some 40 MB.
const MEMORY_ROWS: usize = 1_000_000;

/// What a source of type `kombo` is told.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSettings {
    /// Its name under `sources`.
    pub name: String,
    /// The API's address, `/v1` included.
    pub api_url: BaseUrl,
    /// The file with the API key, for those who do not set `$KOMBO_API_KEY`.
    pub api_key_file: Option<PathBuf>,
    /// Which requests a notification causes.
    pub plan: PlanMode,
    /// Whose rows; empty for those the lake's registry knows.
    pub integrations: Vec<IntegrationId>,
    /// Patterns of endpoints; empty for all that are not deprecated.
    pub endpoints: Vec<String>,
    /// Where notifications come in; `None` for none.
    pub webhook: Option<WebhookSettings>,
    /// When tables are fetched without a notification.
    pub schedule: ScheduleSettings,
    /// How Kombo is called.
    pub request: ApiSettings,
    /// How many committed rows are remembered, over all tables, so that reading them again writes nothing.
    pub memory_rows: usize,
}

/// When tables are fetched without a notification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSettings {
    /// From one snapshot of a table to the next.
    pub full_interval_secs: NonZeroU64,
    /// From one delta of a table to the next when nothing was announced.
    pub heartbeat_interval_secs: NonZeroU64,
    /// How long a table may hold stale nested copies before its snapshot is brought forward; `None` for ever.
    pub nested_refresh_secs: Option<NonZeroU64>,
    /// How old the base of a table may be before it counts as late; `None` for twice the heartbeat.
    pub freshness_objective_secs: Option<NonZeroU64>,
}

impl ScheduleSettings {
    /// Returns how old the base of a table may be before it counts as late. The heartbeat is the one achieved, which
    /// a small budget stretches: a table is late when a heartbeat was missed, not when there are many tables.
    #[must_use]
    pub fn freshness_objective(&self, heartbeat: Duration) -> Duration {
        let told = |secs: NonZeroU64| Duration::from_secs(secs.get());
        self.freshness_objective_secs
            .map_or_else(|| heartbeat.saturating_mul(2), told)
    }
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self {
            full_interval_secs: nonzero_u64(7 * 24 * 3600),
            heartbeat_interval_secs: nonzero_u64(6 * 3600),
            nested_refresh_secs: None,
            freshness_objective_secs: None,
        }
    }
}

/// The options as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SourceOptions {
    pub(super) region: Option<Region>,
    #[serde(deserialize_with = "api_url")]
    pub(super) endpoint: Option<BaseUrl>,
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) plan: PlanMode,
    pub(super) integrations: Vec<IdText>,
    pub(super) endpoints: Vec<String>,
    pub(super) webhook: Option<WebhookSettings>,
    pub(super) schedule: ScheduleSettings,
    pub(super) request: ApiSettings,
    pub(super) memory_rows: Option<usize>,
}

impl SourceOptions {
    /// Puts defaults where nothing is said.
    pub(super) fn settings(self, name: String) -> SourceSettings {
        SourceSettings {
            name,
            api_url: self
                .endpoint
                .unwrap_or_else(|| self.region.unwrap_or_default().base_url()),
            api_key_file: self.api_key_file,
            plan: self.plan,
            integrations: each_once(self.integrations.into_iter().map(|id| id.0).collect()),
            endpoints: self.endpoints,
            webhook: self.webhook,
            schedule: self.schedule,
            request: self.request,
            memory_rows: self.memory_rows.unwrap_or(MEMORY_ROWS),
        }
    }
}

/// An integration id, checked while its line is known.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct IdText(pub(super) IntegrationId);

impl TryFrom<String> for IdText {
    type Error = crate::ids::IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        IntegrationId::new(&text).map(Self)
    }
}

/// Says what is wrong with an address of the API. Says nothing of the text, which may hold credentials.
pub(super) fn api_url_problem(error: &SetupError) -> &'static str {
    match error {
        SetupError::Endpoint { reason } => reason,
        _ => "it must be the address of Kombo's API, such as https://api.kombo.dev/v1",
    }
}

fn api_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BaseUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = BaseUrl::parse(&text).map_err(|error| D::Error::custom(api_url_problem(&error)))?;
    Ok(Some(url))
}

fn nonzero_u64(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).expect("a constant that is not zero")
}
