//! Reads the actions in force at a version: from the newest checkpoint that can be read, and from each entry after it.
//!
//! The entries are the truth. Checkpoints and `_last_checkpoint` are copies that save reading entries. A copy that is
//! missing, damaged or leads nowhere is a [`Flaw`]: the log is read from an older checkpoint, or from its first entry.
//! An entry that is missing or damaged is never passed over, because nothing else has its content.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;

use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::action::{LogLine, is_emptied};
use crate::delta::log::flaw::Flaw;
use crate::delta::log::kernel::{KernelFailure, read_checkpoint, write_checkpoint};
use crate::delta::log::listing::{Hint, LogListing};
use crate::delta::log::live_file::BoundedColumns;
use crate::delta::log::log_damage::{LogDamage, LogDamageKind};
use crate::delta::log::log_error::LogError;
use crate::delta::log::log_state::LogState;
use crate::delta::log::replay::{InForce, Replay};
use crate::delta::log::tail::{READAHEAD, entry};
use crate::delta::log::view::{LogView, OnHint};
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;

/// How often a log is read before something counts as missing. A local disk may list an entry that was created during
/// the listing, and miss the entry created just before. Another process may clean up between the listing and a read.
pub(super) const TRIES: u32 = 3;

/// The log of one table, read from the store anew each time.
pub(super) struct LogReader {
    store: TableStore,
    table: TablePath,
}

/// The actions in force at a version.
pub(super) struct Replayed {
    /// The version.
    pub(super) version: u64,
    /// The actions.
    pub(super) in_force: InForce,
    /// What could not be used.
    pub(super) flaws: BTreeSet<Flaw>,
}

/// Where a replay begins.
struct Start {
    listing: LogListing,
    hint: Hint,
    /// The checkpoint. `None` when the replay begins with version 0.
    checkpoint: Option<u64>,
    /// The actions in force at the checkpoint.
    in_force: InForce,
    flaws: BTreeSet<Flaw>,
}

impl Replayed {
    /// Makes the state of the table.
    pub(super) fn state(
        self,
        table: &TablePath,
        bounded: BoundedColumns,
    ) -> Result<LogState, LogError> {
        LogState::from_replay(self.version, self.in_force, table, bounded)
    }
}

impl LogReader {
    pub(super) fn new(store: &TableStore, table: &TablePath) -> Self {
        Self {
            store: store.clone(),
            table: table.clone(),
        }
    }

    /// Returns the actions in force at version `until`, or at the end of the log.
    pub(super) async fn read(
        &self,
        until: Option<u64>,
        what: Replay,
    ) -> Result<Replayed, LogError> {
        let mut tries = 1;
        loop {
            match self.read_once(until, what).await {
                Err(error) if tries < TRIES && may_pass(&error) => tries += 1,
                read => return read,
            }
        }
    }

    /// Writes a checkpoint of a version, and the `_last_checkpoint` file that names it. Does nothing when there is such
    /// a checkpoint, unless `flawed` holds it. Each entry that the checkpoint covers is read and checked first, because
    /// damage that a checkpoint repeats can never be found again.
    pub(super) async fn checkpoint_once(
        &self,
        version: u64,
        flawed: &BTreeSet<Flaw>,
    ) -> Result<(), LogError> {
        let start = self.start(Some(version), Replay::Removed, flawed).await?;
        if start.checkpoint == Some(version) {
            return Ok(());
        }
        let first = start.checkpoint.map_or(0, |checkpoint| checkpoint + 1);
        let mut checked = self.entries(first..=version);
        while checked.try_next().await?.is_some() {}
        drop(checked);
        // A hint that names a newer checkpoint stays. Any other is replaced.
        let is_newer = matches!(start.hint, Hint::At(named) if named > version);
        let is_kept = is_newer && !start.flaws.contains(&Flaw::Hint);
        let on_hint = if is_kept { OnHint::Keep } else { OnHint::Write };
        let mut shown = start.files();
        shown.extend(
            start
                .listing
                .entries
                .range(first..=version)
                .map(|(_, entry)| entry.clone()),
        );
        let view = LogView::new(self.store.objects(), shown, &self.table, on_hint);
        let written = write_checkpoint(view, &self.table, version).await;
        written.map_err(|failure| self.failed("writing a checkpoint of", failure))
    }

