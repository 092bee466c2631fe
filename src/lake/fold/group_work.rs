//! Runs the part of a fold that keeps a core busy: reads the waiting rows for a complete group, then merges one table
//! after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::DataFiles;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::pending::{Loaded, PendingRows, Wanted};
use crate::lake::fold::planned::Planned;
use crate::lake::fold::porter::Porter;
use crate::lake::fold::settings::FoldSettings;
use crate::lake::fold::table_fold::PendingOfTable;
use crate::lake::fold::task::Shelves;
use crate::lake::fold::unit::Unit;
use crate::lake::fold::unit_fold::{MergedUnit, UnitFold};
use crate::lake::{LakeError, SetAside};

/// Reading and merging for one group.
pub(super) struct GroupWork<'a> {
    pub(super) porter: &'a Porter,
    pub(super) deltas: Option<&'a Arc<DataFiles>>,
    pub(super) shelves: &'a Shelves,
    pub(super) live: Arc<[Arc<LiveFile>]>,
    pub(super) settings: FoldSettings,
    pub(super) pace: Pace,
}

/// The result for a group.
#[derive(Default)]
pub(super) struct MergedGroup {
    pub(super) units: Vec<MergedUnit>,
    pub(super) aside: Vec<SetAside<IntegrationKey>>,
    /// Tables that have to wait for the next group, because a table with which they share a file is folded first.
    pub(super) postponed: Vec<IntegrationKey>,
}

impl GroupWork<'_> {
    /// Folds every table of the group. Sets aside a table that cannot be read. Returns an error only when the fold was
    /// cancelled from outside.
    pub(super) fn run(mut self, group: Vec<Unit>) -> Result<MergedGroup, LakeError> {
        let mut merged = MergedGroup::default();
        let mut waiting = vec![group];
        while let Some(mut units) = waiting.pop() {
            match self.load(&units) {
                Ok(Loaded::All(rows)) => {
                    let mut rows = rows;
                    for unit in units {
                        self.unit(unit, &mut merged, |planned| {
                            let rows = rows.remove(planned.plan.key.as_str());
                            Ok(PendingOfTable::Held(rows))
                        })?;
                    }
                }
                Err(error) if error.is_closed() => return Err(error),
                // Tries half of the tables at a time, and at last one table in parts. Halving also isolates the tables
                // with rows in an unreadable file: only these tables need that file.
                Ok(Loaded::TooMany { .. }) | Err(_) if units.len() > 1 => {
                    let second = units.split_off(units.len() / 2);
                    waiting.extend([second, units]);
                }
                Ok(Loaded::TooMany { .. }) | Err(_) if tables_in(&units) > 1 => {
                    let mut halves = Vec::new();
                    for mut unit in units {
                        let (second, postponed) = unit.split();
                        let keys = postponed.into_iter().map(|planned| planned.plan.key);
                        merged.postponed.extend(keys);
                        halves.extend(second.into_iter().chain([unit]).map(|half| vec![half]));
                    }
                    waiting.extend(halves);
                }
                Ok(Loaded::TooMany { bytes_per_row }) => {
                    for unit in units {
                        let cuts = unit.tables.iter().map(|planned| {
                            let cuts = self.in_parts(planned, bytes_per_row);
                            (planned.plan.key.clone(), cuts)
                        });
                        let mut cuts: HashMap<_, _> = cuts.collect();
                        self.unit(unit, &mut merged, |planned| {
                            let cuts = cuts.remove(&planned.plan.key);
                            cuts.unwrap_or_else(|| Err(DeltaError::Closed.into()))
                        })?;
                    }
                }
                Err(error) => {
                    for unit in units {
                        self.unit(unit, &mut merged, |_| Err(error.clone()))?;
                    }
                }
            }
        }
        Ok(merged)
    }

    /// Folds one unit. `pending` returns the waiting rows of a table.
    fn unit(
        &mut self,
        unit: Unit,
        merged: &mut MergedGroup,
        mut pending: impl FnMut(&Planned) -> Result<PendingOfTable, LakeError>,
    ) -> Result<(), LakeError> {
        let tables = unit.tables.iter();
        let pending = tables.map(|planned| (planned.plan.key.clone(), pending(planned)));
        let fold = UnitFold {
            porter: self.porter,
            shelves: self.shelves,
            pending: pending.collect(),
            pace: &mut self.pace,
        };
        let (folded, failed) = fold.run(unit)?;
        merged.units.extend(folded);
        merged.aside.extend(failed.aside);
        Ok(())
    }

    fn load(&self, units: &[Unit]) -> Result<Loaded, LakeError> {
        let Some(rows) = self.rows() else {
            return Ok(Loaded::All(HashMap::<String, RecordBatch>::new()));
        };
        let tables = units.iter().flat_map(|unit| &unit.tables);
        let wanted: BTreeMap<String, Wanted> = tables
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

fn tables_in(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.tables.len()).sum()
}
