//! Looks at every part of one log by itself, so that a damaged log can be described and mended.
//!
//! Opening a log stops at the first damage. A survey goes on: it names each entry that is missing or damaged, and each
//! checkpoint or hint that leads nowhere. It writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use serde::Deserialize;

use crate::cpu::{CpuWork, Stopped};
use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::DeltaLog;
use crate::delta::log::action::is_emptied;
use crate::delta::log::listing::entry_version;
use crate::delta::log::log_error::LogError;
use crate::delta::log::tail::entry;
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;
use crate::json;

/// Entries that are read at the same time.
const READAHEAD: usize = 16;

/// Entries that may be replaced at the start of a log. A log that lacks more of them is begun anew.
const MOST_REPLACED: u64 = 1_000;

/// What a survey of one log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSurvey {
    /// The state of the entries.
    pub(crate) entries: LogEntries,
    /// Checkpoints that cannot be read, and a `_last_checkpoint` that points to none. Both are copies of what the
    /// entries say.
    pub(crate) hints: Vec<Path>,
}

/// The state of a log's entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogEntries {
    /// The table's folder is empty.
    NoTable,
    /// The table has files, and its log has no beginning.
    Gone,
    /// The log has a beginning. Holds the entries that are missing or damaged, the oldest first.
    There(Vec<BadEntry>),
}

/// An entry that no reader can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadEntry {
    /// The version of the entry.
    pub(crate) version: u64,
    /// Whether there is no such object. Otherwise its content is not what was written.
    pub(crate) is_missing: bool,
}

impl LogSurvey {
    /// Returns whether every entry can be read. Hints may lead nowhere.
    pub(crate) fn is_readable(&self) -> bool {
        self.entries == LogEntries::There(Vec::new())
    }
}

/// The part of `_last_checkpoint` that is read.
#[derive(Deserialize)]
struct LastCheckpoint {
    version: u64,
}

impl DeltaLog {
    /// Looks at the log of a table. `decodes` says whether the bytes of a checkpoint can be read.
    ///
    /// # Errors
    /// Fails when the store cannot be read: what cannot be reached is not damaged.
    pub(crate) async fn survey(
        store: &TableStore,
        table: &TablePath,
        decodes: fn(Bytes) -> bool,
    ) -> Result<LogSurvey, LogError> {
        let found = Listed::of(store, table).await?;
        let (anchor, mut hints) = found.anchor(store, table, decodes).await?;
        hints.extend(found.bad_hint(store, table, &hints).await?);
        let entries = match (anchor, found.entries.first()) {
            (None, None) if !found.has_objects => LogEntries::NoTable,
            (None, None) => LogEntries::Gone,
            (None, Some(first)) if *first > MOST_REPLACED => LogEntries::Gone,
            (anchor, _) => {
                LogEntries::There(found.bad_entries(store, table, anchor.unwrap_or(0)).await?)
            }
        };
        Ok(LogSurvey { entries, hints })
    }
}

/// The objects of a log.
struct Listed {
    entries: BTreeSet<u64>,
    /// Checkpoints, each with its parts.
    checkpoints: BTreeMap<u64, Vec<Path>>,
    has_hint: bool,
    /// Whether anything lies below the table's folder.
    has_objects: bool,
}

impl Listed {
    async fn of(store: &TableStore, table: &TablePath) -> Result<Self, LogError> {
        let failed = |error: object_store::Error| LogError::read(table, error.into());
        let log = ObjectKey::Log(table).path();
        let mut below = store.objects().list(Some(&log));
        let mut found = Self {
            entries: BTreeSet::new(),
            checkpoints: BTreeMap::new(),
            has_hint: false,
            has_objects: false,
        };
        while let Some(object) = below.try_next().await.map_err(failed)? {
            found.has_objects = true;
            let name = object.location.filename().unwrap_or_default();
            if let Some(version) = entry_version(name) {
                found.entries.insert(version);
            } else if let Some(version) = checkpoint_version(name) {
                let parts = found.checkpoints.entry(version).or_default();
                parts.push(object.location);
            } else {
                found.has_hint |= object.location == ObjectKey::LastCheckpoint(table).path();
            }
        }
        if !found.has_objects {
            let folder = table.folder();
            let mut any = store.objects().list(Some(&folder));
            found.has_objects = any.try_next().await.map_err(failed)?.is_some();
        }
        Ok(found)
    }

