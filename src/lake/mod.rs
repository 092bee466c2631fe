//! The lake: Kombo's rows as Parquet files in Delta tables, on local disk or an object store.
//!
//! What knows Delta is [`delta`](crate::delta); here is what knows Kombo's rows. Each room has one task:
//!
//! - `intake` takes fetches in. Staging sorts the rows in runs of bounded size. Each run becomes a final file that nobody
//!   sees yet. A committer makes the files of many integrations visible in one log entry, together with the bases they
//!   move. Nothing is visible before that entry, and everything after it.
//! - `ledgers` keeps the lake's own small tables: integrations, quarantine, holds, drift and how complete tables were.
//! - `fold` keeps `current`: one row per record.
//! - `care` keeps files few, lets old rows leave, purges and repairs. `chores` says when the service does these.
//! - `reports` says what the lake holds and how well it can be read.
//!
//! [`Lake`] is the door to all of them and does nothing itself; `lake_sink` is the same door as a
//! [`Sink`](crate::sink::Sink). A room names only those below it: `ledgers`, `intake`, `fold`, `care`, `reports`, and last
//! `chores`, which join several rooms and go in by the door. [`tables`] opens each Delta table once. `layout` says where
//! everything lies, `txn_name` what stands in the logs beside the files, and `table_txns` reads the bases out of it.
//!
//! Where many share an entry, a file or a reading, one that fails is set aside and the others go on ([`set_aside`]); what
//! cannot be read is never taken for empty or new, and is told with its cure ([`remedy`]).
//!
//! Several lakes, in one process or in many, may write to the same place: the log entry is put only where none is, and
//! whoever loses compares bases before trying again. The log is the truth; what a process keeps in memory is a copy of it.

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
mod snapshot_history;
mod table_txns;
mod tables;
mod txn_name;

#[cfg(test)]
mod tests;

pub use crate::delta::log::{FileBounds, LiveFile};
pub use care::{
    Left, PurgeDue, PurgeReport, PurgeSettings, Repair, RepairReport, RepairedTable, TablePurge,
    TableUpkeep, UpkeepReport, UpkeepSettings,
};
pub use chores::{PurgeAnswers, ToldFold, WhyKept};
pub use fold::{FoldReport, FoldSettings, FoldedTable, Release, Unfolded};
pub use intake::{Sealed, Sighting, Staging};
pub use lake_error::LakeError;
pub use ledgers::{
    ComparedTable, Completeness, DriftFilter, DriftGroup, DriftRow, FoundDrift, Hold,
};
pub use reports::{
    Ahead, Finding, LintReport, LintSettings, Overview, Query, QueryCost, TableLint, TableOverview,
};
pub use set_aside::{Members, SetAside};
pub use settings::LakeSettings;
pub use snapshot_history::SnapshotHistory;
pub use tables::Part;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use url::Url;

use self::fold::Folding;
use self::intake::{FetchIntake, hash_search, raise_bases, sighting, stored_coverage};
use self::layout::{PROBE_FOLDER, claim_layout, find_layout};
use self::tables::Tables;
use crate::catalog::Endpoint;
use crate::delta::store::TableStore;
use crate::fetch::Fetch;
use crate::ids::{EndpointName, IntegrationId, IntegrationKey};
use crate::sink::{Advance, Coverage, HashLookup, NewestHashes};
use crate::time::Clock;

/// The lake. Cheap to clone; the tasks that commit end with its last clone.
#[derive(Clone)]
pub struct Lake {
    intake: Arc<FetchIntake>,
    folding: Folding,
}

impl Lake {
    /// Opens a lake, creating its layout document where nothing is.
    pub async fn open(settings: &LakeSettings, clock: Arc<dyn Clock>) -> Result<Self, LakeError> {
        let store = TableStore::open(&settings.url, &settings.options).map_err(LakeError::open)?;
        Self::over(store, settings, clock).await
    }

