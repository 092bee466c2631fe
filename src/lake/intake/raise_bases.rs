//! Raises bases without adding rows: the coverage of deltas that found nothing.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::log::{Entry, LogState};
use crate::delta::transact::Proposal;
use crate::lake::operation::Operation;
use crate::lake::table_txns::TableTxns;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::{LakeError, Part};
use crate::sink::{Advance, Watermarks};

/// Raises bases of an endpoint's tables in one log entry of `deltas`. Never lowers a base, adds no rows, and does not
/// change the watermarks. Writes nothing when no base moves. Skips the bases of a table that another writer has
/// committed to since the caller read it.
pub(in crate::lake) async fn advance(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    advances: &[Advance],
) -> Result<(), LakeError> {
    let deltas = tables.of_endpoint(endpoint, Part::Deltas).await?;
    let snapshots = tables.of_endpoint(endpoint, Part::Snapshots).await?;
    let mut raise = RaiseBases {
        advances,
        snapshots: &snapshots,
    };
    deltas
        .transact(deltas.refreshed().await?, &mut raise)
        .await?;
    Ok(())
}

/// Bases to raise in the log of `deltas`.
struct RaiseBases<'a> {
    advances: &'a [Advance],
    snapshots: &'a OpenTable,
}

impl Proposal for RaiseBases<'_> {
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        // Read in every round, because the two logs share no commit: this is as close as possible. A snapshot that
        // commits later is corrected by its own closing delta.
        let full = self.snapshots.refreshed().await?;
        let mut entry = Entry {
            operation: Operation::AdvanceBases.as_str(),
            ..Entry::default()
        };
        for advance in self.advances {
            let key = advance.integration.key();
            let stored = TableTxns::of(&key, |app| state.txn(app));
            let elsewhere = TableTxns::of(&key, |app| full.txn(app));
            let watermarks = Watermarks {
                snapshots: elsewhere.seen,
                deltas: stored.seen,
            };
            if watermarks == advance.watermarks {
                let raised = stored.raised(&advance.bases, &elsewhere.bases);
                entry.txns.extend(raised);
            }
        }
        Ok((!entry.txns.is_empty()).then_some(entry))
    }
}