    /// Returns the newest checkpoint that can be read, and the parts of newer ones, which cannot.
    async fn anchor(
        &self,
        store: &TableStore,
        table: &TablePath,
        decodes: fn(Bytes) -> bool,
    ) -> Result<(Option<u64>, Vec<Path>), LogError> {
        let mut unreadable = Vec::new();
        for (version, parts) in self.checkpoints.iter().rev() {
            let mut is_whole = true;
            for part in parts {
                let read = store.read_if_there(part).await;
                let bytes = read.map_err(|fault| LogError::read(table, fault))?;
                is_whole &= match bytes {
                    Some(bytes) => off_the_runtime(table, move || decodes(bytes)).await?,
                    None => false,
                };
            }
            if is_whole {
                return Ok((Some(*version), unreadable));
            }
            unreadable.extend(parts.iter().cloned());
        }
        Ok((None, unreadable))
    }

    /// Returns `_last_checkpoint` when it cannot be read, or points to a checkpoint that is not there or not readable.
    async fn bad_hint(
        &self,
        store: &TableStore,
        table: &TablePath,
        unreadable: &[Path],
    ) -> Result<Option<Path>, LogError> {
        let hint = ObjectKey::LastCheckpoint(table).path();
        if !self.has_hint {
            return Ok(None);
        }
        let read = store.read_if_there(&hint).await;
        let bytes = read.map_err(|fault| LogError::read(table, fault))?;
        let points = |bytes: Bytes| {
            let last = json::from_slice::<LastCheckpoint>(&bytes).ok();
            let parts = last.and_then(|last| self.checkpoints.get(&last.version));
            parts.is_some_and(|parts| parts.iter().all(|part| !unreadable.contains(part)))
        };
        Ok(bytes.filter(|bytes| !points(bytes.clone())).map(|_| hint))
    }

    /// Returns the entries from the version `first` on that are missing or damaged.
    async fn bad_entries(
        &self,
        store: &TableStore,
        table: &TablePath,
        first: u64,
    ) -> Result<Vec<BadEntry>, LogError> {
        let last = self.entries.last().copied().unwrap_or(first).max(first);
        let looked = stream::iter(first..=last).map(async |version| {
            if !self.entries.contains(&version) {
                return Ok(Some(BadEntry {
                    version,
                    is_missing: true,
                }));
            }
            let is_whole = match entry(store, table, version).await {
                // A purge emptied the entry, because a newer checkpoint had its content.
                Ok(lines) if is_emptied(&lines) => false,
                Ok(lines) if version == 0 => lines.iter().any(|line| line.meta_data.is_some()),
                Ok(lines) => lines.iter().any(|line| !line.is_empty()),
                Err(LogError::Damaged { .. }) => false,
                Err(error) => return Err(error),
            };
            Ok((!is_whole).then_some(BadEntry {
                version,
                is_missing: false,
            }))
        });
        let looked = looked.buffered(READAHEAD);
        looked
            .try_filter_map(async |bad| Ok(bad))
            .try_collect()
            .await
    }
}

/// Reads the version from the name of a checkpoint, or of a part of one.
fn checkpoint_version(name: &str) -> Option<u64> {
    let (digits, kind) = name.split_once('.')?;
    let is_checkpoint = kind.starts_with("checkpoint.");
    (is_checkpoint && digits.len() == 20).then(|| digits.parse().ok())?
}

async fn off_the_runtime(
    table: &TablePath,
    work: impl FnOnce() -> bool + Send + 'static,
) -> Result<bool, LogError> {
    // The content is anybody's, so a panic of its reader is an error like another.
    let caught = CpuWork::begin(move || catch_unwind(AssertUnwindSafe(work)));
    let name = match caught.await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(_)) => "panic",
        Err(Stopped) => "stopped",
    };
    let source = StoreFault::labelled(FaultReason::Other, name);
    Err(LogError::read(table, source))
}
