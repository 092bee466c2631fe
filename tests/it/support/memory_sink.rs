//! A sink that keeps committed rows in memory: the second implementation of the trait.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use futures_util::{Stream, StreamExt};
use kombo_source::catalog::Endpoint;
use kombo_source::fetch::{Fetch, FetchMode};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::lake::{Coverage, LakeError, Receipt};
use kombo_source::sink::{Sink, WriteError};
use kombo_source::stream::{FetchError, FetchEvent};

/// Keeps each table's committed batches.
#[derive(Clone, Default)]
pub(crate) struct MemorySink(Arc<Mutex<HashMap<TableId, Kept>>>);

#[derive(Clone, Default)]
struct Kept {
    coverage: Coverage,
    batches: Vec<RecordBatch>,
}

impl MemorySink {
    /// Returns a table's visible batches.
    pub(crate) fn batches(&self, table: &TableId) -> Vec<RecordBatch> {
        self.0
            .lock()
            .unwrap()
            .get(table)
            .map(|kept| kept.batches.clone())
            .unwrap_or_default()
    }
}

impl Sink for MemorySink {
    async fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> Result<Coverage, LakeError> {
        let table = TableId {
            integration: integration.clone(),
            endpoint: endpoint.name().clone(),
        };
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(&table)
            .map(|kept| kept.coverage)
            .unwrap_or_default())
    }

    async fn write(
        &self,
        fetch: &Fetch,
        _endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> Result<Receipt, WriteError> {
        let (mut events, mut batches) = (pin!(events), Vec::new());
        while let Some(event) = events.next().await {
            match event.map_err(WriteError::Fetch)? {
                FetchEvent::Batch(batch) => batches.push(batch),
                FetchEvent::End(end) => {
                    let mut tables = self.0.lock().unwrap();
                    let kept = tables.entry(fetch.table.clone()).or_default();
                    if fetch.mode == FetchMode::Snapshot {
                        kept.batches.clear();
                        kept.coverage.snapshot_base = kept.coverage.snapshot_base.max(end.base);
                    }
                    kept.batches.append(&mut batches);
                    kept.coverage.seen = kept.coverage.seen.max(Some(end.seen));
                    for tier in fetch.mode.moves() {
                        if let Some(base) = end.base {
                            kept.coverage.bases.raise(tier, base);
                        }
                    }
                    return Ok(Receipt::Committed {
                        version: 0,
                        rows: end.rows,
                        files: 0,
                        bytes: 0,
                    });
                }
                _ => {}
            }
        }
        Err(WriteError::Fetch(FetchError::Stopped { page: 0 }))
    }

    fn flush(&self) {}
}
