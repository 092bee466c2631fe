//! Input and counts of one table's merge.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

use crate::catalog::SystemColumn;
use crate::delta::file::data_files::DataFiles;
use crate::lake::DriftRow;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::versions::losses::{Losses, Withheld};

/// Input that is the same for every row of one table's fold.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) columns: ValueColumns,
    pub(super) plan: FoldPlan,
    /// Id of the fetch that brought the snapshot; `None` when the snapshot has no rows.
    pub(super) fetch_id: Option<String>,
}

/// Where a fold reads and writes data files.
pub(super) struct Shelves {
    pub(super) snapshots: Option<Arc<DataFiles>>,
    pub(super) current: Arc<DataFiles>,
    pub(super) columns: ValueColumns,
    /// Target size of a file of `current`, in decoded bytes.
    pub(super) file_bytes: usize,
    /// Stored bytes below which a file of `current`, or a table, is small.
    pub(super) small_bytes: u64,
}

/// The columns of a fold's rows.
#[derive(Clone, Debug)]
pub(super) struct ValueColumns {
    pub(super) schema: SchemaRef,
    /// Positions of Kombo's columns that hold values: without the id, `changed_at` and `remote_deleted_at`.
    pub(super) values: Vec<usize>,
    /// The position of `_rest`.
    pub(super) rest: usize,
}

/// Counts of what a merge did with a table's rows.
#[derive(Default)]
pub(super) struct MergeTally {
    /// Rows written.
    pub(super) rows: u64,
    /// Written rows that are new in `current` or differ from the old row.
    pub(super) changed: u64,
    /// Rows that the fold removes from `current`.
    pub(super) removed: u64,
    /// Rows and values that the fold would remove, held or not.
    pub(super) losses: Losses,
    /// Rows that the guard holds unchanged.
    pub(super) held: u64,
    /// Rows that were compared with a new snapshot.
    pub(super) compared: u64,
    pub(super) drift: Vec<DriftRow>,
    /// Ids of rows that disappear because the operator accepted their loss. No row of `deltas` marks these ids as gone
    /// yet.
    pub(super) dropped: Vec<String>,
}

impl ValueColumns {
    /// Sorts the columns of a schema.
    pub(super) fn of(schema: &SchemaRef) -> Self {
        let system = |name: &str| SystemColumn::ALL.iter().any(|column| column.name() == name);
        let is_value = |name: &str| {
            !system(name) && !matches!(name, "id" | "changed_at" | "remote_deleted_at")
        };
        let named = schema.fields().iter().enumerate();
        let values = named.filter(|(_, field)| is_value(field.name()));
        Self {
            values: values.map(|(position, _)| position).collect(),
            rest: SystemColumn::Rest.position(),
            schema: SchemaRef::clone(schema),
        }
    }

    pub(super) fn name(&self, position: usize) -> &str {
        self.schema.field(position).name()
    }

    pub(super) fn is_nested(&self, position: usize) -> bool {
        let of = self.schema.field(position).data_type();
        matches!(of, DataType::Struct(_) | DataType::List(_))
    }
}

impl MergeTally {
    /// Adds the counts of another part of the same table.
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.changed += other.changed;
        self.removed += other.removed;
        self.losses.add(&other.losses);
        self.held += other.held;
        self.compared += other.compared;
        self.drift.extend(other.drift);
        self.dropped.extend(other.dropped);
    }
}

/// Returns whether the guard keeps a row unchanged that would lose its value in `column`.
pub(super) fn keeps(withheld: Option<&Withheld>, column: &str) -> bool {
    withheld.is_some_and(|withheld| withheld.columns.iter().any(|held| held == column))
}
