//! The state of a table's log as of one version.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use serde_json::Value;

use crate::delta::log::action::{LogLine, Metadata};
use crate::delta::log::app_id::AppId;
use crate::delta::log::live_file::BoundedColumns;
use crate::delta::log::live_files::LiveFiles;
use crate::delta::log::log_damage::{LogDamage, LogDamageKind};
use crate::delta::log::log_error::LogError;
use crate::delta::log::replay::InForce;
use crate::delta::log::schema;
use crate::delta::log::txn_map::TxnMap;
use crate::delta::object_key::TablePath;
use crate::json;

/// A table as of one version.
///
/// All transactions are kept in memory. The caller compares them to decide whether another writer has overtaken its
/// fetch. A state shares with the state before what its entry did not change, so the cost of a new state grows with the
/// entry and not with the table.
#[derive(Clone, Debug)]
pub struct LogState {
    pub(super) version: u64,
    pub(super) metadata: Arc<Metadata>,
    pub(super) schema: SchemaRef,
    pub(super) txns: TxnMap,
    /// The columns for which a live file holds bounds.
    pub(super) bounded: BoundedColumns,
    /// Filled at the first request, then kept current. Only tables with replaced files need the list.
    pub(super) live: Option<LiveFiles>,
}

impl LogState {
    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the table's schema, partition columns included. The table may have columns that this build does not
    /// know.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the version of an application's last transaction.
    #[must_use]
    pub fn txn(&self, app_id: &str) -> Option<i64> {
        self.txns.get(app_id)
    }

    /// Returns the columns by which files are found and sorted.
    pub(crate) fn bounded(&self) -> BoundedColumns {
        self.bounded
    }

    /// Returns the last transaction of each `appId`, in no order. Makes a text for each: a table may have a million.
    pub fn txns(&self) -> impl Iterator<Item = (String, i64)> {
        let txns = self.txns.iter();
        txns.map(|(id, version)| (id.text(), version))
    }

    /// Returns the first two parts of every `appId`, such as `kombo/a` for `kombo/a/seen`, each once and in no order.
    pub(crate) fn applications(&self) -> impl Iterator<Item = Arc<str>> {
        self.txns.apps().map(AppId::application)
    }

    /// Makes a state from all actions in force at a version.
    pub(super) fn from_replay(
        version: u64,
        in_force: InForce,
        table: &TablePath,
        bounded: BoundedColumns,
    ) -> Result<Self, LogError> {
        let InForce {
            lines, mut txns, ..
        } = in_force;
        if !lines.iter().any(|line| line.protocol.is_some()) {
            return Err(damaged(table, "its log has no protocol action"));
        }
        let metadata = lines.iter().find_map(|line| line.meta_data.as_deref());
        let metadata = metadata.ok_or_else(|| damaged(table, "its log has no metaData action"))?;
        txns.shrink();
        let mut state = Self {
            version,
            schema: read_schema(metadata, table)?,
            metadata: Arc::new(metadata.clone()),
            txns,
            bounded,
            live: None,
        };
        for line in lines {
            state.apply(line, table)?;
        }
        Ok(state)
    }

    /// Applies the entry of the next version.
    pub(super) fn advance(
        &mut self,
        lines: Vec<LogLine>,
        table: &TablePath,
    ) -> Result<(), LogError> {
        for line in lines {
            self.apply(line, table)?;
        }
        self.version += 1;
        Ok(())
    }

    /// Returns the metadata with which the table gets our columns and settings. `None` when the table has them
    /// already.
    pub(super) fn merged_metadata(
        &self,
        ours: &Value,
        table: &TablePath,
    ) -> Result<Option<Metadata>, LogError> {
        let mut merged: Value = json::from_str(&self.metadata.schema_string)
            .map_err(|_| damaged(table, "its schema is not JSON"))?;
        let changed = schema::merge(&mut merged, ours).map_err(|source| LogError::Schema {
            table: table.to_string(),
            source,
        })?;
        // Settings of the table's owner take precedence over ours.
        let mut configuration = schema::configuration();
        configuration.extend(self.metadata.configuration.clone());
        let changed = changed || configuration != self.metadata.configuration;
        Ok(changed.then(|| Metadata {
            schema_string: merged.to_string(),
            configuration,
            ..Metadata::clone(&self.metadata)
        }))
    }

    fn apply(&mut self, line: LogLine, table: &TablePath) -> Result<(), LogError> {
        if let Some(protocol) = line.protocol
            && !protocol.is_ours()
        {
            return Err(LogError::Protocol {
                table: table.to_string(),
            });
        }
        if let Some(metadata) = line.meta_data
            && *metadata != *self.metadata
        {
            self.schema = read_schema(&metadata, table)?;
            self.metadata = Arc::new(*metadata);
        }
        if let Some(txn) = line.txn {
            self.txns.set(&txn.app_id, txn.version);
        }
        if let Some(live) = &mut self.live {
            live.follow(line.remove, line.add, self.bounded);
        }
        Ok(())
    }
}

fn read_schema(metadata: &Metadata, table: &TablePath) -> Result<SchemaRef, LogError> {
    schema::to_arrow(&metadata.schema_string)
        .ok_or_else(|| damaged(table, "its schema is not a Delta schema"))
}

fn damaged(table: &TablePath, what: &'static str) -> LogError {
    LogError::damaged(table, LogDamage::of_log(table, LogDamageKind::State(what)))
}
