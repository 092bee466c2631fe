//! The content of one log entry: files that are added and removed, and transactions (such as bases).

use std::collections::BTreeMap;

use crate::delta::log::action::{Add, CommitInfo, LogLine, Remove, Txn, encode_path};
use crate::delta::log::live_file::LiveFile;
use crate::time::Moment;

/// One atomic change of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What happened, for people who read the table's history, such as `APPEND SNAPSHOT`.
    pub operation: &'static str,
    /// Files that become visible.
    pub adds: Vec<AddFile>,
    /// Files that stop being visible.
    pub removes: Vec<RemoveFile>,
    /// Rows only move between files. Readers that follow the table's changes skip the entry.
    pub rearranges: bool,
    /// Application transactions: `appId` and version. Each replaces the earlier transaction of the same `appId`.
    pub txns: Vec<(String, i64)>,
}

impl Entry {
    /// Returns the actions of the entry, without the action that says who commits it and when.
    pub(super) fn actions(self, now: Moment) -> impl Iterator<Item = LogLine> {
        let data_change = !self.rearranges;
        // The protocol allows one transaction per application in each version. `lastUpdated` is left out: readers
        // need it only to forget transactions, and these are kept for ever.
        let txns: BTreeMap<_, _> = self.txns.into_iter().collect();
        let txns = txns.into_iter().map(|(app_id, version)| LogLine {
            txn: Some(Txn {
                app_id,
                version,
                last_updated: None,
            }),
            ..LogLine::default()
        });
        let removes = self.removes.into_iter();
        let removes = removes.map(move |file| file.action(data_change, now));
        let adds = self.adds.into_iter();
        txns.chain(removes)
            .chain(adds.map(move |file| file.action(data_change)))
    }
}

/// Returns the action that says who commits an entry, and when.
pub(super) fn commit_info(operation: &str, commit_id: &str, now: Moment) -> LogLine {
    LogLine {
        commit_info: Some(Box::new(CommitInfo {
            timestamp: now.as_millis(),
            operation: operation.to_owned(),
            engine_info: concat!("kombo-source/", env!("CARGO_PKG_VERSION")).to_owned(),
            commit_id: Some(commit_id.to_owned()),
            ..CommitInfo::default()
        })),
        ..LogLine::default()
    }
}

/// A data file that becomes visible. The file is on the store already.
#[derive(Clone, PartialEq, Eq)]
pub struct AddFile {
    /// Path below the table's folder, not encoded.
    pub path: String,
    /// Value of each partition column.
    pub partition_values: BTreeMap<String, String>,
    /// Size in bytes.
    pub size: u64,
    /// When the file was written.
    pub modified_at: Moment,
    /// Statistics: JSON as defined by the Delta protocol.
    pub stats: String,
    /// Free key-value notes about the file.
    pub tags: BTreeMap<String, String>,
}

impl AddFile {
    fn action(self, data_change: bool) -> LogLine {
        let optional = |map: BTreeMap<String, String>| {
            let optional = map.into_iter().map(|(key, value)| (key, Some(value)));
            optional.collect::<BTreeMap<_, _>>()
        };
        LogLine {
            add: Some(Box::new(Add {
                path: encode_path(&self.path),
                partition_values: optional(self.partition_values),
                size: self.size,
                modification_time: self.modified_at.as_millis(),
                data_change,
                stats: Some(self.stats),
                tags: (!self.tags.is_empty()).then(|| optional(self.tags)),
            })),
            ..LogLine::default()
        }
    }
}

impl RemoveFile {
    fn action(self, data_change: bool, now: Moment) -> LogLine {
        LogLine {
            remove: Some(Box::new(Remove {
                path: self.logged_path,
                deletion_timestamp: Some(now.as_millis()),
                data_change,
                extended_file_metadata: Some(true),
                partition_values: Some(self.partition_values),
                size: Some(self.size),
            })),
            ..LogLine::default()
        }
    }
}

impl std::fmt::Debug for AddFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Statistics hold row values, so they are not printed.
        write!(f, "AddFile({}, {} bytes)", self.path, self.size)
    }
}

/// A file that stops being visible. Made from a [`LiveFile`], so that the path is written as in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveFile {
    logged_path: String,
    partition_values: BTreeMap<String, Option<String>>,
    size: u64,
}

impl From<&LiveFile> for RemoveFile {
    fn from(file: &LiveFile) -> Self {
        Self {
            logged_path: file.logged_path().to_owned(),
            partition_values: BTreeMap::clone(&file.partition_values),
            size: file.size,
        }
    }
}
