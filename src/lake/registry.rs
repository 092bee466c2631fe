//! `kombo_integrations`: which integrations the lake has rows of. Analysts join on it, a restarted service starts from it.
//!
//! One row per integration, in a [`SmallTable`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};

use super::layout::DeltaTable;
use super::own_columns::{text_column, text_field, texts, time_at, time_column, time_field, times};
use super::small_table::SmallTable;
use super::{Lake, LakeError, Members, SetAside};
use crate::ids::{Category, IntegrationId};

/// What the lake knows of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id.
    pub integration: IntegrationId,
    /// The API family it belongs to.
    pub category: Category,
    /// How it became known: `configuration`, `webhook`.
    pub origin: String,
    /// What is known of it: `active`, `deleted`, `purged`.
    pub state: String,
    /// When it became known, in milliseconds since the epoch. What is stored stays.
    pub since_ms: i64,
    /// Since when it is in that state, in milliseconds since the epoch. What is stored stays while the state does; `None`
    /// for a state that an older build wrote down.
    pub state_since_ms: Option<i64>,
}

impl Registration {
    /// The state of an integration that Kombo has deleted.
    pub const DELETED: &'static str = "deleted";
    /// The state of a deleted one whose rows have left the lake.
    pub const PURGED: &'static str = "purged";
}

/// The column that tells rows apart.
const KEY: [&str; 1] = ["integration_key"];

/// By key, as the column has it.
type Registered = BTreeMap<String, Registration>;

impl Lake {
    /// Writes down integrations, new ones and changes, and returns those that were refused: their key exists with another
    /// id. What is purged does not become deleted again: whoever says so has not heard of it.
    pub async fn register(
        &self,
        integrations: &[Registration],
    ) -> Result<Vec<SetAside<Registration>>, LakeError> {
        let table = self.registry().await?;
        let mut refused = Vec::new();
        let change = |stored: &[RecordBatch]| {
            let changed = changed(stored, integrations);
            refused = changed.aside;
            let changed: Registered = changed.going.into_iter().collect();
            Ok((!changed.is_empty()).then(|| batch(&changed)))
        };
        table.rewrite(change).await?;
        Ok(refused)
    }

    /// Writes down that deleted integrations are purged; those that are not deleted any more stay as they are.
    pub(super) async fn register_purged(
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
            Ok((!purged.is_empty()).then(|| batch(&purged)))
        };
        table.rewrite(change).await
    }

    /// Returns every integration the lake knows, by key. Creates nothing.
    pub async fn registered(&self) -> Result<Vec<Registration>, LakeError> {
        if !self.exists(&DeltaTable::Integrations).await? {
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
        let table = DeltaTable::Integrations;
        self.small_table(table, &schema(), &KEY, "REGISTER").await
    }
}

impl Registration {
    /// Returns what is stored once `new` is written down.
    fn becoming(self, new: &Self) -> Self {
        if self.state == Self::PURGED && new.state == Self::DELETED {
            return self;
        }
        let stored = self.state_since_ms.filter(|_| self.state == new.state);
        Self {
            since_ms: self.since_ms,
            state_since_ms: stored.or(new.state_since_ms),
            ..new.clone()
        }
    }
}

/// Picks out what is new or differs from what is stored; refuses an integration whose key another one has.
fn changed(
    stored: &[RecordBatch],
    integrations: &[Registration],
) -> Members<(String, Registration), Registration> {
    let mut known: Registered = stored.iter().flat_map(registrations).collect();
    let mut changed = Members::default();
    for new in integrations {
        let key = new.integration.key().to_string();
        let row = match known.get(&key) {
            Some(known) if known.integration != new.integration => {
                let holder = known.integration.clone();
                changed.add(new.clone(), Err(LakeError::KeyClash { key, holder }));
                continue;
            }
            Some(known) => known.clone().becoming(new),
            None => new.clone(),
        };
        if known.get(&key) != Some(&row) {
            known.insert(key.clone(), row.clone());
            changed.add(new.clone(), Ok((key, row)));
        }
    }
    changed
}

/// Returns the columns of `kombo_integrations`.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text_field("integration_key"),
        text_field("_integration_id"),
        text_field("tool"),
        text_field("category"),
        text_field("origin"),
        text_field("state"),
        time_field("since", false),
        time_field("state_since", true),
    ]))
}

