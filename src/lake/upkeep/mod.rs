//! What a lake needs that is written to for years: small files merged, files that nothing names deleted, logs cut short.
//!
//! [`compact`] rewrites a day's small files of `deltas` ([`merge`]), [`vacuum`] deletes data files that neither the log
//! nor its recent past names, and the log drops what is below an old checkpoint. Rows are the same before and after, for
//! readers of every version within the grace. All of it may run beside readers, other writers, another upkeep and
//! fetches of up to a day, and may be stopped on any line.

pub(super) mod compact;
mod merge;
mod vacuum;

use std::sync::Arc;
use std::time::Duration;

use object_store::{ObjectStoreExt, PutPayload};
use tracing::{info, warn};
use uuid::Uuid;

use super::committer::Committer;
use super::error::StoreFault;
use super::layout::{DeltaTable, ObjectKey};
use super::{Lake, LakeError, Part, drift, holds, quarantine, registry};
use crate::catalog::Endpoint;

/// How much is kept, and what is worth merging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpkeepSettings {
    /// How long every version of a table can be read: its log entries are kept that long. At least a day.
    pub log_retention: Duration,
    /// How long a data file is kept that no version names any more: 14 to 30 days. Less is taken as 14 days, more as 30,
    /// which is how long logs remember what was removed.
    pub vacuum_grace: Duration,
    /// A file of `deltas` below this size is small.
    pub small_file_bytes: u64,
    /// Small files of one day that are worth merging. Zero merges none.
    pub compact_files: usize,
    /// Only says what would be done.
    pub dry_run: bool,
}

impl UpkeepSettings {
    /// The shortest grace: twice the interval of full fetches, and many times the longest fetch.
    pub const SHORTEST_GRACE: Duration = Duration::from_hours(14 * 24);
    /// The longest grace.
    pub const LONGEST_GRACE: Duration = Duration::from_hours(30 * 24);
    /// The shortest time that log entries are kept: the longest fetch.
    pub const SHORTEST_RETENTION: Duration = Duration::from_hours(24);
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            log_retention: Duration::from_hours(7 * 24),
            vacuum_grace: Self::SHORTEST_GRACE,
            small_file_bytes: 8 << 20,
            compact_files: 8,
            dry_run: false,
        }
    }
}

/// What was done, or would be.
#[derive(Clone, Debug, Default)]
pub struct UpkeepReport {
    /// Tables with something to do.
    pub tables: Vec<TableUpkeep>,
    /// Tables that could not be kept up, and why; the others were.
    pub failed: Vec<(String, LakeError)>,
}

/// What was done at one Delta table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableUpkeep {
    /// The table's folder.
    pub table: String,
    /// Small files whose rows are in larger ones now.
    pub merged_files: u64,
    /// The larger ones. Zero in a dry run.
    pub merged_into: u64,
    /// Data files that nothing names any more and that were deleted.
    pub deleted_files: u64,
    /// Their size.
    pub deleted_bytes: u64,
    /// Their keys below the lake's root; in a dry run only.
    pub listed: Vec<String>,
    /// Log entries and checkpoints that were deleted.
    pub deleted_log_entries: u64,
}

impl TableUpkeep {
    fn is_nothing(&self) -> bool {
        self.merged_files + self.deleted_files + self.deleted_log_entries == 0
    }
}

/// What is older than these may go, in milliseconds since the epoch.
struct Limits {
    log_ms: i64,
    files_ms: i64,
}

