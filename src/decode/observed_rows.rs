//! The columns that every row has: the id, the instant of the observation, and the result of the observation.

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::datatypes::TimestampMicrosecondType;

use crate::catalog::SystemColumn;
use crate::time::ObservedAt;

/// The result of an observation: `_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOp {
    /// The record exists.
    Upsert,
    /// Kombo marked the record as deleted.
    Delete,
    /// A full fetch lacked the record, and Kombo did not find it by its id.
    Absent,
}

impl RowOp {
    /// Returns the value in `_op`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Absent => "absent",
        }
    }

    /// Reads a value of `_op`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text {
            "upsert" => Self::Upsert,
            "absent" => Self::Absent,
            _ => Self::Delete,
        }
    }
}

/// One observation of a row.
#[derive(Clone, Copy)]
pub struct ObservedRow<'a> {
    /// Kombo's id of the record.
    pub id: &'a str,
    /// When the record was observed.
    pub at: ObservedAt,
    /// The result of the observation.
    pub op: RowOp,
}

impl ObservedRow<'_> {
    /// Returns whether the record exists.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.op == RowOp::Upsert
    }
}

/// Returns the rows of a batch, in their order.
///
/// # Panics
/// Panics when the batch has no column `id`, `_op` or `_fetched_at`.
pub fn observed_rows(batch: &RecordBatch) -> impl Iterator<Item = ObservedRow<'_>> {
    let text = |name| texts(batch, name).expect("every table has an id and an operation");
    let (ids, ops) = (text("id"), text(SystemColumn::Op.name()));
    let times = times(batch).expect("every table has observation instants");
    times.iter().enumerate().map(move |(row, at)| ObservedRow {
        id: ids.value(row),
        at: ObservedAt::from_micros(*at),
        op: RowOp::of(ops.value(row)),
    })
}

/// Returns a column of texts. Returns `None` when the batch has no column of this name.
#[must_use]
pub fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a StringArray> {
    batch.column_by_name(column)?.as_string_opt()
}

/// Returns the `_fetched_at` of each row, in microseconds since the epoch. Returns `None` when the batch has no such
/// column.
#[must_use]
pub fn times(batch: &RecordBatch) -> Option<&[i64]> {
    let column = batch.column_by_name(SystemColumn::FetchedAt.name())?;
    let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some(times.values())
}
