//! What a lake is asked from outside, each answered by the room that knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::Endpoint;
#[cfg(test)]
use crate::ids::IntegrationId;
use crate::lake::ledgers::registry::Wakes;
use crate::lake::{
    ComparedTable, Completeness, DriftFilter, DriftGroup, FoundDrift, Hold, Lake, LakeError,
    LintReport, LintSettings, Members, Overview, PurgeDue, PurgeReport, PurgeSettings,
    RepairReport, SetAside, UpkeepReport, UpkeepSettings, care, ledgers, reports,
};
use crate::plan::ConfirmedGone;
use crate::sink::Registration;
#[cfg(test)]
use crate::time::Moment;

/// The lake's own small tables.
impl Lake {
    /// Writes down integrations, new ones and changes. Returns what stands of them then, and those that were refused: their
    /// key exists with another id. What is purged stays so, and what is deleted needs a first look written down before:
    /// [`Registration::not_found_since_ms`].
    pub async fn register(
        &self,
        integrations: &[Registration],
    ) -> Result<Members<Registration, Registration>, LakeError> {
        ledgers::registry::register(self.tables(), integrations, Wakes::All).await
    }

    /// Does the same for integrations that a person has named and that Kombo answers for: a purged one is read again.
    pub async fn register_named(
        &self,
        integrations: &[Registration],
    ) -> Result<Members<Registration, Registration>, LakeError> {
        ledgers::registry::register(self.tables(), integrations, Wakes::PurgedToo).await
    }

    #[cfg(test)]
    pub(crate) async fn register_purged(
        &self,
        integrations: &[IntegrationId],
        now: Moment,
    ) -> Result<(), LakeError> {
        ledgers::registry::register_purged(self.tables(), integrations, now).await
    }

    /// Returns every integration the lake knows, by key. Creates nothing.
    pub async fn registered(&self) -> Result<Vec<Registration>, LakeError> {
        ledgers::registry::registered(self.tables()).await
    }

    /// Returns what is or was held, by table. Creates nothing.
    pub async fn holds(&self) -> Result<Vec<Hold>, LakeError> {
        ledgers::holds::read(self.tables()).await
    }

    /// Writes down holds and returns those tables' as they then are. Whoever asked for something else was overtaken by one
    /// that had seen more.
    pub async fn put_holds(&self, holds: &[Hold]) -> Result<Vec<Hold>, LakeError> {
        ledgers::holds::put(self.tables(), holds).await
    }

    /// Returns, for each table that was ever compared, its last comparison. Reads no rows and creates nothing.
    pub async fn completeness(&self) -> Result<HashMap<ComparedTable, Completeness>, LakeError> {
        ledgers::drift::completeness(self.tables()).await
    }

    /// Returns the newest rows that full fetches found, the newest first. A file that is missing or damaged is set aside.
    /// Creates nothing.
    pub async fn drift(
        &self,
        filter: &DriftFilter,
    ) -> Result<Members<FoundDrift, String>, LakeError> {
        ledgers::found_drift::drift(self.tables(), filter).await
    }

    /// Counts what full fetches found, whatever the filter's limit. A file that is missing or damaged is set aside. Creates
    /// nothing.
    pub async fn drift_counts(
        &self,
        filter: &DriftFilter,
    ) -> Result<(BTreeMap<DriftGroup, u64>, Vec<SetAside<String>>), LakeError> {
        ledgers::found_drift::drift_counts(self.tables(), filter).await
    }
}

/// Care, by people and by the service.
impl Lake {
    /// Keeps up the tables of these endpoints and the lake's own: merges, deletes, cuts logs. Several may run at once.
    /// Refuses settings that would delete what somebody may still read.
    pub async fn upkeep(
        &self,
        endpoints: &[Arc<Endpoint>],
        settings: &UpkeepSettings,
    ) -> Result<UpkeepReport, LakeError> {
        care::upkeep::upkeep(self.tables(), endpoints, settings).await
    }

    /// Finds the deleted integrations whose time has come, and those that wait. Writes nothing to any table.
    pub async fn purge_due(&self, settings: &PurgeSettings) -> Result<PurgeDue, LakeError> {
        care::leavers::purge_due(self.tables(), settings).await
    }

    /// Purges integrations that Kombo has confirmed to be gone, each by an answer asked for right before; a dry run only
    /// says what would leave. Those that somebody has found alive meanwhile stay. Several may run at once, beside
    /// everything else.
    pub async fn purge(
        &self,
        endpoints: &[Arc<Endpoint>],
        gone: &[ConfirmedGone],
        dry_run: bool,
    ) -> Result<PurgeReport, LakeError> {
        care::purge::purge(self.tables(), endpoints, gone, dry_run).await
    }

    /// Brings what lies in the future back to the present, in the tables of these endpoints. Several may run at once, beside
    /// readers and a service. A dry run only says what there is to do.
    pub async fn repair(
        &self,
        endpoints: &[Arc<Endpoint>],
        dry_run: bool,
    ) -> Result<RepairReport, LakeError> {
        care::repair::repair(self.tables(), endpoints, dry_run).await
    }
}

/// What the lake tells of itself.
impl Lake {
    /// Returns what the logs say of an endpoint; `None`, and nothing created, where it has no tables.
    pub async fn overview(&self, endpoint: &Arc<Endpoint>) -> Result<Option<Overview>, LakeError> {
        reports::overview::overview(self.tables(), endpoint).await
    }

    /// Looks at the tables of these endpoints, and at the lake's own when `own` says so.
    pub async fn lint(
        &self,
        endpoints: &[Arc<Endpoint>],
        own: bool,
        settings: &LintSettings,
    ) -> Result<LintReport, LakeError> {
        reports::lint::lint(self.tables(), endpoints, own, settings).await
    }

    /// Puts the service's notes in the place of those that are there.
    pub async fn put_status(&self, notes: Bytes) -> Result<(), LakeError> {
        reports::service_notes::put_status(self.tables(), notes).await
    }

    /// Returns the notes that a service left; `None` where none has run.
    pub async fn read_status(&self) -> Result<Option<Bytes>, LakeError> {
        reports::service_notes::read_status(self.tables()).await
    }
}
