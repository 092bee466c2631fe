//! The lake's own tables, for those who have to do with all of them.

use std::sync::Arc;

use crate::lake::intake::committer::Committer;
use crate::lake::intake::quarantine;
use crate::lake::layout::DeltaTable;
use crate::lake::ledgers::{drift, holds, registry};
use crate::lake::{Lake, LakeError};

/// The tables that hold rows of many endpoints.
pub(super) const OWN: [DeltaTable; 4] = [
    DeltaTable::Integrations,
    DeltaTable::Quarantine,
    DeltaTable::Drift,
    DeltaTable::Holds,
];

impl Lake {
    /// Opens one of the lake's own tables; `None`, and nothing created, where there is none.
    pub(super) async fn own_table(
        &self,
        table: &DeltaTable,
    ) -> Result<Option<Arc<Committer>>, LakeError> {
        let schema = match table {
            DeltaTable::Integrations => registry::schema(),
            DeltaTable::Quarantine => quarantine::schema(),
            DeltaTable::Drift => drift::schema(),
            DeltaTable::Holds => holds::schema(),
            // Tables of endpoints have columns of their own.
            DeltaTable::Snapshots(_) | DeltaTable::Deltas(_) | DeltaTable::Current(_) => {
                return Ok(None);
            }
        };
        if !self.exists(table).await? {
            return Ok(None);
        }
        self.committer(table.clone(), &schema).await.map(Some)
    }
}
