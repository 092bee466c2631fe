//! Where a source of sorted rows has been read up to.

use arrow::array::{
    Array, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use crate::catalog::SystemColumn;
use crate::decode::hash_of_id;
use crate::delta::delta_error::DECODING;
use crate::delta::delta_error::DeltaError;
use crate::versions::winner::{Observation, Presence};

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Current,
    Snapshot,
    Deltas,
}

/// Rows in the order of their ids.
pub(super) type Rows = Box<dyn Iterator<Item = Result<RecordBatch, DeltaError>> + Send>;

/// One source of a merge.
pub(super) struct Cursor {
    pub(super) origin: Origin,
    rest: Rows,
    pub(super) batch: Keyed,
    pub(super) row: usize,
}

/// A batch with the columns that decide.
pub(super) struct Keyed {
    pub(super) rows: RecordBatch,
    ids: StringArray,
    ops: StringArray,
    fetched_at: TimestampMicrosecondArray,
    hashes: Int64Array,
    fetch_ids: StringArray,
    changed_at: Option<TimestampMicrosecondArray>,
}

impl Cursor {
    /// Stands on the first row; `None` without rows.
    pub(super) fn new(origin: Origin, mut rest: Rows) -> Result<Option<Self>, DeltaError> {
        let first = next_rows(&mut rest)?;
        Ok(first.map(|batch| Self {
            origin,
            rest,
            batch,
            row: 0,
        }))
    }

    /// Returns the id of the row it stands on; `None` behind the last row of its batch.
    pub(super) fn id(&self) -> Option<&str> {
        (self.row < self.batch.rows.num_rows()).then(|| self.batch.ids.value(self.row))
    }

    /// Returns whether the batch is used up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.row == self.batch.rows.num_rows()
    }

    /// Goes on to the next batch; `false` when there is none. Fails when its ids go back: then the rows would be merged
    /// wrongly.
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

    /// Says what the row it stands on tells.
    pub(super) fn observation(&self, place: usize) -> Observation {
        let (batch, row) = (&self.batch, self.row);
        let hash = batch.hashes.value(row);
        let emptied = || hash == hash_of_id(batch.ids.value(row));
        let op = batch.ops.value(row);
        Observation {
            fetched_at_us: batch.fetched_at.value(row),
            hash,
            presence: Presence::of(op, op == "upsert" && emptied()),
            place,
        }
    }
}

impl Keyed {
    fn of(rows: RecordBatch) -> Result<Self, DeltaError> {
        let text = |column: SystemColumn| rows.column_by_name(column.name())?.as_string_opt();
        let fetched_at = rows
            .column_by_name(SystemColumn::FetchedAt.name())
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let hashes = rows
            .column_by_name(SystemColumn::Hash.name())
            .and_then(|column| column.as_primitive_opt::<Int64Type>());
        let changed_at = rows
            .column_by_name("changed_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let ids = rows
            .column_by_name("id")
            .and_then(|column| column.as_string_opt::<i32>());
        Ok(Self {
            ids: ids.ok_or(DECODING)?.clone(),
            ops: text(SystemColumn::Op).ok_or(DECODING)?.clone(),
            fetched_at: fetched_at.ok_or(DECODING)?.clone(),
            hashes: hashes.ok_or(DECODING)?.clone(),
            fetch_ids: text(SystemColumn::FetchId).ok_or(DECODING)?.clone(),
            changed_at: changed_at.cloned(),
            rows,
        })
    }

    /// Returns whose rows they are.
    pub(super) fn integration_id(&self) -> Option<&str> {
        let column = self
            .rows
            .column_by_name(SystemColumn::IntegrationId.name())?;
        let ids = column.as_string_opt::<i32>()?;
        (!ids.is_empty()).then(|| ids.value(0))
    }

    /// Returns the fetch that brought a row.
    pub(super) fn fetch_id(&self, row: usize) -> &str {
        self.fetch_ids.value(row)
    }

    /// Returns when a row changed, as Kombo says, in microseconds since the epoch.
    pub(super) fn changed_at_us(&self, row: usize) -> Option<i64> {
        let times = self.changed_at.as_ref()?;
        times.is_valid(row).then(|| times.value(row))
    }
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
