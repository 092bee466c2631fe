//! Position of the merge in one source of sorted rows.

use arrow::array::{
    Array, AsArray, Int64Array, PrimitiveArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::ArrowPrimitiveType;

use crate::catalog::SystemColumn;
use crate::decode::{RowOp, hash_of_id, texts};
use crate::delta::delta_error::{DECODING, DeltaError};
use crate::versions::winner::{Observation, Presence};

/// Which table a source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowSource {
    Current,
    Snapshot,
    Deltas,
}

/// Rows in the order of their ids.
pub(super) type Rows = Box<dyn Iterator<Item = Result<RecordBatch, DeltaError>> + Send>;

/// One source of a merge.
pub(super) struct SourceCursor {
    pub(super) origin: RowSource,
    rest: Rows,
    pub(super) batch: Keyed,
    pub(super) row: usize,
}

/// A batch with the columns that decide which observation is the newest.
pub(super) struct Keyed {
    pub(super) rows: RecordBatch,
    ids: StringArray,
    ops: StringArray,
    fetched_at: TimestampMicrosecondArray,
    hashes: Int64Array,
    fetch_ids: StringArray,
    changed_at: Option<TimestampMicrosecondArray>,
}

impl SourceCursor {
    /// Creates a cursor at the first row; `None` without rows.
    pub(super) fn new(origin: RowSource, mut rest: Rows) -> Result<Option<Self>, DeltaError> {
        let first = next_rows(&mut rest)?;
        Ok(first.map(|batch| Self {
            origin,
            rest,
            batch,
            row: 0,
        }))
    }

    /// Returns the id of the current row; `None` after the last row of the batch.
    pub(super) fn id(&self) -> Option<&str> {
        (self.row < self.batch.rows.num_rows()).then(|| self.batch.ids.value(self.row))
    }

    /// Returns whether the cursor is after the last row of the batch.
    pub(super) fn is_exhausted(&self) -> bool {
        self.row == self.batch.rows.num_rows()
    }

    /// Moves to the next batch; returns false when there is none. Fails when the ids are not ascending, because the
    /// merge would be wrong.
    pub(super) fn refill(&mut self) -> Result<bool, DeltaError> {
        let Some(next) = next_rows(&mut self.rest)? else {
            return Ok(false);
        };
        let last = self.batch.rows.num_rows().checked_sub(1);
        if last.is_some_and(|last| self.batch.ids.value(last) > next.ids.value(0)) {
            return Err(DECODING);
        }
        (self.batch, self.row) = (next, 0);
        Ok(true)
    }

    /// Returns the observation of the current row.
    pub(super) fn observation(&self, place: usize) -> Observation {
        let (batch, row) = (&self.batch, self.row);
        let hash = batch.hashes.value(row);
        let op = RowOp::of(batch.ops.value(row));
        let is_emptied = op == RowOp::Upsert && hash == hash_of_id(batch.ids.value(row));
        Observation {
            fetched_at_us: batch.fetched_at.value(row),
            hash,
            presence: Presence::of(op, is_emptied),
            place,
        }
    }
}

impl Keyed {
    fn of(rows: RecordBatch) -> Result<Self, DeltaError> {
        let text = |name: &str| texts(&rows, name).cloned().ok_or(DECODING);
        Ok(Self {
            ids: text("id")?,
            ops: text(SystemColumn::Op.name())?,
            fetched_at: numbers(&rows, SystemColumn::FetchedAt.name()).ok_or(DECODING)?,
            hashes: numbers(&rows, SystemColumn::Hash.name()).ok_or(DECODING)?,
            fetch_ids: text(SystemColumn::FetchId.name())?,
            changed_at: numbers(&rows, "changed_at"),
            rows,
        })
    }

    /// Returns the integration id of the rows.
    pub(super) fn integration_id(&self) -> Option<&str> {
        let ids = texts(&self.rows, SystemColumn::IntegrationId.name())?;
        (!ids.is_empty()).then(|| ids.value(0))
    }

    /// Returns the id of the fetch that brought a row.
    pub(super) fn fetch_id(&self, row: usize) -> &str {
        self.fetch_ids.value(row)
    }

    /// Returns Kombo's `changed_at` of a row, in microseconds since the epoch.
    pub(super) fn changed_at_us(&self, row: usize) -> Option<i64> {
        let times = self.changed_at.as_ref()?;
        times.is_valid(row).then(|| times.value(row))
    }
}

fn numbers<T: ArrowPrimitiveType>(rows: &RecordBatch, column: &str) -> Option<PrimitiveArray<T>> {
    rows.column_by_name(column)?.as_primitive_opt().cloned()
}

fn next_rows(rest: &mut Rows) -> Result<Option<Keyed>, DeltaError> {
    for batch in rest {
        let batch = batch?;
        if batch.num_rows() > 0 {
            return Keyed::of(batch).map(Some);
        }
    }
    Ok(None)
}
