//! Finds and moves instants in the future in one data file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;

use crate::catalog::SystemColumn;
use crate::delta::delta_error::{DeltaError, ENCODING};
use crate::delta::file::writer::read;
use crate::ids::EndpointName;
use crate::lake::care::repair::moves::Moves;

/// Columns of instants of a table. `changed_at` is Kombo's and is never moved.
pub(super) const OF_ROWS: &[&str] = &["_fetched_at"];
pub(super) const OF_DRIFT: &[&str] = &["_fetched_at", "known_fetched_at", "wrong_since"];

/// Which instants of a file to read, and of which integration and endpoint they are.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    /// Integration key of all rows; `None` when each row has its own.
    pub(super) key: Option<String>,
    /// Limits the search to rows of this endpoint; `None` when all rows belong to one endpoint.
    pub(super) endpoint: Option<EndpointName>,
    /// Names of the columns of instants.
    pub(super) columns: &'static [&'static str],
}

/// Instants that were found in a file.
#[derive(Debug, Default)]
pub(super) struct FileStamps {
    /// Instants in the future, by `integration_key`.
    pub(super) ahead: HashMap<String, Vec<i64>>,
    /// The last instant that is not in the future.
    pub(super) past_us: i64,
    /// Number of rows with an instant in the future.
    pub(super) rows: u64,
}

impl Stamps {
    /// Finds the instants of a file that are later than `latest_us`.
    pub(super) fn find(&self, file: Bytes, latest_us: i64) -> Result<FileStamps, DeltaError> {
        let mut found = FileStamps::default();
        let own = [SystemColumn::IntegrationKey.name(), "endpoint"];
        let columns: Vec<&str> = own
            .into_iter()
            .chain(self.columns.iter().copied())
            .collect();
        for batch in read(file, &columns)? {
            let batch = batch?;
            let owners = Owners::of(self, &batch);
            let times: Vec<_> = self.times(&batch).map(|(_, times)| times).collect();
            for row in 0..batch.num_rows() {
                let Some(key) = owners.key(row) else { continue };
                let before = found.rows;
                for times in &times {
                    let at_us = Some(times.value(row)).filter(|_| times.is_valid(row));
                    match at_us {
                        Some(at_us) if at_us > latest_us => {
                            let ahead = found.ahead.entry(key.to_owned()).or_default();
                            ahead.push(at_us);
                            found.rows = before + 1;
                        }
                        Some(at_us) => found.past_us = found.past_us.max(at_us),
                        None => {}
                    }
                }
            }
        }
        Ok(found)
    }

    /// Returns a batch with moved instants, and the number of changed rows.
    pub(super) fn moved(
        &self,
        batch: &RecordBatch,
        moves: &Moves,
    ) -> Result<(u64, RecordBatch), DeltaError> {
        let owners = Owners::of(self, batch);
        let mut is_changed = vec![false; batch.num_rows()];
        let mut columns = batch.columns().to_vec();
        for (position, times) in self.times(batch) {
            let stamps: TimestampMicrosecondArray = (0..times.len())
                .map(|row| {
                    let at_us = Some(times.value(row)).filter(|_| times.is_valid(row))?;
                    let to_us = owners.key(row).and_then(|key| moves.to_us(key, at_us));
                    is_changed[row] |= to_us.is_some();
                    Some(to_us.unwrap_or(at_us))
                })
                .collect();
            columns[position] = Arc::new(stamps.with_data_type(times.data_type().clone()));
        }
        with_spans(batch, &mut columns, &is_changed);
        let batch = RecordBatch::try_new(batch.schema(), columns).map_err(|_| ENCODING)?;
        let changed = is_changed.into_iter().filter(|is_changed| *is_changed);
        Ok((changed.count() as u64, batch))
    }

    /// Returns the columns of instants that a batch has, and their positions.
    fn times<'a>(
        &self,
        batch: &'a RecordBatch,
    ) -> impl Iterator<Item = (usize, &'a TimestampMicrosecondArray)> {
        self.columns.iter().filter_map(|name| {
            let position = batch.schema().index_of(name).ok()?;
            let times = batch
                .column(position)
                .as_primitive_opt::<TimestampMicrosecondType>();
            Some((position, times?))
        })
    }
}

/// Integration and endpoint of the rows of a batch.
struct Owners<'a> {
    of_file: Option<&'a str>,
    keys: Option<&'a StringArray>,
    endpoint: Option<&'a str>,
    endpoints: Option<&'a StringArray>,
}

impl<'a> Owners<'a> {
    fn of(stamps: &'a Stamps, batch: &'a RecordBatch) -> Self {
        let texts = |name| {
            let column = batch.column_by_name(name)?;
            column.as_string_opt::<i32>()
        };
        Self {
            of_file: stamps.key.as_deref(),
            keys: texts(SystemColumn::IntegrationKey.name()),
            endpoint: stamps.endpoint.as_ref().map(EndpointName::as_str),
            endpoints: texts("endpoint"),
        }
    }

    /// Returns the integration key of a row; `None` when the row belongs to another endpoint.
    fn key(&self, row: usize) -> Option<&str> {
        let is_of = |endpoint: &str| {
            let endpoints = self.endpoints;
            endpoints.is_some_and(|endpoints| endpoints.value(row) == endpoint)
        };
        if !self.endpoint.is_none_or(is_of) {
            return None;
        }
        self.of_file.or_else(|| Some(self.keys?.value(row)))
    }
}

/// Recomputes `wrong_secs` of rows with a moved instant.
fn with_spans(batch: &RecordBatch, columns: &mut [ArrayRef], is_changed: &[bool]) {
    let position = |name| batch.schema().index_of(name).ok();
    let (Some(at), Some(since), Some(secs)) = (
        position("_fetched_at"),
        position("wrong_since"),
        position("wrong_secs"),
    ) else {
        return;
    };
    let spans = {
        let (Some(at), Some(since)) = (
            columns[at].as_primitive_opt::<TimestampMicrosecondType>(),
            columns[since].as_primitive_opt::<TimestampMicrosecondType>(),
        ) else {
            return;
        };
        let Some(before) = columns[secs].as_primitive_opt::<arrow::datatypes::Int64Type>() else {
            return;
        };
        let span = |row: usize| {
            if is_changed[row] && since.is_valid(row) {
                let micros = at.value(row).saturating_sub(since.value(row));
                return Some(micros.max(0) / 1_000_000);
            }
            before.is_valid(row).then(|| before.value(row))
        };
        (0..is_changed.len()).map(span).collect::<Int64Array>()
    };
    columns[secs] = Arc::new(spans);
}