    /// Opens a lake on a store that is open already.
    pub(crate) async fn over(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LakeError> {
        claim_layout(&store).await.map_err(LakeError::layout)?;
        Ok(Self::with(store, settings, clock))
    }

    /// Opens the lake that is there; `None` when there is none. Writes nothing.
    pub async fn open_existing(
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, LakeError> {
        let store = TableStore::open(&settings.url, &settings.options).map_err(LakeError::open)?;
        Self::over_existing(store, settings, clock).await
    }

    pub(crate) async fn over_existing(
        store: TableStore,
        settings: &LakeSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, LakeError> {
        let found = find_layout(&store).await.map_err(LakeError::layout)?;
        Ok(found.then(|| Self::with(store, settings, clock)))
    }

    fn with(store: TableStore, settings: &LakeSettings, clock: Arc<dyn Clock>) -> Self {
        let intake = Arc::new(FetchIntake::new(Tables::new(store, settings, clock)));
        Self {
            folding: Folding::of(&intake),
            intake,
        }
    }

    pub(in crate::lake) fn tables(&self) -> &Tables {
        &self.intake.tables
    }

    fn settings(&self) -> &LakeSettings {
        &self.tables().settings
    }
}

/// The tables as a whole.
impl Lake {
    /// Tries what a lake needs of its store: writes, creates if absent, reads back, deletes.
    pub async fn probe(&self) -> Result<(), LakeError> {
        let probed = self.tables().store.probe(PROBE_FOLDER).await;
        probed.map_err(LakeError::open)
    }

    /// Returns the live data files of one of an endpoint's Delta tables; none where there is no table.
    pub async fn files(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<Vec<Arc<LiveFile>>, LakeError> {
        self.tables().files(endpoint, part).await
    }

    /// Returns where one of an endpoint's Delta tables is, as readers are given it.
    #[must_use]
    pub fn table_url(&self, endpoint: &EndpointName, part: Part) -> Url {
        self.tables().url(&part.of(endpoint))
    }
}

/// The door to `intake`.
impl Lake {
    /// Begins to take in a fetch: into `snapshots` or `deltas`, by its mode.
    pub async fn begin(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Staging, LakeError> {
        self.intake.begin(fetch, endpoint).await
    }

    /// Commits what waits for its window: no fetch is running any more that could join it.
    pub fn flush(&self) {
        self.intake.flush();
    }

    /// Raises bases of an endpoint's tables in one log entry of `deltas`. Never lowers one, adds no rows, and leaves the
    /// watermarks where they are; writes nothing where nothing moves. Bases of a table that somebody has committed to since
    /// are left out.
    pub async fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> Result<(), LakeError> {
        raise_bases::advance(self.tables(), endpoint, advances).await
    }

    /// Returns up to which instants a table is covered, commits of other processes included.
    ///
    /// # Errors
    /// Where its last observation is years in the future, nobody may go on from there.
    pub async fn coverage(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, LakeError> {
        stored_coverage::coverage(self.tables(), endpoint, integration).await
    }

    /// Returns what the newest observation of each of these rows is, as far as reading `most_bytes` tells.
    ///
    /// It holds for the watermarks that the table has while this runs: who decides by it commits only onto those.
    pub async fn newest_hashes(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
        lookup: &HashLookup,
        most_bytes: u64,
    ) -> Result<NewestHashes, LakeError> {
        hash_search::newest_hashes(self.tables(), endpoint, integration, lookup, most_bytes).await
    }

    /// Returns the newest observation of a row, as a reader of both parts sees it; `None` where there is none. Reads every
    /// file that may hold it: for a look, not for serving.
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
        self.folding.fold(endpoint, only, settings).await
    }

    /// Returns which tables of an endpoint wait to be folded, as far as this process knows: what it has committed itself,
    /// and what it read last. [`Lake::look_for_unfolded`] reads again.
    #[must_use]
    pub fn unfolded(&self, endpoint: &Endpoint) -> Vec<Unfolded> {
        self.folding.unfolded(endpoint)
    }

    /// Returns the versions that [`Lake::unfolded`] goes by: with the same ones it says the same again.
    #[must_use]
    pub fn known_versions(&self, endpoint: &Endpoint) -> [Option<u64>; 3] {
        self.folding.known_versions(endpoint)
    }

    /// Reads the logs of an endpoint again, so that [`Lake::unfolded`] knows what others have committed.
    pub async fn look_for_unfolded(&self, endpoint: &Arc<Endpoint>) -> Result<(), LakeError> {
        self.folding.look_for_unfolded(endpoint).await
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lake({:?})", self.tables().store)
    }
}
