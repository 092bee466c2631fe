//! Runs the upkeep table by table: merges small files, removes expired rows, deletes unreferenced files, and shortens
//! logs.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tracing::{info, warn};

use crate::catalog::Endpoint;
use crate::delta::compaction::Compaction;
use crate::delta::delta_error::DeltaError;
use crate::lake::care::clocks::Clocks;
use crate::lake::care::leaving::Leaving;
use crate::lake::care::upkeep_report::{TableUpkeep, UpkeepReport};
use crate::lake::care::upkeep_settings::UpkeepSettings;
use crate::lake::care::{repair_copies, retain};
use crate::lake::fold::{FoldSettings, pack};
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::{self, LEDGERS};
use crate::lake::operation::Operation;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part};
use crate::time::Moment;

/// A file that is still being written is never this old.
const LONGEST_WRITE: Duration = Duration::from_hours(24);

/// Keeps up the tables of these endpoints and the lake's own tables. Several upkeeps may run at once. Refuses settings
/// that would delete data that a reader may still need.
pub(in crate::lake) async fn upkeep(
    tables: &Tables,
    endpoints: &[Arc<Endpoint>],
    settings: &UpkeepSettings,
) -> Result<UpkeepReport, LakeError> {
    settings.check().map_err(LakeError::Setting)?;
    let clocks = if settings.dry_run {
        Clocks::local(tables)
    } else {
        Clocks::read(tables).await?
    };
    let now = clocks.earlier;
    let mut upkeep = Upkeep {
        settings,
        now,
        report: UpkeepReport::default(),
    };
    let held = retain::held(tables).await;
    let held = upkeep.report.read(&LakeTable::Holds, held);
    for endpoint in &tables.there(endpoints).await {
        for part in [Part::Snapshots, Part::Deltas, Part::Current] {
            let opened = tables.existing(endpoint, part).await;
            let leaving = match (part, &held) {
                (Part::Deltas, Some(held)) => {
                    let before = now - settings.delta_retention;
                    let leaving = retain::leaving(tables, endpoint, held, before);
                    // A read error is reported when the upkeep reaches that table. Until then no row is removed.
                    leaving.await.unwrap_or_default()
                }
                _ => Leaving::default(),
            };
            let name = part.of(endpoint.name());
            upkeep.table(&name, opened, &leaving).await;
        }
    }
    for name in LEDGERS {
        let opened = ledgers::existing(tables, &name).await;
        let mut leaving = Leaving::default();
        if name == LakeTable::Quarantine {
            leaving.add_everyone(now - settings.delta_retention);
        }
        upkeep.table(&name, opened, &leaving).await;
    }
    let before = now - settings.grace();
    let copies = repair_copies::let_go(tables, before, settings.dry_run).await?;
    upkeep
        .report
        .tables
        .extend((!copies.is_nothing()).then_some(copies));
    Ok(upkeep.report)
}

/// Returns whether small files of a table are merged.
fn is_compacted(table: &LakeTable) -> bool {
    matches!(
        table,
        LakeTable::Deltas(_) | LakeTable::Drift | LakeTable::Quarantine
    )
}

/// The upkeep of a lake.
struct Upkeep<'a> {
    settings: &'a UpkeepSettings,
    /// The earlier of the store's clock and the local clock.
    now: Moment,
    report: UpkeepReport,
}

