//! What a source of type `kombo` is told. Sections that steer one room stand beside it.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use crate::api::{ApiSettings, BaseUrl, Region};
use crate::ids::IntegrationId;
use crate::ingest::IngestSettings;
use crate::listener::ListenerSettings;
use crate::plan::{PlanMode, Schedule};
use crate::setting::BadSetting;

/// What a source of type `kombo` is told.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// Its name under `sources`.
    #[serde(skip)]
    pub name: String,
    /// Where the Kombo environment lives.
    pub region: Region,
    /// The API's address, `/v1` included, in place of the region's.
    pub endpoint: Option<BaseUrl>,
    /// The file with the API key, for those who do not set `$KOMBO_API_KEY`.
    pub api_key_file: Option<PathBuf>,
    /// Which requests a notification causes.
    pub plan: PlanMode,
    /// Whose rows; empty for those the lake's registry knows.
    pub integrations: Vec<IntegrationId>,
    /// Patterns of endpoints; empty for all that are not deprecated.
    pub endpoints: Vec<String>,
    /// Where notifications come in; `None` for none.
    pub webhook: Option<ListenerSettings>,
    /// When tables are fetched without a notification.
    pub schedule: Schedule,
    /// How Kombo is called.
    pub request: ApiSettings,
    /// How rows are brought in. A file says how many committed ones are remembered, and nothing else of it.
    #[serde(rename = "memory_rows", deserialize_with = "memory_rows")]
    pub ingest: IngestSettings,
}

impl SourceSettings {
    /// Returns the API's address.
    #[must_use]
    pub fn api_url(&self) -> BaseUrl {
        let told = self.endpoint.clone();
        told.unwrap_or_else(|| self.region.base_url())
    }

    /// Checks what the types cannot say.
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
