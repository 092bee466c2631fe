//! Builds `current`: one row per record, folded from the live snapshot and the deltas of each integration.
//!
//! [`view`] reads the logs of `snapshots`, `deltas` and `current`. [`fold_plan`] decides per table what waits to be
//! folded. [`pending`] reads the waiting rows of `deltas` for many tables in one pass. [`table_fold`] merges the
//! waiting rows with the sorted files of `current` and of the snapshot, and writes new files ([`output`]). The merge
//! itself is [`merge`]; its input is one [`source_cursor`] per source, over a [`sequence`] of files. A fold of deltas
//! alone rewrites only the files in which rows change ([`segment`]).
//!
//! [`group`] makes the result visible. Before the fold becomes visible, [`ledger_writes`] records the drift that a new
//! snapshot found and the rows that the guard holds ([`hold`]). Then one log entry holds the folds and positions of all
//! tables of the group ([`finished_fold`]). [`group_work`] is the reading and merging for one group, [`planned`] the
//! plan of one table with its files, [`task`] the input of the merging thread. [`absent`] writes to `deltas` the rows
//! that disappear because an operator accepted their loss.
//!
//! The log of `current` owns the truth about how far each table is folded. A crash on any line leaves unreferenced
//! files, and the next fold repeats the work.
//!
//! Merging keeps a core busy. So the merge runs on a thread of its own, at a [`pace`], and a [`porter`] reads and
//! writes files for that thread.

mod absent;
mod disorder;
mod finished_fold;
mod first_snapshot;
mod fold_plan;
mod group;
mod group_work;
mod hold;
mod holders;
mod ledger_writes;
mod merge;
mod merged_table;
mod output;
mod pace;
mod packing;
mod pending;
mod planned;
mod porter;
mod report;
mod segment;
mod sequence;
mod settings;
mod shared_output;
mod source_cursor;
mod sources;
mod table_fold;
mod task;
mod unchanged;
mod unit;
mod unit_fold;
mod view;

pub(in crate::lake) use packing::pack;
pub use report::{FoldReport, FoldedTable, Release, SharedFile, Unfolded};
pub use settings::FoldSettings;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use self::fold_plan::FoldPlan;
use self::view::View;
use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::lake::intake::FetchIntake;
use crate::lake::ledgers::{create_drift_and_holds, holds};
use crate::lake::set_aside::all_aside;
use crate::lake::{Hold, LakeError, Part, SetAside};

/// Folds the tables of a lake. Cheap to clone.
#[derive(Clone)]
pub(in crate::lake) struct Folding {
    intake: Arc<FetchIntake>,
}

impl Folding {
    /// Creates a folder for the lake that `intake` commits to. The fold also covers rows that other processes
    /// committed.
    pub(in crate::lake) fn of(intake: &Arc<FetchIntake>) -> Self {
        Self {
            intake: Arc::clone(intake),
        }
    }

    /// Folds the waiting tables of an endpoint: those of the integrations in `only`, or all. May run beside fetches,
    /// readers and another fold. Two concurrent folds share the tables: each table is folded by one of them.
    ///
    /// A table that cannot be folded is set aside in the report, and the other tables are folded. When the fold stops
    /// early, the report still contains every table that became visible before the stop. Returns an error when no table
    /// of the endpoint can be folded.
    pub(in crate::lake) async fn fold(
        &self,
        endpoint: &Arc<Endpoint>,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
    ) -> Result<FoldReport, LakeError> {
        let mut fold = EndpointFold {
            intake: &self.intake,
            endpoint,
            report: FoldReport::default(),
        };
        let folded = match fold.before_anew(only, settings).await {
            Ok(()) => fold.groups(only, settings).await,
            Err(error) => Err(error),
        };
        let mut report = fold.report;
        match folded {
            Err(error) if report.tables.is_empty() && report.aside.is_empty() => Err(error),
            folded => {
                report.stopped = folded.err();
                Ok(report)
            }
        }
    }

    /// Returns which tables of an endpoint wait to be folded, as far as this process knows: from its own commits and
    /// from the last read of the logs. [`Folding::look_for_unfolded`] reads the logs again.
    pub(in crate::lake) async fn unfolded(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Vec<Unfolded>, LakeError> {
        let view = View::known(&self.intake.tables, endpoint);
        let current = view.current_files().await?;
        let waiting = view.keys().into_iter().filter_map(|key| {
            let (positions, offered) = view.of(&key);
            let at_once = positions.lacks_snapshot(offered);
            (at_once || positions.lacks_deltas(offered)).then(|| Unfolded {
                at_once,
                shared: current.shared(key.as_str()),
                waiting_rows: self.intake.waiting.of(endpoint.name(), &key),
                rows: u64::try_from(positions.rows).unwrap_or_default(),
                key,
            })
        });
        Ok(waiting.collect())
    }

    /// Returns the log versions that [`Folding::unfolded`] uses. While the versions are equal, [`Folding::unfolded`]
    /// returns the same tables.
    pub(in crate::lake) fn known_versions(&self, endpoint: &Endpoint) -> [Option<u64>; 3] {
        View::known(&self.intake.tables, endpoint).versions()
    }

    /// Reads the logs of an endpoint again, so that [`Folding::unfolded`] includes the commits of other processes.
    pub(in crate::lake) async fn look_for_unfolded(
        &self,
        endpoint: &Endpoint,
    ) -> Result<(), LakeError> {
        let view = View::read(&self.intake.tables, endpoint).await;
        view.map(|_| ())
    }
}

/// A fold of an endpoint's tables, group by group.
struct EndpointFold<'a> {
    intake: &'a Arc<FetchIntake>,
    endpoint: &'a Arc<Endpoint>,
    report: FoldReport,
}

