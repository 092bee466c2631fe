//! What every row of every table has: an id, when it was observed, and what that observation says of it.

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::datatypes::TimestampMicrosecondType;

use crate::catalog::SystemColumn;
use crate::time::ObservedAt;

/// What an observation says of a row: `_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOp {
    /// It is there.
    Upsert,
    /// Kombo marked it deleted.
    Delete,
    /// A full fetch lacked it, and nobody found it.
    Absent,
}

impl RowOp {
    /// Returns the word in `_op`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Absent => "absent",
        }
    }

    /// Reads the word.
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
    /// Kombo's id of it.
    pub id: &'a str,
    /// When it was observed.
    pub at: ObservedAt,
    /// What was seen.
    pub op: RowOp,
}

impl ObservedRow<'_> {
    /// Returns whether the row is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.op == RowOp::Upsert
    }
}

/// Returns the rows of a batch, in their order.
///
/// # Panics
/// When the batch is of no table: when it lacks `id`, `_op` or `_fetched_at`.
pub fn observed_rows(batch: &RecordBatch) -> impl Iterator<Item = ObservedRow<'_>> {
    let text = |name| texts(batch, name).expect("every table has it");
    let (ids, ops) = (text("id"), text(SystemColumn::Op.name()));
    let times = times(batch).expect("every table has it");
    times.iter().enumerate().map(move |(row, at)| ObservedRow {
        id: ids.value(row),
        at: ObservedAt::from_micros(*at),
        op: RowOp::of(ops.value(row)),
    })
}

/// Returns a column of texts; `None` when the batch has none of this name.
#[must_use]
pub fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a StringArray> {
    batch.column_by_name(column)?.as_string_opt()
}

/// Returns `_fetched_at` of each row, in microseconds since the epoch; `None` when the batch does not have it.
#[must_use]
pub fn times(batch: &RecordBatch) -> Option<&[i64]> {
    let column = batch.column_by_name(SystemColumn::FetchedAt.name())?;
    let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some(times.values())
}
