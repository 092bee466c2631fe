//! The part of a fold that keeps a core busy: pending rows read for a whole group, then one table after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::group::Planned;
use super::pace::Pace;
use super::pending::{Loaded, PendingRows, Wanted};
use super::plan::Plan;
use super::porter::Porter;
use super::report::FoldSettings;
use super::table::{Folded, Pending, Shelves, fold};
use crate::lake::LakeError;
use crate::lake::data_files::DataFiles;
use crate::lake::log::LiveFile;

/// The work of a group that keeps a core busy.
pub(super) struct GroupWork<'a> {
    pub(super) porter: &'a Porter,
    pub(super) deltas: Option<&'a Arc<DataFiles>>,
    pub(super) shelves: &'a Shelves,
    pub(super) live: Arc<[Arc<LiveFile>]>,
    pub(super) settings: FoldSettings,
    pub(super) pace: Pace,
}

impl GroupWork<'_> {
    /// Folds every table of the group.
    pub(super) fn run(mut self, group: Vec<Planned>) -> Result<Vec<(Plan, Folded)>, LakeError> {
        let mut folded = Vec::with_capacity(group.len());
        let mut waiting = vec![group];
        while let Some(mut group) = waiting.pop() {
            match self.load(&group)? {
                Loaded::All(mut rows) => {
                    for planned in group {
                        let rows = rows.remove(planned.plan.key.as_str());
                        folded.push(self.one(planned, &Pending::Held(rows))?);
                    }
                }
                // Half of the tables at a time, and at last one table in parts.
                Loaded::TooMany { .. } if group.len() > 1 => {
                    let second = group.split_off(group.len() / 2);
                    waiting.extend([second, group]);
                }
                Loaded::TooMany { bytes_per_row } => {
                    for planned in group {
                        let pending = self.in_parts(&planned, bytes_per_row)?;
                        folded.push(self.one(planned, &pending)?);
                    }
                }
            }
        }
        Ok(folded)
    }

    fn one(&mut self, planned: Planned, pending: &Pending) -> Result<(Plan, Folded), LakeError> {
        let Planned { plan, order } = planned;
        let folded = fold(self.porter, &mut self.pace, self.shelves, order, pending)?;
        self.pace.rest();
        Ok((plan, folded))
    }

    fn load(&self, group: &[Planned]) -> Result<Loaded, LakeError> {
        let Some(rows) = self.rows() else {
            return Ok(Loaded::All(HashMap::<String, RecordBatch>::new()));
        };
        let wanted: BTreeMap<String, Wanted> = group
            .iter()
            .map(|planned| (planned.plan.key.to_string(), planned.order.wanted))
            .collect();
        rows.load(&wanted, self.settings.pending_bytes)
    }

    fn in_parts(&self, planned: &Planned, bytes_per_row: usize) -> Result<Pending, LakeError> {
        let rows = self.rows().ok_or(LakeError::Closed)?;
        let rows_per_part = self.settings.pending_bytes / bytes_per_row;
        let cuts = rows.cuts(
            planned.plan.key.as_str(),
            planned.order.wanted,
            rows_per_part,
        )?;
        Ok(Pending::InParts { rows, cuts })
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
