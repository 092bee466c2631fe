//! The options of a source of type `kombo`.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::api::{ApiSettings, BaseUrl, Region, SetupError};
use crate::ids::IntegrationId;
use crate::plan::PlanMode;

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
}

/// Where notifications come in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// The path Kombo posts to.
    #[serde(deserialize_with = "path")]
    pub path: String,
    /// The file with the webhook secret, for those who do not set `$KOMBO_WEBHOOK_SECRET`.
    pub secret_file: Option<PathBuf>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            // Loopback: what terminates TLS in front decides who else may come.
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            path: "/webhooks/kombo".to_owned(),
            secret_file: None,
        }
    }
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
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self {
            full_interval_secs: nonzero_u64(7 * 24 * 3600),
            heartbeat_interval_secs: nonzero_u64(6 * 3600),
            nested_refresh_secs: None,
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

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(|_| D::Error::custom("it must be an address with a port, such as 127.0.0.1:8080"))
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(D::Error::custom(
            "it must begin with /, such as /webhooks/kombo",
        ))
    }
}

fn nonzero_u64(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).expect("a constant that is not zero")
}
