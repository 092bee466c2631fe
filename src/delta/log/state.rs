//! What a table's log says as of one version.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use serde_json::Value;

use crate::delta::log::action::{Add, Line, Metadata};
use crate::delta::log::error::LogError;
use crate::json;
use crate::time::{ObservedAt, parse_timestamp};

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

    /// Returns every application's last transaction, in no order.
    pub fn txns(&self) -> impl Iterator<Item = (&str, i64)> {
        self.txns
            .iter()
            .map(|(app_id, version)| (&**app_id, *version))
    }

    /// Makes a state of all actions that hold at a version.
    pub(super) fn from_replay(
        version: u64,
        lines: Vec<Line>,
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
    pub(super) fn advance(&mut self, lines: Vec<Line>, table: &str) -> Result<(), LogError> {
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
        let changed = crate::delta::log::schema::merge(&mut merged, ours).map_err(|source| {
            LogError::Schema {
                table: table.to_owned(),
                source,
            }
        })?;
        // What the table's owner has set stays.
        let mut configuration = crate::delta::log::schema::configuration();
        configuration.extend(self.metadata.configuration.clone());
        let changed = changed || configuration != self.metadata.configuration;
        Ok(changed.then(|| Metadata {
            schema_string: merged.to_string(),
            configuration,
            ..Metadata::clone(&self.metadata)
        }))
    }

    fn apply(&mut self, line: Line, table: &str) -> Result<(), LogError> {
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
    crate::delta::log::kernel::arrow_schema(&metadata.schema_string)
        .ok_or_else(|| damaged(table, "its schema is not Delta's"))
}

fn damaged(table: &str, what: &str) -> LogError {
    LogError::Damaged {
        table: table.to_owned(),
        what: what.to_owned(),
    }
}

/// A data file that is part of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFile {
    /// Path below the table's folder, decoded.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Value of each partition column; `None` is null.
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Rows, when its statistics say.
    pub num_records: Option<u64>,
    /// What its statistics say of the columns it is sorted and pruned by.
    pub bounds: FileBounds,
    /// When it was written, in milliseconds since the epoch.
    pub modification_time_ms: i64,
    /// Free notes about the file.
    pub tags: BTreeMap<String, String>,
    pub(super) logged_path: String,
}

impl LiveFile {
    /// Returns whether it may hold rows of a key that were observed after an instant.
    #[must_use]
    pub fn may_hold(&self, key: &str, after: Option<ObservedAt>) -> bool {
        let in_range = |(least, most): &(String, String)| (&**least..=&**most).contains(&key);
        let after_us = after.map_or(i64::MIN, ObservedAt::as_micros);
        let FileBounds {
            keys, observed_us, ..
        } = &self.bounds;
        keys.as_ref().is_none_or(in_range) && observed_us.is_none_or(|(_, until)| until > after_us)
    }
}

#[cfg(test)]
impl LiveFile {
    /// Makes a file that is nowhere.
    pub(crate) fn with_bounds(
        size: u64,
        bounds: FileBounds,
        partition_values: BTreeMap<String, Option<String>>,
    ) -> Self {
        Self {
            path: "part.parquet".to_owned(),
            size,
            partition_values,
            num_records: Some(1),
            bounds,
            modification_time_ms: 0,
            tags: BTreeMap::new(),
            logged_path: "part.parquet".to_owned(),
        }
    }
}

/// The names of the columns that a table's files are found by. Of all others the log may say what it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundedColumns {
    /// A text: whose rows they are.
    pub key: &'static str,
    /// A text: which row it is.
    pub id: &'static str,
    /// A timestamp: when the row was observed.
    pub observed: &'static str,
}

/// Bounds of a file's values. A text may be cut: the least below its value, the greatest above.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FileBounds {
    /// Of the key.
    pub keys: Option<(String, String)>,
    /// Of the id.
    pub ids: Option<(String, String)>,
    /// Of the observation, in microseconds since the epoch.
    pub observed_us: Option<(i64, i64)>,
}

impl std::fmt::Debug for FileBounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Bounds of ids are ids.
        f.write_str("FileBounds")
    }
}

/// `add.stats`, as far as it is read.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stats {
    num_records: Option<u64>,
    min_values: HashMap<String, Value>,
    max_values: HashMap<String, Value>,
}

impl Stats {
    fn bounds(&self, bounded: BoundedColumns) -> FileBounds {
        let of = |column: &str| {
            let least = self.min_values.get(column)?.as_str()?;
            Some((least, self.max_values.get(column)?.as_str()?))
        };
        let owned = |(least, most): (&str, &str)| (least.to_owned(), most.to_owned());
        let micros = |(least, most)| parse_timestamp(least).zip(parse_timestamp(most));
        FileBounds {
            keys: of(bounded.key).map(owned),
            ids: of(bounded.id).map(owned),
            observed_us: of(bounded.observed).and_then(micros),
        }
    }
}

impl LiveFile {
    /// Takes what an add action says of a file.
    pub(super) fn of(add: Add, bounded: BoundedColumns) -> Self {
        let stats = add
            .stats
            .and_then(|stats| json::from_str::<Stats>(&stats).ok())
            .unwrap_or_default();
        Self {
            path: crate::delta::log::action::decode_path(&add.path),
            size: add.size,
            partition_values: add.partition_values,
            num_records: stats.num_records,
            bounds: stats.bounds(bounded),
            modification_time_ms: add.modification_time,
            tags: add
                .tags
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
            logged_path: add.path,
        }
    }
}
