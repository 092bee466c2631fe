//! The lake: Kombo's rows as Parquet files in Delta tables, on local disk or an object store.
//!
//! [`delta`](crate::delta) knows Delta tables; this room knows Kombo's rows. Each sub-room has one task:
//!
//! - `intake` brings fetches into the lake. Staging sorts the rows in runs of bounded size. Each run becomes a data
//!   file that no reader sees yet. A committer makes the files of many integrations visible in one log entry,
//!   together with the bases that they advance. Before that entry nothing is visible, after it everything.
//! - `ledgers` keeps the lake's own small tables: integrations, quarantine, holds, drift and completeness.
//! - `fold` keeps `current`: one row per record.
//! - `care` merges small files, expires old rows, purges and repairs. `chores` decides when the service does so.
//! - `reports` says what the lake holds and how well it can be read.
//!
//! [`Lake`] is the door to all sub-rooms and does no work itself. `lake_sink` is the same door as a
//! [`Sink`](crate::sink::Sink). A sub-room depends only on the ones before it in this order: `ledgers`, `intake`,
//! `fold`, `care`, `reports`. `chores` come last: they join several sub-rooms and use the door. [`tables`] opens each
//! Delta table once. `layout` says where each file lies, `txn_name` names the transactions in the logs, and
//! `table_txns` reads the bases from them.
//!
//! Where many members share an entry, a file or a read, a member that fails is set aside and the others go on
//! ([`set_aside`]). Unreadable content never counts as empty or new; it is reported with its cure ([`remedy`]).
//!
//! Several lakes, in one process or in many, may write to the same place. A log entry is put only where none exists,
//! and the writer that loses the race compares bases before it tries again. The log is the truth. The memory of a
//! process is a copy.

pub mod layout;

mod care;
mod chores;
mod conform;
mod door;
mod fold;
mod form;
pub(crate) mod intake;
pub(crate) mod lake_error;
mod lake_sink;
pub(crate) mod ledgers;
mod operation;
mod positions;
mod remedy;
mod reports;
mod set_aside;
mod settings;
mod siblings;
mod snapshot_history;
mod table_txns;
mod tables;
mod txn_name;

#[cfg(test)]
mod tests;

pub use crate::delta::log::{FileBounds, LiveFile};
pub use crate::delta::store::folder_risk::FolderRisk;
pub use care::{
    Left, MendedTable, PurgeDepth, PurgeDue, PurgeReport, PurgeSettings, Repair, RepairReport,
    RepairSettings, RepairedTable, TablePurge, TableUpkeep, UpkeepReport, UpkeepSettings,
};
pub use chores::{FullInterval, PurgeAnswers, ToldFold, WhyKept};
pub use fold::{FoldReport, FoldSettings, FoldedTable, Release, SharedFile, Unfolded};
pub use intake::{Sealed, Sighting, Staging};
pub use lake_error::LakeError;
pub use ledgers::{
    ComparedTable, Completeness, DriftFilter, DriftGroup, DriftRow, FoundDrift, Hold, LeaseHolder,
    LeaseObjects, ModelCoverage, StoredLease,
};
pub use reports::{
    Ahead, Finding, LintReport, LintSettings, Overview, Query, QueryCost, TableDamage, TableLint,
    TableOverview,
};
pub use set_aside::{Members, SetAside};
pub use settings::LakeSettings;
pub use snapshot_history::SnapshotHistory;
pub use tables::Part;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use url::Url;

use self::fold::Folding;
use self::intake::{FetchIntake, hash_search, raise_bases, sighting, stored_coverage};
use self::layout::{PROBE_FOLDER, claim_layout, find_layout, refuses_overwriting};
use self::ledgers::candidates::CandidateObjects;
use self::siblings::Siblings;
use self::tables::Tables;
use crate::catalog::Endpoint;
use crate::delta::store::TableStore;
use crate::fetch::Fetch;
use crate::ids::{EndpointName, IntegrationId, IntegrationKey};
use crate::sink::{Advance, Coverage, HashLookup, NewestHashes};
use crate::time::Clock;

