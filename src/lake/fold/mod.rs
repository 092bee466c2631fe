//! `current`: one row per record, folded from the live snapshot and the deltas of each integration.
//!
//! [`view`] reads the three logs and [`plan`] says what waits ([`positions`] tells how far each table is), [`pending`] reads the rows of
//! `deltas` that are due for many tables in one pass, and [`table`] merges them with sorted files of `current` and of the
//! snapshot ([`merge`] over [`cursor`]s over [`sequence`]s of files) into new files ([`output`]). Of deltas alone only
//! the files whose rows change are rewritten ([`segment`]). [`group`] makes the result visible: what a new snapshot found
//! drifted, what the guard holds ([`hold`], [`said`]), then the fold itself with its positions, in one log entry for all tables of a
//! group. A crash on any line leaves files that nothing names, and the same fold is done again.
//!
//! Merging keeps a core busy: it runs on a thread of its own, at a [`pace`], and a [`porter`] brings it what it reads.

mod absent;
mod cursor;
mod group;
mod hold;
mod merge;
mod output;
mod pace;
mod pending;
mod plan;
mod porter;
mod positions;
mod report;
mod said;
mod segment;
mod sequence;
mod settings;
mod table;
mod task;
mod view;
mod waiting;
mod work;

pub(in crate::lake) use positions::Positions;
pub(in crate::lake) use waiting::WaitingRows;

pub use report::{FoldReport, FoldedTable, Release, Unfolded};
pub use settings::FoldSettings;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::lake::fold::plan::Plan;
use crate::lake::fold::view::View;
use crate::lake::set_aside::all_aside;
use crate::lake::{Hold, Lake, LakeError, Part};

impl Lake {
    /// Folds what waits of an endpoint's tables: of these integrations, or of all. May run beside fetches, readers and
    /// another fold, which then does what this one does not.
    ///
    /// A table that cannot be folded is set aside in the report, and the others are folded. What was visible before it
    /// had to stop is in the report all the same. Fails when nothing of the endpoint can be folded.
    pub async fn fold(
        &self,
        endpoint: &Arc<Endpoint>,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
    ) -> Result<FoldReport, LakeError> {
        let mut report = FoldReport::default();
        let folded = match self
            .fold_before_anew(endpoint, only, settings, &mut report)
            .await
        {
            Ok(()) => {
                self.fold_groups(endpoint, only, settings, &mut report)
                    .await
            }
            Err(error) => Err(error),
        };
        match folded {
            Err(error) if report.tables.is_empty() && report.aside.is_empty() => Err(error),
            folded => {
                report.stopped = folded.err();
                Ok(report)
            }
        }
    }

    /// Folds full fetches that are not folded yet, before their tables are made anew: rows that one lacks and that nobody
    /// has called gone are in `current` alone. A table whose full fetch cannot be folded stays in [`FoldReport::aside`] and
    /// is not made anew, with one exception: a damaged `current` has nothing left to keep, and its cure is to make it anew.
    async fn fold_before_anew(
        &self,
        endpoint: &Arc<Endpoint>,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
        report: &mut FoldReport,
    ) -> Result<(), LakeError> {
        if !settings.rebuild {
            return Ok(());
        }
        let view = View::read(self, endpoint).await?;
        let lacking = view.replacing(only);
        if lacking.is_empty() {
            return Ok(());
        }
        let plain = FoldSettings {
            rebuild: false,
            ..*settings
        };
        self.fold_groups(endpoint, Some(&lacking), &plain, report)
            .await?;
        let current = Part::Current.of(endpoint.name());
        report
            .aside
            .retain(|aside| !aside.error.is_damage_of(&current));
        Ok(())
    }

