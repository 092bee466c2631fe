//! The actions of the Delta protocol as JSON lines, as far as this crate writes or reads them.
//!
//! Source: `PROTOCOL.md` of delta-io/delta, section "Actions". Actions and fields not listed here are ignored.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::delta::log::log_damage::LogDamageKind;
use crate::json;

/// One line of a log entry. In the lines that this crate writes exactly one field is set. An entry may have ten thousand
/// lines, most of them transactions, so the other actions are boxed.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LogLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit_info: Option<Box<CommitInfo>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) meta_data: Option<Box<Metadata>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) txn: Option<Txn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remove: Option<Box<Remove>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) add: Option<Box<Add>>,
}

/// Who committed what, and when. The protocol leaves the content of this action to each writer: Spark writes
/// booleans, numbers and nulls. So only the commit id of another writer's action is read.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CommitInfo {
    #[serde(skip_deserializing)]
    pub(super) timestamp: i64,
    #[serde(skip_deserializing)]
    pub(super) operation: String,
    #[serde(skip_deserializing)]
    pub(super) operation_parameters: BTreeMap<String, String>,
    #[serde(skip_deserializing)]
    pub(super) engine_info: String,
    /// Set by this crate only. Identifies our own entry after an unclear answer of the store.
    #[serde(rename = "commit_id", skip_serializing_if = "Option::is_none")]
    pub(super) commit_id: Option<String>,
    /// Set by this crate only. The entry was emptied by a purge, and says nothing about the table any more.
    #[serde(rename = "kombo_emptied", skip_serializing_if = "Option::is_none")]
    pub(super) emptied: Option<bool>,
    /// Set by this crate only. The number of the other actions in the entry: an entry that was cut at the end of a line
    /// still looks whole.
    #[serde(rename = "action_count", skip_serializing_if = "Option::is_none")]
    pub(super) action_count: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    pub(super) min_reader_version: i32,
    pub(super) min_writer_version: i32,
}

/// The table itself. `format` and `configuration` are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) format: Format,
    pub(super) schema_string: String,
    #[serde(default)]
    pub(super) partition_columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_time: Option<i64>,
    #[serde(default)]
    pub(super) configuration: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Format {
    pub(super) provider: String,
    #[serde(default)]
    pub(super) options: BTreeMap<String, Option<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Txn {
    pub(super) app_id: String,
    pub(super) version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_updated: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    pub(super) path: String,
    #[serde(default)]
    pub(super) partition_values: BTreeMap<String, Option<String>>,
    pub(super) size: u64,
    pub(super) modification_time: i64,
    pub(super) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remove {
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion_timestamp: Option<i64>,
    pub(super) data_change: bool,
    #[serde(default)]
    pub(super) extended_file_metadata: Option<bool>,
    #[serde(default)]
    pub(super) partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    pub(super) size: Option<u64>,
}

impl Protocol {
    /// The protocol that our tables require of other programs: any reader, and writers that know `appendOnly` and
    /// invariants.
    pub(super) const OURS: Self = Self {
        min_reader_version: 1,
        min_writer_version: 2,
    };

    /// Returns whether this build may write a table of this protocol.
    pub(super) fn is_ours(self) -> bool {
        self.min_reader_version <= Self::OURS.min_reader_version
            && self.min_writer_version <= Self::OURS.min_writer_version
    }
}

impl Format {
    pub(super) fn parquet() -> Self {
        Self {
            provider: "parquet".to_owned(),
            options: BTreeMap::new(),
        }
    }
}

impl LogLine {
    /// Returns whether the line holds no action that this crate reads.
    pub(super) fn is_empty(&self) -> bool {
        self.commit_info.is_none()
            && self.protocol.is_none()
            && self.meta_data.is_none()
            && self.txn.is_none()
            && self.remove.is_none()
            && self.add.is_none()
    }
}

/// Returns whether an entry was emptied. A state cannot be made from it: only a later checkpoint has its content.
pub(super) fn is_emptied(lines: &[LogLine]) -> bool {
    let mut infos = lines.iter().filter_map(|line| line.commit_info.as_ref());
    infos.any(|info| info.emptied == Some(true))
}

/// Writes actions as the lines of a log entry. The entry says how many actions it holds.
pub(super) fn to_json_lines(lines: &[LogLine]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let counted = line.commit_info.as_ref().map(|info| LogLine {
            commit_info: Some(Box::new(CommitInfo {
                action_count: Some(lines.len() - 1),
                ..CommitInfo::clone(info)
            })),
            ..LogLine::default()
        });
        let line = counted.as_ref().unwrap_or(line);
        serde_json::to_writer(&mut bytes, line).expect("actions serialize to JSON");
        bytes.push(b'\n');
    }
    bytes
}

/// Reads the lines of a log entry. `None` when a line is not an action.
pub(super) fn from_json_lines(bytes: &[u8]) -> Option<Vec<LogLine>> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| json::from_slice(line).ok())
        .collect()
}

