//! Repairs damage in the lake's own tables.
//!
//! Of `kombo_drift`, `kombo_quarantine` and `kombo_issues` what is left stays. `kombo_holds` begins empty: the log of `current` says which
//! tables have something held, and the next fold judges them again. `kombo_coverage` begins empty as well: Kombo says it
//! again. An older list of holds could accept what nobody
//! accepted. `kombo_integrations` is made again from its newest file that can be read, and from the ids beside the rows of
//! all other tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use bytes::Bytes;
use tracing::warn;

use crate::catalog::{Endpoint, SystemColumn};
use crate::customer::EndUser;
use crate::delta::delta_error::DeltaError;
use crate::delta::exchange::Exchange;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::delta::log::LogState;
use crate::delta::object_key::Partition;
use crate::ids::IntegrationId;
use crate::lake::care::repair::endpoint_repair::DamageRepair;
use crate::lake::care::repair::mended_table::MendedTable;
use crate::lake::care::repair::surveyed_table::SurveyedTable;
use crate::lake::layout::{LakeTable, may_hold};
use crate::lake::ledgers::{self, registry};
use crate::lake::tables::OpenTable;
use crate::lake::txn_name::keys_in;
use crate::lake::{LakeError, Part};
use crate::sink::Registration;

/// What a registration says that was made from rows.
const FROM_ROWS: &str = "configuration";

impl DamageRepair<'_> {
    /// Repairs one of the lake's own tables. `None` when it is whole.
    pub(super) async fn ledger(
        &self,
        name: &LakeTable,
        endpoints: &[Arc<Endpoint>],
    ) -> Result<Option<MendedTable>, LakeError> {
        let Some(schema) = ledgers::schema(name) else {
            return Ok(None);
        };
        let mut ledger =
            SurveyedTable::of(self.tables, name.clone(), schema, self.closeness).await?;
        let is_gone = *name == LakeTable::Integrations
            && ledger.is_absent()
            && !self
                .unregistered(endpoints, &BTreeMap::new())
                .await
                .is_empty();
        if ledger.is_whole() && !is_gone {
            return Ok(None);
        }
        if !self.dry_run {
            ledger
                .mend_log(self.tables, (self.closeness, true), self.now)
                .await?;
        }
        let mended = MendedTable::of(&ledger);
        if self.dry_run {
            return Ok(Some(mended));
        }
        let is_sick = is_gone || ledger.lacks_entries() || !ledger.lost.is_empty();
        let replacement = match (name, &ledger.opened) {
            (LakeTable::Integrations, Some((table, _))) if is_sick => {
                self.registry(table, endpoints).await?
            }
            _ => Vec::new(),
        };
        let emptied = match &ledger.opened {
            Some((table, state)) if is_sick && begins_empty(name) => {
                let live = table.live(state).await?.into_iter();
                let lost: BTreeSet<_> = ledger
                    .lost
                    .iter()
                    .map(|lost| lost.file.path.clone())
                    .collect();
                live.filter(|file| !lost.contains(&file.path)).collect()
            }
            _ => Vec::new(),
        };
        let emptied = emptied.into_iter().map(|file| Exchange {
            inputs: vec![file],
            output: None,
        });
        let changes = emptied.chain(replacement).collect();
        ledger
            .commit(changes, |state: &LogState| state.settled())
            .await?;
        let (table, damage) = (&mended.table, mended.damage.join("; "));
        warn!(%table, damage, lost = mended.lost, "{table} was damaged and is repaired");
        Ok(Some(mended))
    }

    /// Makes the rows of `kombo_integrations` again, in a new file.
    async fn registry(
        &self,
        table: &OpenTable,
        endpoints: &[Arc<Endpoint>],
    ) -> Result<Vec<Exchange>, LakeError> {
        let mut known = salvaged(table).await?;
        let found = self.unregistered(endpoints, &known).await;
        known.extend(found);
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let rows = registry::to_rows(known.into_values().collect())?;
        let written = table.files.write_batch(rows, Partition::Whole).await?;
        let added = written.map(|written| Exchange {
            inputs: Vec::new(),
            output: Some(written.add),
        });
        Ok(added.into_iter().collect())
    }

    /// Finds integrations with rows that are not known, by the ids beside the rows. A table that cannot be read is left
    /// out: it is reported by itself.
    async fn unregistered(
        &self,
        endpoints: &[Arc<Endpoint>],
        known: &BTreeMap<String, Registration>,
    ) -> BTreeMap<String, Registration> {
        let mut found = BTreeMap::new();
        for endpoint in endpoints {
            for part in [Part::Current, Part::Snapshots, Part::Deltas] {
                let Ok(Some(table)) = self.tables.existing(endpoint, part).await else {
                    continue;
                };
                let ids = self.ids(&table, known, &found).await;
                for id in ids.unwrap_or_default() {
                    let one = self.registration(&id, endpoint);
                    found.insert(id.key().to_string(), one);
                }
            }
        }
        found
    }

    /// Returns the ids of a table's integrations that are neither known nor found yet. Reads files until each of them
    /// has been seen.
    async fn ids(
        &self,
        table: &OpenTable,
        known: &BTreeMap<String, Registration>,
        found: &BTreeMap<String, Registration>,
    ) -> Result<Vec<IntegrationId>, LakeError> {
        let state = table.refreshed().await?;
        let mut wanted: BTreeSet<String> = keys_in(&state).map(|key| key.to_string()).collect();
        wanted.retain(|key| !known.contains_key(key) && !found.contains_key(key));
        let mut ids = Vec::new();
        if wanted.is_empty() {
            return Ok(ids);
        }
        let mut files = table.live(&state).await?;
        files.sort_by_key(|file| file.size);
        for file in files {
            let may_name = wanted.iter().any(|key| may_hold(&file, key));
            if !may_name {
                continue;
            }
            let Ok(bytes) = table.files.read(&file.path).await else {
                continue;
            };
            for id in on_cpu(move || ids_in(bytes)).await?.unwrap_or_default() {
                if wanted.remove(id.key().as_str()) {
                    ids.push(id);
                }
            }
        }
        Ok(ids)
    }

    /// Kombo has not been asked for the integration. The next check, fetch or start of the service does so.
    fn registration(&self, id: &IntegrationId, endpoint: &Endpoint) -> Registration {
        let now_ms = self.now.as_millis();
        Registration {
            integration: id.clone(),
            category: endpoint.category,
            origin: FROM_ROWS.to_owned(),
            state: "active".to_owned(),
            since_ms: now_ms,
            state_since_ms: Some(now_ms),
            not_found_since_ms: None,
            environment: None,
            end_user: EndUser::default(),
        }
    }
}

