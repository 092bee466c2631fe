//! Folds the tables of many endpoints, and reports what was folded, what is held and what failed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failed::{WIDE, aside, failed};
use super::fold_progress::FoldProgress;
use crate::catalog::Endpoint;
use crate::chore::Questions;
use crate::ids::IntegrationKey;
use crate::lake::{
    FoldReport, FoldSettings, FoldedTable, Hold, Lake, LakeError, Release, SetAside,
};
use crate::words::{bytes, counted, seconds};

/// The result of a fold over many endpoints.
#[derive(Default)]
pub(super) struct FoldRun {
    /// What was folded, with the name of the endpoint's tables.
    pub(super) endpoints: Vec<(String, FoldReport)>,
    /// Endpoints of which nothing could be folded, with the error.
    pub(super) failed: Vec<SetAside<String>>,
    /// Errors that kept Kombo's explanation of a hold from being stored.
    pub(super) unexplained: Vec<LakeError>,
    /// The sum of the times of all folds.
    pub(super) elapsed: Duration,
}

/// Folds the waiting snapshots and deltas of these endpoints into `current`, one endpoint after the other.
///
/// `kombo` is asked why rows are held; with `None` no explanation is stored. Progress goes to standard error unless `quiet`.
pub(super) async fn fold(
    lake: &Lake,
    endpoints: &[Arc<Endpoint>],
    only: Option<&BTreeSet<IntegrationKey>>,
    settings: &FoldSettings,
    kombo: Option<&dyn Questions>,
    quiet: bool,
) -> FoldRun {
    let mut folded = FoldRun::default();
    let endpoints = &lake.there(endpoints).await;
    let mut progress = FoldProgress::new(endpoints.len(), quiet);
    for endpoint in endpoints {
        let name = endpoint.name().table_name();
        let began = Instant::now();
        let work = lake.fold_told(endpoint, only, settings, kombo);
        // Boxed: the future of a fold would make that of every verb larger.
        let failed = match progress.during(&name, Box::pin(work)).await {
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
    progress.finish();
    folded
}

impl FoldRun {
    /// Returns every folded table, with the name of its endpoint's tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, &FoldedTable)> {
        self.endpoints.iter().flat_map(|(name, report)| {
            let tables = report.tables.iter();
            tables.map(move |table| (name.as_str(), table))
        })
    }

    /// Returns whether everything that waited could be folded.
    pub(super) fn is_success(&self) -> bool {
        let mut reports = self.endpoints.iter().map(|(_, report)| report);
        self.failed.is_empty() && reports.all(|report| report.aside.is_empty())
    }

    /// Returns the holds that stand after the fold.
    pub(super) fn held(&self) -> impl Iterator<Item = (&str, &Hold)> {
        self.tables()
            .filter_map(|(name, table)| Some((name, table.hold.as_ref()?)))
    }

    /// Returns the holds that the fold ended.
    pub(super) fn released(&self) -> impl Iterator<Item = (&str, &Release)> {
        self.tables()
            .filter_map(|(name, table)| Some((name, table.released.as_ref()?)))
    }

    /// Returns one line about everything that was folded; `None` when nothing was.
    pub(super) fn total(&self) -> Option<String> {
        let sum = |of: fn(&FoldedTable) -> u64| self.tables().map(|(_, table)| of(table)).sum();
        let tables = self.tables().count() as u64;
        if tables == 0 {
            return None;
        }
        let shared = self.endpoints.iter().map(|(_, report)| report.shared_bytes);
        let rows: u64 = sum(|table| table.rows);
        let own: u64 = sum(|table| table.bytes);
        let size = own + shared.sum::<u64>();
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

    /// Returns lines about holds that ended, holds that stand and failures, with advice.
    pub(super) fn troubles(&self) -> Vec<String> {
        let released = self.released();
        let released = released.map(|(name, release)| format!("released  {}", release.text(name)));
        let mut lines: Vec<_> = released.collect();
        lines.extend(self.held().map(|(_, hold)| {
            let (what, until, command) = (hold.what(), hold.until(), hold.accept_command());
            format!("held      {what}\n          {until}\n          to accept these changes now:\n          {command}")
        }));
        for (name, report) in &self.endpoints {
            lines.extend(report.left_held.iter().map(|key| {
                format!(
                    "left      {name} of {key}: not rebuilt, because some of its changes are held or were just accepted, and only the present current has these rows; run `kombo-source fold` without --rebuild first, then `kombo-source accept` for the changes that are still held"
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
