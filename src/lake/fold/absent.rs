//! Writes to `deltas` the rows that disappear because the operator accepted their loss, for readers that follow
//! `deltas`.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::decode::absent_rows;
use crate::delta::delta_error::DeltaError;
use crate::fetch::{Fetch, FetchEnd, FetchMode};
use crate::ids::{IntegrationId, TableId};
use crate::lake::intake::FetchIntake;
use crate::lake::intake::stored_coverage::stored_coverage;
use crate::lake::{LakeError, Part};
use crate::sink::Receipt;
use crate::time::{ObservedAt, Tier, UpdatedAfter};

/// Rows in one batch.
const BATCH_ROWS: usize = 10_000;

/// Most attempts when other writers commit to the same table.
const TRIES: u32 = 10;

/// Commits one `absent` row per id. Moves no base. A delta fetch that is under way loses the race and is fetched again.
pub(super) async fn commit_absent(
    intake: &Arc<FetchIntake>,
    endpoint: &Arc<Endpoint>,
    integration: &IntegrationId,
    ids: &[String],
) -> Result<(), LakeError> {
    let table = TableId {
        integration: integration.clone(),
        endpoint: endpoint.name().clone(),
    };
    let mode = FetchMode::Delta {
        tier: Tier::Ordinary,
        // Kombo is not asked; this value is not used.
        updated_after: UpdatedAfter::from_millis(0),
    };
    let fetch = Fetch::new(table, mode);
    for _ in 0..TRIES {
        let covered = stored_coverage(&intake.tables, endpoint, integration).await?;
        let mut seen = covered.seen.unwrap_or(ObservedAt::EARLIEST);
        let mut staging = intake.begin(&fetch, endpoint).await?;
        for ids in ids.chunks(BATCH_ROWS) {
            let rows = absent_rows(endpoint, &fetch, ids, seen.next());
            staging.push(rows).await?;
            seen = seen.later_by(ids.len());
        }
        let end = FetchEnd {
            rows: ids.len() as u64,
            ..FetchEnd::after(seen)
        };
        if let Receipt::Committed { .. } = staging.commit(end).await? {
            return Ok(());
        }
    }
    let table = Part::Deltas.of(endpoint.name()).to_string();
    Err(DeltaError::Contended { table }.into())
}
