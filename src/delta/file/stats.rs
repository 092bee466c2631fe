//! Statistics of a data file for its add action, as the Delta protocol defines them. Readers skip files by these
//! statistics.
//!
//! A bound may be looser than the values, never tighter. The smallest timestamp is rounded down to the millisecond,
//! and the **largest is rounded up**. Readers compare with millisecond precision, and would otherwise skip rows
//! within the last millisecond.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{DataType, FieldRef, Schema, TimeUnit, TimestampMicrosecondType};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use crate::time::format_timestamp;

/// Characters of a text in a bound, at most.
pub(crate) const BOUND_CHARS: usize = 128;

/// Timestamps that every reader can parse, in microseconds: from 0001-01-01 to the end of 9999-12-31.
const WRITABLE_MICROS: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_799_999_001;

/// Collects statistics over the rows of one file.
#[derive(Debug)]
pub(crate) struct FileStats {
    is_told: fn(&str) -> bool,
    rows: u64,
    columns: Vec<ColumnStats>,
}

#[derive(Debug)]
struct ColumnStats {
    name: String,
    nulls: u64,
    bounds: Bounds,
}

/// The least and greatest value seen so far. `Unknown` once a value was seen that cannot be ordered.
#[derive(Debug, Default, PartialEq)]
enum Bounds {
    #[default]
    Nothing,
    Unknown,
    Text(String, String),
    Micros(i64, i64),
}

impl FileStats {
    /// Starts the statistics of a file. `is_told` says, by column name, which columns have statistics. The bounds of a
    /// file with one row are the values of that row, and the log outlives its files. Therefore nothing is told of a
    /// column unless the caller names it.
    pub(crate) fn new(is_told: fn(&str) -> bool) -> Self {
        Self {
            is_told,
            rows: 0,
            columns: Vec::new(),
        }
    }

    /// Adds the rows of a batch. All batches of a file have the same columns.
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        self.add_rows(batch.schema_ref(), batch.num_rows());
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            self.add_column(field.name(), column.as_ref());
        }
    }

    /// Adds a number of rows, of each of whose columns the values follow by [`add_column`](Self::add_column).
    pub(crate) fn add_rows(&mut self, schema: &Schema, rows: usize) {
        if self.columns.is_empty() {
            self.columns = told(schema, self.is_told)
                .map(|field| ColumnStats {
                    name: field.name().clone(),
                    nulls: 0,
                    bounds: Bounds::Nothing,
                })
                .collect();
        }
        self.rows += rows as u64;
    }

    /// Adds the values of a column.
    pub(crate) fn add_column(&mut self, name: &str, values: &dyn Array) {
        if let Some(stats) = self.columns.iter_mut().find(|stats| stats.name == name) {
            stats.nulls += values.null_count() as u64;
            let seen = Bounds::of(values);
            stats.bounds = std::mem::take(&mut stats.bounds).with(seen);
        }
    }

    /// Takes the statistics from the footer of a file. `None` when the footer does not have them all: texts may be
    /// cut there.
    pub(super) fn of_footer(
        is_told: fn(&str) -> bool,
        schema: &Schema,
        footer: &ParquetMetaData,
    ) -> Option<Self> {
        let mut stats = Self::new(is_told);
        for group in footer.row_groups() {
            stats.rows += u64::try_from(group.num_rows()).ok()?;
        }
        for field in told(schema, is_told) {
            let (mut nulls, mut bounds) = (0, Bounds::Nothing);
            for group in footer.row_groups() {
                let mut chunks = group.columns().iter();
                let chunk = chunks.find(|chunk| chunk.column_path().string() == *field.name())?;
                let held = chunk.statistics()?;
                let missing = held.null_count_opt()?;
                nulls += missing;
                if missing < u64::try_from(group.num_rows()).ok()? {
                    bounds = bounds.with(Bounds::of_chunk(field.data_type(), held)?);
                }
            }
            stats.columns.push(ColumnStats {
                name: field.name().clone(),
                nulls,
                bounds,
            });
        }
        Some(stats)
    }

    /// Returns the number of rows added.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the JSON text of `add.stats`.
    pub(crate) fn to_json(&self) -> String {
        let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
        for column in &self.columns {
            nulls.insert(column.name.clone(), column.nulls.into());
            if let Some(value) = column.bounds.least() {
                least.insert(column.name.clone(), value);
            }
            if let Some(value) = column.bounds.greatest() {
                greatest.insert(column.name.clone(), value);
            }
        }
        json!({
            "numRecords": self.rows,
            "minValues": least,
            "maxValues": greatest,
            "nullCount": nulls,
        })
        .to_string()
    }
}

/// Returns the columns that have statistics. Delta nests the statistics of a struct and has none for a list. Neither is
/// written here.
fn told(schema: &Schema, is_told: fn(&str) -> bool) -> impl Iterator<Item = &FieldRef> {
    let fields = schema.fields().iter();
    fields.filter(move |field| !field.data_type().is_nested() && is_told(field.name()))
}

impl Bounds {
    /// Returns the exact bounds that a footer states of a column with values. `None` when they are not exact.
    fn of_chunk(data_type: &DataType, held: &Statistics) -> Option<Self> {
        match (data_type, held) {
            (DataType::Utf8, Statistics::ByteArray(texts)) => {
                let exact = texts.min_is_exact() && texts.max_is_exact();
                let (least, most) = texts.min_opt().zip(texts.max_opt()).filter(|_| exact)?;
                let (least, most) = (least.as_utf8().ok()?, most.as_utf8().ok()?);
                Some(Self::Text(least.to_owned(), most.to_owned()))
            }
            (DataType::Timestamp(TimeUnit::Microsecond, _), Statistics::Int64(micros)) => {
                let (least, most) = micros.min_opt().zip(micros.max_opt())?;
                Some(Self::Micros(*least, *most))
            }
            (DataType::Utf8 | DataType::Timestamp(..), _) => None,
            _ => Some(Self::Unknown),
        }
    }

