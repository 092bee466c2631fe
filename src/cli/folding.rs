//! Folding the tables of many endpoints, and what there is to say of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::aside::aside;
use crate::catalog::Endpoint;
use crate::chore::Questions;
use crate::ids::IntegrationKey;
use crate::lake::{
    FoldReport, FoldSettings, FoldedTable, Hold, Lake, LakeError, Release, SetAside, ToldFold,
};
use crate::words::{bytes, counted, seconds};

/// What was folded.
#[derive(Default)]
pub(super) struct Folded {
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
) -> Folded {
    let mut folded = Folded::default();
    for endpoint in endpoints {
        let name = endpoint.name().table_name();
        let began = Instant::now();
        match lake.fold_told(endpoint, only, settings, kombo).await {
            Ok(ToldFold {
                mut report,
                took,
                unexplained,
            }) => {
                let stopped = report.stopped.take();
                folded
                    .failed
                    .extend(stopped.map(|error| of_endpoint(&name, error)));
                folded.endpoints.push((name, report));
                folded.unexplained.extend(unexplained);
                folded.elapsed += took;
            }
            Err(error) => {
                folded.failed.push(of_endpoint(&name, error));
                folded.elapsed += began.elapsed();
            }
        }
    }
    folded
}

fn of_endpoint(name: &str, error: LakeError) -> SetAside<String> {
    SetAside {
        member: format!("{name}/current"),
        error,
    }
}

impl Folded {
    /// Returns every table that was folded.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, &FoldedTable)> {
        self.endpoints.iter().flat_map(|(name, report)| {
            report
                .tables
                .iter()
                .map(move |table| (name.as_str(), table))
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
        let mut parts = vec![
            format!(
                "current: {} in {} folded",
                counted(rows, "row"),
                counted(tables, "table")
            ),
            format!("{} written", bytes(size)),
            seconds(self.elapsed),
        ];
        let drifted: u64 = self
            .tables()
            .flat_map(|(_, table)| &table.drift)
            .map(|(_, _, rows)| rows)
            .sum();
        if drifted > 0 {
            let rows = counted(drifted, "row");
            parts.push(format!("{rows} drifted (`kombo-source drift` shows them)"));
        }
        Some(parts.join(", "))
    }

    /// Says what is held no longer, what is held and what failed, with what to do.
    pub(super) fn troubles(&self) -> String {
        let mut text = String::new();
        for (name, release) in self.released() {
            writeln!(text, "released  {}", release.text(name)).expect("a string takes all text");
        }
        for (_, hold) in self.held() {
            let (what, until, command) = (hold.what(), hold.until(), hold.accept_command());
            writeln!(
                text,
                "held      {what}\n          {until}\n          to let it pass now: {command}"
            )
            .expect("a string takes all text");
        }
        for (name, report) in &self.endpoints {
            for key in &report.left_held {
                writeln!(
                    text,
                    "left      {name} of {key}: something of it is held or just accepted, and only the present current has those rows; run `kombo-source fold` without --rebuild first, and `kombo-source accept` for what is still held then"
                )
                .expect("a string takes all text");
            }
        }
        for (name, report) in &self.endpoints {
            let named = report.aside.iter().map(|one| SetAside {
                member: format!("{name}/current of {}", one.member),
                error: one.error.clone(),
            });
            text += &aside(&named.collect::<Vec<_>>());
        }
        text + &aside(&self.failed)
    }
}
