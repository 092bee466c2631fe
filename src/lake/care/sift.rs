//! A data file without the rows that leave it.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;

use crate::catalog::SystemColumn;
use crate::delta::delta_error::DeltaError;
use crate::delta::delta_error::ENCODING;
use crate::delta::file::writer::decoded_bytes;
use crate::delta::file::writer::{EncodedFile, FileForm, FileWriter, read};
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;

/// Which rows leave: those of these integrations, observed up to these instants, in microseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::lake) struct Leaving(BTreeMap<String, i64>);

/// What is left of a file.
pub(in crate::lake) enum Sifted {
    /// All of it, or so much that it is not worth writing again.
    Stays,
    /// Nothing: so many rows leave.
    Empty(u64),
    /// Less: so many rows leave. No file in a dry run.
    Smaller(u64, Option<EncodedFile>),
}

impl Leaving {
    /// Adds an integration, observations up to an instant.
    pub(in crate::lake) fn add(&mut self, key: &IntegrationKey, until_us: i64) {
        self.0.insert(key.to_string(), until_us);
    }

    /// Adds everything of an integration.
    pub(in crate::lake) fn add_all(&mut self, key: &IntegrationKey) {
        self.add(key, i64::MAX);
    }

    pub(in crate::lake) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a row of the file may leave, by what the log says of it.
    pub(in crate::lake) fn touches(&self, file: &LiveFile) -> bool {
        let earliest = file.bounds.observed_us.map_or(i64::MIN, |(at, _)| at);
        let may_hold = |key: &str| {
            let keys = file.bounds.keys.as_ref();
            keys.is_none_or(|(least, most)| (least.as_str()..=most.as_str()).contains(&key))
        };
        let mut all = self.0.iter();
        all.any(|(key, until_us)| *until_us >= earliest && may_hold(key))
    }

    /// Returns which rows stay; `None` for rows of no integration.
    fn staying(&self, batch: &RecordBatch) -> Option<BooleanArray> {
        let keys = batch
            .column_by_name(SystemColumn::IntegrationKey.name())?
            .as_string_opt::<i32>()?;
        let observed = batch
            .column_by_name(SystemColumn::FetchedAt.name())
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        // What does not say when it was observed leaves with the whole integration only.
        let at = |row: usize| {
            let known = observed.filter(|observed| observed.is_valid(row));
            known.map_or(i64::MAX, |observed| observed.value(row))
        };
        let stays = |row: usize| {
            let until_us = self.0.get(keys.value(row));
            until_us.is_none_or(|until_us| at(row) > *until_us)
        };
        Some((0..keys.len()).map(|row| Some(stays(row))).collect())
    }
}

/// Takes the rows out of a file that leave it, when they are at least one in `worth` of its rows. `form` says how to write
/// what stays; `None` only counts.
pub(in crate::lake) fn sift(
    file: Bytes,
    leaving: &Leaving,
    worth: u64,
    form: Option<&FileForm>,
) -> Result<Sifted, DeltaError> {
    let (mut rows, mut left) = (0, 0);
    let columns = [
        SystemColumn::IntegrationKey.name(),
        SystemColumn::FetchedAt.name(),
    ];
    for batch in read(file.clone(), &columns)? {
        let batch = batch?;
        let Some(staying) = leaving.staying(&batch) else {
            return Ok(Sifted::Stays);
        };
        rows += batch.num_rows() as u64;
        left += staying.false_count() as u64;
    }
    if left == rows {
        return Ok(Sifted::Empty(left));
    }
    if left == 0 || left.saturating_mul(worth) < rows {
        return Ok(Sifted::Stays);
    }
    let kept = usize::try_from(rows - left).unwrap_or(usize::MAX);
    let written = form.map(|form| without(file, leaving, kept, form));
    Ok(Sifted::Smaller(left, written.transpose()?))
}

fn without(
    file: Bytes,
    leaving: &Leaving,
    kept: usize,
    form: &FileForm,
) -> Result<EncodedFile, DeltaError> {
    let mut writer: Option<FileWriter> = None;
    for batch in read(file, &[])? {
        let batch = batch?;
        let staying = leaving.staying(&batch).ok_or(ENCODING)?;
        let rows = filter_record_batch(&batch, &staying).map_err(|_| ENCODING)?;
        if rows.num_rows() > 0 {
            let bytes_per_row = decoded_bytes(&rows) / rows.num_rows();
            writer
                .get_or_insert_with(|| form.begin(kept, bytes_per_row))
                .write(&rows)?;
        }
    }
    let file = writer.ok_or(ENCODING)?.finish()?;
    // Rows that were counted and not written would be lost.
    file.filter(|file| file.rows == kept as u64).ok_or(ENCODING)
}
