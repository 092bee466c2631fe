//! `kombo_quarantine`: rows of Kombo without a usable id. Such rows cannot be stored as records, and nothing that
//! Kombo sends is thrown away.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use serde::Serialize;

use crate::decode::QuarantinedRow;
use crate::delta::delta_error::DeltaError;
use crate::delta::log::{Entry, LogState};
use crate::delta::object_key::Partition;
use crate::delta::rows::to_batch;
use crate::delta::transact::Proposal;
use crate::fetch::Fetch;
use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::fields::{text_field, time_field};
use crate::lake::operation::Operation;
use crate::lake::tables::Tables;

/// Commits rows to the quarantine. After a crash before the fetch itself is committed, the rows stay there. The next
/// fetch stores them again, under its own `_fetch_id`.
pub(in crate::lake) async fn commit(
    tables: &Tables,
    fetch: &Fetch,
    rows: Vec<QuarantinedRow>,
) -> Result<(), LakeError> {
    let table = tables.open(&LakeTable::Quarantine, &schema()).await?;
    let batch = batch(fetch, &rows)?;
    let written = table.files.write_batch(batch, Partition::Whole).await?;
    let entry = Entry {
        operation: Operation::Append.as_str(),
        adds: written.into_iter().map(|file| file.add).collect(),
        ..Entry::default()
    };
    table.transact(table.state(), &mut Kept(entry)).await?;
    Ok(())
}

/// Rows to add. No commit of another writer can contradict them.
struct Kept(Entry);

impl Proposal for Kept {
    async fn entry(&mut self, _: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        Ok(Some(self.0.clone()))
    }
}

/// Returns the columns of `kombo_quarantine`.
pub(in crate::lake) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text_field("integration_key"),
        text_field("_integration_id"),
        text_field("endpoint"),
        time_field("_fetched_at", false),
        text_field("_fetch_id"),
        text_field("reason"),
        text_field("row"),
    ]))
}

/// A row as stored.
#[derive(Serialize)]
struct QuarantineRecord<'a> {
    /// The key of the integration, for joins.
    integration_key: &'a str,
    /// The id of the integration.
    #[serde(rename = "_integration_id")]
    integration: &'a str,
    /// The endpoint, such as `ats/applications`.
    endpoint: &'a str,
    /// When Kombo sent the row, in microseconds since the epoch.
    #[serde(rename = "_fetched_at")]
    fetched_at_us: i64,
    /// The fetch that brought the row.
    #[serde(rename = "_fetch_id")]
    fetch_id: &'a str,
    /// Why the row has no usable id.
    reason: &'a str,
    /// The row as Kombo sent it, as JSON text.
    row: &'a str,
}

fn batch(fetch: &Fetch, rows: &[QuarantinedRow]) -> Result<RecordBatch, DeltaError> {
    let (table, key) = (&fetch.table, fetch.table.integration.key());
    let records = rows.iter().map(|row| QuarantineRecord {
        integration_key: key.as_str(),
        integration: table.integration.as_str(),
        endpoint: table.endpoint.as_str(),
        fetched_at_us: row.observed_at.as_micros(),
        fetch_id: fetch.id.as_str(),
        reason: row.reason,
        row: &row.raw,
    });
    to_batch(&schema(), &records.collect::<Vec<_>>())
}
