//! `kombo_integrations`: the integrations that the lake has rows of. Analysts join on this table, and a restarted
//! service reads its integrations from it.
//!
//! The table is a [`SmallTable`] with one row per integration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::customer::{CustomerInfo, EndUser};
use crate::delta::delta_error::DeltaError;
use crate::delta::rows::{each_row, to_batch};
use crate::delta::small_table::SmallTable;
use crate::ids::{Category, EnvironmentId, IntegrationId};
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::fields::{text_field, time_field};
use crate::lake::operation::Operation;
use crate::lake::tables::Tables;
use crate::lake::{LakeError, Members};
use crate::sink::Registration;
use crate::time::Moment;

/// Integrations by `integration_key`.
type RowsByKey = BTreeMap<String, Registration>;

/// Writes new and changed integrations. Returns the stored rows of these integrations, and the integrations that were
/// refused because another id has their key. An integration is stored as deleted only after a first check that did
/// not find it has been stored: [`Registration::not_found_since_ms`].
pub(in crate::lake) async fn register(
    tables: &Tables,
    integrations: &[Registration],
    wakes: Wakes,
) -> Result<Members<Registration, Registration>, LakeError> {
    let table = registry(tables).await?;
    let mut written = Members::default();
    let change = |stored| {
        let (changed, stand) = changed(registrations(stored), integrations, wakes);
        written = stand;
        changed.into_iter().map(IntegrationRow::from).collect()
    };
    table.rewrite(change).await?;
    Ok(written)
}

/// Marks deleted integrations as purged. Integrations that are no longer deleted stay as they are.
pub(in crate::lake) async fn register_purged(
    tables: &Tables,
    integrations: &[IntegrationId],
    now: Moment,
) -> Result<(), LakeError> {
    let table = registry(tables).await?;
    let change = |stored| {
        let known = registrations(stored).into_iter();
        let purged = known
            .filter(|(_, row)| row.state == Registration::DELETED)
            .filter(|(_, row)| integrations.contains(&row.integration))
            .map(|(key, row)| {
                let row = Registration {
                    state: Registration::PURGED.to_owned(),
                    state_since_ms: Some(now.as_millis()),
                    end_user: EndUser::default(),
                    ..row
                };
                IntegrationRow::from((key, row))
            });
        purged.collect()
    };
    table.rewrite(change).await?;
    Ok(())
}

/// Writes who the customers are, as far as Kombo says something new. Adds no integration, and leaves deleted and purged
/// ones alone. Returns the integrations that are stored and not deleted.
pub(in crate::lake) async fn describe(
    tables: &Tables,
    customers: &[CustomerInfo],
) -> Result<BTreeSet<IntegrationId>, LakeError> {
    if !tables.exists(&LakeTable::Integrations).await? {
        return Ok(BTreeSet::new());
    }
    let table = registry(tables).await?;
    let mut described = BTreeSet::new();
    let change = |stored| {
        let known = registrations(stored);
        described.clear();
        let mut changed = RowsByKey::new();
        for said in customers {
            let key = said.integration.key().to_string();
            let row = known.get(&key);
            let Some(row) = row.filter(|row| row.is_of(&said.integration)) else {
                continue;
            };
            described.insert(said.integration.clone());
            if !said.end_user.is_unknown() && row.end_user != said.end_user {
                let end_user = said.end_user.clone();
                let row = Registration {
                    end_user,
                    ..row.clone()
                };
                changed.insert(key, row);
            }
        }
        changed.into_iter().map(IntegrationRow::from).collect()
    };
    table.rewrite(change).await?;
    Ok(described)
}

/// Returns every stored integration, by key. Creates nothing.
pub(in crate::lake) async fn registered(tables: &Tables) -> Result<Vec<Registration>, LakeError> {
    if !tables.exists(&LakeTable::Integrations).await? {
        return Ok(Vec::new());
    }
    let stored = registry(tables).await?.rows().await?;
    Ok(registrations(stored).into_values().collect())
}

