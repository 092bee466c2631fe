//! Folds the tables of one unit, in the order of their keys. Rows of other tables in the same files are copied.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};

use crate::catalog::SystemColumn;
use crate::decode::texts;
use crate::delta::delta_error::{DECODING, DeltaError};
use crate::delta::file::data_files::Written;
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::lake::fold::merged_table::MergedTable;
use crate::lake::fold::pace::Pace;
use crate::lake::fold::pending::sorted;
use crate::lake::fold::planned::Planned;
use crate::lake::fold::porter::Porter;
use crate::lake::fold::sequence::{FileRef, Sequence};
use crate::lake::fold::shared_output::SharedOutput;
use crate::lake::fold::table_fold::{PendingOfTable, TableInput, fold};
use crate::lake::fold::task::Shelves;
use crate::lake::fold::unit::Unit;
use crate::lake::layout::holds_only;
use crate::lake::{LakeError, Members};

/// Files that the tables of a unit share: written by the fold, and replaced by it.
#[derive(Default)]
pub(super) struct SharedWork {
    pub(super) written: Vec<Written>,
    pub(super) replaced: Vec<Arc<LiveFile>>,
    /// Number of tables that the fold of the unit changes.
    pub(super) tables: usize,
}

/// A folded unit, not visible yet.
pub(super) struct MergedUnit {
    pub(super) shared: SharedWork,
    pub(super) tables: Vec<(FoldPlan, MergedTable)>,
}

/// The fold of one unit.
pub(super) struct UnitFold<'a> {
    pub(super) porter: &'a Porter,
    pub(super) pace: &'a mut Pace,
    pub(super) shelves: &'a Shelves,
    /// The waiting rows of each table.
    pub(super) pending: HashMap<IntegrationKey, Result<PendingOfTable, LakeError>>,
}

impl UnitFold<'_> {
    /// Folds each table. Sets aside a table that cannot be folded, and copies its rows. Sets aside all tables when a
    /// shared file cannot be read or written. Returns an error only when the fold was cancelled from outside.
    pub(super) fn run(
        mut self,
        unit: Unit,
    ) -> Result<(Option<MergedUnit>, Members<(), IntegrationKey>), LakeError> {
        let mut failed = Members::default();
        let keys: Vec<IntegrationKey> =
            unit.tables.iter().map(|one| one.plan.key.clone()).collect();
        match self.merged(unit, &mut failed) {
            Ok(merged) => Ok((merged, failed)),
            Err(error) if error.is_closed() => Err(error),
            Err(error) => {
                let mut failed = Members::default();
                for key in keys {
                    failed.add(key, Err(error.clone()));
                }
                Ok((None, failed))
            }
        }
    }

    fn merged(
        &mut self,
        unit: Unit,
        failed: &mut Members<(), IntegrationKey>,
    ) -> Result<Option<MergedUnit>, LakeError> {
        let CarriedRows {
            rows: mut carried,
            files: replaced,
            ..
        } = self.carried(&unit)?;
        let tables = unit.tables.into_iter();
        let mut tables: BTreeMap<String, Planned> = tables
            .map(|planned| (planned.plan.key.to_string(), planned))
            .collect();
        let keys = tables.keys().chain(carried.keys());
        let keys: BTreeSet<String> = keys.cloned().collect();
        let bytes = carried.values().flatten().map(decoded_bytes).sum();
        let mut output = SharedOutput::new(self.porter, &self.shelves.current, bytes);
        let mut merged = Vec::new();
        for key in keys {
            let rows = carried.remove(&key).unwrap_or_default();
            let Some(planned) = tables.remove(&key) else {
                output.write(&key, &rows)?;
                continue;
            };
            match self.table(planned, &rows) {
                Ok((plan, table)) => {
                    output.write(&key, &table.kept)?;
                    merged.push((plan, table.without_rows()));
                }
                Err((_, error)) if error.is_closed() => return Err(error),
                Err((of, error)) => {
                    failed.add(of, Err(error));
                    output.write(&key, &rows)?;
                }
            }
            self.pace.rest();
        }
        if merged.is_empty() {
            return Ok(None);
        }
        let shared = SharedWork {
            written: output.finish()?,
            replaced,
            tables: merged.len(),
        };
        Ok(Some(MergedUnit {
            shared,
            tables: merged,
        }))
    }

    fn table(
        &mut self,
        planned: Planned,
        carried: &[RecordBatch],
    ) -> Result<(FoldPlan, MergedTable), (IntegrationKey, LakeError)> {
        let plan = planned.plan.clone();
        let named = |error| (plan.key.clone(), error);
        let pending = self.pending.remove(&plan.key);
        let pending = pending.unwrap_or_else(|| Err(DeltaError::Closed.into()));
        let pending = pending.map_err(named)?;
        // The old rows of a table that is rebuilt are replaced without being read.
        let carried = if plan.is_rebuilt { &[] } else { carried };
        let input = TableInput {
            planned,
            pending: &pending,
            carried,
        };
        let folded = fold(self.porter, self.pace, self.shelves, input);
        folded
            .map(|merged| (plan.clone(), merged))
            .map_err(|error| (plan.key.clone(), error.into()))
    }

    /// Reads the files that the unit rewrites. A file of which every table is rebuilt is not read: it may be damaged.
    fn carried(&self, unit: &Unit) -> Result<CarriedRows, DeltaError> {
        let rebuilt = unit.tables.iter().filter(|one| one.plan.is_rebuilt);
        let rebuilt: BTreeSet<&str> = rebuilt.map(|one| one.plan.key.as_str()).collect();
        let mut carried = CarriedRows::default();
        for file in &unit.shared {
            if !holds_only(file, &rebuilt) {
                carried.add(self.rows_of(file)?);
            }
            carried.files.push(Arc::clone(file));
        }
        for file in &unit.along {
            match self.rows_of(file) {
                Ok(rows) => {
                    carried.add(rows);
                    carried.files.push(Arc::clone(file));
                }
                Err(DeltaError::Closed) => return Err(DeltaError::Closed),
                // The tables of the file are not folded now. Their own fold reports the file.
                Err(_) => {}
            }
        }
        // A fold writes a table to one file, in order. Another writer may have divided it.
        for key in &carried.divided {
            if let Some(rows) = carried.rows.get_mut(key) {
                *rows = vec![sorted(rows)?];
            }
        }
        Ok(carried)
    }

    /// Reads a file. Returns runs of rows of one integration each.
    fn rows_of(&self, file: &LiveFile) -> Result<Vec<(String, RecordBatch)>, DeltaError> {
        let (current, schema) = (&self.shelves.current, &self.shelves.columns.schema);
        let files = vec![FileRef::from(file)];
        let mut rows = Vec::new();
        // The files have the key column, so no key is filled in.
        for batch in Sequence::new(self.porter, current, files, schema, "") {
            rows.extend(by_key(&batch?)?);
        }
        Ok(rows)
    }
}

