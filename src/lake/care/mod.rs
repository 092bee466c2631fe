//! What a lake needs that is written to for years: small files merged, rows that nothing needs let go, files that nothing
//! names deleted, logs cut short.
//!
//! [`retain`] lets old rows leave `deltas`, and [`purge`] those of deleted integrations every table ([`sift`]), once [`leavers`] calls their time come; [`compact`]
//! rewrites a day's small files ([`merge`]); all put files in the place of others ([`exchange`](mod@exchange)). [`vacuum`]
//! deletes data files that neither the log nor its recent past names, and the log drops what is below an old checkpoint.
//! [`repair`] is asked for by people alone: it brings tables back that lie in the future.
//! What is true now is the same before and after, for readers of every version within the grace. All of it may run beside
//! readers, other writers, another upkeep and fetches of up to a day, and may be stopped on any line.

pub(in crate::lake) mod compact;
mod exchange;
mod leavers;
mod merge;
mod purge;
mod repair;
mod retain;
mod settings;
mod sift;
mod vacuum;

pub use leavers::{PurgeDue, PurgeSettings};
pub use purge::{PurgeReport, TablePurge};
pub use repair::{Repair, RepairReport, RepairedTable};
pub use settings::UpkeepSettings;

use std::sync::Arc;
use std::time::Duration;

use object_store::{ObjectStoreExt, PutPayload};
use tracing::{info, warn};

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::fault::StoreFault;
use crate::delta::store::probe;
use crate::lake::care::sift::Leaving;
use crate::lake::layout::LakeTable;
use crate::lake::layout::PROBE_FOLDER;
use crate::lake::ledgers::{self, LEDGERS};
use crate::lake::tables::OpenTable;
use crate::lake::{Lake, LakeError, Part, SetAside};

/// What was done, or would be.
#[derive(Clone, Debug, Default)]
pub struct UpkeepReport {
    /// Tables with something to do.
    pub tables: Vec<TableUpkeep>,
    /// Tables that could not be kept up, or not wholly, and why; the others were.
    pub failed: Vec<SetAside<String>>,
}

/// What was done at one Delta table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableUpkeep {
    /// The table's folder.
    pub table: String,
    /// Rows that left the table.
    pub left_rows: u64,
    /// The files they left: removed, or written again without them.
    pub left_files: u64,
    /// The same file by file; in a dry run only.
    pub leaving: Vec<Left>,
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

/// Rows that leave a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The file's key below the lake's root.
    pub file: String,
    /// How many leave.
    pub rows: u64,
    /// How many it has.
    pub of: u64,
}

impl TableUpkeep {
    fn is_nothing(&self) -> bool {
        self.left_files + self.merged_files + self.deleted_files + self.deleted_log_entries == 0
    }

    fn leave(&mut self, left: &Left) {
        self.left_rows += left.rows;
        self.left_files += 1;
    }
}

/// What is older than these may go, in milliseconds since the epoch.
#[expect(clippy::struct_field_names, reason = "units are in names")]
struct Limits {
    log_ms: i64,
    files_ms: i64,
    deltas_ms: i64,
    drift_ms: i64,
}

impl Lake {
    /// Keeps up the tables of these endpoints and the lake's own: merges, deletes, cuts logs. Several may run at once.
    /// Refuses settings that would delete what somebody may still read.
    pub async fn upkeep(
        &self,
        endpoints: &[Arc<Endpoint>],
        settings: &UpkeepSettings,
    ) -> Result<UpkeepReport, LakeError> {
        settings.check().map_err(LakeError::Setting)?;
        let limits = Limits::at(self.lower_clock().await?, settings);
        let mut report = UpkeepReport::default();
        let held = report.read(&LakeTable::Holds, retain::held(self).await);
        for endpoint in endpoints {
            for part in [Part::Snapshots, Part::Deltas, Part::Current] {
                let name = part.of(endpoint.name());
                let opened = self.tables().existing(endpoint, part).await;
                let leaving = match (part, &held) {
                    (Part::Deltas, Some(held)) => {
                        let leaving = retain::leaving(self, endpoint, held, limits.deltas_ms);
                        // What cannot be read is told where its own turn is; until then no row leaves.
                        leaving.await.unwrap_or_default()
                    }
                    _ => Leaving::default(),
                };
                keep_up(&mut report, &name, opened, &leaving, settings, &limits).await;
            }
        }
        for name in LEDGERS {
            let opened = ledgers::existing(self.tables(), &name).await;
            let nothing = Leaving::default();
            keep_up(&mut report, &name, opened, &nothing, settings, &limits).await;
        }
        Ok(report)
    }