    /// Checks that the checkpoint of a version can be read.
    pub(super) async fn check_checkpoint(&self, version: u64) -> Result<(), LogError> {
        let start = self
            .start(Some(version), Replay::State, &BTreeSet::new())
            .await?;
        if start.checkpoint == Some(version) {
            return Ok(());
        }
        Err(self.damaged_checkpoint(version))
    }

    /// Returns whether there is a checkpoint of a newer version.
    pub(super) async fn has_newer_checkpoint(&self, version: u64) -> Result<bool, LogError> {
        let listing = LogListing::from(&self.store, &self.table, version).await?;
        Ok(listing.checkpoints.keys().any(|newer| *newer > version))
    }

    async fn read_once(&self, until: Option<u64>, what: Replay) -> Result<Replayed, LogError> {
        let start = self.start(until, what, &BTreeSet::new()).await?;
        let newest = start.listing.newest().unwrap_or_default();
        let version = until.unwrap_or(newest);
        let first = start.checkpoint.map_or(0, |checkpoint| checkpoint + 1);
        let Start {
            listing,
            mut in_force,
            flaws,
            ..
        } = start;
        let mut entries = self.entries(first..=version);
        while let Some(lines) = entries.next().await {
            let lines = lines.map_err(|error| self.explained(error, version, &listing, &flaws))?;
            for line in lines {
                in_force.apply(line, what);
            }
        }
        drop(entries);
        Ok(Replayed {
            version,
            in_force,
            flaws,
        })
    }

    /// Says why an entry is missing. Clean-up may have deleted the entries of a version that is not the newest, which is
    /// no damage. Where a checkpoint cannot be read that covers the entry, the checkpoint is what is damaged.
    fn explained(
        &self,
        error: LogError,
        version: u64,
        listing: &LogListing,
        flaws: &BTreeSet<Flaw>,
    ) -> LogError {
        let missing = match error.damage() {
            Some(damage) if damage.kind == LogDamageKind::MissingEntry => damage.version,
            _ => return error,
        };
        if listing.checkpoints.keys().any(|newer| *newer > version) {
            let source = StoreFault::labelled(FaultReason::Other, "the version was cleaned up");
            return LogError::read(&self.table, source);
        }
        match flaws.last() {
            Some(Flaw::Checkpoint(flawed)) if Some(*flawed) >= missing => {
                self.damaged_checkpoint(*flawed)
            }
            _ => error,
        }
    }

    fn missing_entry(&self, version: u64) -> LogError {
        let kind = LogDamageKind::MissingEntry;
        LogError::damaged(&self.table, LogDamage::of_entry(&self.table, version, kind))
    }