fn batch(registered: &Registered) -> RecordBatch {
    let rows = || registered.values();
    let columns: Vec<ArrayRef> = vec![
        texts(registered.keys()),
        texts(rows().map(|row| row.integration.as_str())),
        texts(rows().map(|row| row.integration.tool())),
        texts(rows().map(|row| row.category.as_str())),
        texts(rows().map(|row| &row.origin)),
        texts(rows().map(|row| &row.state)),
        times(rows().map(|row| Some(row.since_ms * 1000))),
        times(rows().map(|row| Some(row.state_since_ms? * 1000))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}

/// Reads rows by name. A row of a category that this build does not know is none of ours.
fn registrations(batch: &RecordBatch) -> Registered {
    let text = |name: &str| text_column(batch, name);
    let since = time_column(batch, "since");
    let state_since = time_column(batch, "state_since");
    let state_since_ms = |row| Some(time_at(state_since?, row)? / 1000);
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
                state_since_ms: state_since_ms(row),
            };
            Some((keys.value(row).to_owned(), registration))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringArray};
    use arrow::datatypes::{DataType, Field, FieldRef};

    use super::super::small_table::rewritten;
    use super::*;

    fn registration(id: &str) -> Registration {
        Registration {
            integration: IntegrationId::new(id).expect("an id"),
            category: Category::Ats,
            origin: "webhook".to_owned(),
            state: "active".to_owned(),
            since_ms: 1,
            state_since_ms: Some(1),
        }
    }

    fn stored(state: &str, state_since_ms: Option<i64>) -> Registration {
        Registration {
            state: state.to_owned(),
            state_since_ms,
            ..registration("tool:a")
        }
    }

    #[test]
    fn a_state_is_as_old_as_its_first_row_and_what_is_purged_stays_purged() {
        let after = |before: &Registration, new: &Registration| before.clone().becoming(new);
        let deleted = stored("deleted", Some(7));
        assert_eq!(after(&deleted, &stored("deleted", Some(9))), deleted);
        let since = stored("deleted", Some(9));
        assert_eq!(after(&stored("active", Some(7)), &since), since);
        assert_eq!(after(&stored("deleted", None), &since), since);
        let purged = stored("purged", Some(8));
        assert_eq!(after(&purged, &since), purged);
        assert_eq!(after(&purged, &stored("active", Some(9))).state, "active");
    }

    /// Stores one integration under the key of another.
    fn clashing(stored: &str, new: &str) -> RecordBatch {
        let key = registration(new).integration.key().to_string();
        batch(&Registered::from([(key, registration(stored))]))
    }

    #[test]
    fn a_key_of_another_integration_is_refused_and_the_others_of_the_batch_are_written_down() {
        let stored = [clashing("tool:a", "tool:b")];
        let batch = ["tool:c", "tool:b", "tool:d"].map(registration);
        let changed = changed(&stored, &batch);
        let written = changed
            .going
            .iter()
            .map(|(_, row)| row.integration.as_str());
        assert_eq!(written.collect::<Vec<_>>(), ["tool:c", "tool:d"]);
        let [refused] = &changed.aside[..] else {
            panic!("one is refused: {changed:?}");
        };
        assert_eq!(refused.member, registration("tool:b"));
        let told = refused.error.to_string();
        assert!(
            told.contains("tool:a") && told.contains("tool-b-"),
            "{told}"
        );
    }

    #[test]
    fn of_two_new_ones_with_one_key_the_first_is_written_down_each_time() {
        // No two ids with the same key are known, so the second one stands where the first one was written.
        let first = changed(&[], &[registration("tool:b")]);
        assert_eq!((first.going.len(), first.aside.len()), (1, 0));
        let stored = [clashing("tool:a", "tool:b")];
        for _ in 0..2 {
            let again = changed(&stored, &[registration("tool:b")]);
            assert_eq!((again.going.len(), again.aside.len()), (0, 1));
        }
    }

    #[test]
    fn rows_and_columns_of_a_newer_build_pass_through() {
        let newer = batch(&Registered::from([(
            "k".to_owned(),
            registration("tool:a"),
        )]));
        let mut fields: Vec<FieldRef> = newer.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("region", DataType::Utf8, true)));
        let mut columns = newer.columns().to_vec();
        let category = columns.len() - 5;
        columns[category] = Arc::new(StringArray::from(vec!["unheard-of"]));
        columns.push(Arc::new(StringArray::from(vec!["eu"])));
        let newer = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("rows");

        let changed = changed(std::slice::from_ref(&newer), &[registration("tool:b")]);
        assert!(changed.aside.is_empty(), "no clash");
        let changed = batch(&changed.going.into_iter().collect());
        let written = rewritten(&[newer], changed, &KEY).expect("rows");
        assert_eq!(written.num_rows(), 2);
        let text = |name: &str, row: usize| {
            let column = written.column_by_name(name).expect("kept");
            column.as_string::<i32>().value(row).to_owned()
        };
        assert_eq!(
            (text("category", 0), text("region", 0)),
            ("unheard-of".into(), "eu".into())
        );
        assert_eq!(text("_integration_id", 1), "tool:b");
    }
}
