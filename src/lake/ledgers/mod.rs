//! The lake's own small tables: integrations, coverage, issues, quarantine, holds and drift. Each holds rows of many endpoints. The log
//! of `kombo_drift` also says how complete each table was. `candidates` and `lease` are no tables, but small
//! objects.

pub(in crate::lake) mod candidates;
pub(in crate::lake) mod completeness;
pub(in crate::lake) mod drift;
pub(in crate::lake) mod fields;
pub(in crate::lake) mod found_drift;
pub(in crate::lake) mod holds;
pub(in crate::lake) mod issues;
pub(in crate::lake) mod lease;
pub(in crate::lake) mod model_coverage;
pub(in crate::lake) mod quarantine;
pub(in crate::lake) mod registry;

pub use completeness::{ComparedTable, Completeness};
pub use drift::DriftRow;
pub use found_drift::{DriftFilter, DriftGroup, FoundDrift};
pub use holds::Hold;
pub use lease::{LeaseHolder, LeaseObjects, StoredLease};
pub use model_coverage::ModelCoverage;

use arrow::datatypes::SchemaRef;

use crate::lake::LakeError;
use crate::lake::layout::LakeTable;
use crate::lake::tables::{OpenTable, Tables};

/// The tables of this room.
pub(in crate::lake) const LEDGERS: [LakeTable; 6] = [
    LakeTable::Integrations,
    LakeTable::Coverage,
    LakeTable::Issues,
    LakeTable::Quarantine,
    LakeTable::Drift,
    LakeTable::Holds,
];

/// Opens a table of this room. `None` when the table does not exist; then nothing is created.
pub(in crate::lake) async fn existing(
    tables: &Tables,
    table: &LakeTable,
) -> Result<Option<OpenTable>, LakeError> {
    let Some(schema) = schema(table) else {
        return Ok(None);
    };
    // Checked each time: a cure may have moved the table away while this process has it open.
    if !tables.is_there(table).await? {
        return Ok(None);
    }
    tables.open(table, &schema).await.map(Some)
}

/// Returns the columns of a table of this room. `None` for the tables of endpoints, which have their own columns.
pub(in crate::lake) fn schema(table: &LakeTable) -> Option<SchemaRef> {
    match table {
        LakeTable::Integrations => Some(registry::schema()),
        LakeTable::Coverage => Some(model_coverage::schema()),
        LakeTable::Issues => Some(issues::schema()),
        LakeTable::Quarantine => Some(quarantine::schema()),
        LakeTable::Drift => Some(drift::schema()),
        LakeTable::Holds => Some(holds::schema()),
        LakeTable::Snapshots(_) | LakeTable::Deltas(_) | LakeTable::Current(_) => None,
    }
}

/// Creates `kombo_drift` and `kombo_holds` where they do not exist, so that SQL views may name both. A failure is not
/// reported here, but by the operation that needs the table.
pub(in crate::lake) async fn create_drift_and_holds(tables: &Tables) {
    // Opening a table that is there would cost a request for each entry of its log.
    let drift = async || {
        if !tables.exists(&LakeTable::Drift).await? {
            drift::open(tables).await?;
        }
        Ok::<_, LakeError>(())
    };
    let holds = async || {
        if !tables.exists(&LakeTable::Holds).await? {
            holds::open(tables).await?;
        }
        Ok::<_, LakeError>(())
    };
    let both = async || {
        let drift = drift().await;
        holds().await.and(drift)
    };
    drop(tables.drift_and_holds.get_or_try_init(both).await);
}
