//! Repairs damage in the three tables of one endpoint.
//!
//! 1. Logs become readable. A stand-in takes the place of each lost entry, and leaves a mark.
//! 2. The bases of the integrations concerned are cleared in both `snapshots` and `deltas`. So the next fetch of each is
//!    a full one, which brings everything that Kombo still has.
//! 3. One entry for each damaged table takes lost files out of it and settles the marks. For `deltas` the same entry
//!    takes in rows of data files that no entry names: true observations that the lost entry had added. For `snapshots`
//!    it says that what is left of a snapshot is not complete, so no fold uses it.
//! 4. `current` is folded again from the other two, except where those wait for a full fetch: there the rows of
//!    `current` are the only ones, and they stay.
//!
//! A crash on any line leaves damage or a mark, and the next repair goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::warn;

use crate::catalog::Endpoint;
use crate::delta::log::LogState;
use crate::delta::lost_files::Closeness;
use crate::ids::IntegrationKey;
use crate::lake::care::repair::mended_table::MendedTable;
use crate::lake::care::repair::orphaned_rows::OrphanedRows;
use crate::lake::care::repair::surveyed_table::SurveyedTable;
use crate::lake::fold::Folding;
use crate::lake::layout::{key_of_file, may_hold};
use crate::lake::operation::Operation;
use crate::lake::positions::Positions;
use crate::lake::table_txns::{unbased, voided};
use crate::lake::tables::Tables;
use crate::lake::txn_name::{TxnName, keys_in};
use crate::lake::{FoldSettings, LakeError, Part};
use crate::time::Moment;

/// The repair of damage in one lake.
pub(super) struct DamageRepair<'a> {
    pub(super) tables: &'a Tables,
    pub(super) folding: &'a Folding,
    pub(super) closeness: Closeness,
    pub(super) dry_run: bool,
    pub(super) now: Moment,
    /// Keys of purged integrations. Their rows stay out.
    pub(super) purged: BTreeSet<String>,
}

/// What became of an endpoint.
#[derive(Default)]
pub(super) struct RepairedEndpoint {
    pub(super) mended: Vec<MendedTable>,
    /// Whether the endpoint has to be fetched again in full.
    pub(super) is_fetched_again: bool,
}

/// The three tables of one endpoint.
struct EndpointParts {
    snapshots: SurveyedTable,
    deltas: SurveyedTable,
    current: SurveyedTable,
}

