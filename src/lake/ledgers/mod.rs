//! The lake's own small tables, each of which holds rows of many endpoints: integrations, holds, quarantine, and drift with
//! how complete tables were.

pub(in crate::lake) mod completeness;
pub(in crate::lake) mod drift;
pub(in crate::lake) mod fields;
pub(in crate::lake) mod found_drift;
pub(in crate::lake) mod holds;
pub(in crate::lake) mod quarantine;
pub(in crate::lake) mod registry;

pub use completeness::{ComparedTable, Completeness};
pub use drift::DriftRow;
pub use found_drift::{DriftFilter, DriftGroup, FoundDrift};
pub use holds::Hold;

use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::tables::{OpenTable, Tables};

/// The tables of this room.
pub(in crate::lake) const LEDGERS: [LakeTable; 4] = [
    LakeTable::Integrations,
    LakeTable::Quarantine,
    LakeTable::Drift,
    LakeTable::Holds,
];

/// Opens a table of this room; `None`, and nothing created, where there is none.
pub(in crate::lake) async fn existing(
    tables: &Tables,
    table: &LakeTable,
) -> Result<Option<OpenTable>, LakeError> {
    let schema = match table {
        LakeTable::Integrations => registry::schema(),
        LakeTable::Quarantine => quarantine::schema(),
        LakeTable::Drift => drift::schema(),
        LakeTable::Holds => holds::schema(),
        // Tables of endpoints have columns of their own.
        LakeTable::Snapshots(_) | LakeTable::Deltas(_) | LakeTable::Current(_) => {
            return Ok(None);
        }
    };
    // Asked each time: a cure may have moved the table away while this process has it open.
    if !tables.exists(table).await? {
        return Ok(None);
    }
    tables.open(table, &schema).await.map(Some)
}

/// Creates `kombo_drift` and `kombo_holds` where they are not, so that views may name both. That one cannot be opened is
/// told where it is needed.
pub(in crate::lake) async fn create_drift_and_holds(tables: &Tables) {
    drop(drift::open(tables).await);
    drop(holds::open(tables).await);
}
