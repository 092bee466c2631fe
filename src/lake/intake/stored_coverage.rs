//! Up to which instants a table is covered, from the logs of `snapshots` and `deltas` together.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::try_join;

use crate::catalog::Endpoint;
use crate::ids::{IntegrationId, IntegrationKey, TableId};
use crate::lake::table_txns::TableTxns;
use crate::lake::tables::Tables;
use crate::lake::txn_name::keys_in;
use crate::lake::{LakeError, Part};
use crate::sink::Coverage;
use crate::time::{Horizon, Tier};

/// Returns the instants up to which a table is covered, commits of other processes included.
///
/// # Errors
/// Fails when the table's last observation is years in the future: no fetch may continue from there.
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

/// Returns the coverage without the check of [`coverage`]. One table in the future must not keep other tables from
/// being folded.
pub(in crate::lake) async fn stored_coverage(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
    integration: &IntegrationId,
) -> Result<Coverage, LakeError> {
    let key = integration.key();
    let mut coverage = Coverage::default();
    let stored = async |part| {
        let table = tables.of_endpoint(endpoint, part).await?;
        let state = table.refreshed().await?;
        Ok::<_, LakeError>(TableTxns::of(&key, |app| state.txn(app)))
    };
    let (snapshots, deltas) = try_join!(stored(Part::Snapshots), stored(Part::Deltas))?;
    add_stored(&mut coverage, Part::Snapshots, &snapshots);
    add_stored(&mut coverage, Part::Deltas, &deltas);
    Ok(coverage)
}

/// Returns what each table of an endpoint is covered up to, from the transactions of its logs alone: no file is listed.
/// Creates nothing.
pub(in crate::lake) async fn coverages(
    tables: &Tables,
    endpoint: &Endpoint,
) -> Result<HashMap<IntegrationKey, Coverage>, LakeError> {
    let mut coverages: HashMap<_, Coverage> = HashMap::new();
    for part in [Part::Snapshots, Part::Deltas] {
        let Some((_, state)) = tables.newest(endpoint, part).await? else {
            continue;
        };
        for key in keys_in(&state) {
            let stored = TableTxns::of(&key, |app| state.txn(app));
            add_stored(coverages.entry(key).or_default(), part, &stored);
        }
    }
    Ok(coverages)
}

/// Adds the stored values of one part to a table's coverage.
pub(in crate::lake) fn add_stored(coverage: &mut Coverage, part: Part, stored: &TableTxns) {
    coverage.bases.raise_all(&stored.bases);
    match part {
        Part::Snapshots => {
            coverage.snapshot_base = stored.bases.get(Tier::Daily);
            coverage.watermarks.snapshots = stored.seen;
        }
        Part::Deltas => coverage.watermarks.deltas = stored.seen,
        // `current` is derived from `snapshots` and `deltas`.
        Part::Current => return,
    }
    coverage.seen = coverage.seen.max(stored.seen);
}

/// Refuses to continue from observations that are years ahead, because each further observation would be ahead, too.
/// Observations that are less far ahead may be caused by this machine's clock, and become right as time passes.
fn not_ahead(coverage: &Coverage, table: &TableId, horizon: Horizon) -> Result<(), LakeError> {
    match coverage.seen {
        Some(seen) if horizon.is_beyond_trust(seen) => Err(LakeError::Ahead {
            table: table.to_string(),
            until: seen,
        }),
        _ => Ok(()),
    }
}