    /// Returns what the store's clock and ours agree has passed: the earlier of the two. A clock that runs ahead would
    /// make the files of a running fetch look old.
    async fn lower_clock(&self) -> Result<i64, LakeError> {
        let (store_ms, local_ms) = self.clocks().await?;
        Ok(store_ms.min(local_ms))
    }

    /// Returns what the store's clock says and what ours does.
    async fn clocks(&self) -> Result<(i64, i64), LakeError> {
        let failed = |error: object_store::Error| DeltaError::Clock {
            source: StoreFault::from(error),
        };
        let (objects, probe) = (self.tables().store.objects(), probe(PROBE_FOLDER));
        let put = objects.put(&probe, PutPayload::from_static(b"kombo"));
        put.await.map_err(failed)?;
        let stamped = objects.head(&probe).await.map_err(failed)?;
        objects.delete(&probe).await.map_err(failed)?;
        let store_ms = stamped.last_modified.timestamp_millis();
        Ok((store_ms, self.tables().now().as_millis()))
    }
}

impl Limits {
    fn at(now_ms: i64, settings: &UpkeepSettings) -> Self {
        let before = |kept: Duration| {
            now_ms.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
        };
        Self {
            log_ms: before(settings.log_retention),
            files_ms: before(settings.grace()),
            deltas_ms: before(settings.delta_retention),
            drift_ms: before(settings.drift_retention),
        }
    }
}

impl UpkeepReport {
    /// Sets a table aside that could not be kept up, once for one reason.
    fn set_aside(&mut self, name: &LakeTable, error: LakeError) {
        let mut known = self
            .failed
            .iter()
            .filter(|aside| aside.member == name.to_string());
        if known.any(|aside| aside.error.to_string() == error.to_string()) {
            return;
        }
        warn!(table = %name, error = &error as &dyn std::error::Error, advice = error.advice(), "{name} could not be kept up; its rows are as they were");
        let member = name.to_string();
        self.failed.push(SetAside { member, error });
    }

    /// Takes in what was read of a table that others are judged by; `None` when it could not be.
    fn read<T>(&mut self, name: &LakeTable, read: Result<T, LakeError>) -> Option<T> {
        read.map_err(|error| self.set_aside(name, error)).ok()
    }
}

/// Keeps up one table. That it fails is told, and the others are kept up all the same.
async fn keep_up(
    report: &mut UpkeepReport,
    name: &LakeTable,
    opened: Result<Option<OpenTable>, LakeError>,
    leaving: &Leaving,
    settings: &UpkeepSettings,
    limits: &Limits,
) {
    let Some(Some(table)) = report.read(name, opened) else {
        return;
    };
    let mut done = TableUpkeep {
        table: name.to_string(),
        ..TableUpkeep::default()
    };
    let mut failed = Vec::new();
    let ended = one_table(&table, leaving, settings, limits, &mut done, &mut failed).await;
    for error in failed.into_iter().chain(ended.err()) {
        report.set_aside(name, error);
    }
    if done.is_nothing() {
        return;
    }
    if !settings.dry_run {
        info!(
            table = %name, left_rows = done.left_rows, left_files = done.left_files, merged_files = done.merged_files, deleted_files = done.deleted_files,
            deleted_bytes = done.deleted_bytes, deleted_log_entries = done.deleted_log_entries,
            "kept up {name}"
        );
    }
    report.tables.push(done);
}

/// A data file that cannot be read is put into `failed` and stays as it is; what needs no data file goes on.
async fn one_table(
    table: &OpenTable,
    leaving: &Leaving,
    settings: &UpkeepSettings,
    limits: &Limits,
    done: &mut TableUpkeep,
    failed: &mut Vec<LakeError>,
) -> Result<(), LakeError> {
    let dry_run = settings.dry_run;
    match &table.name {
        LakeTable::Deltas(_) if !leaving.is_empty() => {
            retain::deltas(table, leaving, limits.deltas_ms, dry_run, done, failed).await?;
        }
        LakeTable::Drift => {
            retain::drift(table, limits.drift_ms, dry_run, done).await?;
        }
        _ => {}
    }
    if matches!(table.name, LakeTable::Deltas(_) | LakeTable::Drift) {
        compact::run(table, settings, done, failed).await?;
    }
    vacuum::run(table, limits.files_ms, dry_run, done).await?;
    let outdated = table.log.outdated(limits.log_ms).await;
    let outdated = outdated.map_err(|error| table.log_error(error))?;
    done.deleted_log_entries = outdated.len() as u64;
    if !dry_run {
        let cleaned = table.log.clean_up(&outdated).await;
        cleaned.map_err(|error| table.log_error(error))?;
    }
    Ok(())
}
