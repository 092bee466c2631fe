//! Bases that move without rows: what empty deltas have shown to be covered.

use std::sync::Arc;

use tracing::debug;

use super::log::{CommitOutcome, Entry, LogState};
use super::txns::TableTxns;
use super::{Lake, LakeError, Part};
use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::time::Bases;

impl Lake {
    /// Raises bases of an endpoint's tables, all in one log entry of `deltas`; writes none when nothing would move.
    ///
    /// Nothing is lowered and `seen` stays: no row was observed, so nobody who is fetching was overtaken. A crash before
    /// the entry leaves older bases, from which the next deltas ask for more than they need.
    pub async fn advance_bases(
        &self,
        endpoint: &Arc<Endpoint>,
        bases: &[(IntegrationKey, Bases)],
    ) -> Result<(), LakeError> {
        if bases.is_empty() {
            return Ok(());
        }
        let snapshots = self.endpoint_table(endpoint, Part::Snapshots).await?;
        let deltas = self.endpoint_table(endpoint, Part::Deltas).await?;
        let covered = snapshots.refreshed().await?;
        let mut state = deltas.refreshed().await?;
        loop {
            let txns = raised(bases, &covered, &state);
            if txns.is_empty() {
                return Ok(());
            }
            let moved = txns.len();
            let entry = Entry {
                operation: "ADVANCE BASES",
                txns,
                ..Entry::default()
            };
            match deltas.log.commit(&state, entry).await {
                Ok(CommitOutcome::Committed { version }) => {
                    debug!(endpoint = %endpoint.name(), version, bases = moved, "advanced bases");
                    return Ok(());
                }
                // Whoever was faster may have raised some of them.
                Ok(CommitOutcome::Lost { state: newer }) => state = newer,
                Err(error) => return Err(deltas.log_error(error)),
            }
        }
    }
}

fn raised(
    bases: &[(IntegrationKey, Bases)],
    snapshots: &LogState,
    deltas: &LogState,
) -> Vec<(String, i64)> {
    let raise = |(key, bases): &(IntegrationKey, Bases)| {
        let stored = [snapshots, deltas].map(|log| TableTxns::of(key, |app| log.txn(app)));
        stored[1].raised(bases, stored[0].bases())
    };
    bases.iter().flat_map(raise).collect()
}
