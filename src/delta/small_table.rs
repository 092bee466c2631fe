//! A table of a few rows that each change writes completely, as one file.
//!
//! Each row has a key. A change replaces the rows with the same key. All other rows stay as they are, including
//! columns and values that a newer build has written.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::delta::delta_error::{DECODING, DeltaError, ENCODING};
use crate::delta::file::writer::read;
use crate::delta::log::{Entry, LogState, RemoveFile};
use crate::delta::object_key::Partition;
use crate::delta::rows::{each_row, to_batch};
use crate::delta::table::Table;
use crate::delta::transact::Proposal;

/// A table that each change writes completely.
pub(crate) struct SmallTable {
    pub(crate) table: Arc<Table>,
    /// The columns that a change writes.
    pub(crate) schema: SchemaRef,
    /// The text columns that identify a row.
    pub(crate) key: &'static [&'static str],
    /// The name of a change in the log.
    pub(crate) operation: &'static str,
}

impl SmallTable {
    /// Reads every row. Skips a row that does not match the struct: a newer build has written that row.
    pub(crate) async fn rows<R: DeserializeOwned>(&self) -> Result<Vec<R>, DeltaError> {
        let state = self.table.refreshed().await?;
        structs(&self.batches(&state).await?)
    }

    /// Calls `change` with the stored rows, and replaces the stored rows that have the same key as a returned row.
    /// Changes nothing when `change` returns no row. When another writer commits first, `change` is called again with
    /// the newer rows, so that the next attempt contains the rows of both writers.
    pub(crate) async fn rewrite<R: Serialize + DeserializeOwned>(
        &self,
        mut change: impl FnMut(Vec<R>) -> Vec<R> + Send,
    ) -> Result<(), DeltaError> {
        self.rewrite_dropping(|stored| (change(stored), Vec::new()))
            .await
    }

    /// Does the same, and drops the rows with the keys that `change` returns beside the rows.
    pub(crate) async fn rewrite_dropping<R: Serialize + DeserializeOwned>(
        &self,
        change: impl FnMut(Vec<R>) -> (Vec<R>, Vec<Vec<String>>) + Send,
    ) -> Result<(), DeltaError> {
        let mut rewrite = SmallRewrite {
            small: self,
            change,
            row: PhantomData,
        };
        let state = self.table.refreshed().await?;
        self.table.transact(state, &mut rewrite).await?;
        Ok(())
    }

    async fn batches(&self, state: &Arc<LogState>) -> Result<Vec<RecordBatch>, DeltaError> {
        let mut batches = Vec::new();
        for file in self.table.live(state).await? {
            let bytes = self.table.files.read(&file.path).await?;
            let rows = read(bytes, &[]).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            batches.extend(rows.map_err(|error| self.table.files.named(&file.path, error))?);
        }
        Ok(batches)
    }
}

/// The rows of a small table, some of them changed.
struct SmallRewrite<'a, F, R> {
    small: &'a SmallTable,
    change: F,
    row: PhantomData<fn(R)>,
}

impl<F, R> Proposal for SmallRewrite<'_, F, R>
where
    F: FnMut(Vec<R>) -> (Vec<R>, Vec<Vec<String>>) + Send,
    R: Serialize + DeserializeOwned,
{
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        let (small, table) = (self.small, &self.small.table);
        let stored = small.batches(&state).await?;
        let batch = {
            let (changed, gone) = (self.change)(structs(&stored)?);
            if changed.is_empty() {
                return Ok(None);
            }
            rewritten(
                &stored,
                to_batch(&small.schema, &changed)?,
                &gone,
                small.key,
            )?
        };
        let written = table.files.write_batch(batch, Partition::Whole).await?;
        let live = table.live(&state).await?;
        Ok(Some(Entry {
            operation: small.operation,
            adds: written.into_iter().map(|file| file.add).collect(),
            removes: live.iter().map(|file| RemoveFile::from(&**file)).collect(),
            ..Entry::default()
        }))
    }
}

fn structs<R: DeserializeOwned>(batches: &[RecordBatch]) -> Result<Vec<R>, DeltaError> {
    let mut rows = Vec::new();
    for batch in batches {
        each_row(batch, |row| rows.extend(row))?;
    }
    Ok(rows)
}

/// Replaces stored rows with the changed rows of the same key, and leaves out the rows with the keys `gone`.
pub(crate) fn rewritten(
    stored: &[RecordBatch],
    changed: RecordBatch,
    gone: &[Vec<String>],
    key: &[&str],
) -> Result<RecordBatch, DeltaError> {
    let mut replaced: HashSet<Vec<&str>> = keys(&changed, key)?.into_iter().collect();
    let gone = gone.iter();
    replaced.extend(gone.map(|key| key.iter().map(String::as_str).collect()));
    let mut kept = Vec::new();
    for batch in stored {
        let stays: BooleanArray = keys(batch, key)?
            .iter()
            .map(|key| Some(!replaced.contains(key)))
            .collect();
        kept.push(filter_record_batch(batch, &stays).map_err(|_| ENCODING)?);
    }
    let mut fields: Vec<FieldRef> = changed.schema().fields().to_vec();
    drop(replaced);
    kept.push(changed);
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

/// Returns the key of each row.
fn keys<'a>(batch: &'a RecordBatch, key: &[&str]) -> Result<Vec<Vec<&'a str>>, DeltaError> {
    let columns: Option<Vec<_>> = key.iter().map(|name| text_column(batch, name)).collect();
    let columns = columns.ok_or(DECODING)?;
    let key_of = |row| columns.iter().map(|column| column.value(row)).collect();
    Ok((0..batch.num_rows()).map(key_of).collect())
}

fn aligned(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DeltaError> {
    let columns = schema.fields().iter().map(|field| {
        batch
            .column_by_name(field.name())
            .cloned()
            .unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect()).map_err(|_| ENCODING)
}

fn text_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}
