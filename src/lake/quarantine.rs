//! Rows without a usable id. They cannot be stored as rows, and nothing Kombo sends is thrown away.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::group::{Finished, Rows};
use super::layout::{DeltaTable, Partition};
use super::{Lake, LakeError};
use crate::decode::QuarantinedRow;
use crate::fetch::Fetch;

impl Lake {
    /// Commits rows to the quarantine. A crash before the fetch itself is committed leaves them there, and the next fetch
    /// brings them again, under its own `_fetch_id`.
    pub(super) async fn commit_quarantine(
        &self,
        fetch: &Fetch,
        rows: Vec<QuarantinedRow>,
    ) -> Result<(), LakeError> {
        let committer = self.committer(DeltaTable::Quarantine, &schema()).await?;
        let batch = batch(fetch, &rows);
        let written = committer.files.write_batch(batch, Partition::Whole).await?;
        let finished = Finished {
            fence: None,
            rows: Rows::Files(written.into_iter().collect()),
            urgent: true,
        };
        committer.commit(self.tasks(), finished).await?;
        Ok(())
    }
}

/// Returns the columns of `kombo_quarantine`.
pub(super) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("integration_key"),
        text("_integration_id"),
        text("endpoint"),
        Field::new("_fetched_at", time, false),
        text("_fetch_id"),
        text("reason"),
        text("row"),
    ]))
}

fn batch(fetch: &Fetch, rows: &[QuarantinedRow]) -> RecordBatch {
    let text = |value: &dyn Fn(&QuarantinedRow) -> String| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|row| Some(value(row)))
                .collect::<StringArray>(),
        )
    };
    let times = rows.iter().map(|row| row.observed_at.as_micros());
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let table = &fetch.table;
    let columns = vec![
        text(&|_| table.integration.key().to_string()),
        text(&|_| table.integration.to_string()),
        text(&|_| table.endpoint.to_string()),
        Arc::new(times),
        text(&|_| fetch.id.to_string()),
        text(&|row| row.reason.to_owned()),
        text(&|row| row.raw.clone()),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are those of the schema")
}
