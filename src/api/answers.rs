//! Reads the two small answers that need no decoder: an integration and the check of a key.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ApiError, IntegrationInfo};
use crate::customer::{EndUser, ReadModels};
use crate::json;
use crate::plan::Standing;
use crate::time::ObservedAt;

/// Reads `data` from the body of a success. An error holds no part of the body.
pub(super) fn read_answer<T: DeserializeOwned>(
    body: &[u8],
    expected: &'static str,
) -> Result<T, ApiError> {
    json::from_slice::<Success<T>>(body)
        .map(|success| success.data)
        .map_err(|_| ApiError::Unexpected { expected })
}

/// The `data` of `GET /check-api-key`.
#[derive(Deserialize)]
pub(super) struct KeyAnswer {
    pub(super) environment_id: String,
}

#[derive(Deserialize)]
struct Success<T> {
    data: T,
}

/// The `data` of `GET /integrations/{id}`. Holds only the parts that the program uses.
#[derive(Deserialize)]
struct IntegrationAnswer {
    tool: Tool,
    category: String,
    status: String,
    setup_status: Option<String>,
    data_expired_at: Option<String>,
    #[serde(default)]
    read_models: ReadModels,
    end_user: Option<EndUser>,
}

#[derive(Deserialize)]
struct Tool {
    id: String,
}

impl<'de> Deserialize<'de> for IntegrationInfo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answer = IntegrationAnswer::deserialize(deserializer)?;
        Ok(Self {
            read_models: answer.read_models.0,
            end_user: answer.end_user.unwrap_or_default(),
            tool: answer.tool.id,
            category: answer.category,
            status: answer.status,
            setup_status: answer.setup_status,
            data_expired_at: answer.data_expired_at,
            // The body does not hold this instant. The client sets it to the time of the answer.
            observed_at: ObservedAt::from_micros(0),
        })
    }
}

impl IntegrationInfo {
    /// Returns the standing of the integration. The answer says nothing about Kombo's quality check. An integration
    /// that failed the check looks active here; the first request for rows then returns the failure.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.status.as_str(), self.setup_status.as_deref()) {
            ("INACTIVE", _) => Standing::Inactive,
            ("INVALID", _) => Standing::AuthenticationInvalid,
            ("ACTIVE", Some("INCOMPLETE")) => Standing::SetupIncomplete,
            ("ACTIVE", Some("FINAL_SYNC_PENDING")) => Standing::SetupPending,
            ("ACTIVE", Some("COMPLETED") | None) => Standing::Active,
            ("ACTIVE", Some(word)) | (word, _) => Standing::other(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_no_answer() {
        let unexpected = |body: &str| {
            let key = read_answer::<KeyAnswer>(body.as_bytes(), "a key");
            matches!(key, Err(ApiError::Unexpected { .. }))
        };
        assert!(!unexpected(r#"{"data":{"environment_id":"e"}}"#));
        for body in [
            r#"[{"environment_id":"e"}]"#,
            r#"[["e"]]"#,
            r#"{"data":["e"]}"#,
        ] {
            assert!(unexpected(body), "{body}");
        }
        let tool = r#"{"id":"personio"}"#;
        let model = r#"{"id":"hris_teams","is_available":true}"#;
        let read = |tool: &str, model: &str| {
            let body = format!(
                r#"{{"data":{{"tool":{tool},"category":"HRIS","status":"ACTIVE","read_models":[{model}]}}}}"#
            );
            read_answer::<IntegrationInfo>(body.as_bytes(), "an integration")
        };
        assert_eq!(read(tool, model).expect("an answer").read_models.len(), 1);
        assert!(read(r#"["personio"]"#, model).is_err());
        assert!(read(tool, r#"["hris_teams",true,null,false]"#).is_err());
        let whole = r#"{"data":[{"id":"personio"},"HRIS","ACTIVE",null,null,[]]}"#;
        assert!(read_answer::<IntegrationInfo>(whole.as_bytes(), "an integration").is_err());
    }

    #[test]
    fn an_integration_is_fetched_only_when_it_is_active_and_set_up() {
        let standing = |status: &str, setup: Option<&str>| {
            let info = IntegrationInfo {
                tool: "personio".to_owned(),
                category: "HRIS".to_owned(),
                status: status.to_owned(),
                setup_status: setup.map(str::to_owned),
                data_expired_at: None,
                read_models: Vec::new(),
                end_user: EndUser::default(),
                observed_at: ObservedAt::from_micros(0),
            };
            info.standing()
        };
        let completed = Some("COMPLETED");
        assert_eq!(standing("ACTIVE", completed), Standing::Active);
        assert_eq!(standing("ACTIVE", None), Standing::Active);
        assert_eq!(
            standing("INVALID", completed),
            Standing::AuthenticationInvalid
        );
        assert_eq!(standing("INACTIVE", Some("INCOMPLETE")), Standing::Inactive);
        assert_eq!(
            standing("ACTIVE", Some("FINAL_SYNC_PENDING")),
            Standing::SetupPending
        );
        assert_eq!(
            standing("ACTIVE", Some("INCOMPLETE")),
            Standing::SetupIncomplete
        );
        let other = |word: &str| Standing::Other(word.to_owned());
        assert_eq!(standing("PAUSED", completed), other("PAUSED"));
        assert_eq!(standing("ACTIVE", Some("NEW")), other("NEW"));
        assert_eq!(standing("paused by x", completed), Standing::Unstated);
    }
}
