//! Version 0 of a table.

use serde_json::Value;
use uuid::Uuid;

use crate::delta::log::action::{Format, Line, Metadata, Protocol, to_json_lines};
use crate::delta::log::error::LogError;
use crate::delta::log::publish::{Patience, publish};
use crate::delta::log::{TableShape, commit_info, publish_error, schema};
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;

/// Describes a table that does not exist yet.
pub(super) fn new_table(shape: &TableShape, ours: &Value, now_ms: i64) -> Metadata {
    Metadata {
        id: Uuid::new_v4().to_string(),
        name: None,
        description: Some(shape.description.clone()),
        format: Format::parquet(),
        schema_string: ours.to_string(),
        partition_columns: shape.partition_columns.clone(),
        created_time: Some(now_ms),
        configuration: schema::configuration(),
    }
}

/// Puts version 0. That another process was first is as good.
pub(super) async fn create(
    store: &TableStore,
    table: &TablePath,
    metadata: Metadata,
    patience: &Patience,
) -> Result<(), LogError> {
    let commit_id = Uuid::new_v4().simple().to_string();
    let now_ms = metadata.created_time.unwrap_or_default();
    let lines = [
        commit_info("CREATE TABLE", &commit_id, now_ms),
        Line::protocol(Protocol::OURS),
        Line::meta_data(metadata),
    ];
    let key = ObjectKey::LogEntry(table, 0).path();
    let bytes = to_json_lines(&lines).into();
    publish(store.objects(), &key, bytes, &commit_id, patience)
        .await
        .map(|_| ())
        .map_err(|error| publish_error(error, table, 0))
}
