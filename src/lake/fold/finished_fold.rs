//! Merged folds that are ready to commit, and their log entry.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::log::{Entry, LogState, RemoveFile};
use crate::delta::transact::Proposal;
use crate::ids::IntegrationKey;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::hold::Guarded;
use crate::lake::fold::merged_table::MergedTable;
use crate::lake::fold::report::{DriftCounts, FoldedTable};
use crate::lake::fold::unit_fold::SharedWork;
use crate::lake::operation::Operation;
use crate::lake::positions::Positions;
use crate::lake::tables::OpenTable;

/// One table's fold, not visible yet.
pub(super) struct FinishedFold {
    pub(super) plan: FoldPlan,
    pub(super) merged: MergedTable,
    pub(super) guarded: Guarded,
    /// The number of the table's unit: the tables of a unit share files, and become visible together.
    pub(super) unit: usize,
}

impl FinishedFold {
    /// Returns the key of the integration.
    pub(super) fn key(&self) -> IntegrationKey {
        self.plan.key.clone()
    }

    /// Returns whether the table was not folded since the plan, and the files to replace are still live.
    fn is_valid(&self, state: &LogState, live: &HashSet<&str>) -> bool {
        let mut replaced = self.merged.replaced.iter();
        self.is_planned_on(state) && replaced.all(|file| live.contains(file.path.as_str()))
    }

    /// Returns whether the table was not folded since the plan.
    pub(super) fn is_planned_on(&self, state: &LogState) -> bool {
        Positions::of(&self.plan.key, state) == self.plan.positions
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
            ..
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

/// Folds of a group, by unit, with the files that the tables of each unit share.
pub(super) struct FinishedUnits {
    folds: BTreeMap<usize, Vec<FinishedFold>>,
    shared: Vec<SharedWork>,
}

impl FinishedUnits {
    /// Collects the folds of each unit. Leaves out units that have lost a member: their shared files contain rows of
    /// the member's fold, which must not become visible. Returns the keys of the other members of these units, too.
    pub(super) fn of(
        folds: Vec<FinishedFold>,
        shared: Vec<SharedWork>,
    ) -> (Self, Vec<IntegrationKey>) {
        let mut units: BTreeMap<usize, Vec<FinishedFold>> = BTreeMap::new();
        for fold in folds {
            units.entry(fold.unit).or_default().push(fold);
        }
        let mut postponed = Vec::new();
        units.retain(|unit, folds| {
            let is_complete = folds.len() == shared[*unit].tables;
            if !is_complete {
                postponed.extend(folds.iter().map(FinishedFold::key));
            }
            is_complete
        });
        let units = Self {
            folds: units,
            shared,
        };
        (units, postponed)
    }

    /// Returns the folds.
    pub(super) fn folds(&self) -> impl Iterator<Item = &FinishedFold> + Clone {
        self.folds.values().flatten()
    }

    /// Returns number and size in bytes of the files that tables share.
    pub(super) fn shared_files(&self) -> (u64, u64) {
        let units = self.folds.keys().map(|unit| &self.shared[*unit]);
        let written = units.flat_map(|unit| &unit.written);
        written.fold((0, 0), |(files, bytes), file| {
            (files + 1, bytes + file.add.size)
        })
    }

    /// Removes the units of which a table was folded meanwhile, or a file was replaced. Returns the folds of these
    /// units.
    fn drop_overtaken(&mut self, state: &LogState, live: &HashSet<&str>) -> Vec<FinishedFold> {
        let shared = &self.shared;
        let is_valid = |unit: usize, folds: &[FinishedFold]| {
            let mut replaced = shared[unit].replaced.iter();
            replaced.all(|file| live.contains(file.path.as_str()))
                && folds.iter().all(|fold| fold.is_valid(state, live))
        };
        let folds = std::mem::take(&mut self.folds).into_iter();
        let (valid, overtaken): (BTreeMap<_, _>, BTreeMap<_, _>) =
            folds.partition(|(unit, folds)| is_valid(*unit, folds));
        self.folds = valid;
        overtaken.into_values().flatten().collect()
    }

    fn entry(&self) -> Entry {
        let mut entry = Entry {
            operation: Operation::Fold.as_str(),
            ..Entry::default()
        };
        for (unit, folds) in &self.folds {
            for fold in folds {
                fold.add_to(&mut entry);
            }
            let SharedWork {
                written, replaced, ..
            } = &self.shared[*unit];
            entry
                .adds
                .extend(written.iter().map(|file| file.add.clone()));
            let removes = replaced.iter().map(|file| RemoveFile::from(&**file));
            entry.removes.extend(removes);
        }
        entry
    }
}

/// Folds that become visible in one log entry, except units that another process has overtaken.
pub(super) struct FoldEntry<'a> {
    pub(super) table: &'a OpenTable,
    pub(super) units: FinishedUnits,
    /// Tables that another process folded first.
    pub(super) overtaken: Vec<IntegrationKey>,
    /// Tables that nobody folded, but that share files with one that another process folded or rewrote.
    pub(super) postponed: Vec<IntegrationKey>,
}

impl Proposal for FoldEntry<'_> {
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let live = self.table.live(&state).await?;
        let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
        for fold in self.units.drop_overtaken(&state, &live) {
            let list = if fold.is_planned_on(&state) {
                &mut self.postponed
            } else {
                &mut self.overtaken
            };
            list.push(fold.key());
        }
        let is_empty = self.units.folds.is_empty();
        Ok((!is_empty).then(|| self.units.entry()))
    }
}