async fn registry(tables: &Tables) -> Result<SmallTable, LakeError> {
    let schema = schema();
    Ok(SmallTable {
        table: tables.open(&LakeTable::Integrations, &schema).await?.table,
        schema,
        key: &["integration_key"],
        operation: Operation::Register.as_str(),
    })
}

/// Which integrations become active again when Kombo answers for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lake) enum Wakes {
    /// All integrations except purged ones.
    All,
    /// Purged integrations too, because the user has named them.
    PurgedToo,
}

impl Registration {
    /// Returns the row to store for an integration that is stored for the first time.
    fn beginning(&self) -> Self {
        if self.state == Self::DELETED {
            return self.suspected();
        }
        self.clone()
    }

    /// Returns the row to store when `new` is written over `self`. Two processes may write, one of them late. A
    /// deletion takes two checks. The deletion is accepted only when its first check is the stored one, so that no
    /// successful answer of Kombo lies between the two.
    fn becoming(self, new: &Self, wakes: Wakes) -> Self {
        if self.state == Self::PURGED && wakes == Wakes::All {
            return self;
        }
        let (is_missing, was_missing) = (new.is_missing(), self.is_missing());
        if self.state == Self::DELETED && is_missing {
            return self;
        }
        let is_confirmed = was_missing
            && self.not_found_since_ms.is_some()
            && self.not_found_since_ms == new.not_found_since_ms;
        let new = match (new.state == Self::DELETED, is_confirmed) {
            (true, false) => new.suspected(),
            _ => new.clone(),
        };
        let first = self.not_found_since_ms.filter(|_| was_missing);
        let stored = self.state_since_ms.filter(|_| self.state == new.state);
        Self {
            since_ms: self.since_ms,
            state_since_ms: stored.or(new.state_since_ms),
            not_found_since_ms: first.or(new.not_found_since_ms).filter(|_| is_missing),
            environment: new.environment.clone().or(self.environment),
            end_user: if new.end_user.is_unknown() {
                self.end_user
            } else {
                new.end_user.clone()
            },
            ..new
        }
    }

    /// Returns whether the row is that of an integration whose rows may be kept.
    fn is_of(&self, integration: &IntegrationId) -> bool {
        self.integration == *integration
            && ![Self::DELETED, Self::PURGED].contains(&self.state.as_str())
    }

    /// Returns whether Kombo does not find the integration.
    fn is_missing(&self) -> bool {
        [Self::DELETING, Self::DELETED].contains(&self.state.as_str())
    }

    /// Turns a confirming check into a first check.
    fn suspected(&self) -> Self {
        Self {
            state: Self::DELETING.to_owned(),
            not_found_since_ms: self.state_since_ms,
            ..self.clone()
        }
    }
}

/// Returns the rows that are new or differ from the stored ones, and the resulting row of each integration. Refuses
/// an integration if another one has its key.
fn changed(
    mut known: RowsByKey,
    integrations: &[Registration],
    wakes: Wakes,
) -> (RowsByKey, Members<Registration, Registration>) {
    let mut changed = RowsByKey::new();
    let mut stand = Members::default();
    for new in integrations {
        let key = new.integration.key().to_string();
        let row = match known.get(&key) {
            Some(known) if known.integration != new.integration => {
                let holder = known.integration.clone();
                stand.add(new.clone(), Err(LakeError::KeyClash { key, holder }));
                continue;
            }
            Some(known) => known.clone().becoming(new, wakes),
            None => new.beginning(),
        };
        stand.add(new.clone(), Ok(row.clone()));
        if known.get(&key) != Some(&row) {
            known.insert(key.clone(), row.clone());
            changed.insert(key, row);
        }
    }
    (changed, stand)
}

/// Reads integrations from rows of a file of the table.
pub(in crate::lake) fn from_rows(batch: &RecordBatch) -> Result<Vec<Registration>, DeltaError> {
    let mut stored: Vec<IntegrationRow> = Vec::new();
    each_row(batch, |row| stored.extend(row))?;
    Ok(registrations(stored).into_values().collect())
}

