//! What a running service says of itself: one JSON object in the lake, put anew now and then.
//!
//! Notes are shown and never trusted: nothing is fetched, left out or deleted because of them. Unknown fields are passed
//! over and missing ones have defaults, so that builds of different age read each other's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json;

/// What a running service says of itself. Only tables with something to say are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// When they were put, in milliseconds since the epoch, by the service's clock.
    pub written_ms: i64,
    /// The version of the service.
    pub service_version: String,
    /// How often each table gets a delta without a notification: the period achieved.
    pub heartbeat_period_secs: u64,
    /// What is known of each integration, by its id.
    pub integrations: BTreeMap<String, IntegrationNote>,
    /// Tables with something to say.
    pub tables: Vec<TableNote>,
}

/// What a service knows of an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntegrationNote {
    /// How it stands with Kombo: `active`, `setup_pending`, `authentication_invalid`.
    pub state: String,
    /// Why, in Kombo's words or ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// No notification came for longer than its rhythm explains.
    pub silent: bool,
    /// A delta found rows that no notification had announced.
    pub unannounced: bool,
}

impl IntegrationNote {
    /// The state of an integration that the registry does not take.
    pub const REFUSED: &str = "refused";
}

/// What a service knows of a table beyond what is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableNote {
    /// The integration's id.
    pub integration: String,
    /// The endpoint, such as `ats/applications`.
    pub endpoint: String,
    /// The base in the service's memory, which may be ahead of the stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_ms: Option<i64>,
    /// Why the last fetch failed, without row values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Since when fetches fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_since_ms: Option<i64>,
    /// Since when nested copies of other models may be stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_since_ms: Option<i64>,
    /// Why the table is not fetched: `disabled`, `not_available`, `permission_missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Values without a column that the last fetch put into `_rest`.
    #[serde(skip_serializing_if = "is_zero")]
    pub rest_values: u64,
}

impl Notes {
    /// Writes them for the lake.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("notes hold only strings, numbers and lists")
    }

    /// Reads them. `None` when the object is none of ours: it is as if no service had left any.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        json::from_slice(bytes).ok()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands in a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let notes = Notes {
            written_ms: 7,
            service_version: "1.2.3".to_owned(),
            heartbeat_period_secs: 21_600,
            integrations: BTreeMap::from([(
                "tool:a".to_owned(),
                IntegrationNote {
                    state: "active".to_owned(),
                    silent: true,
                    ..IntegrationNote::default()
                },
            )]),
            tables: vec![TableNote {
                integration: "tool:a".to_owned(),
                endpoint: "ats/tags".to_owned(),
                last_error: Some("the store cannot be reached".to_owned()),
                error_since_ms: Some(5),
                ..TableNote::default()
            }],
        };
        assert_eq!(Notes::from_bytes(&notes.to_bytes()), Some(notes));
    }

    #[test]
    fn notes_of_another_build_are_read_as_far_as_they_are_known() {
        let text =
            br#"{"written_ms":7,"mood":"good","tables":[{"endpoint":"ats/tags","colour":1}]}"#;
        let notes = Notes::from_bytes(text).expect("JSON");
        assert_eq!((notes.written_ms, notes.heartbeat_period_secs), (7, 0));
        assert_eq!(notes.tables[0].endpoint, "ats/tags");
        assert_eq!(Notes::from_bytes(b"<html>"), None);
        let other = br#"{"tables":[["tool:a","ats/tags",null,null,null,null,null,0]]}"#;
        for array in [br#"[7,"1.2.3",21600,{},[]]"#.as_slice(), other] {
            assert_eq!(Notes::from_bytes(array), None, "an array is no object");
        }
    }
}
