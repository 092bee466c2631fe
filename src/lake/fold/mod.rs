//! `current`: one row per record, folded from the live snapshot and the deltas of each integration.
//!
//! [`view`] reads the three logs and [`fold_plan`] says what waits. [`pending`] reads the rows of `deltas` that are due for
//! many tables in one pass. [`table_fold`] merges them with sorted files of `current` and of the snapshot ([`merge`] over
//! [`source_cursor`]s over [`sequence`]s of files) into new files ([`output`]). Of deltas alone only the files whose rows
//! change are rewritten ([`segment`]). [`group`] makes the result visible: first what a new snapshot found drifted and what
//! the guard holds ([`hold`], [`ledger_writes`]), then the fold itself with its positions, in one log entry for all tables
//! of a group ([`finished_fold`]). [`group_work`] is what a group reads and merges before that, [`planned`] what was planned of
//! each table, and [`task`] what the thread that merges is given. [`absent`] says in `deltas` which
//! rows went because a person said so.
//!
//! The log of `current` owns the truth about how far each table is folded. A crash on any line leaves files that nothing
//! names, and the same fold is done again.
//!
//! Merging keeps a core busy: it runs on a thread of its own, at a [`pace`], and a [`porter`] brings it what it reads.

mod absent;
mod finished_fold;
mod fold_plan;
mod group;
mod group_work;
mod hold;
mod ledger_writes;
mod merge;
mod output;
mod pace;
mod pending;
mod planned;
mod porter;
mod report;
mod segment;
mod sequence;
mod settings;
mod source_cursor;
mod table_fold;
mod task;
mod view;

pub use report::{FoldReport, FoldedTable, Release, Unfolded};
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
    /// Folds what an intake has committed, and others like it.
    pub(in crate::lake) fn of(intake: &Arc<FetchIntake>) -> Self {
        Self {
            intake: Arc::clone(intake),
        }
    }

    /// Folds what waits of an endpoint's tables: of these integrations, or of all. May run beside fetches, readers and
    /// another fold, which then does what this one does not.
    ///
    /// A table that cannot be folded is set aside in the report, and the others are folded. What was visible before it
    /// had to stop is in the report all the same. Fails when nothing of the endpoint can be folded.
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

    /// Returns which tables of an endpoint wait to be folded, as far as this process knows: what it has committed itself,
    /// and what it read last. [`Folding::look_for_unfolded`] reads again.
    pub(in crate::lake) fn unfolded(&self, endpoint: &Endpoint) -> Vec<Unfolded> {
        let view = View::known(&self.intake.tables, endpoint);
        let waiting = view.keys().into_iter().filter_map(|key| {
            let (positions, offered) = view.of(&key);
            let at_once = positions.lacks_snapshot(offered);
            (at_once || positions.lacks_deltas(offered)).then(|| Unfolded {
                at_once,
                waiting_rows: self.intake.waiting.of(endpoint.name(), &key),
                rows: u64::try_from(positions.rows).unwrap_or_default(),
                key,
            })
        });
        waiting.collect()
    }

    /// Returns the versions that [`Folding::unfolded`] goes by: with the same ones it says the same again.
    pub(in crate::lake) fn known_versions(&self, endpoint: &Endpoint) -> [Option<u64>; 3] {
        View::known(&self.intake.tables, endpoint).versions()
    }

    /// Reads the logs of an endpoint again, so that [`Folding::unfolded`] knows what others have committed.
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
    /// Folds full fetches that are not folded yet, before their tables are made anew: rows that one lacks and that nobody
    /// has called gone are in `current` alone. A table whose full fetch cannot be folded stays in [`FoldReport::aside`] and
    /// is not made anew, with one exception: a damaged `current` has nothing left to keep, and its cure is to make it anew.
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
            let group = view.first_group(due).await?;
            done.extend(group.iter().map(|planned| planned.plan.key.clone()));
            let live = view.live_deltas().await?;
            // Boxed: it would make the future of every fold larger.
            Box::pin(tables.fold(group, live, &mut self.report)).await?;
        }
    }

    /// Looks what waits, and sets aside what nobody can say whether it is held.
    async fn planned(
        &mut self,
        is_asked: impl Fn(&IntegrationKey) -> bool,
        settings: &FoldSettings,
    ) -> Result<(View, Vec<FoldPlan>), LakeError> {
        let tables = &self.intake.tables;
        let view = View::read(tables, self.endpoint).await?;
        if view.has_current() {
            // They may have been moved away, as their cure says.
            create_drift_and_holds(tables).await;
        }
        let (holds, unread) = match self.holds().await {
            Ok(holds) => (holds, None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        let how = (settings.rebuild, tables.settings.guard.second_look);
        let mut due = view.due(self.endpoint, &holds, how, is_asked);
        if let Some(error) = unread {
            // The log of `current` says of which tables something is held. Of the others nothing is: without the holds
            // they are judged as for the first time, and what that would hold cannot be written down and is set aside.
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