    fn of(column: &dyn Array) -> Self {
        let bounds = match column.data_type() {
            DataType::Utf8 => {
                let text = column.as_string::<i32>();
                min_string(text)
                    .zip(max_string(text))
                    .map(|(least, most)| Self::Text(least.to_owned(), most.to_owned()))
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let micros = column.as_primitive::<TimestampMicrosecondType>();
                min(micros)
                    .zip(max(micros))
                    .map(|(least, most)| Self::Micros(least, most))
            }
            _ => Some(Self::Unknown),
        };
        bounds.unwrap_or(Self::Nothing)
    }

    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, other) => other,
            (known, Self::Nothing) => known,
            (Self::Text(a, b), Self::Text(c, d)) => Self::Text(a.min(c), b.max(d)),
            (Self::Micros(a, b), Self::Micros(c, d)) => Self::Micros(a.min(c), b.max(d)),
            _ => Self::Unknown,
        }
    }

    fn least(&self) -> Option<Value> {
        match self {
            Self::Nothing | Self::Unknown => None,
            Self::Text(least, _) => {
                Some(least.chars().take(BOUND_CHARS).collect::<String>().into())
            }
            Self::Micros(least, _) => WRITABLE_MICROS
                .contains(least)
                .then(|| format_timestamp(least.div_euclid(1000) * 1000).into()),
        }
    }

    fn greatest(&self) -> Option<Value> {
        match self {
            Self::Nothing | Self::Unknown => None,
            Self::Text(_, most) => raised_prefix(most).map(Value::from),
            Self::Micros(_, most) => WRITABLE_MICROS
                .contains(most)
                .then(|| format_timestamp((most + 999).div_euclid(1000) * 1000).into()),
        }
    }
}

/// Returns a text of at most [`BOUND_CHARS`] characters that is not below `text`. `None` when there is no such text.
fn raised_prefix(text: &str) -> Option<String> {
    if text.chars().nth(BOUND_CHARS).is_none() {
        return Some(text.to_owned());
    }
    let mut prefix: Vec<char> = text.chars().take(BOUND_CHARS).collect();
    while let Some(last) = prefix.pop() {
        // A range of `char` skips the surrogates. Its second element is the next character.
        if let Some(next) = (last..=char::MAX).nth(1) {
            prefix.push(next);
            return Some(prefix.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn stats_of(columns: Vec<(&str, ArrayRef)>) -> Value {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut stats = FileStats::new(|name| name != "first_name");
        // Two batches, so that every test covers merging.
        stats.add(&batch.slice(0, 1));
        stats.add(&batch.slice(1, batch.num_rows() - 1));
        serde_json::from_str(&stats.to_json()).expect("JSON")
    }

    #[test]
    fn the_greatest_timestamp_is_raised_and_the_least_floored_to_the_millisecond() {
        let times = TimestampMicrosecondArray::from(vec![1_700_000_000_007_001, -1, 500])
            .with_timezone("UTC");
        let stats = stats_of(vec![("changed_at", Arc::new(times))]);
        assert_eq!(stats["numRecords"], 3);
        assert_eq!(stats["minValues"]["changed_at"], "1969-12-31T23:59:59.999Z");
        assert_eq!(stats["maxValues"]["changed_at"], "2023-11-14T22:13:20.008Z");
    }

    #[test]
    fn a_greatest_timestamp_on_the_millisecond_stays() {
        let times = TimestampMicrosecondArray::from(vec![1_700_000_000_007_000, 0]);
        let stats = stats_of(vec![("changed_at", Arc::new(times))]);
        assert_eq!(stats["maxValues"]["changed_at"], "2023-11-14T22:13:20.007Z");
    }

    #[test]
    fn a_long_greatest_text_is_cut_and_raised_or_left_out() {
        let most = "a".repeat(BOUND_CHARS - 1);
        let long = format!("{most}b{}", "z".repeat(10));
        let top: String = std::iter::repeat_n(char::MAX, BOUND_CHARS + 6).collect();
        let stats = stats_of(vec![
            (
                "id",
                Arc::new(StringArray::from(vec![long.as_str(), "zz"])) as ArrayRef,
            ),
            (
                "job_id",
                Arc::new(StringArray::from(vec!["a", long.as_str()])),
            ),
            (
                "user_id",
                Arc::new(StringArray::from(vec!["a", top.as_str()])),
            ),
        ]);
        assert_eq!(stats["minValues"]["id"], format!("{most}b"));
        assert_eq!(stats["maxValues"]["job_id"], format!("{most}c"));
        assert_eq!(stats["maxValues"].get("user_id"), None);
    }

    #[test]
    fn of_a_column_without_leave_nothing_is_told_and_nulls_of_others_are_counted() {
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("Jane"), None]));
        let numbers = Int64Array::from(vec![None::<i64>, None]);
        let stats = stats_of(vec![("first_name", names), ("index", Arc::new(numbers))]);
        assert_eq!(stats["minValues"], json!({}));
        assert_eq!(stats["maxValues"], json!({}));
        assert_eq!(stats["nullCount"], json!({"index": 2}));
    }
}
