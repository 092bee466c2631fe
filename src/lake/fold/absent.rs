//! Rows that go because a person said so, written down for those who follow `deltas`.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::decode::absent_rows;
use crate::delta::delta_error::DeltaError;
use crate::fetch::{Fetch, FetchEnd, FetchMode};
use crate::ids::{IntegrationId, TableId};
use crate::lake::Part;
use crate::lake::{Lake, LakeError};
use crate::sink::Receipt;
use crate::time::{ObservedAt, Tier, UpdatedAfter};

/// Rows in one batch.
const BATCH_ROWS: usize = 10_000;

/// How often it is tried when others commit to the same table.
const TRIES: u32 = 10;

impl Lake {
    /// Commits a row per id that says that it is gone. Moves no base; a delta that is under way is fetched again.
    pub(super) async fn commit_absent(
        &self,
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
            // Nothing is asked for.
            updated_after: UpdatedAfter::from_millis(0),
        };
        let fetch = Fetch::new(table, mode);
        for _ in 0..TRIES {
            let covered = self.stored_coverage(endpoint, integration).await?.seen;
            let last_us = covered.map_or(i64::MIN, ObservedAt::as_micros);
            let mut next_us = last_us.saturating_add(1);
            let mut staging = self.begin(&fetch, endpoint).await?;
            for ids in ids.chunks(BATCH_ROWS) {
                let first = ObservedAt::from_micros(next_us);
                staging
                    .push(absent_rows(endpoint, &fetch, ids, first))
                    .await?;
                next_us = next_us.saturating_add(i64::try_from(ids.len()).unwrap_or(i64::MAX));
            }
            let end = FetchEnd {
                base: None,
                seen: ObservedAt::from_micros(next_us - 1),
                pages: 0,
                rows: ids.len() as u64,
                quarantined: 0,
                rest_values: 0,
            };
            if let Receipt::Committed { .. } = staging.commit(end).await? {
                return Ok(());
            }
        }
        let table = Part::Deltas.of(endpoint.name()).to_string();
        Err(DeltaError::Contended { table }.into())
    }
}