/// Reads the lines of a log entry, and checks that the entry is whole.
///
/// Each entry of this crate has a `commitInfo`, and so have those of other writers. The protocol does not demand one, so
/// an entry with any other action counts, too.
pub(super) fn from_entry(bytes: &[u8]) -> Result<Vec<LogLine>, LogDamageKind> {
    let lines = from_json_lines(bytes).ok_or(LogDamageKind::GarbledEntry)?;
    let written = lines.iter().find_map(|line| line.commit_info.as_ref());
    let count = written.and_then(|info| info.action_count);
    if count.is_some_and(|count| count + 1 != lines.len()) {
        return Err(LogDamageKind::CutEntry);
    }
    if lines.iter().all(LogLine::is_empty) && !has_action_of_others(bytes) {
        return Err(LogDamageKind::EmptyEntry);
    }
    Ok(lines)
}

/// The actions that this crate does not read.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ActionOfOthers {
    cdc: Option<IgnoredAny>,
    domain_metadata: Option<IgnoredAny>,
}

/// Returns whether a line is an action that this crate does not read.
fn has_action_of_others(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let action = json::from_slice::<ActionOfOthers>(line).unwrap_or_default();
        action.cdc.is_some() || action.domain_metadata.is_some()
    })
}

/// Encodes a path as the protocol requires: a URI reference of RFC 2396.
pub(super) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/=".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String never fails");
        }
    }
    encoded
}

/// Decodes the path of an action. A path without a valid encoding stays as it is.
pub(super) fn decode_path(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        // `from_str_radix` alone would accept a sign.
        let digits = path.get(at + 1..at + 3).filter(|digits| {
            bytes[at] == b'%' && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_paths_stay_as_they_are() {
        let path = "integration_key=tool-a1-0123456789abcdef/part-3f.zstd.parquet";
        assert_eq!(encode_path(path), path);
    }

    #[test]
    fn other_characters_are_encoded_and_come_back() {
        let path = "key=a b%3A:ü?#/+\"x";
        assert_eq!(encode_path(path), "key=a%20b%253A%3A%C3%BC%3F%23/%2B%22x");
        assert_eq!(decode_path(&encode_path(path)), path);
        assert_eq!(decode_path("50%/é%zz%4"), "50%/é%zz%4");
        assert_eq!(decode_path("%+1"), "%+1");
    }

    #[test]
    fn actions_of_other_writers_are_read_and_unknown_ones_passed_over() {
        let text = br#"{"commitInfo":{"operation":null,"engineInfo":4,"operationParameters":{"a":false,"b":null,"c":1}}}

{"domainMetadata":{"domain":"x","configuration":"","removed":false}}
{"txn":{"appId":"a","version":-3}}
"#;
        let lines = from_json_lines(text).expect("three lines");
        assert_eq!(lines.len(), 3);
        let txn = lines[2].txn.as_ref().expect("a txn");
        assert_eq!((txn.app_id.as_str(), txn.version), ("a", -3));
        assert!(from_json_lines(b"{\"txn\":3}\n").is_none());
        for array in ["[]", r#"{"txn":["a",-3]}"#, r#"{"add":["x",{},1,2,true]}"#] {
            assert!(from_json_lines(array.as_bytes()).is_none(), "{array}");
        }
    }
}
