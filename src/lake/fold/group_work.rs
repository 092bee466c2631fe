//! Runs the part of a fold that keeps a core busy: reads the waiting rows for a complete group, then merges one table
//! after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::DataFiles;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::pending::{Loaded, PendingRows, Wanted};
use crate::lake::fold::planned::Planned;
use crate::lake::fold::porter::Porter;
use crate::lake::fold::settings::FoldSettings;
use crate::lake::fold::table_fold::{MergedTable, PendingOfTable, Shelves, fold};
use crate::lake::{LakeError, Members};

/// Reading and merging for one group.
pub(super) struct GroupWork<'a> {
    pub(super) porter: &'a Porter,
    pub(super) deltas: Option<&'a Arc<DataFiles>>,
    pub(super) shelves: &'a Shelves,
    pub(super) live: Arc<[Arc<LiveFile>]>,
    pub(super) settings: FoldSettings,
    pub(super) pace: Pace,
}

impl GroupWork<'_> {
    /// Folds every table of the group. Sets aside a table that cannot be read. Returns an error only when the fold was
    /// cancelled from outside.
    pub(super) fn run(
        mut self,
        group: Vec<Planned>,
    ) -> Result<Members<(FoldPlan, MergedTable), IntegrationKey>, LakeError> {
        let mut folded = Members::default();
        let mut waiting = vec![group];
        while let Some(mut group) = waiting.pop() {
            match self.load(&group) {
                Ok(Loaded::All(mut rows)) => {
                    for planned in group {
                        let rows = rows.remove(planned.plan.key.as_str());
                        self.add(&mut folded, planned, Ok(PendingOfTable::Held(rows)))?;
                    }
                }
                Err(error) if error.is_closed() => return Err(error),
                // Tries half of the tables at a time, and at last one table in parts. Halving also isolates the tables
                // with rows in an unreadable file: only these tables need that file.
                Ok(Loaded::TooMany { .. }) | Err(_) if group.len() > 1 => {
                    let second = group.split_off(group.len() / 2);
                    waiting.extend([second, group]);
                }
                Ok(Loaded::TooMany { bytes_per_row }) => {
                    for planned in group {
                        let pending = self.in_parts(&planned, bytes_per_row);
                        self.add(&mut folded, planned, pending)?;
                    }
                }
                Err(error) => {
                    for planned in group {
                        self.add(&mut folded, planned, Err(error.clone()))?;
                    }
                }
            }
        }
        Ok(folded)
    }

    /// Folds one table, or sets the table aside.
    fn add(
        &mut self,
        folded: &mut Members<(FoldPlan, MergedTable), IntegrationKey>,
        planned: Planned,
        pending: Result<PendingOfTable, LakeError>,
    ) -> Result<(), LakeError> {
        let key = planned.plan.key.clone();
        match pending.and_then(|pending| self.one(planned, &pending)) {
            Err(error) if error.is_closed() => Err(error),
            result => {
                folded.add(key, result);
                Ok(())
            }
        }
    }

    fn one(
        &mut self,
        planned: Planned,
        pending: &PendingOfTable,
    ) -> Result<(FoldPlan, MergedTable), LakeError> {
        let plan = planned.plan.clone();
        let merged = fold(self.porter, &mut self.pace, self.shelves, planned, pending)?;
        self.pace.rest();
        Ok((plan, merged))
    }

    fn load(&self, group: &[Planned]) -> Result<Loaded, LakeError> {
        let Some(rows) = self.rows() else {
            return Ok(Loaded::All(HashMap::<String, RecordBatch>::new()));
        };
        let wanted: BTreeMap<String, Wanted> = group
            .iter()
            .map(|planned| (planned.plan.key.to_string(), planned.plan.wanted()))
            .collect();
        Ok(rows.load(&wanted, self.settings.pending_bytes)?)
    }

    fn in_parts(
        &self,
        planned: &Planned,
        bytes_per_row: usize,
    ) -> Result<PendingOfTable, LakeError> {
        let rows = self.rows().ok_or(DeltaError::Closed)?;
        let rows_per_part = self.settings.pending_bytes / bytes_per_row;
        let cuts = rows.cuts(
            planned.plan.key.as_str(),
            planned.plan.wanted(),
            rows_per_part,
        )?;
        Ok(PendingOfTable::InParts { rows, cuts })
    }

    fn rows(&self) -> Option<PendingRows> {
        Some(PendingRows {
            porter: self.porter.clone(),
            files: Arc::clone(self.deltas?),
            live: Arc::clone(&self.live),
            schema: Arc::clone(&self.shelves.columns.schema),
        })
    }
}
