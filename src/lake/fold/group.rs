//! Folds a group of tables together: one pass over their waiting deltas, one log entry.

use std::sync::Arc;

use arrow::datatypes::Schema;
use tracing::debug;

use crate::catalog::Endpoint;
use crate::delta::file::data_files::DataFiles;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::LakeError;
use crate::lake::conform::union;
use crate::lake::fold::finished_fold::{FinishedFold, FinishedUnits, FoldEntry};
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::group_work::GroupWork;
use crate::lake::fold::hold::Judging;
use crate::lake::fold::ledger_writes::LedgerWrites;
use crate::lake::fold::merged_table::MergedTable;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::porter::{Porter, with_porter};
use crate::lake::fold::report::FoldReport;
use crate::lake::fold::settings::FoldSettings;
use crate::lake::fold::task::{Shelves, ValueColumns};
use crate::lake::fold::unit::Unit;
use crate::lake::fold::unit_fold::SharedWork;
use crate::lake::intake::FetchIntake;
use crate::lake::layout::COMMIT_DATE;
use crate::lake::set_aside::all_aside;
use crate::lake::tables::OpenTable;

/// The tables of one endpoint, opened for a fold.
pub(super) struct FoldTables<'a> {
    intake: &'a Arc<FetchIntake>,
    endpoint: &'a Arc<Endpoint>,
    settings: FoldSettings,
    deltas: Option<Arc<DataFiles>>,
    current: OpenTable,
    shelves: Arc<Shelves>,
}

impl<'a> FoldTables<'a> {
    /// Opens the data files of `snapshots`, `deltas` and `current`, and unites their schemas.
    pub(super) fn new<'b>(
        (intake, endpoint): (&'a Arc<FetchIntake>, &'a Arc<Endpoint>),
        (snapshots, deltas, current): (Option<OpenTable>, Option<OpenTable>, OpenTable),
        schemas: impl Iterator<Item = &'b Schema>,
        settings: &FoldSettings,
    ) -> Result<Self, LakeError> {
        let ours = endpoint.schema();
        let without_day: Vec<Schema> = schemas.map(without_day).collect();
        let schema = union(&ours, &without_day)?;
        let files = |table: &OpenTable| Arc::new(table.files.clone());
        Ok(Self {
            intake,
            endpoint,
            settings: *settings,
            deltas: deltas.as_ref().map(files),
            shelves: Arc::new(Shelves {
                snapshots: snapshots.as_ref().map(files),
                current: files(&current),
                columns: ValueColumns::of(&schema),
                file_bytes: settings.file_bytes,
                small_bytes: settings.small_bytes(),
            }),
            current,
        })
    }

    /// Folds a group and makes the result visible. Tables that cannot be folded are set aside in the report. Returns the
    /// tables that were not folded although nothing is wrong with them: they share a file with a table that another
    /// process folded or that was set aside, and can be folded next. Returns an error only when the fold was cancelled
    /// from outside.
    pub(super) async fn fold(
        &self,
        group: Vec<Unit>,
        live: Arc<[Arc<LiveFile>]>,
        report: &mut FoldReport,
    ) -> Result<Vec<IntegrationKey>, LakeError> {
        let (deltas, shelves) = (self.deltas.clone(), Arc::clone(&self.shelves));
        let settings = self.settings;
        let work = move |porter: &Porter| {
            let work = GroupWork {
                porter,
                deltas: deltas.as_ref(),
                shelves: &shelves,
                live,
                settings,
                pace: Pace::new(settings.cpu_percent),
            };
            work.run(group)
        };
        let merged = with_porter(work).await??;
        report.aside.extend(merged.aside);
        let (mut folds, mut shared) = (Vec::new(), Vec::new());
        for unit in merged.units {
            folds.extend(self.judged(shared.len(), unit.tables));
            shared.push(unit.shared);
        }
        let mut postponed = merged.postponed;
        postponed.extend(self.publish(folds, shared, report).await);
        Ok(postponed)
    }

    /// Judges each table of a unit with the guard.
    fn judged(&self, unit: usize, merged: Vec<(FoldPlan, MergedTable)>) -> Vec<FinishedFold> {
        let tables = &self.intake.tables;
        let (now_us, second_look) = (tables.now().as_micros(), tables.settings.guard.second_look);
        let judged = merged.into_iter().map(|(plan, merged)| {
            let judging = Judging {
                plan: &plan,
                merged: &merged,
                endpoint: self.endpoint.name(),
                now_us,
                second_look,
            };
            FinishedFold {
                guarded: judging.guarded(),
                plan,
                merged,
                unit,
            }
        });
        judged.collect()
    }

    /// Publishes in this order:
    ///
    /// - Drift that a snapshot found. Each comparison is written once, whichever process folds.
    ///
    /// - Rows that the operator gave up, in `deltas`, for readers that follow `deltas`.
    ///
    /// - New holds, before a reader could see the rows they are about.
    ///
    /// - The fold.
    ///
    /// - Ended holds.
    ///
    /// Returns the tables that can be folded next.
    async fn publish(
        &self,
        folds: Vec<FinishedFold>,
        shared: Vec<SharedWork>,
        report: &mut FoldReport,
    ) -> Vec<IntegrationKey> {
        let mut writes = LedgerWrites {
            intake: self.intake,
            endpoint: self.endpoint,
            report,
        };
        let (folds, drift) = writes.drift(folds).await;
        let folds = writes.absent(folds).await;
        let folds = writes.held(folds).await;
        let (units, mut postponed) = FinishedUnits::of(folds, shared);
        let keys: Vec<IntegrationKey> = units.folds().map(FinishedFold::key).collect();
        let done = match self.commit(units).await {
            Ok(done) => done,
            Err(error) => {
                writes.report.aside.extend(all_aside(keys, &error));
                return postponed;
            }
        };
        writes.report.overtaken += done.overtaken.len() as u64;
        postponed.extend(done.postponed);
        for fold in done.units.folds() {
            let waiting = &self.intake.waiting;
            waiting.folded(self.endpoint.name(), &fold.plan.key);
        }
        // The fold is visible, so it is reported even if a later write fails.
        let tables = done.units.folds().map(|fold| {
            let found = drift.get(&fold.plan.key);
            fold.told(found.cloned().unwrap_or_default())
        });
        writes.report.tables.extend(tables);
        let (files, bytes) = done.units.shared_files();
        writes.report.shared_files += files;
        writes.report.shared_bytes += bytes;
        writes.ended(done.units.folds()).await;
        postponed
    }

    /// Commits one log entry for all units, except those that another process has overtaken. Their files stay
    /// unreferenced.
    async fn commit(&self, units: FinishedUnits) -> Result<FoldEntry<'_>, LakeError> {
        let table = &self.current;
        let state = table.refreshed().await?;
        let mut proposed = FoldEntry {
            table,
            units,
            overtaken: Vec::new(),
            postponed: Vec::new(),
        };
        let version = table.transact(state, &mut proposed).await?;
        if let Some(version) = version {
            let tables = proposed.units.folds().count();
            debug!(table = %table.path(), version, tables, "folded");
        }
        Ok(proposed)
    }
}

fn without_day(schema: &Schema) -> Schema {
    let fields = schema.fields().iter();
    let kept = fields.filter(|field| field.name() != COMMIT_DATE);
    Schema::new(kept.cloned().collect::<Vec<_>>())
}
