//! The options of a source of type `kombo`. The options of a section stand in the room that the section configures.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::lease_settings::LeaseSettings;
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
    /// Region of your Kombo environment: `eu`, `us` or `ca`. An API key works in its own region only.
    pub region: Region,
    /// Address of the API with `/v1`, in place of `region`: for the twin, or for a gateway. `https`, or `http` to a
    /// loopback address.
    pub endpoint: Option<BaseUrl>,
    /// File that holds the API key. The variable `KOMBO_API_KEY` wins over the file. The key itself may not stand in
    /// the configuration.
    pub api_key_file: Option<PathBuf>,
    /// Which requests a notification causes. `changed`: one for each endpoint whose answer can hold a changed row.
    /// `all`: one for each configured endpoint.
    pub plan: PlanMode,
    /// Integration ids, such as `"personio:CBNMt7dSNCzBdnRTx87dev4E"`. Empty: the integrations that the lake's
    /// registry holds, and those that webhooks name.
    pub integrations: Vec<IntegrationId>,
    /// File with one integration id a line, for more ids than a variable can hold. Blank lines and text after `#` are
    /// left out. Its ids are added to those of `integrations`. The file is read at a start and on SIGHUP, and must
    /// hold an id.
    pub integrations_file: Option<PathBuf>,
    /// Endpoints to fetch, as names or patterns such as `["ats/*", "hris/employees"]`. Empty: all endpoints. A
    /// deprecated endpoint is fetched only when its exact name is listed.
    pub endpoints: Vec<String>,
    /// Listener for Kombo's `data-changed` webhooks. Without this section tables are fetched on schedule only.
    pub webhook: Option<ListenerSettings>,
    /// When tables are fetched without a notification.
    pub schedule: Schedule,
    /// Which of several services on one lake works, and when a standby takes over.
    pub lease: LeaseSettings,
    /// How Kombo's API is called: rate limit, timeouts, retries.
    pub request: ApiSettings,
    /// Number of committed rows whose hashes are kept in memory (40 bytes each), so that an unchanged row that is
    /// read again is not written again. 0: none.
    ///
    /// Of [`IngestSettings`] the configuration file sets this one alone.
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
        self.lease.check().map_err(|bad| bad.within("lease"))?;
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
