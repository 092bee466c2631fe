//! The lake's public operations. Each is passed on to the room that does the work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::Endpoint;
use crate::customer::{CustomerInfo, Issue};
use crate::delta::lost_files::Closeness;
use crate::delta::store::DiskRoom;
use crate::ids::{InstanceId, IntegrationId};
use crate::lake::ledgers::registry::Wakes;
use crate::lake::{
    ComparedTable, Completeness, DriftFilter, DriftGroup, FoundDrift, Hold, Lake, LakeError,
    LintReport, LintSettings, Members, ModelCoverage, Overview, Part, PurgeDepth, PurgeDue,
    PurgeReport, PurgeSettings, RepairReport, RepairSettings, SetAside, TableDamage, UpkeepReport,
    UpkeepSettings, care, ledgers, reports,
};
use crate::plan::ConfirmedGone;
use crate::sink::{Candidate, Registration};
#[cfg(test)]
use crate::time::Moment;

/// Operations on the lake's own small tables.
impl Lake {
    /// Writes new and changed integrations to `kombo_integrations`. Returns the stored rows of these integrations,
    /// and the integrations that were refused because another id has their key. A purged integration stays purged. An
    /// integration is stored as deleted only after a first check that did not find it has been stored:
    /// [`Registration::not_found_since_ms`].
    pub async fn register(
        &self,
        integrations: &[Registration],
    ) -> Result<Members<Registration, Registration>, LakeError> {
        ledgers::registry::register(self.tables(), integrations, Wakes::All).await
    }

    /// Does the same as [`Lake::register`] for integrations that the user has named and that Kombo answers for. A
    /// purged integration becomes active again.
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

    /// Returns every integration in `kombo_integrations`, by key. Creates nothing.
    pub async fn registered(&self) -> Result<Vec<Registration>, LakeError> {
        ledgers::registry::registered(self.tables()).await
    }

    /// Writes what Kombo says of customers, as far as it is new: who they are to `kombo_integrations`, and what can be read
    /// of them to `kombo_coverage`. Says nothing of integrations that are not registered, deleted or purged. Returns the
    /// others.
    pub async fn describe_customers(
        &self,
        customers: &[CustomerInfo],
        endpoints: &[Arc<Endpoint>],
    ) -> Result<BTreeSet<IntegrationId>, LakeError> {
        let described = ledgers::registry::describe(self.tables(), customers).await?;
        let is_described = |one: &&CustomerInfo| described.contains(&one.integration);
        let known: Vec<_> = customers.iter().filter(is_described).cloned().collect();
        let now = self.tables().now();
        ledgers::model_coverage::put(self.tables(), &known, endpoints, now).await?;
        Ok(described)
    }

    /// Writes issues that webhooks tell of, as far as they say something new. Returns once they are durable.
    pub async fn keep_issues(&self, issues: &[Issue]) -> Result<(), LakeError> {
        ledgers::issues::keep(self.tables(), issues, self.tables().now()).await
    }

    /// Returns every issue, the newest first. Creates nothing.
    pub async fn issues(&self) -> Result<Vec<Issue>, LakeError> {
        ledgers::issues::read(self.tables()).await
    }

    /// Returns what Kombo last said of the models of each integration, by integration and model. Creates nothing.
    pub async fn coverage_of_models(&self) -> Result<Vec<ModelCoverage>, LakeError> {
        ledgers::model_coverage::read(self.tables()).await
    }

    /// Returns the candidates, and why an object with candidates could not be read. Creates nothing.
    pub(crate) async fn candidates(&self) -> Result<(Vec<Candidate>, Vec<LakeError>), LakeError> {
        self.candidates.read(self.tables()).await
    }

    /// Replaces the candidates that this process has read or stored.
    pub(crate) async fn keep_candidates(&self, candidates: &[Candidate]) -> Result<(), LakeError> {
        self.candidates.keep(self.tables(), candidates).await
    }

    /// Returns current and past holds, by table. Creates nothing.
    pub async fn holds(&self) -> Result<Vec<Hold>, LakeError> {
        ledgers::holds::read(self.tables()).await
    }

    /// Writes holds, and returns the stored holds of their tables afterwards. A returned hold may differ from the
    /// given one: another process that had seen more wrote first.
    pub async fn put_holds(&self, holds: &[Hold]) -> Result<Vec<Hold>, LakeError> {
        ledgers::holds::put(self.tables(), holds).await
    }

    /// Returns the last comparison with a full fetch, for each table that was ever compared. Reads no rows and
    /// creates nothing.
    pub async fn completeness(&self) -> Result<HashMap<ComparedTable, Completeness>, LakeError> {
        ledgers::drift::completeness(self.tables()).await
    }

    /// Returns the newest rows of `kombo_drift`, the newest first. A missing or damaged file is set aside. Creates
    /// nothing.
    pub async fn drift(
        &self,
        filter: &DriftFilter,
    ) -> Result<Members<FoundDrift, String>, LakeError> {
        ledgers::found_drift::drift(self.tables(), filter).await
    }

