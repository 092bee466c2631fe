//! Shortens a log: deletes old entries and checkpoints, and finds the files that were removed recently.
//!
//! A table can be read from a checkpoint and the entries after it. So before entries are deleted, a checkpoint of the
//! newest of the old entries has to exist. The log of a table with few commits has none, and gets one here.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt, PutPayload};

use crate::delta::log::action::{CommitInfo, LogLine, is_emptied, to_json_lines};
use crate::delta::log::listing::{entry_version, version_of};
use crate::delta::log::log_error::LogError;
use crate::delta::log::replay::Replay;
use crate::delta::log::{DeltaLog, action, tail};
use crate::delta::object_key::ObjectKey;
use crate::time::Moment;

/// Entries that are emptied at the same time.
const EMPTIED_AT_ONCE: usize = 16;

/// What a log no longer needs.
#[derive(Debug, Default)]
pub struct OutdatedLog {
    /// The oldest version that stays readable.
    oldest: u64,
    /// The objects below that version, in the order in which they may be deleted.
    paths: Vec<Path>,
}

impl OutdatedLog {
    /// Returns the number of objects that the log no longer needs.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.paths.len() as u64
    }
}

/// A file that was removed from the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemovedFile {
    /// The path below the table's folder.
    pub(crate) path: String,
    /// When it was removed, in milliseconds since the epoch. The log may not say when.
    at_ms: Option<i64>,
}

impl RemovedFile {
    /// Returns whether the file was removed after an instant. A removal without a time counts as one.
    pub(crate) fn is_after(&self, after: Moment) -> bool {
        self.at_ms.is_none_or(|at| at > after.as_millis())
    }
}

impl DeltaLog {
    /// Finds the objects that the log no longer needs when every version since `before` has to stay readable.
    pub async fn outdated(&self, before: Moment) -> Result<OutdatedLog, LogError> {
        let found = self.listed().await?;
        let is_old = |at: &i64| *at < before.as_millis();
        let entries = found.iter().filter(|(_, meta)| is_entry(meta));
        let entries: BTreeMap<u64, i64> = entries
            .map(|(version, meta)| (*version, meta.last_modified.timestamp_millis()))
            .collect();
        // An entry that was put back from a backup looks young. Then nothing after it counts as old.
        let old = entries.into_iter().take_while(|(_, at)| is_old(at));
        let Some((oldest, _)) = old.last() else {
            return Ok(OutdatedLog::default());
        };
        let mut below: Vec<_> = found
            .into_iter()
            .filter(|(version, _)| *version < oldest)
            .collect();
        // Entries come before checkpoints of the same version. A crash in between leaves a shorter log without holes.
        below.sort_by_key(|(version, meta)| (*version, !is_entry(meta), meta.location.clone()));
        Ok(OutdatedLog {
            oldest,
            paths: below.into_iter().map(|(_, meta)| meta.location).collect(),
        })
    }

    /// Deletes the objects that [`outdated`](Self::outdated) found, one after the other. First writes a checkpoint of
    /// the oldest version that stays readable, unless there is one. Returns how many objects were deleted.
    pub async fn clean_up(&self, outdated: &OutdatedLog) -> Result<u64, LogError> {
        if outdated.paths.is_empty() {
            return Ok(0);
        }
        if let Err(error) = self.readable_checkpoint(outdated.oldest).await {
            // Another upkeep that cuts the log at the same time takes the entries away that a checkpoint is made of.
            let first = outdated.paths.first();
            let left = self.listed().await?;
            let is_uncut = left.iter().any(|(_, meta)| Some(&meta.location) == first);
            return if is_uncut { Err(error) } else { Ok(0) };
        }
        for path in &outdated.paths {
            self.delete(path).await?;
        }
        Ok(outdated.objects())
    }

