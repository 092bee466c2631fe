//! Creates version 0 of a table.

use serde_json::Value;

use crate::chance::fresh_uuid;
use crate::delta::log::action::{Format, LogLine, Metadata, Protocol, to_json_lines};
use crate::delta::log::entry::commit_info;
use crate::delta::log::log_error::LogError;
use crate::delta::log::publish::{Patience, publish};
use crate::delta::log::{TableShape, publish_error, schema};
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;
use crate::time::Moment;

/// Creates version 0 of a table that does not exist yet. Succeeds also when another process created the table first.
pub(super) async fn create(
    store: &TableStore,
    table: &TablePath,
    shape: &TableShape,
    ours: &Value,
    now: Moment,
    patience: &Patience,
) -> Result<(), LogError> {
    let commit_id = fresh_uuid().simple().to_string();
    let lines = [
        commit_info("CREATE TABLE", &commit_id, now),
        LogLine {
            protocol: Some(Protocol::OURS),
            ..LogLine::default()
        },
        LogLine {
            meta_data: Some(Box::new(metadata(shape, ours, now))),
            ..LogLine::default()
        },
    ];
    let key = ObjectKey::LogEntry(table, 0).path();
    let published = publish(
        store,
        &key,
        to_json_lines(&lines).into(),
        &commit_id,
        patience,
    );
    let published = published.await;
    published
        .map(drop)
        .map_err(|error| publish_error(error, table, 0))
}

/// Returns what a new table says of itself.
pub(super) fn metadata(shape: &TableShape, ours: &Value, now: Moment) -> Metadata {
    Metadata {
        id: fresh_uuid().to_string(),
        name: None,
        description: Some(shape.description.clone()),
        format: Format::parquet(),
        schema_string: ours.to_string(),
        partition_columns: shape.partition_columns.clone(),
        created_time: Some(now.as_millis()),
        configuration: schema::configuration(),
    }
}