/// Writes integrations as rows of the table.
pub(in crate::lake) fn to_rows(integrations: Vec<Registration>) -> Result<RecordBatch, DeltaError> {
    let keyed = integrations
        .into_iter()
        .map(|one| (one.integration.key().to_string(), one));
    let rows: Vec<IntegrationRow> = keyed.map(IntegrationRow::from).collect();
    to_batch(&schema(), &rows)
}

/// Returns the columns of `kombo_integrations`.
pub(in crate::lake) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text_field("integration_key"),
        text_field("_integration_id"),
        text_field("tool"),
        text_field("category"),
        text_field("origin"),
        text_field("state"),
        time_field("since", false),
        time_field("state_since", true),
        time_field("not_found_since", true),
        Field::new("environment", DataType::Utf8, true),
        Field::new("organization_name", DataType::Utf8, true),
        Field::new("origin_id", DataType::Utf8, true),
    ]))
}

/// An integration as stored.
#[derive(Serialize, Deserialize)]
struct IntegrationRow {
    /// The key of the integration, for joins with every other table.
    integration_key: String,
    /// Kombo's id of the integration.
    #[serde(rename = "_integration_id")]
    integration_id: String,
    /// The connected tool, such as `personio`.
    #[serde(default)]
    tool: String,
    /// The API family, such as `ats` or `hris`.
    category: String,
    /// How the integration became known: `configuration` or `webhook`.
    origin: String,
    /// The state, such as `active`, `deleting`, `deleted` or `purged`.
    state: String,
    /// When the integration became known, in microseconds since the epoch.
    #[serde(rename = "since")]
    since_us: i64,
    /// Since when the integration has its state, in microseconds since the epoch.
    #[serde(default, rename = "state_since")]
    state_since_us: Option<i64>,
    /// When the first check began that did not find the integration. Null while Kombo finds it.
    #[serde(default, rename = "not_found_since")]
    not_found_since_us: Option<i64>,
    /// The Kombo environment that the integration was last read from.
    #[serde(default)]
    environment: Option<String>,
    /// The name of the customer's organisation, as Kombo says.
    #[serde(default)]
    organization_name: Option<String>,
    /// The id that the operator gave to the customer at Kombo.
    #[serde(default)]
    origin_id: Option<String>,
}

impl From<(String, Registration)> for IntegrationRow {
    fn from((integration_key, row): (String, Registration)) -> Self {
        Self {
            integration_key,
            tool: row.integration.tool().to_owned(),
            integration_id: row.integration.to_string(),
            category: row.category.as_str().to_owned(),
            origin: row.origin,
            state: row.state,
            since_us: row.since_ms * 1000,
            state_since_us: row.state_since_ms.map(|at| at * 1000),
            not_found_since_us: row.not_found_since_ms.map(|at| at * 1000),
            environment: row.environment.map(|id| id.as_str().to_owned()),
            organization_name: row.end_user.organization_name,
            origin_id: row.end_user.origin_id,
        }
    }
}

/// Reads rows by key. Skips rows with a category that this build does not know.
fn registrations(stored: Vec<IntegrationRow>) -> RowsByKey {
    let read = |row: IntegrationRow| {
        let registration = Registration {
            integration: IntegrationId::new(&row.integration_id).ok()?,
            category: Category::from_name(&row.category)?,
            origin: row.origin,
            state: row.state,
            since_ms: row.since_us / 1000,
            state_since_ms: row.state_since_us.map(|at| at / 1000),
            not_found_since_ms: row.not_found_since_us.map(|at| at / 1000),
            environment: row.environment.and_then(|id| EnvironmentId::new(&id)),
            end_user: EndUser {
                organization_name: row.organization_name,
                origin_id: row.origin_id,
            },
        };
        Some((row.integration_key, registration))
    };
    stored.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests;