impl EndpointFold<'_> {
    /// Folds unfolded full fetches before their tables are rebuilt. Reason: a row that a full fetch lacks, and that
    /// Kombo has not confirmed as gone, exists only in `current`. A table with a full fetch that cannot be folded stays
    /// in [`FoldReport::aside`] and is not rebuilt. There is one exception: a damaged `current` has nothing left to
    /// keep, and the remedy is to rebuild it.
    async fn before_anew(
        &mut self,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
    ) -> Result<(), LakeError> {
        if !settings.rebuild {
            return Ok(());
        }
        let view = View::read(&self.intake.tables, self.endpoint).await?;
        let lacking = view.replacing(only);
        if lacking.is_empty() {
            return Ok(());
        }
        let plain = FoldSettings {
            rebuild: false,
            ..*settings
        };
        self.groups(Some(&lacking), &plain).await?;
        let current = Part::Current.of(self.endpoint.name());
        let is_kept = |aside: &SetAside<_>| !aside.error.is_damage_of(&current);
        self.report.aside.retain(is_kept);
        Ok(())
    }

    async fn groups(
        &mut self,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
    ) -> Result<(), LakeError> {
        let aside = self.report.aside.iter();
        let mut done: BTreeSet<IntegrationKey> = aside.map(|aside| aside.member.clone()).collect();
        loop {
            let is_asked = |key: &IntegrationKey| {
                !done.contains(key) && only.is_none_or(|only| only.contains(key))
            };
            let (mut view, due) = self.planned(is_asked, settings).await?;
            if settings.rebuild {
                self.report.left_held = view.held(only);
            }
            let aside = self.report.aside.iter();
            done.extend(aside.map(|aside| aside.member.clone()));
            if due.is_empty() {
                return Ok(());
            }
            let (intake, endpoint) = (self.intake, self.endpoint);
            let tables = view.open_tables(intake, endpoint, settings).await?;
            let group = view.first_group(due, settings.small_bytes()).await?;
            let keys = group.iter().flat_map(|unit| &unit.tables);
            done.extend(keys.map(|planned| planned.plan.key.clone()));
            let live = view.live_deltas().await?;
            // Boxed, because the future is large and every fold would carry it.
            let postponed = Box::pin(tables.fold(group, live, &mut self.report)).await?;
            for key in postponed {
                done.remove(&key);
            }
        }
    }

    /// Plans the waiting tables. Sets aside a table when the holds cannot be read and the table may be held.
    async fn planned(
        &mut self,
        is_asked: impl Fn(&IntegrationKey) -> bool,
        settings: &FoldSettings,
    ) -> Result<(View, Vec<FoldPlan>), LakeError> {
        let tables = &self.intake.tables;
        let view = View::read(tables, self.endpoint).await?;
        if view.keys().is_empty() {
            return Ok((view, Vec::new()));
        }
        if view.has_current() {
            // The operator may have moved the tables of drift and holds away, as the remedy for their damage says.
            create_drift_and_holds(tables).await;
        }
        let (holds, unread) = match self.holds().await {
            Ok(holds) => (holds, None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        let how = (settings.rebuild, tables.settings.guard.second_look);
        let mut due = view.due(self.endpoint, &holds, how, is_asked);
        if let Some(error) = unread {
            // The log of `current` says which tables have something held. The other tables have nothing held, so they
            // can be judged without the list of holds, as in a first fold. If such a table now needs a hold, the hold
            // cannot be written, and the table is set aside.
            let (held, free): (Vec<_>, _) =
                due.into_iter().partition(|plan| plan.positions.held != 0);
            let keys = held.into_iter().map(|plan| plan.key);
            self.report.aside.extend(all_aside(keys, &error));
            due = free;
        }
        Ok((view, due))
    }

    async fn holds(&self) -> Result<HashMap<IntegrationKey, Hold>, LakeError> {
        let holds = holds::read(&self.intake.tables).await?.into_iter();
        let own = holds.filter(|hold| hold.endpoint == *self.endpoint.name());
        Ok(own.map(|hold| (hold.integration.key(), hold)).collect())
    }
}
