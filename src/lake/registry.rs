//! `kombo_integrations`: which integrations the lake has rows of. Analysts join on it, a restarted service starts from it.
//!
//! It is small, so a change writes it whole: one file, one row per integration, whoever changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{
    DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};

use super::committer::Committer;
use super::lake_error::{DECODING, ENCODING};
use super::layout::{DeltaTable, Partition};
use super::log::{CommitOutcome, Entry, LogState, RemoveFile};
use super::writer::read;
use super::{Lake, LakeError};
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
    /// What is known of it: `active`, `deleted`.
    pub state: String,
    /// When it became known, in milliseconds since the epoch. What is stored stays.
    pub since_ms: i64,
}

/// By key, as the column has it.
type Registered = BTreeMap<String, Registration>;

impl Lake {
    /// Writes down integrations, new ones and changes. A key that exists with another id is refused.
    pub async fn register(&self, integrations: &[Registration]) -> Result<(), LakeError> {
        let committer = self.committer(DeltaTable::Integrations, &schema()).await?;
        let mut state = committer.refreshed().await?;
        loop {
            let stored = read_all(&committer, &state).await?;
            let changed = changed(&stored, integrations)?;
            if changed.is_empty() {
                return Ok(());
            }
            let batch = rewritten(&stored, &changed)?;
            let written = committer.files.write_batch(batch, Partition::Whole).await?;
            let live = committer.live(&state).await?;
            let entry = Entry {
                operation: "REGISTER",
                adds: written.into_iter().map(|file| file.add).collect(),
                removes: live.iter().map(|file| RemoveFile::from(&**file)).collect(),
                ..Entry::default()
            };
            // Lost: another process registered something. Both its rows and ours have to be in the next attempt.
            match committer.log.commit(&state, entry).await {
                Ok(CommitOutcome::Committed { .. }) => return Ok(()),
                Ok(CommitOutcome::Lost { state: newer }) => state = newer,
                Err(error) => return Err(committer.log_error(error)),
            }
        }
    }

    /// Returns every integration the lake knows, by key. Creates nothing.
    pub async fn registered(&self) -> Result<Vec<Registration>, LakeError> {
        if !self.exists(&DeltaTable::Integrations).await? {
            return Ok(Vec::new());
        }
        let committer = self.committer(DeltaTable::Integrations, &schema()).await?;
        let state = committer.refreshed().await?;
        let stored = read_all(&committer, &state).await?;
        Ok(stored
            .iter()
            .flat_map(registrations)
            .map(|(_, row)| row)
            .collect())
    }
}

async fn read_all(
    committer: &Committer,
    state: &Arc<LogState>,
) -> Result<Vec<RecordBatch>, LakeError> {
    let mut batches = Vec::new();
    for file in committer.live(state).await? {
        let bytes = committer.files.read(&file.path).await?;
        for batch in read(bytes, &[])? {
            batches.push(batch?);
        }
    }
    Ok(batches)
}

/// Picks out what is new or differs from what is stored.
fn changed(stored: &[RecordBatch], integrations: &[Registration]) -> Result<Registered, LakeError> {
    let mut known: Registered = stored.iter().flat_map(registrations).collect();
    let mut changed = Registered::new();
    for new in integrations {
        let key = new.integration.key().to_string();
        let since_ms = match known.get(&key) {
            Some(known) if known.integration != new.integration => {
                return Err(LakeError::KeyClash { key });
            }
            Some(known) => known.since_ms,
            None => new.since_ms,
        };
        let row = Registration {
            since_ms,
            ..new.clone()
        };
        if known.get(&key) != Some(&row) {
            known.insert(key.clone(), row.clone());
            changed.insert(key, row);
        }
    }
    Ok(changed)
}

