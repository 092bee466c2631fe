//! Reads the three tables of an endpoint (`snapshots`, `deltas`, `current`) at one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::log::{LiveFile, LogState};
use crate::ids::IntegrationKey;
use crate::lake::conform::union;
use crate::lake::fold::FoldSettings;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::group::FoldTables;
use crate::lake::fold::planned::Planned;
use crate::lake::fold::unit::{CurrentFiles, Unit, units};
use crate::lake::intake::FetchIntake;
use crate::lake::layout::key_of_file;
use crate::lake::ledgers::create_drift_and_holds;
use crate::lake::positions::{Offered, Positions};
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::txn_name::keys_in;
use crate::lake::{Hold, LakeError, Part, SnapshotHistory};
use crate::time::{ObservedAt, SecondLook};
use crate::versions::looks::Looks;

/// Most tables and rows that become visible in one commit. The limits keep the work small that a crash discards.
const GROUP_TABLES: usize = 512;
const GROUP_ROWS: u64 = 250_000;

/// The states of the three tables at one moment. `snapshots` and `deltas` are read before `current`: rows committed
/// meanwhile wait for the next fold.
pub(super) struct View {
    snapshots: Option<(OpenTable, Arc<LogState>)>,
    deltas: Option<(OpenTable, Arc<LogState>)>,
    current: Option<(OpenTable, Arc<LogState>)>,
}

impl View {
    /// Reads the logs of all three tables.
    pub(super) async fn read(tables: &Tables, endpoint: &Endpoint) -> Result<Self, LakeError> {
        // The rows of a snapshot's closing delta are committed before the snapshot. So a reader that reads `deltas`
        // after `snapshots` sees them.
        let snapshots = tables.newest(endpoint, Part::Snapshots).await?;
        let deltas = tables.newest(endpoint, Part::Deltas).await?;
        Ok(Self {
            snapshots,
            deltas,
            current: tables.newest(endpoint, Part::Current).await?,
        })
    }

    /// Returns the states that this process read last, without reading again.
    pub(super) fn known(tables: &Tables, endpoint: &Endpoint) -> Self {
        let known = |part| {
            let table = tables.opened(endpoint, part)?;
            let state = table.log.state();
            Some((table, state))
        };
        Self {
            snapshots: known(Part::Snapshots),
            deltas: known(Part::Deltas),
            current: known(Part::Current),
        }
    }

    /// Returns whether `current` exists.
    pub(super) fn has_current(&self) -> bool {
        self.current.is_some()
    }

    /// Returns the log version of each table.
    pub(super) fn versions(&self) -> [Option<u64>; 3] {
        self.states().map(|state| state.map(LogState::version))
    }

    fn states(&self) -> [Option<&LogState>; 3] {
        let tables = [&self.snapshots, &self.deltas, &self.current];
        tables.map(|table| table.as_ref().map(|(_, state)| &**state))
    }

    /// Returns the integrations that `snapshots` or `deltas` know.
    pub(super) fn keys(&self) -> BTreeSet<IntegrationKey> {
        let [snapshots, deltas, _] = self.states();
        let states = [snapshots, deltas].into_iter().flatten();
        states.flat_map(keys_in).collect()
    }

    /// Returns how far an integration's table is folded, and what its sources offer.
    pub(super) fn of(&self, key: &IntegrationKey) -> (Positions, Offered) {
        let [snapshots, deltas, current] = self.states();
        let offered = Offered::of(key, snapshots, deltas);
        let positions = current.map(|current| Positions::of(key, current));
        (positions.unwrap_or_default(), offered)
    }

    /// Returns the tables with something held.
    pub(super) fn held(&self, only: Option<&BTreeSet<IntegrationKey>>) -> Vec<IntegrationKey> {
        let mut keys = self.keys();
        keys.retain(|key| self.of(key).0.held != 0 && only.is_none_or(|only| only.contains(key)));
        keys.into_iter().collect()
    }

    /// Returns the tables with an unfolded full fetch that were folded before.
    pub(super) fn replacing(
        &self,
        only: Option<&BTreeSet<IntegrationKey>>,
    ) -> BTreeSet<IntegrationKey> {
        let mut keys = self.keys();
        keys.retain(|key| {
            let (positions, offered) = self.of(key);
            let is_folded = positions.snapshot_us.max(positions.folded_us).is_some();
            is_folded
                && positions.lacks_snapshot(offered)
                && only.is_none_or(|only| only.contains(key))
        });
        keys
    }

    /// Returns the plans of the waiting tables that `is_asked` selects.
    pub(super) fn due(
        &self,
        endpoint: &Endpoint,
        holds: &HashMap<IntegrationKey, Hold>,
        (rebuild, second_look): (bool, SecondLook),
        is_asked: impl Fn(&IntegrationKey) -> bool,
    ) -> Vec<FoldPlan> {
        let keys = self.keys().into_iter().filter(is_asked);
        let plans = keys.filter_map(|key| {
            let (positions, offered) = self.of(&key);
            let [snapshots, ..] = self.states();
            let history =
                snapshots.and_then(|state| SnapshotHistory::of(&key, |app| state.txn(app)));
            let looks = looks(history, offered, second_look);
            let hold = holds.get(&key).cloned();
            if rebuild {
                let since_us = looks.map(|looks| looks.since.as_micros());
                return FoldPlan::anew(&key, positions, offered, since_us, hold);
            }
            let has_deltas = endpoint.updated_after;
            FoldPlan::of(&key, positions, offered, (history, looks), hold, has_deltas)
        });
        plans.collect()
    }