    async fn fold_groups(
        &self,
        endpoint: &Arc<Endpoint>,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
        report: &mut FoldReport,
    ) -> Result<(), LakeError> {
        let aside = report.aside.iter().map(|aside| aside.member.clone());
        let mut done: BTreeSet<IntegrationKey> = aside.collect();
        loop {
            let is_asked = |key: &IntegrationKey| {
                !done.contains(key) && only.is_none_or(|only| only.contains(key))
            };
            let planned = self.planned(endpoint, is_asked, settings, report);
            let (mut view, due) = planned.await?;
            if settings.rebuild {
                report.left_held = view.held(only);
            }
            done.extend(report.aside.iter().map(|aside| aside.member.clone()));
            if due.is_empty() {
                return Ok(());
            }
            let tables = view.open_tables(self, endpoint, settings).await?;
            let group = view.first_group(due).await?;
            done.extend(group.iter().map(|planned| planned.plan.key.clone()));
            let live = view.live_deltas(&tables).await?;
            // Boxed: it would make the future of every fold larger.
            Box::pin(tables.fold(self, endpoint, group, live, settings, report)).await?;
        }
    }

    /// Looks what waits, and sets aside what nobody can say whether it is held.
    async fn planned(
        &self,
        endpoint: &Arc<Endpoint>,
        is_asked: impl Fn(&IntegrationKey) -> bool,
        settings: &FoldSettings,
        report: &mut FoldReport,
    ) -> Result<(View, Vec<Plan>), LakeError> {
        let view = View::read(self, endpoint).await?;
        if view.has_current() {
            // They may have been moved away, as their cure says.
            self.create_drift_and_holds().await;
        }
        let (holds, unread) = match self.holds_of(endpoint).await {
            Ok(holds) => (holds, None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        let how = (settings.rebuild, self.settings().guard.second_look);
        let mut due = view.due(endpoint, &holds, how, is_asked);
        if let Some(error) = unread {
            // The log of `current` says of which tables something is held. Of the others nothing is: without the holds
            // they are judged as for the first time, and what that would hold cannot be written down and is set aside.
            let (held, free): (Vec<_>, _) =
                due.into_iter().partition(|plan| plan.positions.held != 0);
            let keys = held.into_iter().map(|plan| plan.key);
            report.aside.extend(all_aside(keys, &error));
            due = free;
        }
        Ok((view, due))
    }

    /// Returns which tables of an endpoint wait to be folded, as far as this process knows: what it has committed itself,
    /// and what it read last. [`Lake::look_for_unfolded`] reads again.
    #[must_use]
    pub fn unfolded(&self, endpoint: &Endpoint) -> Vec<Unfolded> {
        let view = View::known(self, endpoint);
        let waiting = view.keys().into_iter().filter_map(|key| {
            let (positions, offered) = view.of(&key);
            let at_once = positions.lacks_snapshot(offered);
            (at_once || positions.lacks_deltas(offered)).then(|| Unfolded {
                at_once,
                waiting_rows: self.inner.waiting.of(endpoint.name(), &key),
                rows: u64::try_from(positions.rows).unwrap_or_default(),
                key,
            })
        });
        waiting.collect()
    }

    /// Returns the versions that [`Lake::unfolded`] goes by: with the same ones it says the same again.
    #[must_use]
    pub fn known_versions(&self, endpoint: &Endpoint) -> [Option<u64>; 3] {
        View::known(self, endpoint).versions()
    }

    /// Reads the logs of an endpoint again, so that [`Lake::unfolded`] knows what others have committed.
    pub async fn look_for_unfolded(&self, endpoint: &Arc<Endpoint>) -> Result<(), LakeError> {
        View::read(self, endpoint).await.map(|_| ())
    }

    async fn holds_of(
        &self,
        endpoint: &Endpoint,
    ) -> Result<HashMap<IntegrationKey, Hold>, LakeError> {
        let holds = self.holds().await?.into_iter();
        let own = holds.filter(|hold| hold.endpoint == *endpoint.name());
        Ok(own.map(|hold| (hold.integration.key(), hold)).collect())
    }
}
