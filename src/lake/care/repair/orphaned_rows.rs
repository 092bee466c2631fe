//! Takes in rows of `deltas` that no log entry names.
//!
//! A lost entry had named them, or a writer uploaded them and did not commit. In both cases each row is something that
//! Kombo showed at that time, so it may be part of `deltas`. The rows are written to new files, so nothing of a foreign
//! file gets in, and the old file is left to upkeep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use object_store::path::Path;

use crate::catalog::SystemColumn;
use crate::delta::delta_error::{DECODING, DeltaError};
use crate::delta::exchange::Exchange;
use crate::delta::log::LogState;
use crate::lake::layout::{COMMIT_DATE, of_day};
use crate::lake::tables::OpenTable;
use crate::time::parse_date;

/// Columns that every file of rows has.
const NEEDED: [&str; 4] = [
    SystemColumn::IntegrationKey.name(),
    SystemColumn::FetchedAt.name(),
    SystemColumn::Hash.name(),
    "id",
];

/// Rows that no entry names, in new files.
#[derive(Default)]
pub(super) struct OrphanedRows {
    pub(super) files: Vec<Exchange>,
    /// The last observation among them, by `integration_key`, in microseconds since the epoch.
    pub(super) seen: BTreeMap<String, i64>,
}

impl OrphanedRows {
    /// Reads the data files that the log of `deltas` does not name, and writes their rows to new files. A file that
    /// cannot be read or has other columns is left where it is. Rows of purged integrations stay out.
    pub(super) async fn taken_in(
        table: &OpenTable,
        state: &LogState,
        purged: &BTreeSet<String>,
    ) -> Result<Self, DeltaError> {
        let mut taken = Self::default();
        for orphan in table.orphans(state).await? {
            let Some(day) = day_of_path(&orphan.location) else {
                continue;
            };
            let seen = Arc::new(Mutex::new(BTreeMap::new()));
            let (schema, purged) = (Arc::clone(state.schema()), purged.clone());
            let noted = Arc::clone(&seen);
            let change = move |batch: RecordBatch| {
                let batch = kept(&batch, &schema, &purged)?;
                let mut seen = noted.lock().unwrap_or_else(PoisonError::into_inner);
                note(&batch, &mut seen)?;
                Ok(batch)
            };
            let written = table.rewritten_orphan(&orphan.location, of_day(day), change);
            match written.await {
                Ok(None) => {}
                Ok(Some(written)) => {
                    taken.files.push(Exchange {
                        inputs: Vec::new(),
                        output: Some(written.add),
                    });
                    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    for (key, seen_us) in seen {
                        let last = taken.seen.entry(key).or_insert(seen_us);
                        *last = seen_us.max(*last);
                    }
                }
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}

/// Reads the day from the folder of a file: `commit_date=<day>`.
fn day_of_path(path: &Path) -> Option<i32> {
    let mut parts = path.parts();
    parts.find_map(|part| {
        let (column, day) = part.as_ref().split_once('=')?;
        (column == COMMIT_DATE).then(|| parse_date(day))?
    })
}

/// Returns the rows of integrations that are not purged. Fails for a batch that is not one of the table's.
fn kept(
    batch: &RecordBatch,
    schema: &SchemaRef,
    purged: &BTreeSet<String>,
) -> Result<RecordBatch, DeltaError> {
    let is_ours = NEEDED
        .iter()
        .all(|name| batch.column_by_name(name).is_some())
        && batch.schema().fields().iter().all(|field| {
            let ours = schema.field_with_name(field.name());
            ours.is_ok_and(|ours| ours.data_type().equals_datatype(field.data_type()))
        });
    let keys = batch.column_by_name(SystemColumn::IntegrationKey.name());
    let keys = keys.and_then(|keys| keys.as_string_opt::<i32>());
    let keys = keys.filter(|_| is_ours).ok_or(DECODING)?;
    let stays: BooleanArray = (0..keys.len())
        .map(|row| Some(!purged.contains(keys.value(row))))
        .collect();
    filter_record_batch(batch, &stays).map_err(|_| DECODING)
}

fn note(batch: &RecordBatch, seen: &mut BTreeMap<String, i64>) -> Result<(), DeltaError> {
    let keys = batch.column_by_name(SystemColumn::IntegrationKey.name());
    let keys = keys.and_then(|keys| keys.as_string_opt::<i32>());
    let times = batch.column_by_name(SystemColumn::FetchedAt.name());
    let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
    let (keys, times) = keys.zip(times).ok_or(DECODING)?;
    for row in 0..keys.len() {
        let last = seen.entry(keys.value(row).to_owned()).or_insert(i64::MIN);
        *last = times.value(row).max(*last);
    }
    Ok(())
}