    /// Opens the three tables for a fold. Creates `current` if it does not exist.
    pub(super) async fn open_tables<'a>(
        &mut self,
        intake: &'a Arc<FetchIntake>,
        endpoint: &'a Arc<Endpoint>,
        settings: &FoldSettings,
    ) -> Result<FoldTables<'a>, LakeError> {
        if self.current.is_none() {
            let table = self.create_current(&intake.tables, endpoint).await?;
            let state = table.refreshed().await?;
            self.current = Some((table, state));
            create_drift_and_holds(&intake.tables).await;
        }
        let schemas = self.states().into_iter().flatten();
        let schemas = schemas.map(|state| &**state.schema());
        let table = |table: &Option<(OpenTable, _)>| table.as_ref().map(|(table, _)| table.clone());
        let current = table(&self.current).ok_or(DeltaError::Closed)?;
        let tables = (table(&self.snapshots), table(&self.deltas), current);
        FoldTables::new((intake, endpoint), tables, schemas, settings)
    }

    /// Creates `current` with the columns of `snapshots`, in the same order. Reason: engines that union the three
    /// tables match the members of structs by position.
    async fn create_current(
        &self,
        tables: &Tables,
        endpoint: &Endpoint,
    ) -> Result<OpenTable, LakeError> {
        let ours = endpoint.schema();
        let schema = match &self.snapshots {
            Some((_, snapshots)) => union(snapshots.schema(), [&*ours])?,
            None => ours,
        };
        let current = Part::Current.of(endpoint.name());
        tables.open(&current, &schema).await
    }

    /// Returns the first tables of `due`, with their files, up to the size of a group.
    pub(super) async fn first_group(
        &self,
        due: Vec<FoldPlan>,
        small_bytes: u64,
    ) -> Result<Vec<Unit>, LakeError> {
        let snapshots = files_by_key(self.snapshots.as_ref()).await?;
        let current = self.current_files().await?;
        let (mut group, mut rows) = (Vec::new(), 0);
        let mut used: HashSet<String> = HashSet::new();
        for plan in due {
            let (own, shared) = current.of(plan.key.as_str());
            // A table that shares a file with the group comes along: the file is rewritten anyway.
            let is_along = shared.iter().any(|file| used.contains(&file.path));
            if (group.len() >= GROUP_TABLES || rows > GROUP_ROWS) && !is_along {
                continue;
            }
            let snapshot = snapshots.get(plan.key.as_str());
            let snapshot = snapshot.map_or(&[][..], Vec::as_slice);
            let is_large = own.iter().map(|file| file.size).sum::<u64>() > small_bytes;
            used.extend(own.iter().map(|file| file.path.clone()));
            let fresh = shared.iter().filter(|file| used.insert(file.path.clone()));
            rows += fresh.filter_map(|file| file.num_records).sum::<u64>();
            let planned = Planned::new(plan, snapshot, own, is_large);
            rows += planned.rows();
            group.push((planned, shared));
        }
        let along = current.many_small(&used, small_bytes);
        Ok(units(group, along))
    }

    /// Returns the files of `current`.
    pub(super) async fn current_files(&self) -> Result<CurrentFiles, LakeError> {
        let live = match &self.current {
            Some((table, state)) => table.live(state).await?,
            None => Vec::new(),
        };
        Ok(CurrentFiles::new(live))
    }

    /// Lists the files of `deltas`.
    pub(super) async fn live_deltas(&self) -> Result<Arc<[Arc<LiveFile>]>, LakeError> {
        match &self.deltas {
            Some((table, state)) => Ok(table.live(state).await?.into()),
            None => Ok(Arc::new([])),
        }
    }
}

/// Returns the start of the live snapshot and of earlier ones; `None` without a snapshot.
fn looks(
    history: Option<SnapshotHistory>,
    offered: Offered,
    second_look: SecondLook,
) -> Option<Looks> {
    let seen = offered.snapshot_us.map(ObservedAt::from_micros);
    let since = history.map(|history| history.since).or(seen)?;
    let alone = Looks::of_one(since, second_look);
    Some(history.map_or(alone, |history| Looks {
        first: history.first_look,
        next: history.next_look,
        ..alone
    }))
}

async fn files_by_key(
    table: Option<&(OpenTable, Arc<LogState>)>,
) -> Result<BTreeMap<String, Vec<Arc<LiveFile>>>, LakeError> {
    let mut files: BTreeMap<String, Vec<Arc<LiveFile>>> = BTreeMap::new();
    if let Some((table, state)) = table {
        for file in table.live(state).await? {
            if let Some(key) = key_of_file(&file) {
                files.entry(key.to_owned()).or_default().push(file);
            }
        }
    }
    Ok(files)
}