    /// Counts the rows of `kombo_drift` that match the filter, without its limit. A missing or damaged file is set
    /// aside. Creates nothing.
    pub async fn drift_counts(
        &self,
        filter: &DriftFilter,
    ) -> Result<(BTreeMap<DriftGroup, u64>, Vec<SetAside<String>>), LakeError> {
        ledgers::found_drift::drift_counts(self.tables(), filter).await
    }
}

/// Upkeep, purge and repair, for the operator and for the service.
impl Lake {
    /// Maintains the tables of these endpoints and the lake's own tables: merges small files, expires old rows,
    /// deletes unreferenced files, shortens logs. Several may run at once. Refuses settings that would delete files
    /// that a reader may still need.
    pub async fn upkeep(
        &self,
        endpoints: &[Arc<Endpoint>],
        settings: &UpkeepSettings,
    ) -> Result<UpkeepReport, LakeError> {
        care::upkeep::upkeep(self.tables(), endpoints, settings).await
    }

    /// Finds the deleted integrations that are due to be purged, and the ones that are not due yet. Writes nothing to
    /// any table.
    pub async fn purge_due(&self, settings: &PurgeSettings) -> Result<PurgeDue, LakeError> {
        care::leavers::purge_due(self.tables(), settings).await
    }

    /// Purges integrations that Kombo has just confirmed to be gone. The caller asks Kombo right before. An integration
    /// that another process has found alive meanwhile is kept. Several may run at once, beside all other work.
    pub async fn purge(
        &self,
        endpoints: &[Arc<Endpoint>],
        gone: &[ConfirmedGone],
        depth: PurgeDepth,
    ) -> Result<PurgeReport, LakeError> {
        care::purge::purge(self.tables(), endpoints, gone, depth).await
    }

    /// Repairs damaged tables of these endpoints and of the lake's own, and moves instants that lie in the future back
    /// to the present. Damage is repaired while no service runs. A dry run only reports what it would change.
    pub async fn repair(
        &self,
        endpoints: &[Arc<Endpoint>],
        settings: RepairSettings,
    ) -> Result<RepairReport, LakeError> {
        care::repair::repair(self.tables(), &self.folding, endpoints, settings).await
    }
}

/// Reports on the lake.
impl Lake {
    /// Returns the tables of an endpoint that cannot be read completely, each with its cure. Opens each log and lists
    /// each folder once. Creates nothing.
    pub async fn damage(&self, endpoint: &Arc<Endpoint>) -> Vec<TableDamage> {
        reports::damage::of_endpoint(self.tables(), endpoint).await
    }

    /// Returns the tables of the lake's own that cannot be read completely. Creates nothing.
    pub async fn own_damage(&self) -> Vec<TableDamage> {
        reports::damage::of_ledgers(self.tables()).await
    }

    /// Returns the paths of live files of one of an endpoint's tables that cannot be read, each with the reason and the
    /// cure. Lists the table's folder once.
    pub async fn lost_files(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<Vec<(String, LakeError)>, LakeError> {
        let Some(table) = self.tables().existing(endpoint, part).await? else {
            return Ok(Vec::new());
        };
        let lost = table.lost_files(&table.state(), Closeness::Listing).await?;
        let named = lost
            .into_iter()
            .map(|lost| (lost.file.path.clone(), lost.error.into()));
        Ok(named.collect())
    }

    /// Returns a summary of an endpoint from the logs of its tables. `None` when the endpoint has no tables. Creates
    /// nothing.
    pub async fn overview(&self, endpoint: &Arc<Endpoint>) -> Result<Option<Overview>, LakeError> {
        reports::overview::overview(self.tables(), endpoint).await
    }

    /// Checks the tables of these endpoints. Checks the lake's own tables too when `own` is true.
    pub async fn lint(
        &self,
        endpoints: &[Arc<Endpoint>],
        own: bool,
        settings: &LintSettings,
    ) -> Result<LintReport, LakeError> {
        reports::lint::lint(self.tables(), endpoints, own, settings).await
    }

    /// Replaces the notes of one service, `kombo_status/<instance>.json`.
    pub async fn put_status(&self, instance: &InstanceId, notes: Bytes) -> Result<(), LakeError> {
        reports::service_notes::put_status(self.tables(), instance, notes).await
    }

    /// Deletes the notes of services that have written none for a week, by the notes that were written last.
    pub async fn forget_old_status(&self) -> Result<(), LakeError> {
        reports::service_notes::forget_old(self.tables()).await
    }

    /// Returns how much room the disk of the lake has. `None` when the lake is not on a local disk.
    #[must_use]
    pub fn disk_room(&self) -> Option<DiskRoom> {
        self.tables().store.disk_room()
    }

    /// Returns the notes of every service that has run on this lake, in the order of their names.
    pub async fn read_status(&self) -> Result<Vec<(InstanceId, Bytes)>, LakeError> {
        reports::service_notes::read_status(self.tables()).await
    }
}
