//! Writes that a fold makes to other tables than `current`. If a write for a table fails before the fold is visible,
//! that table is set aside and folded later; the other tables go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::lake::fold::absent::commit_absent;
use crate::lake::fold::finished_fold::FinishedFold;
use crate::lake::fold::report::{DriftCounts, FoldReport};
use crate::lake::intake::FetchIntake;
use crate::lake::ledgers::completeness::TableComparison;
use crate::lake::ledgers::drift;
use crate::lake::ledgers::holds;
use crate::lake::set_aside::all_aside;
use crate::lake::{DriftRow, Hold, LakeError, Members};
use crate::time::ObservedAt;

/// Number of drifted rows per compared table.
type DriftByTable = BTreeMap<IntegrationKey, DriftCounts>;

/// Writes drift, absences and holds for folds of one endpoint's tables.
pub(super) struct LedgerWrites<'a> {
    pub(super) intake: &'a Arc<FetchIntake>,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) report: &'a mut FoldReport,
}

impl LedgerWrites<'_> {
    /// Writes the drift that new snapshots found. A table is not folded when its comparison cannot be written: it is
    /// compared once, with a `current` that the fold replaces.
    pub(super) async fn drift(
        &mut self,
        folds: Vec<FinishedFold>,
    ) -> (Vec<FinishedFold>, DriftByTable) {
        let (mut counts, mut compared) = (BTreeMap::new(), BTreeMap::new());
        let mut staged: Members<FinishedFold, IntegrationKey> = Members::default();
        for mut fold in folds {
            let rows = std::mem::take(&mut fold.merged.tally.drift);
            let counted = count(&rows);
            let found = self.compared(&fold, rows).await.map(|found| {
                if let Some(found) = found {
                    counts.insert(fold.key(), counted);
                    compared.insert(fold.key(), found);
                }
            });
            staged.add(fold.key(), found.map(|()| fold));
        }
        self.report.aside.extend(staged.aside);
        let all = compared.values().cloned().collect();
        let said = drift::commit(&self.intake.tables, all).await;
        let needs_it = |fold: &FinishedFold| compared.contains_key(&fold.plan.key);
        (self.unless_failed(staged.going, needs_it, said), counts)
    }

    /// Writes to `deltas` the rows that disappear because the operator accepted their loss.
    pub(super) async fn absent(&mut self, folds: Vec<FinishedFold>) -> Vec<FinishedFold> {
        let mut going: Members<FinishedFold, IntegrationKey> = Members::default();
        for fold in folds {
            let ids = &fold.merged.tally.dropped;
            let said = match (&fold.merged.integration, &ids[..]) {
                (Some(integration), [_, ..]) => {
                    commit_absent(self.intake, self.endpoint, integration, ids).await
                }
                _ => Ok(()),
            };
            going.add(fold.key(), said.map(|()| fold));
        }
        self.report.aside.extend(going.aside);
        going.going
    }

    /// Writes the new holds.
    pub(super) async fn held(&mut self, folds: Vec<FinishedFold>) -> Vec<FinishedFold> {
        let begun = folds.iter().filter_map(|fold| fold.guarded.before.clone());
        let said = self.put_holds(begun.collect()).await;
        self.unless_failed(folds, |fold| fold.guarded.before.is_some(), said)
    }

    /// Writes the holds that ended. A failure changes nothing: the log of `current` also says that the hold ended, and
    /// the table's next fold writes it again.
    pub(super) async fn ended<'a>(
        &mut self,
        folds: impl Iterator<Item = &'a FinishedFold> + Clone,
    ) {
        let ended = folds.filter(|fold| fold.guarded.after.is_some());
        let after = ended.clone().filter_map(|fold| fold.guarded.after.clone());
        if let Err(error) = self.put_holds(after.collect()).await {
            let keys = ended.map(FinishedFold::key);
            self.report.aside.extend(all_aside(keys, &error));
        }
    }

    async fn put_holds(&self, all: Vec<Hold>) -> Result<(), LakeError> {
        if all.is_empty() {
            return Ok(());
        }
        holds::put(&self.intake.tables, &all).await.map(|_| ())
    }

    /// Sets aside the folds that needed a failed write.
    fn unless_failed(
        &mut self,
        folds: Vec<FinishedFold>,
        needs_it: impl Fn(&FinishedFold) -> bool,
        said: Result<(), LakeError>,
    ) -> Vec<FinishedFold> {
        let Err(error) = said else {
            return folds;
        };
        let (aside, going): (Vec<_>, Vec<_>) = folds.into_iter().partition(needs_it);
        let keys = aside.iter().map(FinishedFold::key);
        self.report.aside.extend(all_aside(keys, &error));
        going
    }

    /// Writes the rows of a comparison to a file that is not visible yet; `None` for a table that is not compared.
    async fn compared(
        &self,
        FinishedFold { plan, merged, .. }: &FinishedFold,
        rows: Vec<DriftRow>,
    ) -> Result<Option<TableComparison>, LakeError> {
        let (Some(integration), Some(_), Some(snapshot)) =
            (&merged.integration, plan.compared, plan.offered.snapshot_us)
        else {
            return Ok(None);
        };
        let (tables, endpoint) = (&self.intake.tables, self.endpoint.name());
        let fetch_id = merged.fetch_id.clone().unwrap_or_default();
        let drifted = rows.len() as u64;
        let file = drift::stage(tables, integration, endpoint, &fetch_id, rows).await?;
        Ok(Some(TableComparison {
            integration: integration.clone(),
            endpoint: endpoint.clone(),
            snapshot: ObservedAt::from_micros(snapshot),
            rows: merged.tally.compared,
            drifted,
            files: file.into_iter().collect(),
        }))
    }
}

fn count(rows: &[DriftRow]) -> DriftCounts {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry((row.kind, row.cause)).or_default() += 1;
    }
    let counts = counts.into_iter();
    counts
        .map(|((kind, cause), rows)| (kind, cause, rows))
        .collect()
}