/// The lake. Cheap to clone. The tasks that commit end when the last clone is dropped.
#[derive(Clone)]
pub struct Lake {
    intake: Arc<FetchIntake>,
    folding: Folding,
    candidates: Arc<CandidateObjects>,
}

impl Lake {
    /// Opens a lake. Creates its layout document where there is none.
    pub async fn open(settings: &LakeSettings, clock: Arc<dyn Clock>) -> Result<Self, LakeError> {
        let store = TableStore::open(&settings.url, &settings.options).map_err(LakeError::open)?;
        Self::over(store, settings, clock).await
    }

    /// Opens a lake on a store that is open already. Creates its layout document where there is none.
    pub async fn over(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LakeError> {
        let is_new = claim_layout(&store).await.map_err(LakeError::layout)?;
        Ok(Self::with(store, settings, clock, Siblings::new(is_new)))
    }

    /// Opens an existing lake. `None` when there is none. Writes nothing, and creates no folder.
    pub async fn open_existing(
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, LakeError> {
        let store = TableStore::open_existing(&settings.url, &settings.options);
        match store.map_err(LakeError::open)? {
            Some(store) => Self::over_existing(store, settings, clock).await,
            None => Ok(None),
        }
    }

    /// Tries whether a lake could be created: writes, creates if absent, reads back, deletes. Leaves nothing behind.
    pub async fn probe_place(settings: &LakeSettings) -> Result<(), LakeError> {
        let probed = TableStore::probe_at(&settings.url, &settings.options, PROBE_FOLDER).await;
        probed.map_err(LakeError::open)
    }

    pub(crate) async fn over_existing(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, LakeError> {
        let found = find_layout(&store).await.map_err(LakeError::layout)?;
        let siblings = Siblings::new(false);
        Ok(found.then(|| Self::with(store, settings, clock, siblings)))
    }

    /// Fails if the store overwrites where it should refuse. For operations that write to an existing lake: it may have
    /// been copied to such a store. Costs one request, and changes nothing.
    pub async fn must_be_safe_to_write(&self) -> Result<(), LakeError> {
        let refuses = refuses_overwriting(&self.tables().store).await;
        refuses.map_err(LakeError::layout)
    }

    /// Returns the lease that a service takes on this lake. Sends no request.
    #[must_use]
    pub fn lease(&self) -> LeaseObjects {
        LeaseObjects::of(&self.tables().store)
    }

    fn with(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
        siblings: Siblings,
    ) -> Self {
        let tables = Tables::new(store, settings, clock, siblings);
        let intake = Arc::new(FetchIntake::new(tables));
        Self {
            folding: Folding::of(&intake),
            intake,
            candidates: Arc::default(),
        }
    }

    pub(in crate::lake) fn tables(&self) -> &Tables {
        &self.intake.tables
    }

    fn settings(&self) -> &LakeSettings {
        &self.tables().settings
    }
}

/// Operations on the tables in general.
impl Lake {
    /// Tries what a lake needs of its store: writes, creates if absent, reads back, deletes.
    pub async fn probe(&self) -> Result<(), LakeError> {
        let probed = self.tables().store.probe(PROBE_FOLDER).await;
        probed.map_err(LakeError::open)
    }

    /// Returns the live data files of one of an endpoint's Delta tables. Empty when the table does not exist.
    pub async fn files(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<Vec<Arc<LiveFile>>, LakeError> {
        self.tables().files(endpoint, part).await
    }

    /// Returns the endpoints that have tables in the lake, with one request. A pass over many endpoints begins with it.
    /// Returns all of them when the lake cannot be listed: the first table that is read then says why.
    pub async fn there(&self, endpoints: &[Arc<Endpoint>]) -> Vec<Arc<Endpoint>> {
        self.tables().there(endpoints).await
    }

    /// Returns the address of one of an endpoint's Delta tables, in the form that readers take.
    #[must_use]
    pub fn table_url(&self, endpoint: &EndpointName, part: Part) -> Url {
        self.tables().url(&part.of(endpoint))
    }
}

/// The door to `intake`.
impl Lake {
    /// Starts to stage a fetch: into `snapshots` or `deltas`, by its mode.
    pub async fn begin(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Staging, LakeError> {
        self.intake.begin(fetch, endpoint).await
    }

    /// Commits the waiting fetches without waiting for their window. Called when no running fetch could still join
    /// them.
    pub fn flush(&self) {
        self.intake.flush();
    }

    /// Raises bases of an endpoint's tables in one log entry of `deltas`. Never lowers a base, adds no rows, and does
    /// not change the watermarks. Writes nothing when no base moves. Skips the bases of a table that another writer
    /// has committed to since the caller read it.
    pub async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), LakeError> {
        raise_bases::advance(self.tables(), endpoint, advances).await
    }

    /// Returns the instants up to which a table is covered, commits of other processes included.
    ///
    /// # Errors
    /// Fails when the table's last observation is years in the future: no fetch may continue from there.
    pub async fn coverage(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, LakeError> {
        stored_coverage::coverage(self.tables(), endpoint, integration).await
    }

    /// Returns the instants up to which each table of an endpoint is covered. Creates nothing.
    pub(crate) async fn coverages(
        &self,
        endpoint: &Endpoint,
    ) -> Result<HashMap<IntegrationKey, Coverage>, LakeError> {
        stored_coverage::coverages(self.tables(), endpoint).await
    }

    /// Returns the hash of the newest observation of each given row, as far as reading `most_bytes` bytes finds it.
    ///
    /// The answer is valid only for the watermarks that the table has during this call. A caller that decides by the
    /// answer must commit onto these watermarks only.
    pub async fn newest_hashes(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
        lookup: &HashLookup,
        most_bytes: u64,
    ) -> Result<NewestHashes, LakeError> {
        hash_search::newest_hashes(self.tables(), endpoint, integration, lookup, most_bytes).await
    }

    /// Returns the newest observation of a row, as a reader of `snapshots` and `deltas` sees it. `None` when there is
    /// none. Reads every file that may hold the row, so this is for a single check, not for serving.
    pub async fn newest(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
        id: &str,
    ) -> Result<Option<Sighting>, LakeError> {
        sighting::newest(self.tables(), endpoint, integration, id).await
    }
}

/// The door to `fold`.
impl Lake {
    /// Folds the unfolded changes of an endpoint's tables, for the integrations `only` or for all. May run beside
    /// fetches, readers and another fold. Two folds share the work.
    ///
    /// A table that cannot be folded is set aside in the report, and the others are folded. The report includes the
    /// tables that became visible before a stop. Fails when no table of the endpoint can be folded.
    pub async fn fold(
        &self,
        endpoint: &Arc<Endpoint>,
        only: Option<&BTreeSet<IntegrationKey>>,
        settings: &FoldSettings,
    ) -> Result<FoldReport, LakeError> {
        self.folding.fold(endpoint, only, settings).await
    }

    /// Returns which tables of an endpoint have unfolded changes, as far as this process knows: from its own commits
    /// and from its last read. [`Lake::look_for_unfolded`] reads again.
    pub async fn unfolded(&self, endpoint: &Endpoint) -> Result<Vec<Unfolded>, LakeError> {
        self.folding.unfolded(endpoint).await
    }

    /// Returns the log versions on which the answer of [`Lake::unfolded`] depends. The same versions give the same
    /// answer.
    #[must_use]
    pub fn known_versions(&self, endpoint: &Endpoint) -> [Option<u64>; 3] {
        self.folding.known_versions(endpoint)
    }

    /// Reads the logs of an endpoint again, so that [`Lake::unfolded`] knows the commits of other processes.
    pub async fn look_for_unfolded(&self, endpoint: &Arc<Endpoint>) -> Result<(), LakeError> {
        self.folding.look_for_unfolded(endpoint).await
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lake({:?})", self.tables().store)
    }
}