/// Puts changed rows in the place of the stored ones. Rows and columns of a newer build pass through as they are.
fn rewritten(stored: &[RecordBatch], changed: &Registered) -> Result<RecordBatch, LakeError> {
    let ours = batch(changed);
    let mut kept = Vec::new();
    for batch in stored {
        let keys = batch
            .column_by_name("integration_key")
            .ok_or(DECODING)?
            .as_string::<i32>();
        let stays: BooleanArray = (0..keys.len())
            .map(|row| Some(!changed.contains_key(keys.value(row))))
            .collect();
        kept.push(filter_record_batch(batch, &stays).map_err(|_| ENCODING)?);
    }
    kept.push(ours);
    let mut fields: Vec<FieldRef> = schema().fields().to_vec();
    for field in kept
        .iter()
        .flat_map(|batch| batch.schema().fields().to_vec())
    {
        if !fields.iter().any(|known| known.name() == field.name()) {
            fields.push(Arc::new(field.as_ref().clone().with_nullable(true)));
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let aligned: Vec<RecordBatch> = kept
        .iter()
        .map(|batch| aligned(batch, &schema))
        .collect::<Result<_, _>>()?;
    concat_batches(&schema, &aligned).map_err(|_| ENCODING)
}

fn aligned(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, LakeError> {
    let columns = schema.fields().iter().map(|field| {
        batch
            .column_by_name(field.name())
            .cloned()
            .unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect()).map_err(|_| ENCODING)
}

/// Returns the columns of `kombo_integrations`.
pub(super) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("integration_key"),
        text("_integration_id"),
        text("tool"),
        text("category"),
        text("origin"),
        text("state"),
        Field::new("since", time, false),
    ]))
}

fn batch(registered: &Registered) -> RecordBatch {
    let rows = || registered.values();
    let text = |value: &dyn Fn(&Registration) -> String| -> ArrayRef {
        Arc::new(rows().map(|row| Some(value(row))).collect::<StringArray>())
    };
    let since = TimestampMicrosecondArray::from_iter_values(rows().map(|row| row.since_ms * 1000));
    let keys: StringArray = registered.keys().map(Some).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys),
        text(&|row| row.integration.to_string()),
        text(&|row| row.integration.tool().to_owned()),
        text(&|row| row.category.to_string()),
        text(&|row| row.origin.clone()),
        text(&|row| row.state.clone()),
        Arc::new(since.with_timezone("UTC")),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}

/// Reads rows by name. A row of a category that this build does not know is none of ours.
fn registrations(batch: &RecordBatch) -> Registered {
    let text = |name: &str| batch.column_by_name(name).map(AsArray::as_string::<i32>);
    let since = batch
        .column_by_name("since")
        .map(AsArray::as_primitive::<TimestampMicrosecondType>);
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
            };
            Some((keys.value(row).to_owned(), registration))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(id: &str) -> Registration {
        Registration {
            integration: IntegrationId::new(id).expect("an id"),
            category: Category::Ats,
            origin: "webhook".to_owned(),
            state: "active".to_owned(),
            since_ms: 1,
        }
    }

    /// Stores one integration under the key of another.
    fn clashing(stored: &str, new: &str) -> RecordBatch {
        let key = registration(new).integration.key().to_string();
        batch(&Registered::from([(key, registration(stored))]))
    }

    #[test]
    fn a_key_of_another_integration_is_refused() {
        let stored = [clashing("tool:a", "tool:b")];
        let refused = changed(&stored, &[registration("tool:b")]);
        assert!(
            matches!(refused, Err(LakeError::KeyClash { .. })),
            "{refused:?}"
        );
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
        let category = columns.len() - 4;
        columns[category] = Arc::new(StringArray::from(vec!["unheard-of"]));
        columns.push(Arc::new(StringArray::from(vec!["eu"])));
        let newer = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("rows");

        let changed = changed(std::slice::from_ref(&newer), &[registration("tool:b")]);
        let written = rewritten(&[newer], &changed.expect("no clash")).expect("rows");
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
