//! Rows without a usable id. They cannot be stored as rows, and nothing Kombo sends is thrown away.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::decode::QuarantinedRow;
use crate::delta::delta_error::DeltaError;
use crate::delta::log::{Entry, LogState};
use crate::delta::object_key::Partition;
use crate::delta::transact::Proposal;
use crate::fetch::Fetch;
use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::own_columns::{text_field, texts, time_field, times};
use crate::lake::tables::Tables;

/// Commits rows to the quarantine. A crash before the fetch itself is committed leaves them there, and the next fetch
/// brings them again, under its own `_fetch_id`.
pub(in crate::lake) async fn commit(
    tables: &Tables,
    fetch: &Fetch,
    rows: Vec<QuarantinedRow>,
) -> Result<(), LakeError> {
    let table = tables.open(&LakeTable::Quarantine, &schema()).await?;
    let batch = batch(fetch, &rows);
    let written = table.files.write_batch(batch, Partition::Whole).await?;
    let entry = Entry {
        operation: "APPEND",
        adds: written.into_iter().map(|file| file.add).collect(),
        ..Entry::default()
    };
    table.transact(table.state(), &mut Kept(entry)).await?;
    Ok(())
}

/// Rows that no other writer's contradict.
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

fn batch(fetch: &Fetch, rows: &[QuarantinedRow]) -> RecordBatch {
    let table = &fetch.table;
    let same = |value: &str| texts(rows.iter().map(|_| value));
    let columns = vec![
        same(table.integration.key().as_str()),
        same(table.integration.as_str()),
        same(table.endpoint.as_str()),
        times(rows.iter().map(|row| Some(row.observed_at.as_micros()))),
        same(fetch.id.as_str()),
        texts(rows.iter().map(|row| row.reason)),
        texts(rows.iter().map(|row| &row.raw)),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}