    /// Reads entries in order.
    fn entries(
        &self,
        versions: std::ops::RangeInclusive<u64>,
    ) -> impl futures_util::Stream<Item = Result<Vec<LogLine>, LogError>> + Unpin + '_ {
        let read = stream::iter(versions).map(move |version| async move {
            match entry(&self.store, &self.table, version).await {
                Err(LogError::Read { source, .. }) if source.is_not_found() => {
                    Err(self.missing_entry(version))
                }
                Ok(lines) if is_emptied(&lines) => Err(self.missing_entry(version)),
                read => read,
            }
        });
        Box::pin(read.buffered(READAHEAD))
    }

    /// Finds where to begin: at the newest checkpoint up to `until` that can be read. A checkpoint in `passed_over` is
    /// not tried.
    async fn start(
        &self,
        until: Option<u64>,
        what: Replay,
        passed_over: &BTreeSet<Flaw>,
    ) -> Result<Start, LogError> {
        let hint = Hint::read(&self.store, &self.table).await?;
        let mut flaws = passed_over.clone();
        if hint == Hint::Garbled {
            flaws.insert(Flaw::Hint);
        }
        let mut from = match hint {
            Hint::At(version) if until.is_none_or(|until| version <= until) => version,
            _ => 0,
        };
        loop {
            let listing = LogListing::from(&self.store, &self.table, from).await?;
            if hint == Hint::At(from) && !listing.checkpoints.contains_key(&from) {
                flaws.insert(Flaw::Hint);
            }
            let last = until.unwrap_or(u64::MAX);
            for (version, files) in listing.checkpoints.range(..=last).rev() {
                if flaws.contains(&Flaw::Checkpoint(*version)) {
                    continue;
                }
                if let Some(in_force) = self.actions_at(*version, files, what).await? {
                    let checkpoint = Some(*version);
                    return Ok(Start {
                        listing,
                        hint,
                        checkpoint,
                        in_force,
                        flaws,
                    });
                }
                flaws.insert(Flaw::Checkpoint(*version));
            }
            if from > 0 {
                from = 0;
                continue;
            }
            self.check_start(&listing, &flaws)?;
            return Ok(Start {
                checkpoint: None,
                listing,
                hint,
                in_force: InForce::default(),
                flaws,
            });
        }
    }

    /// Reads the actions in force at a checkpoint. `None` when its content cannot be read.
    async fn actions_at(
        &self,
        version: u64,
        files: &[ObjectMeta],
        what: Replay,
    ) -> Result<Option<InForce>, LogError> {
        if files.iter().any(|file| file.size == 0) {
            return Ok(None);
        }
        let mut shown = files.to_vec();
        // The kernel replays a checkpoint only when the entry of its version is listed. It does not read that entry.
        shown.extend(files.first().map(|file| ObjectMeta {
            location: ObjectKey::LogEntry(&self.table, version).path(),
            ..file.clone()
        }));
        let read = async || {
            let (store, shown) = (self.store.objects(), shown.clone());
            let view = LogView::new(store, shown, &self.table, OnHint::Write);
            read_checkpoint(view, &self.table, version, what).await
        };
        match read().await {
            Ok(in_force) => return Ok(Some(in_force)),
            Err(KernelFailure::Store(fault)) if fault.is_not_found() => return Ok(None),
            Err(KernelFailure::Other(_)) => {}
            Err(failure) => return Err(self.failed("reading", failure)),
        }
        // The kernel does not always say whether the store failed or the content. The store is asked for the content,
        // and then the kernel once more.
        for file in files {
            let content = self.store.read_if_there(&file.location).await;
            if content
                .map_err(|fault| LogError::read(&self.table, fault))?
                .is_none()
            {
                return Ok(None);
            }
        }
        match read().await {
            Ok(in_force) => Ok(Some(in_force)),
            Err(KernelFailure::Other(_)) => Ok(None),
            Err(failure) => Err(self.failed("reading", failure)),
        }
    }

    /// Checks that a log without a checkpoint that can be read begins with version 0.
    fn check_start(&self, listing: &LogListing, flaws: &BTreeSet<Flaw>) -> Result<(), LogError> {
        let oldest = listing.entries.keys().next().copied();
        if oldest == Some(0) {
            return Ok(());
        }
        if let Some(Flaw::Checkpoint(version)) = flaws.last() {
            return Err(self.damaged_checkpoint(*version));
        }
        let damage = match oldest {
            Some(oldest) => LogDamage::of_entry(&self.table, oldest, LogDamageKind::MissingStart),
            None => LogDamage::of_log(&self.table, LogDamageKind::MissingLog),
        };
        Err(LogError::damaged(&self.table, damage))
    }

    fn damaged_checkpoint(&self, version: u64) -> LogError {
        let damage = LogDamage {
            file: ObjectKey::Checkpoint(&self.table, version).to_string(),
            version: Some(version),
            kind: LogDamageKind::UnreadableCheckpoint,
        };
        LogError::damaged(&self.table, damage)
    }

    fn failed(&self, doing: &'static str, failure: KernelFailure) -> LogError {
        let table = self.table.to_string();
        match failure {
            KernelFailure::Protocol => LogError::Protocol { table },
            failure => LogError::Kernel {
                table,
                doing,
                source: failure.fault(),
            },
        }
    }
}

impl Start {
    fn files(&self) -> Vec<ObjectMeta> {
        let files = self
            .checkpoint
            .and_then(|version| self.listing.checkpoints.get(&version));
        files.cloned().unwrap_or_default()
    }
}

/// Returns whether reading again may give another answer.
pub(super) fn may_pass(error: &LogError) -> bool {
    let is_missing = |damage: &LogDamage| {
        matches!(
            damage.kind,
            LogDamageKind::MissingEntry
                | LogDamageKind::MissingStart
                | LogDamageKind::MissingLog
                | LogDamageKind::UnreadableCheckpoint
        )
    };
    error.is_retryable() || error.damage().is_some_and(is_missing)
}
