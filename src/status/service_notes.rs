//! The notes of a running service: one JSON object in the lake for each service, written again every half minute.
//!
//! Notes are shown and never trusted: no table is fetched, skipped or deleted because of a note. Unknown fields are ignored
//! and missing fields have defaults, so that older and newer builds can read each other's notes.
//!
//! The notes are bounded, however many integrations a lake has: those with the most to say come first, and the number of
//! the others is stated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json;
use crate::trouble::TroubleNote;

/// The notes of a running service. Only tables with a note are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// When the notes were written, in milliseconds since the epoch, by the service's clock.
    pub written_ms: i64,
    /// The name of the service among those that share the lake.
    pub instance: String,
    /// When the service started, in milliseconds since the epoch.
    pub started_ms: i64,
    /// When the service ended by a signal, in milliseconds since the epoch. Missing while it runs, and after a crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// The troubles that lasted when the notes were written.
    pub troubles: Vec<TroubleNote>,
    /// The version of the service.
    pub service_version: String,
    /// The achieved time between two deltas of a table without a notification, in seconds.
    pub heartbeat_period_secs: u64,
    /// What kept all requests to Kombo from leaving when the notes were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<WaitNote>,
    /// The notes about integrations, by integration id.
    pub integrations: BTreeMap<String, IntegrationNote>,
    /// The notes about tables.
    pub tables: Vec<TableNote>,
    /// Number of integrations that webhooks have named and that Kombo has not confirmed yet.
    #[serde(skip_serializing_if = "is_zero")]
    pub candidates: u64,
    /// Number of integrations whose note is left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub integrations_left_out: u64,
    /// Number of tables whose note is left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub tables_left_out: u64,
}

/// The note of a service about a wait of all its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WaitNote {
    /// What the requests wait for.
    pub reason: String,
    /// When the wait ends, in milliseconds since the epoch.
    pub until_ms: i64,
}

/// The note of a service about an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntegrationNote {
    /// The integration's state at Kombo, such as `active`, `setup_pending` or `authentication_invalid`.
    pub state: String,
    /// The reason for the state, in Kombo's words or ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the state began, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// Whether no notification came for much longer than the integration's usual interval.
    pub silent: bool,
    /// Whether a delta found rows that no notification had announced.
    pub unannounced: bool,
}

impl IntegrationNote {
    /// The state of an integration that cannot be registered, for example because of a key clash.
    pub const REFUSED: &str = "refused";
}

/// The note of a service about a table: facts that no commit holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableNote {
    /// Id of the integration.
    pub integration: String,
    /// The endpoint, such as `ats/applications`.
    pub endpoint: String,
    /// The base in the service's memory, in milliseconds since the epoch. It may be ahead of the committed base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_ms: Option<i64>,
    /// The error of the last fetch, without row values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When fetches began to fail, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_since_ms: Option<i64>,
    /// When nested copies of other models became stale, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_since_ms: Option<i64>,
    /// Why the table is not fetched: `disabled`, `not_available` or `permission_missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Number of values that fit no column at the last fetch and were put into `_rest`.
    #[serde(skip_serializing_if = "is_zero")]
    pub rest_values: u64,
}

impl Notes {
    /// Returns the notes as JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("notes hold only strings, numbers and lists")
    }

    /// Parses notes. `None` if the bytes are not notes; then status is shown as if no service had run.
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
            instance: "0123456789abcdef".to_owned(),
            started_ms: 3,
            ended_ms: Some(9),
            troubles: vec![TroubleNote {
                kind: "late".to_owned(),
                since_ms: 4,
                ..TroubleNote::default()
            }],
            service_version: "1.2.3".to_owned(),
            heartbeat_period_secs: 21_600,
            waits: Some(WaitNote {
                reason: "Kombo's rate limit".to_owned(),
                until_ms: 60_007,
            }),
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
            candidates: 3,
            integrations_left_out: 2,
            tables_left_out: 1,
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