impl DamageRepair<'_> {
    /// Repairs the tables of one endpoint. A dry run only describes the repair.
    pub(super) async fn endpoint(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> Result<RepairedEndpoint, LakeError> {
        let mut parts = EndpointParts {
            snapshots: self.surveyed(endpoint, Part::Snapshots).await?,
            deltas: self.surveyed(endpoint, Part::Deltas).await?,
            current: self.surveyed(endpoint, Part::Current).await?,
        };
        let damaged = parts.damaged();
        if damaged.is_empty() {
            return Ok(RepairedEndpoint::default());
        }
        if self.dry_run {
            return Ok(RepairedEndpoint {
                mended: parts.told(&damaged),
                is_fetched_again: parts.needs_kombo(),
            });
        }
        // The logs first: only then is it known which data files are lost.
        for part in parts.all() {
            let begins = damaged.contains(&part.name.to_string());
            let how = (self.closeness, begins);
            part.mend_log(self.tables, how, self.now).await?;
        }
        let is_fetched_again = parts.needs_kombo();
        let mended = parts.told(&parts.damaged_with(damaged));
        let concerned = parts.concerned().await?;
        parts.clear_bases(&concerned.all()).await?;
        self.mend_snapshots(&parts.snapshots, &concerned.snapshots)
            .await?;
        self.mend_deltas(&parts.deltas).await?;
        self.mend_current(endpoint, &parts.current, &concerned)
            .await?;
        for mended in &mended {
            let (table, damage) = (&mended.table, mended.damage.join("; "));
            warn!(%table, damage, lost = mended.lost, "{table} was damaged and is repaired");
        }
        Ok(RepairedEndpoint {
            mended,
            is_fetched_again,
        })
    }

    async fn surveyed(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<SurveyedTable, LakeError> {
        let name = part.of(endpoint.name());
        SurveyedTable::of(self.tables, name, part.schema(endpoint), self.closeness).await
    }

    async fn mend_snapshots(
        &self,
        snapshots: &SurveyedTable,
        keys: &BTreeSet<IntegrationKey>,
    ) -> Result<(), LakeError> {
        if snapshots.is_whole() {
            return Ok(());
        }
        let txns = |state: &LogState| {
            let voided = keys
                .iter()
                .flat_map(|key| voided(key, |app| state.txn(app)));
            voided.chain(state.settled()).collect()
        };
        snapshots.commit(Vec::new(), txns).await
    }

    async fn mend_deltas(&self, deltas: &SurveyedTable) -> Result<(), LakeError> {
        if deltas.is_whole() {
            return Ok(());
        }
        let orphaned = match &deltas.opened {
            Some((table, state)) if deltas.lacks_entries() => {
                OrphanedRows::taken_in(table, state, &self.purged).await?
            }
            _ => OrphanedRows::default(),
        };
        let seen = orphaned.seen;
        let txns = |state: &LogState| {
            let later = seen.iter().filter_map(|(key, seen_us)| {
                let app = TxnName::Seen.app_id(&IntegrationKey::from_stored(key)?);
                (state.txn(&app) < Some(*seen_us)).then_some((app, *seen_us))
            });
            later.chain(state.settled()).collect()
        };
        deltas.commit(orphaned.files, txns).await
    }

    /// Takes lost files out of `current`, and folds the integrations concerned again. The mark that the first entry
    /// leaves is settled after the fold.
    async fn mend_current(
        &self,
        endpoint: &Arc<Endpoint>,
        current: &SurveyedTable,
        concerned: &Concerned,
    ) -> Result<(), LakeError> {
        if current.is_whole() {
            return Ok(());
        }
        let keys = &concerned.current;
        let unheld = |state: &LogState| {
            let held = keys
                .iter()
                .filter(|key| Positions::of(key, state).held != 0);
            let unheld = held.map(|key| (TxnName::Held.app_id(key), 0));
            unheld.chain([LogState::repair_begun()]).collect::<Vec<_>>()
        };
        if !keys.is_empty() {
            current.commit(Vec::new(), unheld).await?;
            let waiting = concerned.all();
            let again: BTreeSet<_> = keys.difference(&waiting).cloned().collect();
            self.rebuild(endpoint, &again).await?;
        }
        let settled = |state: &LogState| state.settled();
        current.commit(Vec::new(), settled).await
    }

    async fn rebuild(
        &self,
        endpoint: &Arc<Endpoint>,
        keys: &BTreeSet<IntegrationKey>,
    ) -> Result<(), LakeError> {
        if keys.is_empty() {
            return Ok(());
        }
        let settings = FoldSettings {
            rebuild: true,
            ..self.tables.settings.fold.at_full_speed()
        };
        // Boxed, because the future is large.
        let folded = Box::pin(self.folding.fold(endpoint, Some(keys), &settings)).await?;
        let aside = folded.aside.into_iter().map(|aside| aside.error);
        folded
            .stopped
            .into_iter()
            .chain(aside)
            .next()
            .map_or(Ok(()), Err)
    }
}

/// The integrations that the damage concerns, by the table that is damaged.
#[derive(Default)]
struct Concerned {
    snapshots: BTreeSet<IntegrationKey>,
    deltas: BTreeSet<IntegrationKey>,
    current: BTreeSet<IntegrationKey>,
}

impl Concerned {
    /// Returns the integrations that have to be fetched again.
    fn all(&self) -> BTreeSet<IntegrationKey> {
        self.snapshots.union(&self.deltas).cloned().collect()
    }
}

impl EndpointParts {
    fn all(&mut self) -> [&mut SurveyedTable; 3] {
        [&mut self.snapshots, &mut self.deltas, &mut self.current]
    }

    fn each(&self) -> [&SurveyedTable; 3] {
        [&self.snapshots, &self.deltas, &self.current]
    }

    /// Returns the names of the damaged tables. A fetch creates `snapshots` and `deltas` together, and a fold comes
    /// after both, so one that is absent beside the others is gone.
    fn damaged(&self) -> BTreeSet<String> {
        let is_there = |table: &SurveyedTable| !table.is_absent();
        let is_gone = |table: &SurveyedTable, others: [&SurveyedTable; 2]| {
            table.is_absent() && others.into_iter().any(is_there)
        };
        let mut damaged = self.damaged_with(BTreeSet::new());
        if is_gone(&self.snapshots, [&self.deltas, &self.current]) {
            damaged.insert(self.snapshots.name.to_string());
        }
        if is_gone(&self.deltas, [&self.snapshots, &self.current]) {
            damaged.insert(self.deltas.name.to_string());
        }
        damaged
    }

    fn damaged_with(&self, mut damaged: BTreeSet<String>) -> BTreeSet<String> {
        let sick = self.each().into_iter().filter(|table| !table.is_whole());
        damaged.extend(sick.map(|table| table.name.to_string()));
        damaged
    }

    fn told(&self, damaged: &BTreeSet<String>) -> Vec<MendedTable> {
        let told = self.each().into_iter();
        let told = told.filter(|table| damaged.contains(&table.name.to_string()));
        told.map(MendedTable::of).collect()
    }

    /// Returns whether rows have to come from Kombo again.
    fn needs_kombo(&self) -> bool {
        let damaged = self.damaged();
        [&self.snapshots, &self.deltas].into_iter().any(|table| {
            let is_gone = table.is_absent() && damaged.contains(&table.name.to_string());
            is_gone || table.lacks_entries() || !table.lost.is_empty()
        })
    }

    /// Returns the integrations that the damage concerns: of a lost file those that it may hold rows of, of a lost
    /// entry all of them.
    async fn concerned(&self) -> Result<Concerned, LakeError> {
        let keys = self.keys().await?;
        let of = |table: &SurveyedTable| -> BTreeSet<IntegrationKey> {
            if table.lacks_entries() {
                return keys.clone();
            }
            let may_lack = |key: &&IntegrationKey| {
                let mut lost = table.lost.iter();
                lost.any(|lost| may_hold(&lost.file, key.as_str()))
            };
            keys.iter().filter(may_lack).cloned().collect()
        };
        Ok(Concerned {
            snapshots: of(&self.snapshots),
            deltas: of(&self.deltas),
            current: of(&self.current),
        })
    }

    /// Returns the integrations that any of the tables knows.
    async fn keys(&self) -> Result<BTreeSet<IntegrationKey>, LakeError> {
        let mut keys = BTreeSet::new();
        for part in self.each() {
            let Some((table, state)) = &part.opened else {
                continue;
            };
            keys.extend(keys_in(state));
            let live = table.live(state).await?;
            let of_files = live.iter().filter_map(|file| key_of_file(file));
            keys.extend(of_files.filter_map(IntegrationKey::from_stored));
        }
        Ok(keys)
    }

    /// Clears the bases in both logs, before any damage is repaired: while a base stands, no full fetch would come.
    async fn clear_bases(&self, keys: &BTreeSet<IntegrationKey>) -> Result<(), LakeError> {
        for part in [&self.snapshots, &self.deltas] {
            if let Some((table, _)) = &part.opened {
                let txns = |state: &LogState| {
                    let unbased = keys
                        .iter()
                        .flat_map(|key| unbased(key, |app| state.txn(app)));
                    unbased.collect::<BTreeMap<_, _>>().into_iter().collect()
                };
                table
                    .exchange(Operation::Repair.as_str(), &[], txns)
                    .await?;
            }
        }
        Ok(())
    }
}
