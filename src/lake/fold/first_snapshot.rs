//! Takes the files of a table's first snapshot into `current` without decoding their values.
//!
//! A file of `snapshots` and a file of `current` differ in one column: the integration key, which the path of the
//! former holds. So the other columns are copied as they are stored. That is possible for a file in which every row
//! exists and no delta has a newer observation of a row. The few other files are merged as usual.
//!
//! The copied files overlap in their ids, as the runs of a snapshot do. The next upkeep puts them in order.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use bytes::Bytes;

use crate::catalog::SystemColumn;
use crate::decode::{RowOp, hash_of_id, texts};
use crate::delta::delta_error::{DECODING, DeltaError};
use crate::delta::file::column_copy::{FreshColumn, copy_columns};
use crate::delta::file::data_files::{DataFiles, Written};
use crate::delta::file::writer::read;
use crate::delta::object_key::Partition;
use crate::lake::fold::sequence::{EXPANSION, FileRef};
use crate::lake::fold::sources::TableReader;
use crate::versions::winner::Presence;

/// The columns that say whether a file can be copied.
const COLUMNS: &[&str] = &[
    "id",
    SystemColumn::IntegrationId.name(),
    SystemColumn::Op.name(),
    SystemColumn::Hash.name(),
];

/// What the copy of a snapshot left to do.
#[derive(Default)]
pub(super) struct Copied {
    /// The copies.
    pub(super) written: Vec<Written>,
    /// Id of the integration, read from the rows; `None` when no file was copied.
    pub(super) integration: Option<String>,
    /// Files that have to be merged.
    pub(super) left: Vec<FileRef>,
}

impl TableReader<'_> {
    /// Copies the files of a snapshot that can be copied. `newer` are the ids, ascending, of rows with observations in
    /// `deltas`.
    pub(super) fn copied(
        &self,
        snapshots: &Arc<DataFiles>,
        files: Vec<FileRef>,
        newer: Option<&StringArray>,
    ) -> Result<Copied, DeltaError> {
        let mut copied = Copied::default();
        // The copy of a large file would be too large a file of `current`.
        let most = (self.shelves.file_bytes as u64 / EXPANSION).max(1);
        for file in files {
            if file.size > most {
                copied.left.push(file);
                continue;
            }
            let bytes = self.porter.read(snapshots, &file.path, 0..file.size)?;
            let damaged = |error| snapshots.named(&file.path, error);
            let integration = copyable(&bytes, newer).map_err(damaged)?;
            let copy = match &integration {
                Some(_) => self.copy(&bytes).map_err(damaged)?,
                None => None,
            };
            match copy {
                Some(written) => {
                    copied.written.push(written);
                    copied.integration = integration;
                }
                None => copied.left.push(file),
            }
        }
        Ok(copied)
    }

    fn copy(&self, bytes: &Bytes) -> Result<Option<Written>, DeltaError> {
        let (current, schema) = (&self.shelves.current, &self.shelves.columns.schema);
        let key = FreshColumn::Text(self.key.to_string());
        let fresh = [(SystemColumn::IntegrationKey.name(), key)];
        let Some(copy) = copy_columns(bytes, &current.form, schema, &fresh)? else {
            return Ok(None);
        };
        self.porter.put(current, copy, Partition::Whole)
    }
}

/// Returns the integration id of a file's rows. `None` when a row does not exist, or has a newer observation.
fn copyable(bytes: &Bytes, newer: Option<&StringArray>) -> Result<Option<String>, DeltaError> {
    let mut integration = None;
    for batch in read(bytes.clone(), COLUMNS)? {
        let batch = batch?;
        if !all_there(&batch, newer)? {
            return Ok(None);
        }
        if integration.is_none() {
            let ids = texts(&batch, SystemColumn::IntegrationId.name()).ok_or(DECODING)?;
            integration = (!ids.is_empty()).then(|| ids.value(0).to_owned());
        }
    }
    Ok(integration)
}

fn all_there(batch: &RecordBatch, newer: Option<&StringArray>) -> Result<bool, DeltaError> {
    let ids = texts(batch, "id").ok_or(DECODING)?;
    let ops = texts(batch, SystemColumn::Op.name()).ok_or(DECODING)?;
    let hashes = batch.column_by_name(SystemColumn::Hash.name());
    let hashes = hashes.and_then(|column| column.as_primitive_opt::<Int64Type>());
    let hashes = hashes.ok_or(DECODING)?;
    let is_there = |row: usize| {
        let is_emptied = hashes.value(row) == hash_of_id(ids.value(row));
        Presence::of(RowOp::of(ops.value(row)), is_emptied).is_there()
    };
    let is_newest = |row: usize| newer.is_none_or(|newer| !has(newer, ids.value(row)));
    Ok((0..batch.num_rows()).all(|row| is_there(row) && is_newest(row)))
}

/// Returns whether an ascending column contains an id.
fn has(ids: &StringArray, id: &str) -> bool {
    let (mut from, mut to) = (0, ids.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        match ids.value(middle).cmp(id) {
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_among_sorted_ids() {
        let ids = StringArray::from(vec!["b", "d", "d", "f"]);
        let found: Vec<bool> = ["a", "b", "c", "d", "f", "g"]
            .iter()
            .map(|id| has(&ids, id))
            .collect();
        assert_eq!(found, [false, true, false, true, true, false]);
        assert!(!has(&StringArray::from(Vec::<&str>::new()), "a"));
    }
}
