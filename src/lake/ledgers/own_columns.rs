//! Columns of the lake's own tables: `kombo_integrations`, `kombo_quarantine`, `kombo_drift`, `kombo_holds`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, ListBuilder, RecordBatch, StringArray,
    StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit, TimestampMicrosecondType};

/// Declares a text that is always there.
pub(crate) fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

/// Declares an instant.
pub(crate) fn time_field(name: &str, nullable: bool) -> Field {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Field::new(name, micros, nullable)
}

/// Declares a number that is always there.
pub(crate) fn long_field(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

/// Declares a list of names.
pub(crate) fn names_field(name: &str) -> Field {
    Field::new(name, DataType::List(Arc::new(element())), false)
}

/// Makes a column of texts.
pub(crate) fn texts<T: AsRef<str>>(values: impl Iterator<Item = T>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

/// Makes a column of instants, in microseconds since the epoch.
pub(crate) fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let times: TimestampMicrosecondArray = values.collect();
    Arc::new(times.with_timezone("UTC"))
}

/// Makes a column of numbers.
pub(crate) fn longs(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

/// Makes a column of counts.
pub(crate) fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    longs(values.map(|count| Some(i64::try_from(count).unwrap_or(i64::MAX))))
}

/// Makes a column of lists of names.
pub(crate) fn names<'a>(values: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(element());
    for list in values {
        lists.append_value(list.iter().map(Some));
    }
    Arc::new(lists.finish())
}

/// Finds a column of texts.
pub(crate) fn text_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

/// Finds a column of instants.
pub(crate) fn time_column<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Option<&'a TimestampMicrosecondArray> {
    let column = batch.column_by_name(name)?;
    column.as_primitive_opt::<TimestampMicrosecondType>()
}

/// Finds a column of numbers.
pub(crate) fn long_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()
}

/// Finds a column of lists.
pub(crate) fn names_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a ListArray> {
    batch.column_by_name(name)?.as_list_opt::<i32>()
}

/// Returns an instant of a column, `None` for null.
pub(crate) fn time_at(times: &TimestampMicrosecondArray, row: usize) -> Option<i64> {
    times.is_valid(row).then(|| times.value(row))
}

/// Returns the names in a list.
pub(crate) fn names_at(lists: &ListArray, row: usize) -> Vec<String> {
    if lists.is_null(row) {
        return Vec::new();
    }
    let list = lists.value(row);
    let names = list.as_string_opt::<i32>().into_iter().flatten();
    names.flatten().map(str::to_owned).collect()
}

/// What Delta and Iceberg call it.
fn element() -> Field {
    Field::new("element", DataType::Utf8, true)
}
