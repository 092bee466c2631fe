//! Folding the tables of many endpoints, and what there is to say of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failed::{WIDE, aside, failed};
use crate::catalog::Endpoint;
use crate::chore::Questions;
use crate::ids::IntegrationKey;
use crate::lake::{
    FoldReport, FoldSettings, FoldedTable, Hold, Lake, LakeError, Release, SetAside,
};
use crate::words::{bytes, counted, seconds};

/// What was folded.
#[derive(Default)]
pub(super) struct FoldRun {
    /// By table.
    pub(super) endpoints: Vec<(String, FoldReport)>,
    /// Endpoints of which nothing could be folded, and why.
    pub(super) failed: Vec<SetAside<String>>,
    /// Why what Kombo said of holds could not be written down.
    pub(super) unexplained: Vec<LakeError>,
    /// How long it took.
    pub(super) elapsed: Duration,
}

/// Folds what waits of these endpoints, one after the other. Of what is held Kombo is asked why, where it can be.
pub(super) async fn fold(
    lake: &Lake,
    endpoints: &[Arc<Endpoint>],
    only: Option<&BTreeSet<IntegrationKey>>,
    settings: &FoldSettings,
    kombo: Option<&dyn Questions>,
) -> FoldRun {
    let mut folded = FoldRun::default();
    for endpoint in endpoints {
        let name = endpoint.name().table_name();
        let began = Instant::now();
        let failed = match lake.fold_told(endpoint, only, settings, kombo).await {
            Ok(mut told) => {
                let stopped = told.report.stopped.take();
                folded.endpoints.push((name.clone(), told.report));
                folded.unexplained.extend(told.unexplained);
                folded.elapsed += told.took;
                stopped
            }
            Err(error) => {
                folded.elapsed += began.elapsed();
                Some(error)
            }
        };
        let member = format!("{name}/current");
        let failed = failed.map(|error| SetAside { member, error });
        folded.failed.extend(failed);
    }
    folded
}

impl FoldRun {
    /// Returns every table that was folded.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, &FoldedTable)> {
        self.endpoints.iter().flat_map(|(name, report)| {
            let tables = report.tables.iter();
            tables.map(move |table| (name.as_str(), table))
        })
    }

    /// Returns whether nothing could not be folded.
    pub(super) fn is_success(&self) -> bool {
        let mut reports = self.endpoints.iter().map(|(_, report)| report);
        self.failed.is_empty() && reports.all(|report| report.aside.is_empty())
    }

    /// Returns what is held since.
    pub(super) fn held(&self) -> impl Iterator<Item = (&str, &Hold)> {
        self.tables()
            .filter_map(|(name, table)| Some((name, table.hold.as_ref()?)))
    }

    /// Returns what is held no longer.
    pub(super) fn released(&self) -> impl Iterator<Item = (&str, &Release)> {
        self.tables()
            .filter_map(|(name, table)| Some((name, table.released.as_ref()?)))
    }

    /// Says in one line what was folded; `None` when nothing was.
    pub(super) fn total(&self) -> Option<String> {
        let sum = |of: fn(&FoldedTable) -> u64| self.tables().map(|(_, table)| of(table)).sum();
        let tables = self.tables().count() as u64;
        if tables == 0 {
            return None;
        }
        let (rows, size): (u64, u64) = (sum(|table| table.rows), sum(|table| table.bytes));
        let (rows, tables) = (counted(rows, "row"), counted(tables, "table"));
        let mut parts = vec![
            format!("current: {rows} in {tables} folded"),
            format!("{} written", bytes(size)),
            seconds(self.elapsed),
        ];
        let drift = self.tables().flat_map(|(_, table)| &table.drift);
        let drifted: u64 = drift.map(|(_, _, rows)| rows).sum();
        if drifted > 0 {
            let rows = counted(drifted, "row");
            parts.push(format!("{rows} drifted (`kombo-source drift` shows them)"));
        }
        Some(parts.join(", "))
    }

    /// Says what is held no longer, what is held and what failed, with what to do.
    pub(super) fn troubles(&self) -> Vec<String> {
        let released = self.released();
        let released = released.map(|(name, release)| format!("released  {}", release.text(name)));
        let mut lines: Vec<_> = released.collect();
        lines.extend(self.held().map(|(_, hold)| {
            let (what, until, command) = (hold.what(), hold.until(), hold.accept_command());
            format!("held      {what}\n          {until}\n          to let it pass now: {command}")
        }));
        for (name, report) in &self.endpoints {
            lines.extend(report.left_held.iter().map(|key| {
                format!(
                    "left      {name} of {key}: something of it is held or just accepted, and only the present current has those rows; run `kombo-source fold` without --rebuild first, and `kombo-source accept` for what is still held then"
                )
            }));
        }
        for (name, report) in &self.endpoints {
            lines.extend(report.aside.iter().map(|one| {
                let what = format!("{name}/current of {}", one.member);
                failed(WIDE, what, &one.error, one.error.advice())
            }));
        }
        lines.extend(aside(WIDE, &self.failed));
        lines
    }
}
