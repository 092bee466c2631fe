//! Merged folds that are ready to commit, and their log entry.

use std::collections::HashSet;
use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::log::{Entry, LogState, RemoveFile};
use crate::delta::transact::Proposal;
use crate::ids::IntegrationKey;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::hold::Guarded;
use crate::lake::fold::report::{DriftCounts, FoldedTable};
use crate::lake::fold::table_fold::MergedTable;
use crate::lake::operation::Operation;
use crate::lake::positions::Positions;
use crate::lake::tables::OpenTable;

/// One table's fold, not visible yet.
pub(super) struct FinishedFold {
    pub(super) plan: FoldPlan,
    pub(super) merged: MergedTable,
    pub(super) guarded: Guarded,
}

impl FinishedFold {
    /// Returns the key of the integration.
    pub(super) fn key(&self) -> IntegrationKey {
        self.plan.key.clone()
    }

    /// Returns whether the table was not folded since the plan, and the files to replace are still live.
    fn is_valid(&self, state: &LogState, live: &HashSet<&str>) -> bool {
        let mut replaced = self.merged.replaced.iter();
        Positions::of(&self.plan.key, state) == self.plan.positions
            && replaced.all(|file| live.contains(file.path.as_str()))
    }

    fn add_to(&self, entry: &mut Entry) {
        let MergedTable {
            written,
            replaced,
            rows,
            ..
        } = &self.merged;
        let adds = written.iter().map(|file| file.add.clone());
        entry.adds.extend(adds);
        let removes = replaced.iter().map(|file| RemoveFile::from(&**file));
        entry.removes.extend(removes);
        let then = self.plan.then(&self.guarded.state, *rows);
        entry.txns.extend(then.txns(&self.plan.key));
    }

    /// Returns the report of this fold.
    pub(super) fn told(&self, drift: DriftCounts) -> FoldedTable {
        let Self {
            plan,
            merged,
            guarded,
        } = self;
        FoldedTable {
            key: plan.key.clone(),
            snapshot: plan.since_us.is_some(),
            rows: merged.rows,
            changed: merged.tally.changed,
            removed: merged.tally.removed,
            held: merged.tally.held,
            files: merged.written.len() as u64,
            bytes: merged.written.iter().map(|file| file.add.size).sum(),
            compared: merged.tally.compared,
            drift,
            hold: guarded.before.clone(),
            released: guarded.released.clone(),
        }
    }
}

/// Folds that become visible in one log entry, except tables that another process folded first.
pub(super) struct FoldEntry<'a> {
    pub(super) table: &'a OpenTable,
    pub(super) folds: Vec<FinishedFold>,
}

impl Proposal for FoldEntry<'_> {
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let live = self.table.live(&state).await?;
        let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
        self.folds.retain(|fold| fold.is_valid(&state, &live));
        let mut entry = Entry {
            operation: Operation::Fold.as_str(),
            ..Entry::default()
        };
        for fold in &self.folds {
            fold.add_to(&mut entry);
        }
        Ok((!self.folds.is_empty()).then_some(entry))
    }
}
