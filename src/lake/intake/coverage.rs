//! Up to which instants a table is covered: what both of its logs say, taken together.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::{IntegrationId, TableId};
use crate::lake::reports::ahead::not_ahead;
use crate::lake::txns::TableTxns;
use crate::lake::{Lake, LakeError, Marks, Part};
use crate::time::{Base, Bases, Horizon, ObservedAt, Tier};

/// Up to which instants a table is covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// One base per tier: the maximum over snapshots and deltas.
    pub bases: Bases,
    /// The base of the last snapshot.
    pub snapshot_base: Option<Base>,
    /// The last `_fetched_at`: the next observation has to be later.
    pub seen: Option<ObservedAt>,
    /// The same by part: tells whether anybody has committed since.
    pub marks: Marks,
}

impl Coverage {
    /// Takes in what one of the table's logs says.
    pub(in crate::lake) fn add(&mut self, part: Part, stored: &TableTxns) {
        for tier in Tier::ALL {
            if let Some(base) = stored.bases().get(tier) {
                self.bases.raise(tier, base);
            }
        }
        match part {
            Part::Snapshots => {
                self.snapshot_base = stored.bases().get(Tier::Daily);
                self.marks.snapshots = stored.seen();
            }
            Part::Deltas => self.marks.deltas = stored.seen(),
            // It is made of the two others.
            Part::Current => return,
        }
        self.seen = self.seen.max(stored.seen());
    }
}

impl Lake {
    /// Returns up to which instants a table is covered, commits of other processes included.
    ///
    /// # Errors
    /// Where its last observation is years in the future, nobody may go on from there.
    pub async fn coverage(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, LakeError> {
        let coverage = self.stored_coverage(endpoint, integration).await?;
        let table = TableId {
            integration: integration.clone(),
            endpoint: endpoint.name().clone(),
        };
        not_ahead(&coverage, &table, Horizon::at(self.tables().wall_ms()))?;
        Ok(coverage)
    }

    /// Returns the same wherever the table's last observation is: one table in the future keeps no fold from others.
    pub(in crate::lake) async fn stored_coverage(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, LakeError> {
        let key = integration.key();
        let mut coverage = Coverage::default();
        for part in [Part::Snapshots, Part::Deltas] {
            let table = self.tables().of_endpoint(endpoint, part).await?;
            let state = table.refreshed().await?;
            coverage.add(part, &TableTxns::of(&key, |app| state.txn(app)));
        }
        Ok(coverage)
    }
}
