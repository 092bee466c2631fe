//! Summarizes what the logs of an endpoint say about all its integrations.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::log::LogState;
use crate::ids::IntegrationKey;
use crate::lake::intake::stored_coverage::add_stored;
use crate::lake::layout::INTEGRATION_KEY;
use crate::lake::positions::Positions;
use crate::lake::table_txns::TableTxns;
use crate::lake::tables::Tables;
use crate::lake::txn_name::keys_in;
use crate::lake::{LakeError, LiveFile, Part};
use crate::sink::Coverage;
use crate::time::ObservedAt;

/// Summary of the logs of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Tables of the integrations that have a base, an observation or a snapshot.
    pub tables: BTreeMap<IntegrationKey, TableOverview>,
    /// Number of live files of `deltas`. Each file may hold rows of many integrations.
    pub delta_files: u64,
    /// Size of the live files of `deltas`, in bytes.
    pub delta_bytes: u64,
    /// Number of rows of `deltas`; each observation of a record counts.
    pub delta_rows: u64,
}

/// Summary of the logs for one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableOverview {
    /// Instants up to which the table is covered.
    pub coverage: Coverage,
    /// Number of rows of the live snapshot.
    pub snapshot_rows: u64,
    /// Number of files of the live snapshot.
    pub snapshot_files: u64,
    /// Size of the snapshot's files, in bytes.
    pub snapshot_bytes: u64,
    /// Last instant in the positions of `current`.
    pub folded: Option<ObservedAt>,
}

/// Returns the summary of an endpoint's logs. Returns `None`, and creates nothing, when the endpoint has no tables.
pub(in crate::lake) async fn overview(
    tables: &Tables,
    endpoint: &Arc<Endpoint>,
) -> Result<Option<Overview>, LakeError> {
    let mut overview = None;
    for part in [Part::Snapshots, Part::Deltas, Part::Current] {
        let Some((table, state)) = tables.newest(endpoint, part).await? else {
            continue;
        };
        let overview = overview.get_or_insert_with(Overview::default);
        if part == Part::Current {
            overview.add_positions(&state);
            continue;
        }
        overview.add_bases(part, &state);
        for file in table.live(&state).await? {
            overview.add_file(part, &file);
        }
    }
    Ok(overview)
}

impl Overview {
    fn add_bases(&mut self, part: Part, state: &LogState) {
        for key in keys_in(state) {
            let stored = TableTxns::of(&key, |app| state.txn(app));
            let table = self.tables.entry(key).or_default();
            add_stored(&mut table.coverage, part, &stored);
        }
    }

    fn add_positions(&mut self, current: &LogState) {
        for (key, table) in &mut self.tables {
            let last_us = Positions::of(key, current).last_us();
            table.folded = last_us.map(ObservedAt::from_micros);
        }
    }

    fn add_file(&mut self, part: Part, file: &LiveFile) {
        let rows = file.num_records.unwrap_or_default();
        if part == Part::Deltas {
            self.delta_files += 1;
            self.delta_bytes += file.size;
            self.delta_rows += rows;
            return;
        }
        let value = file.partition_values.get(INTEGRATION_KEY);
        let key = value.and_then(|key| IntegrationKey::from_stored(key.as_deref()?));
        if let Some(key) = key {
            let table = self.tables.entry(key).or_default();
            table.snapshot_rows += rows;
            table.snapshot_files += 1;
            table.snapshot_bytes += file.size;
        }
    }
}
