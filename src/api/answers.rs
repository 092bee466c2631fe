//! The two small answers read here rather than by the decoder: an integration, and a checked key.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ApiError, IntegrationInfo, ReadModel};
use crate::time::ObservedAt;

/// Reads `data` out of a success. Errors keep no part of the text.
pub(super) fn read_answer<T: DeserializeOwned>(
    body: &[u8],
    expected: &'static str,
) -> Result<T, ApiError> {
    serde_json::from_slice::<Success<T>>(body)
        .map(|success| success.data)
        .map_err(|_| ApiError::Unexpected { expected })
}

/// `data` of `GET /check-api-key`.
#[derive(Deserialize)]
pub(super) struct KeyAnswer {
    pub(super) environment_id: String,
}

#[derive(Deserialize)]
struct Success<T> {
    data: T,
}

/// `data` of `GET /integrations/{id}`, as far as we read it.
#[derive(Deserialize)]
struct IntegrationAnswer {
    tool: Tool,
    category: String,
    status: String,
    setup_status: Option<String>,
    data_expired_at: Option<String>,
    #[serde(default)]
    read_models: Vec<ModelAnswer>,
}

#[derive(Deserialize)]
struct Tool {
    id: String,
}

#[derive(Deserialize)]
struct ModelAnswer {
    id: String,
    is_available: bool,
    scope_config_setting: Option<String>,
    #[serde(default)]
    opted_out_by_customer: bool,
}

impl<'de> Deserialize<'de> for IntegrationInfo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answer = IntegrationAnswer::deserialize(deserializer)?;
        let read_models = answer.read_models.into_iter().map(|model| ReadModel {
            is_available: model.is_available
                && !model.opted_out_by_customer
                && model.scope_config_setting.as_deref() != Some("DISABLED"),
            id: model.id,
        });
        Ok(Self {
            read_models: read_models.collect(),
            tool: answer.tool.id,
            category: answer.category,
            status: answer.status,
            setup_status: answer.setup_status,
            data_expired_at: answer.data_expired_at,
            // Not in the body: the client knows when the answer came.
            observed_at: ObservedAt::from_micros(0),
        })
    }
}