/// Returns whether a damaged table begins without the rows of its files.
fn begins_empty(table: &LakeTable) -> bool {
    matches!(
        table,
        LakeTable::Integrations | LakeTable::Holds | LakeTable::Coverage
    )
}

/// Reads the integrations of the newest file of the folder that can be read, whether the log names it or not: each file
/// was written completely, and upkeep deletes replaced files only after days.
async fn salvaged(table: &OpenTable) -> Result<BTreeMap<String, Registration>, DeltaError> {
    let mut files = table.listed().await?;
    files.sort_by_key(|file| std::cmp::Reverse(file.last_modified));
    for file in files {
        let Ok(bytes) = table.files.store.read(&file.location).await else {
            continue;
        };
        let rows = on_cpu(move || {
            let mut rows = Vec::new();
            for batch in read(bytes, &[])? {
                rows.extend(registry::from_rows(&batch?)?);
            }
            Ok::<_, DeltaError>(rows)
        });
        if let Ok(rows) = rows.await? {
            let keyed = rows.into_iter();
            return Ok(keyed
                .map(|row| (row.integration.key().to_string(), row))
                .collect());
        }
    }
    Ok(BTreeMap::new())
}

/// Returns the ids of the integrations in a file of rows.
fn ids_in(bytes: Bytes) -> Result<BTreeSet<IntegrationId>, DeltaError> {
    let mut ids = BTreeSet::new();
    for batch in read(bytes, &[SystemColumn::IntegrationId.name()])? {
        let batch: RecordBatch = batch?;
        let column = batch.column_by_name(SystemColumn::IntegrationId.name());
        let Some(texts) = column.and_then(|column| column.as_string_opt::<i32>()) else {
            continue;
        };
        let mut last = None;
        for text in texts.iter().flatten().filter(|text| !text.is_empty()) {
            if last != Some(text) {
                ids.extend(IntegrationId::new(text).ok());
                last = Some(text);
            }
        }
    }
    Ok(ids)
}