impl Upkeep<'_> {
    /// Keeps up one table. A failure is reported, and does not stop the upkeep of other tables.
    async fn table(
        &mut self,
        name: &LakeTable,
        opened: Result<Option<OpenTable>, LakeError>,
        leaving: &Leaving,
    ) {
        let Some(Some(table)) = self.report.read(name, opened) else {
            return;
        };
        let mut done = TableUpkeep {
            table: name.to_string(),
            ..TableUpkeep::default()
        };
        let mut failed = Vec::new();
        let ended = self.steps(&table, leaving, &mut done, &mut failed).await;
        for error in failed.into_iter().chain(ended.err()) {
            self.report.set_aside(name, error.into());
        }
        if let Some(first) = done.foreign.first() {
            let files = done.foreign.len();
            warn!(table = %name, files, %first, "files in the folder of {name} belong to no table, and upkeep leaves them there; move them away");
        }
        if done.is_nothing() && done.foreign.is_empty() {
            return;
        }
        if !self.settings.dry_run && !done.is_nothing() {
            info!(
                table = %name, left_rows = done.left_rows, left_files = done.left_files, merged_files = done.merged_files, deleted_files = done.deleted_files,
                deleted_bytes = done.deleted_bytes, deleted_log_entries = done.deleted_log_entries,
                "upkeep of {name} done"
            );
        }
        self.report.tables.push(done);
    }

    /// Runs the steps of one table's upkeep. An unreadable data file is added to `failed` and left unchanged; the steps
    /// that do not need that file go on.
    async fn steps(
        &self,
        table: &OpenTable,
        leaving: &Leaving,
        done: &mut TableUpkeep,
        failed: &mut Vec<DeltaError>,
    ) -> Result<(), DeltaError> {
        let (settings, dry_run) = (self.settings, self.settings.dry_run);
        match &table.name {
            LakeTable::Deltas(_) | LakeTable::Quarantine if !leaving.is_empty() => {
                let before = self.now - settings.delta_retention;
                retain::let_go(table, before, Some(leaving), dry_run, done, failed).await?;
            }
            LakeTable::Drift => {
                let before = self.now - settings.drift_retention;
                retain::let_go(table, before, None, dry_run, done, failed).await?;
            }
            _ => {}
        }
        self.merge(table, done, failed).await?;
        if done.left_files > 0 && !dry_run {
            // With it the log can be cut in time, however few commits follow.
            table.log.try_checkpoint().await;
        }
        let unnamed = table.unnamed_files(self.now - settings.grace()).await?;
        done.foreign = unnamed.foreign.iter().map(Path::to_string).collect();
        for file in unnamed.files {
            if dry_run {
                done.listed.push(file.key.to_string());
            } else {
                table.delete_unnamed(&file).await?;
            }
            done.deleted_files += 1;
            done.deleted_bytes += file.size;
        }
        for left in table.leftovers(self.now - LONGEST_WRITE).await? {
            if dry_run {
                done.listed.push(format!("{}/{}", table.path(), left.name));
            } else {
                table.delete_leftover(&left)?;
            }
            done.deleted_files += 1;
            done.deleted_bytes += left.size;
        }
        let outdated = table
            .log
            .outdated(self.now - settings.log_retention)
            .await?;
        done.deleted_log_entries = outdated.objects();
        if !dry_run {
            table.log.clean_up(&outdated).await?;
            table.log.replace_flawed().await?;
        }
        Ok(())
    }

    /// Merges files of the tables that collect small ones.
    async fn merge(
        &self,
        table: &OpenTable,
        done: &mut TableUpkeep,
        failed: &mut Vec<DeltaError>,
    ) -> Result<(), DeltaError> {
        if is_compacted(&table.name) {
            self.compact(table, done, failed).await?;
        }
        if matches!(table.name, LakeTable::Current(_)) {
            let settings = FoldSettings::default();
            let packed = pack(table, &settings, self.settings.dry_run).await?;
            done.merged_files += packed.files;
            done.merged_into += packed.into;
        }
        Ok(())
    }

    /// Merges small files of one day, or of the quarantine. An unreadable file is left unchanged, and the other files of its day are merged.
    async fn compact(
        &self,
        table: &OpenTable,
        done: &mut TableUpkeep,
        failed: &mut Vec<DeltaError>,
    ) -> Result<(), DeltaError> {
        let compaction = Compaction {
            least_files: self.settings.compact_files,
            small_bytes: self.settings.small_file_bytes,
        };
        let state = table.refreshed().await?;
        for files in compaction.groups(table.live(&state).await?) {
            if self.settings.dry_run {
                done.merged_files += files.len() as u64;
                continue;
            }
            if let Some(merged) = table.merged_readable(files, failed).await? {
                let inputs = merged.inputs.len() as u64;
                if table
                    .rearrange(Operation::Optimize.as_str(), merged)
                    .await?
                {
                    done.merged_files += inputs;
                    done.merged_into += 1;
                }
            }
        }
        Ok(())
    }
}