/// Rows from the files that a unit rewrites.
#[derive(Default)]
struct CarriedRows {
    /// The rows of each integration, ordered by id.
    rows: BTreeMap<String, Vec<RecordBatch>>,
    /// The integrations whose rows came from several files.
    divided: BTreeSet<String>,
    files: Vec<Arc<LiveFile>>,
}

impl CarriedRows {
    /// Adds the rows of one file.
    fn add(&mut self, rows: Vec<(String, RecordBatch)>) {
        let before: BTreeSet<&String> = rows.iter().map(|(key, _)| key).collect();
        let again = before
            .into_iter()
            .filter(|key| self.rows.contains_key(*key));
        self.divided.extend(again.cloned());
        for (key, rows) in rows {
            self.rows.entry(key).or_default().push(rows);
        }
    }
}

/// Divides a batch at the rows where the integration changes.
pub(super) fn by_key(batch: &RecordBatch) -> Result<Vec<(String, RecordBatch)>, DeltaError> {
    let keys = texts(batch, SystemColumn::IntegrationKey.name()).ok_or(DECODING)?;
    let (mut parts, mut from) = (Vec::new(), 0);
    while from < keys.len() {
        let key = keys.value(from);
        let same = (from..keys.len()).take_while(|row| keys.value(*row) == key);
        let part = batch.slice(from, same.count());
        from += part.num_rows();
        parts.push((key.to_owned(), part));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;

    use super::*;

    #[test]
    fn a_table_is_divided_when_its_rows_come_from_two_files() {
        let of = |keys: &[&str]| {
            let batch = || RecordBatch::new_empty(Arc::new(Schema::empty()));
            keys.iter()
                .map(|key| ((*key).to_owned(), batch()))
                .collect()
        };
        let mut carried = CarriedRows::default();
        carried.add(of(&["a", "a", "b"]));
        assert!(carried.divided.is_empty(), "two batches of one file");
        carried.add(of(&["b", "c", "c"]));
        assert_eq!(carried.divided, BTreeSet::from(["b".to_owned()]));
        let batches: Vec<usize> = carried.rows.values().map(Vec::len).collect();
        assert_eq!(batches, [2, 2, 2]);
    }
}
