//! The options of a source of type `kombo`. The options of a section stand in the room that the section configures.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::api::{ApiSettings, BaseUrl, Region};
use crate::ids::IntegrationId;
use crate::ingest::IngestSettings;
use crate::listener::ListenerSettings;
use crate::plan::{PlanMode, Schedule};
use crate::setting::BadSetting;

/// The options of a source of type `kombo`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// Name of the source under `sources`.
    #[serde(skip)]
    pub name: String,
    /// Region of the Kombo environment.
    pub region: Region,
    /// Address of the API, `/v1` included. Replaces the region's address.
    pub endpoint: Option<BaseUrl>,
    /// File with the API key. `$KOMBO_API_KEY` is the alternative.
    pub api_key_file: Option<PathBuf>,
    /// Which requests a notification causes.
    pub plan: PlanMode,
    /// Integration ids to fetch. Empty: the integrations that the lake's registry names.
    pub integrations: Vec<IntegrationId>,
    /// Patterns of endpoints to fetch. Empty: all endpoints that are not deprecated.
    pub endpoints: Vec<String>,
    /// Where webhooks are received; `None` if none are received.
    pub webhook: Option<ListenerSettings>,
    /// When tables are fetched without a notification.
    pub schedule: Schedule,
    /// How requests to Kombo are made.
    pub request: ApiSettings,
    /// How rows are brought in. The configuration file sets only the number of remembered rows (`memory_rows`).
    #[serde(rename = "memory_rows", deserialize_with = "memory_rows")]
    pub ingest: IngestSettings,
}

impl SourceSettings {
    /// Returns the address of the API.
    #[must_use]
    pub fn api_url(&self) -> BaseUrl {
        let told = self.endpoint.clone();
        told.unwrap_or_else(|| self.region.base_url())
    }

    /// Checks the values that the types alone cannot check.
    pub fn check(&self) -> Result<(), BadSetting> {
        self.request.check().map_err(|bad| bad.within("request"))?;
        let webhook = self.webhook.as_ref().map(ListenerSettings::check);
        webhook
            .unwrap_or(Ok(()))
            .map_err(|bad| bad.within("webhook"))
    }
}

fn memory_rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IngestSettings, D::Error> {
    let memory_rows = usize::deserialize(deserializer)?;
    Ok(IngestSettings {
        memory_rows,
        ..IngestSettings::default()
    })
}