    /// Makes every version before the newest one unreadable, at once and for good: after a checkpoint of the newest
    /// version, deletes older checkpoints and entries. Returns how many objects were deleted or emptied.
    ///
    /// Entries that were put after `young` are emptied and not deleted. Another writer may have a state in memory that
    /// is as old as an hour, and commits at the next version. If that version looked free, its commit would be lost.
    /// Upkeep deletes the emptied entries later. May be stopped on any line and run again.
    pub async fn forget(&self, young: Moment) -> Result<u64, LogError> {
        let newest = self.refresh().await?.version;
        self.readable_checkpoint(newest).await?;
        let found = self.listed().await?.into_iter();
        let mut below: Vec<_> = found.filter(|(version, _)| *version < newest).collect();
        // Checkpoints go first, then the entries from the oldest on. So no version is ever read from emptied entries.
        below.sort_by_key(|(version, meta)| (is_entry(meta), *version));
        let (mut emptied, mut done) = (Vec::new(), 0);
        for (version, meta) in below {
            if is_entry(&meta) && meta.last_modified.timestamp_millis() >= young.as_millis() {
                emptied.push(version);
            } else {
                self.delete(&meta.location).await?;
                done += 1;
            }
        }
        let mut emptying = stream::iter(emptied)
            .map(|version| self.empty(version))
            .buffered(EMPTIED_AT_ONCE);
        while let Some(is_emptied) = emptying.try_next().await? {
            done += u64::from(is_emptied);
        }
        Ok(done)
    }

    /// Returns the files that the log remembers to have removed.
    pub(crate) async fn removed(&self) -> Result<Vec<RemovedFile>, LogError> {
        let replayed = self.reader.read(None, Replay::Removed).await?;
        self.note(&replayed.flaws);
        let removed = replayed.in_force.removed.into_iter();
        let removed = removed.map(|file| RemovedFile {
            path: action::decode_path(&file.path),
            at_ms: file.deletion_timestamp,
        });
        Ok(removed.collect())
    }

    /// Makes sure that a version can be read from its own checkpoint: the table will depend on it.
    async fn readable_checkpoint(&self, version: u64) -> Result<(), LogError> {
        let flaws = self.flaws().clone();
        self.reader.checkpoint(version, &flaws).await?;
        self.reader.check_checkpoint(version).await
    }

    /// Replaces an entry by one that says nothing except whose it was. Returns `false` when it is empty already.
    async fn empty(&self, version: u64) -> Result<bool, LogError> {
        let lines = tail::entry(&self.store, &self.table, version).await?;
        if is_emptied(&lines) {
            return Ok(false);
        }
        // A writer whose put had an unclear outcome still finds its commit id here.
        let mut infos = lines.into_iter().filter_map(|line| line.commit_info);
        let commit_id = infos.find_map(|info| info.commit_id);
        let line = LogLine {
            commit_info: Some(Box::new(CommitInfo {
                timestamp: self.settings.clock.now().as_millis(),
                operation: "EMPTIED".to_owned(),
                commit_id,
                emptied: Some(true),
                ..CommitInfo::default()
            })),
            ..LogLine::default()
        };
        let path = ObjectKey::LogEntry(&self.table, version).path();
        let bytes = PutPayload::from(to_json_lines(&[line]));
        let put = self.store.objects().put(&path, bytes).await;
        put.map_err(|error| LogError::read(&self.table, error.into()))?;
        Ok(true)
    }

    async fn delete(&self, path: &Path) -> Result<(), LogError> {
        let deleted = self.store.delete(path).await;
        deleted.map_err(|fault| LogError::read(&self.table, fault))
    }

    /// Lists the objects of the log that have a version in their name, whoever wrote them.
    async fn listed(&self) -> Result<Vec<(u64, ObjectMeta)>, LogError> {
        let log = ObjectKey::Log(&self.table).path();
        let found: Vec<ObjectMeta> = self
            .store
            .objects()
            .list(Some(&log))
            .try_collect()
            .await
            .map_err(|error| LogError::read(&self.table, error.into()))?;
        let direct = found.into_iter().filter_map(|meta| {
            let mut below = meta.location.prefix_match(&log)?;
            let name = below.next()?;
            let version = version_of(name.as_ref())?;
            below.next().is_none().then_some((version, meta.clone()))
        });
        Ok(direct.collect())
    }
}

fn is_entry(meta: &ObjectMeta) -> bool {
    meta.location.extension() == Some("json")
        && meta
            .location
            .filename()
            .is_some_and(|name| entry_version(name).is_some())
}
