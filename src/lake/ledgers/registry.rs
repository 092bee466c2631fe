//! `kombo_integrations`: which integrations the lake has rows of. Analysts join on it, a restarted service starts from it.
//!
//! One row per integration, in a [`SmallTable`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::delta::small_table::SmallTable;
use crate::ids::{Category, EnvironmentId, IntegrationId};
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::own_columns::{
    text_column, text_field, texts, time_at, time_column, time_field, times,
};
use crate::lake::{Lake, LakeError, Members};
use crate::sink::Registration;

/// The column that tells rows apart.
const KEY: [&str; 1] = ["integration_key"];

/// By key, as the column has it.
type Registered = BTreeMap<String, Registration>;

impl Lake {
    /// Writes down integrations, new ones and changes. Returns what stands of them then, and those that were refused: their
    /// key exists with another id. What is purged stays so, and what is deleted needs a first look written down before:
    /// [`Registration::not_found_since_ms`].
    pub async fn register(
        &self,
        integrations: &[Registration],
    ) -> Result<Members<Registration, Registration>, LakeError> {
        self.write_down(integrations, Wakes::All).await
    }

    /// Does the same for integrations that a person has named and that Kombo answers for: a purged one is read again.
    pub async fn register_named(
        &self,
        integrations: &[Registration],
    ) -> Result<Members<Registration, Registration>, LakeError> {
        self.write_down(integrations, Wakes::PurgedToo).await
    }

    async fn write_down(
        &self,
        integrations: &[Registration],
        wakes: Wakes,
    ) -> Result<Members<Registration, Registration>, LakeError> {
        let table = self.registry().await?;
        let mut written = Members::default();
        let change = |stored: &[RecordBatch]| {
            let (changed, stand) = changed(stored, integrations, wakes);
            written = stand;
            (!changed.is_empty()).then(|| batch(&changed))
        };
        table.rewrite(change).await?;
        Ok(written)
    }

    /// Writes down that deleted integrations are purged; those that are not deleted any more stay as they are.
    pub(crate) async fn register_purged(
        &self,
        integrations: &[IntegrationId],
        now_ms: i64,
    ) -> Result<(), LakeError> {
        let table = self.registry().await?;
        let change = |stored: &[RecordBatch]| {
            let known = stored.iter().flat_map(registrations);
            let purged = known
                .filter(|(_, row)| row.state == Registration::DELETED)
                .filter(|(_, row)| integrations.contains(&row.integration))
                .map(|(key, row)| {
                    let state = Registration::PURGED.to_owned();
                    let state_since_ms = Some(now_ms);
                    let row = Registration {
                        state,
                        state_since_ms,
                        ..row
                    };
                    (key, row)
                });
            let purged: Registered = purged.collect();
            (!purged.is_empty()).then(|| batch(&purged))
        };
        table.rewrite(change).await?;
        Ok(())
    }

    /// Returns every integration the lake knows, by key. Creates nothing.
    pub async fn registered(&self) -> Result<Vec<Registration>, LakeError> {
        if !self.tables().exists(&LakeTable::Integrations).await? {
            return Ok(Vec::new());
        }
        let stored = self.registry().await?.rows().await?;
        Ok(stored
            .iter()
            .flat_map(registrations)
            .map(|(_, row)| row)
            .collect())
    }

    async fn registry(&self) -> Result<SmallTable, LakeError> {
        let table = self
            .tables()
            .open(&LakeTable::Integrations, &schema())
            .await?;
        Ok(SmallTable::new(table.table, &KEY, "REGISTER"))
    }
}

/// Whom an answer of Kombo's brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wakes {
    /// All but the purged.
    All,
    PurgedToo,
}

impl Registration {
    /// Returns what is stored of one that is written down for the first time.
    fn beginning(&self) -> Self {
        if self.state == Self::DELETED {
            return self.suspected();
        }
        self.clone()
    }

    /// Returns what is stored once `new` is written down. Two processes may write, one of them late: what rests on two
    /// looks is taken only when the first of them is the one that is stored, so that no readable answer lies between.
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
            ..new
        }
    }

    /// Returns whether Kombo does not find it.
    fn is_missing(&self) -> bool {
        [Self::DELETING, Self::DELETED].contains(&self.state.as_str())
    }

    /// Takes the look that would have confirmed another for the first one.
    fn suspected(&self) -> Self {
        Self {
            state: Self::DELETING.to_owned(),
            not_found_since_ms: self.state_since_ms,
            ..self.clone()
        }
    }
}

/// Picks out what is new or differs from what is stored, and returns what stands of all of them as well. Refuses an
/// integration whose key another one has.
fn changed(
    stored: &[RecordBatch],
    integrations: &[Registration],
    wakes: Wakes,
) -> (Registered, Members<Registration, Registration>) {
    let mut known: Registered = stored.iter().flat_map(registrations).collect();
    let mut changed = Registered::new();
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
    ]))
}

fn batch(registered: &Registered) -> RecordBatch {
    let rows = || registered.values();
    let environments = rows().map(|row| Some(row.environment.as_ref()?.as_str()));
    let columns: Vec<ArrayRef> = vec![
        texts(registered.keys()),
        texts(rows().map(|row| row.integration.as_str())),
        texts(rows().map(|row| row.integration.tool())),
        texts(rows().map(|row| row.category.as_str())),
        texts(rows().map(|row| &row.origin)),
        texts(rows().map(|row| &row.state)),
        times(rows().map(|row| Some(row.since_ms * 1000))),
        times(rows().map(|row| Some(row.state_since_ms? * 1000))),
        times(rows().map(|row| Some(row.not_found_since_ms? * 1000))),
        Arc::new(environments.collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}

/// Reads rows by name. A row of a category that this build does not know is none of ours.
fn registrations(batch: &RecordBatch) -> Registered {
    let text = |name: &str| text_column(batch, name);
    let since = time_column(batch, "since");
    let optional_ms =
        |column: Option<&TimestampMicrosecondArray>, row| Some(time_at(column?, row)? / 1000);
    let state_since = time_column(batch, "state_since");
    let not_found_since = time_column(batch, "not_found_since");
    let environments = text("environment");
    let environment = |row| {
        let environments = environments.filter(|environments| environments.is_valid(row))?;
        EnvironmentId::new(environments.value(row))
    };
    let (Some(keys), Some(ids), Some(categories), Some(origins), Some(states), Some(since)) = (
        text("integration_key"),
        text("_integration_id"),
        text("category"),
        text("origin"),
        text("state"),
        since,
    ) else {
        return Registered::new();
    };
    (0..batch.num_rows())
        .filter_map(|row| {
            let registration = Registration {
                integration: IntegrationId::new(ids.value(row)).ok()?,
                category: Category::from_name(categories.value(row))?,
                origin: origins.value(row).to_owned(),
                state: states.value(row).to_owned(),
                since_ms: since.value(row) / 1000,
                state_since_ms: optional_ms(state_since, row),
                not_found_since_ms: optional_ms(not_found_since, row),
                environment: environment(row),
            };
            Some((keys.value(row).to_owned(), registration))
        })
        .collect()
}

#[cfg(test)]
mod tests;
