//! A data file that is part of a table, and the log's statistics of its rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::delta::log::action::{Add, decode_path};
use crate::delta::log::shared_values::shared;
use crate::delta::object_key::Partition;
use crate::json;
use crate::time::{Moment, ObservedAt, parse_timestamp};

/// A data file that is part of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFile {
    /// Path below the table's folder, decoded.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Value of each partition column. `None` is null. All files of a partition share one copy.
    pub partition_values: Arc<BTreeMap<String, Option<String>>>,
    /// Number of rows, when the statistics state it.
    pub num_records: Option<u64>,
    /// Bounds of the columns by which files are sorted and skipped.
    pub bounds: FileBounds,
    /// When the file was written.
    pub modified_at: Moment,
    /// Free key-value notes about the file. All files with equal notes share one copy.
    tags: Arc<BTreeMap<String, Option<String>>>,
    /// The file's path exactly as in the log. `None` when it reads like the decoded path.
    logged: Option<Box<str>>,
}

impl LiveFile {
    /// Makes a live file from an add action.
    pub(super) fn of(add: Add, bounded: BoundedColumns) -> Self {
        let stats = add
            .stats
            .and_then(|stats| json::from_str::<Stats>(&stats).ok())
            .unwrap_or_default();
        let path = decode_path(&add.path);
        let logged = (path != add.path).then(|| add.path.into());
        Self {
            path,
            size: add.size,
            partition_values: shared(add.partition_values),
            num_records: stats.num_records,
            bounds: stats.bounds(bounded),
            modified_at: Moment::from_millis(add.modification_time),
            tags: shared(add.tags.unwrap_or_default()),
            logged,
        }
    }

    /// Returns a note about the file. `None` when the file has no note of this name.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.as_deref()
    }

    /// Returns all notes about the file.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        let known =
            |(name, value): (&String, &Option<String>)| Some((name.clone(), value.clone()?));
        self.tags.iter().filter_map(known).collect()
    }

    /// Returns the file's path exactly as in the log.
    pub(super) fn logged_path(&self) -> &str {
        self.logged.as_deref().unwrap_or(&self.path)
    }

    /// Returns the partition of the file.
    #[must_use]
    pub fn partition(&self) -> Partition {
        let mut values = self.partition_values.iter();
        let value = values.find_map(|(column, value)| Some((column.clone(), value.clone()?)));
        value.map_or(Partition::Whole, |(column, value)| {
            Partition::Of(column.into(), value)
        })
    }

    /// Returns the value of a partition column. `None` for null and for an unknown column.
    #[must_use]
    pub fn partition_value(&self, column: &str) -> Option<&str> {
        self.partition_values.get(column)?.as_deref()
    }

    /// Returns whether the file may hold rows of a key that were observed after `after`.
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
    /// Makes a file that exists on no store.
    pub(crate) fn with_bounds(
        size: u64,
        bounds: FileBounds,
        partition_values: BTreeMap<String, Option<String>>,
    ) -> Self {
        Self {
            path: "part.parquet".to_owned(),
            size,
            partition_values: Arc::new(partition_values),
            num_records: Some(1),
            bounds,
            modified_at: Moment::default(),
            tags: Arc::default(),
            logged: None,
        }
    }
}

/// The names of the columns by which a table's files are found. Statistics of other columns are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundedColumns {
    /// A text column: the key of the integration that a row belongs to.
    pub key: &'static str,
    /// A text column: the id of the row's record.
    pub id: &'static str,
    /// A timestamp column: when the row was observed.
    pub observed: &'static str,
}

/// Bounds of a file's values. A text bound may be shortened: the least bound may be below, the greatest bound above,
/// every value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FileBounds {
    /// Bounds of the key.
    pub keys: Option<(String, String)>,
    /// Bounds of the id.
    pub ids: Option<(String, String)>,
    /// Bounds of the observation time, in microseconds since the epoch.
    pub observed_us: Option<(i64, i64)>,
}

impl std::fmt::Debug for FileBounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Bounds of ids are ids, so they are not printed.
        f.write_str("FileBounds")
    }
}

/// The part of `add.stats` that is read.
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
