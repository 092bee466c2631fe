//! Up to which instants a table is covered: what both of its logs say, taken together.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::{IntegrationId, TableId};
use crate::lake::table_txns::TableTxns;
use crate::lake::tables::Tables;
use crate::lake::{LakeError, Part};
use crate::sink::Coverage;
use crate::time::{Horizon, Tier};

/// Returns up to which instants a table is covered, commits of other processes included.
///
/// # Errors
/// Where its last observation is years in the future, nobody may go on from there.
pub(in crate::lake) async fn coverage(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    integration: &IntegrationId,
) -> Result<Coverage, LakeError> {
    let coverage = stored_coverage(tables, endpoint, integration).await?;
    let table = TableId {
        integration: integration.clone(),
        endpoint: endpoint.name().clone(),
    };
    not_ahead(&coverage, &table, Horizon::at(tables.now()))?;
    Ok(coverage)
}

/// Returns the same wherever the table's last observation is: one table in the future keeps no fold from others.
pub(in crate::lake) async fn stored_coverage(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    integration: &IntegrationId,
) -> Result<Coverage, LakeError> {
    let key = integration.key();
    let mut coverage = Coverage::default();
    for part in [Part::Snapshots, Part::Deltas] {
        let table = tables.of_endpoint(endpoint, part).await?;
        let state = table.refreshed().await?;
        let stored = TableTxns::of(&key, |app| state.txn(app));
        add_stored(&mut coverage, part, &stored);
    }
    Ok(coverage)
}

/// Takes into a table's coverage what the log of one of its parts says.
pub(in crate::lake) fn add_stored(coverage: &mut Coverage, part: Part, stored: &TableTxns) {
    coverage.bases.raise_all(&stored.bases);
    match part {
        Part::Snapshots => {
            coverage.snapshot_base = stored.bases.get(Tier::Daily);
            coverage.watermarks.snapshots = stored.seen;
        }
        Part::Deltas => coverage.watermarks.deltas = stored.seen,
        // It is made of the two others.
        Part::Current => return,
    }
    coverage.seen = coverage.seen.max(stored.seen);
}

/// Refuses to go on from observations that are years ahead: each further one would be, too. Where they are ahead by less,
/// this machine's clock may be what is wrong, and time mends them.
fn not_ahead(coverage: &Coverage, table: &TableId, horizon: Horizon) -> Result<(), LakeError> {
    match coverage.seen {
        Some(seen) if horizon.is_beyond_trust(seen) => Err(LakeError::Ahead {
            table: table.to_string(),
            until: seen,
        }),
        _ => Ok(()),
    }
}
