//! What a fold of one table is told, and what it brings.

use arrow::datatypes::{DataType, SchemaRef};

use crate::catalog::SystemColumn;
use crate::lake::DriftRow;
use crate::lake::fold::fold_plan::FoldPlan;
use crate::versions::losses::{Losses, Withheld};

/// What holds for every row of one table's fold.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) columns: ValueColumns,
    pub(super) plan: FoldPlan,
    /// The fetch that brought the snapshot; `None` when it has no rows.
    pub(super) fetch_id: Option<String>,
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

/// What became of a table's rows.
#[derive(Default)]
pub(super) struct MergeTally {
    /// Rows written.
    pub(super) rows: u64,
    /// Of those, rows that `current` did not have, or had otherwise.
    pub(super) changed: u64,
    /// Rows that `current` had and has no longer.
    pub(super) removed: u64,
    /// What would be lost, held or not.
    pub(super) losses: Losses,
    /// Rows that stayed as they were for that.
    pub(super) held: u64,
    /// Rows that a snapshot was compared for.
    pub(super) compared: u64,
    pub(super) drift: Vec<DriftRow>,
    /// Ids of rows that went because the operator said so, and that nothing in `deltas` speaks of yet.
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
    /// Takes in what became of another part of the same table.
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

/// Returns whether a row that would lose its value in a column stays as it was.
pub(super) fn keeps(withheld: Option<&Withheld>, column: &str) -> bool {
    withheld.is_some_and(|withheld| withheld.columns.iter().any(|held| held == column))
}