impl Lake {
    /// Keeps up the tables of these endpoints and the lake's own: merges, deletes, cuts logs. Several may run at once.
    pub async fn upkeep(
        &self,
        endpoints: &[Arc<Endpoint>],
        settings: &UpkeepSettings,
    ) -> Result<UpkeepReport, LakeError> {
        let limits = Limits::at(self.lower_clock().await?, settings);
        let mut report = UpkeepReport::default();
        for endpoint in endpoints {
            for part in [Part::Snapshots, Part::Deltas] {
                let name = part.of(endpoint.name());
                let opened = self.existing_table(endpoint, part).await;
                keep_up(&mut report, &name, opened, settings, &limits).await;
            }
        }
        for (name, schema) in [
            (DeltaTable::Integrations, registry::schema()),
            (DeltaTable::Quarantine, quarantine::schema()),
            (DeltaTable::Drift, drift::schema()),
            (DeltaTable::Holds, holds::schema()),
        ] {
            let opened = match self.exists(&name).await {
                Ok(true) => self.committer(name.clone(), &schema).await.map(Some),
                Ok(false) => Ok(None),
                Err(error) => Err(error),
            };
            keep_up(&mut report, &name, opened, settings, &limits).await;
        }
        Ok(report)
    }

    /// Returns what the store's clock and ours agree has passed: the earlier of the two. A clock that runs ahead would
    /// make the files of a running fetch look old.
    async fn lower_clock(&self) -> Result<i64, LakeError> {
        let failed = |error: object_store::Error| LakeError::Clock {
            source: StoreFault::from(error),
        };
        let (objects, probe) = (
            self.inner.store.objects(),
            ObjectKey::Probe(Uuid::new_v4()).path(),
        );
        let put = objects.put(&probe, PutPayload::from_static(b"kombo"));
        put.await.map_err(failed)?;
        let stamped = objects.head(&probe).await.map_err(failed)?;
        objects.delete(&probe).await.map_err(failed)?;
        Ok(stamped
            .last_modified
            .timestamp_millis()
            .min(self.inner.clock.wall_ms()))
    }
}

impl Limits {
    fn at(now_ms: i64, settings: &UpkeepSettings) -> Self {
        let before = |kept: Duration| {
            now_ms.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
        };
        let (shortest, longest) = (
            UpkeepSettings::SHORTEST_GRACE,
            UpkeepSettings::LONGEST_GRACE,
        );
        let retention = settings
            .log_retention
            .max(UpkeepSettings::SHORTEST_RETENTION);
        Self {
            log_ms: before(retention),
            files_ms: before(settings.vacuum_grace.clamp(shortest, longest)),
        }
    }
}

/// Keeps up one table. That it fails is told, and the others are kept up all the same.
async fn keep_up(
    report: &mut UpkeepReport,
    name: &DeltaTable,
    opened: Result<Option<Arc<Committer>>, LakeError>,
    settings: &UpkeepSettings,
    limits: &Limits,
) {
    let done = match opened {
        Ok(None) => return,
        Ok(Some(table)) => one_table(&table, settings, limits).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(done) if done.is_nothing() => {}
        Ok(done) => {
            if !settings.dry_run {
                info!(
                    table = %name, merged_files = done.merged_files, deleted_files = done.deleted_files,
                    deleted_bytes = done.deleted_bytes, deleted_log_entries = done.deleted_log_entries,
                    "kept up {name}"
                );
            }
            report.tables.push(done);
        }
        Err(error) => {
            warn!(table = %name, %error, "{name} could not be kept up; its rows are as they were");
            report.failed.push((name.to_string(), error));
        }
    }
}

async fn one_table(
    table: &Committer,
    settings: &UpkeepSettings,
    limits: &Limits,
) -> Result<TableUpkeep, LakeError> {
    let mut done = TableUpkeep {
        table: table.files.table.to_string(),
        ..TableUpkeep::default()
    };
    if matches!(table.files.table, DeltaTable::Deltas(_) | DeltaTable::Drift) {
        compact::run(table, settings, &mut done).await?;
    }
    vacuum::run(table, limits.files_ms, settings.dry_run, &mut done).await?;
    let outdated = table.log.outdated(limits.log_ms).await;
    let outdated = outdated.map_err(|error| table.log_error(error))?;
    done.deleted_log_entries = outdated.len() as u64;
    if !settings.dry_run {
        let cleaned = table.log.clean_up(&outdated).await;
        cleaned.map_err(|error| table.log_error(error))?;
    }
    Ok(done)
}
