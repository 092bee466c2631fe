//! What a table's log says as of one version.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use serde_json::Value;

use crate::delta::log::action::{LogLine, Metadata};
use crate::delta::log::live_file::{BoundedColumns, LiveFile};
use crate::delta::log::log_error::LogError;
use crate::delta::log::schema;
use crate::json;

/// A table as of one version.
///
/// All transactions are kept in memory: the caller compares them to decide whether its fetch was overtaken.
#[derive(Clone, Debug)]
pub struct LogState {
    pub(super) version: u64,
    pub(super) metadata: Arc<Metadata>,
    pub(super) schema: SchemaRef,
    pub(super) txns: HashMap<Arc<str>, i64>,
    /// The columns of whose bounds a live file knows.
    pub(super) bounded: BoundedColumns,
    /// Filled when someone asks, then kept current: only tables whose files are replaced need it.
    pub(super) live: Option<HashMap<Arc<str>, Arc<LiveFile>>>,
}

impl LogState {
    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the table's schema, partition columns included. It may have columns this build does not know.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the version of an application's last transaction.
    #[must_use]
    pub fn txn(&self, app_id: &str) -> Option<i64> {
        self.txns.get(app_id).copied()
    }

    /// Returns the columns that files are found by, and sorted by.
    pub(crate) fn bounded(&self) -> BoundedColumns {
        self.bounded
    }

    /// Returns every application's last transaction, in no order.
    pub fn txns(&self) -> impl Iterator<Item = (&str, i64)> {
        self.txns
            .iter()
            .map(|(app_id, version)| (&**app_id, *version))
    }

    /// Makes a state of all actions that hold at a version.
    pub(super) fn from_replay(
        version: u64,
        lines: Vec<LogLine>,
        table: &str,
        bounded: BoundedColumns,
    ) -> Result<Self, LogError> {
        let metadata = lines.iter().find_map(|line| line.meta_data.clone());
        let metadata = metadata.ok_or_else(|| damaged(table, "it has no metaData action"))?;
        let mut state = Self {
            version,
            schema: read_schema(&metadata, table)?,
            metadata: Arc::new(metadata),
            txns: HashMap::new(),
            bounded,
            live: None,
        };
        for line in lines {
            state.apply(line, table)?;
        }
        Ok(state)
    }

    /// Takes in the entry of the next version.
    pub(super) fn advance(&mut self, lines: Vec<LogLine>, table: &str) -> Result<(), LogError> {
        for line in lines {
            self.apply(line, table)?;
        }
        self.version += 1;
        Ok(())
    }

    /// Returns the metadata the table must get to have our columns and settings; `None` when it has them.
    pub(super) fn merged_metadata(
        &self,
        ours: &Value,
        table: &str,
    ) -> Result<Option<Metadata>, LogError> {
        let mut merged: Value = json::from_str(&self.metadata.schema_string)
            .map_err(|_| damaged(table, "its schema is not JSON"))?;
        let changed = schema::merge(&mut merged, ours).map_err(|source| LogError::Schema {
            table: table.to_owned(),
            source,
        })?;
        // What the table's owner has set stays.
        let mut configuration = schema::configuration();
        configuration.extend(self.metadata.configuration.clone());
        let changed = changed || configuration != self.metadata.configuration;
        Ok(changed.then(|| Metadata {
            schema_string: merged.to_string(),
            configuration,
            ..Metadata::clone(&self.metadata)
        }))
    }

    fn apply(&mut self, line: LogLine, table: &str) -> Result<(), LogError> {
        if let Some(protocol) = line.protocol
            && !protocol.is_ours()
        {
            return Err(LogError::Protocol {
                table: table.to_owned(),
            });
        }
        if let Some(metadata) = line.meta_data
            && metadata != *self.metadata
        {
            self.schema = read_schema(&metadata, table)?;
            self.metadata = Arc::new(metadata);
        }
        if let Some(txn) = line.txn {
            self.txns.insert(txn.app_id.into(), txn.version);
        }
        if let Some(live) = &mut self.live {
            if let Some(remove) = line.remove {
                live.remove(remove.path.as_str());
            }
            if let Some(add) = line.add {
                live.insert(
                    add.path.as_str().into(),
                    Arc::new(LiveFile::of(add, self.bounded)),
                );
            }
        }
        Ok(())
    }
}

fn read_schema(metadata: &Metadata, table: &str) -> Result<SchemaRef, LogError> {
    schema::to_arrow(&metadata.schema_string)
        .ok_or_else(|| damaged(table, "its schema is not Delta's"))
}

fn damaged(table: &str, what: &str) -> LogError {
    LogError::Damaged {
        table: table.to_owned(),
        what: what.to_owned(),
    }
}
