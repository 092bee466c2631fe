//! The lake's own tables, for those who have to do with all of them.

use crate::lake::intake::quarantine;
use crate::lake::layout::LakeTable;
use crate::lake::ledgers::{drift, holds, registry};
use crate::lake::tables::OpenTable;
use crate::lake::{Lake, LakeError};

/// The tables that hold rows of many endpoints.
pub(super) const OWN: [LakeTable; 4] = [
    LakeTable::Integrations,
    LakeTable::Quarantine,
    LakeTable::Drift,
    LakeTable::Holds,
];

impl Lake {
    /// Opens one of the lake's own tables; `None`, and nothing created, where there is none.
    pub(super) async fn own_table(
        &self,
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
        if !self.tables().exists(table).await? {
            return Ok(None);
        }
        self.tables().open(table, &schema).await.map(Some)
    }
}
