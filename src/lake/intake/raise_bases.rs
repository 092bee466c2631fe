//! Bases that move without rows: what deltas that found nothing have covered.

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

/// Raises bases of an endpoint's tables in one log entry of `deltas`. Never lowers one, adds no rows, and leaves the
/// watermarks where they are; writes nothing where nothing moves. Bases of a table that somebody has committed to since
/// are left out.
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

/// Bases that are raised in the log of `deltas`.
struct RaiseBases<'a> {
    advances: &'a [Advance],
    snapshots: &'a OpenTable,
}

impl Proposal for RaiseBases<'_> {
    async fn entry(&mut self, state: Arc<LogState>) -> Result<Option<Entry>, DeltaError> {
        // Asked in every round: the two logs share no commit, so this is as close as it gets. What a snapshot still
        // brings after it, its own closing delta has put right.
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
