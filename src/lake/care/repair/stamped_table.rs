//! One Delta table that holds instants of an endpoint's tables: finds the instants in the future, and moves them.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::exchange::{Exchange, Extent, FileChange};
use crate::delta::file::data_files::on_cpu;
use crate::delta::log::{LiveFile, LogState};
use crate::ids::{EndpointName, IntegrationKey};
use crate::lake::care::repair::moves::{FutureInstants, Moves};
use crate::lake::care::repair::restamp::{OF_DRIFT, OF_ROWS, Stamps};
use crate::lake::layout::{INTEGRATION_KEY, LakeTable};
use crate::lake::operation::Operation;
use crate::lake::positions::Positions;
use crate::lake::tables::OpenTable;
use crate::lake::txn_name::{NONE, TxnName, key_of};
use crate::time::Horizon;

/// One Delta table.
pub(super) struct StampedTable {
    pub(super) table: OpenTable,
    endpoint: EndpointName,
}

impl StampedTable {
    pub(super) fn of(table: OpenTable, endpoint: &Endpoint) -> Self {
        Self {
            table,
            endpoint: endpoint.name().clone(),
        }
    }

    /// Finds instants in the future: in rows, and in the transactions of the log.
    pub(super) async fn look(
        &self,
        horizon: Horizon,
        found: &mut FutureInstants,
    ) -> Result<Extent, DeltaError> {
        let state = self.table.refreshed().await?;
        let latest_us = horizon.latest_us();
        for (app, value) in self.txns(&state) {
            let Some(key) = key_of(&app) else { continue };
            if self.is_in_millis(&app) {
                if value > horizon.latest().as_millis() {
                    found.add(key.as_str(), Vec::new());
                }
            } else if value > latest_us {
                found.add(key.as_str(), vec![value]);
            }
        }
        let mut extent = Extent::default();
        for file in self.table.live(&state).await? {
            if let Some((_, last_us)) = file.bounds.observed_us
                && last_us <= latest_us
            {
                found.add_past(last_us);
                continue;
            }
            let bytes = self.table.files.read(&file.path).await?;
            let stamps = self.stamps(&file);
            let stamped = on_cpu(move || stamps.find(bytes, latest_us)).await??;
            found.add_past(stamped.past_us);
            for (key, instants) in stamped.ahead {
                found.add(&key, instants);
            }
            extent.rows += stamped.rows;
            extent.files += u64::from(stamped.rows > 0);
        }
        Ok(extent)
    }

    /// Moves all instants in the future. Rows are moved before the log's transactions: while a row is in the future,
    /// the log of its table still says so. So the next repair finds and completes a repair that crashed in between.
    pub(super) async fn mend(&self, moves: &Moves, horizon: Horizon) -> Result<Extent, DeltaError> {
        let (table, operation) = (&self.table, Operation::Repair.as_str());
        let mending = Mending { of: self, moves };
        let done = table.change_files(operation, &mending, false).await?;
        let txns = |state: &LogState| self.moved_txns(state, moves, horizon);
        table.exchange(operation, &[], txns).await?;
        Ok(done)
    }

    /// Returns the moved transactions of the log.
    fn moved_txns(&self, state: &LogState, moves: &Moves, horizon: Horizon) -> Vec<(String, i64)> {
        let mut txns: Vec<(String, i64)> = self
            .txns(state)
            .filter_map(|(app, value)| {
                let key = key_of(&app).filter(|key| moves.concern(key.as_str()))?;
                if self.is_in_millis(&app) {
                    // A base in the future covers nothing, so it is cleared.
                    return (value > horizon.latest().as_millis()).then_some((app, NONE));
                }
                let to_us = moves.to_us(key.as_str(), value)?;
                Some((app, to_us))
            })
            .collect();
        if matches!(self.table.name, LakeTable::Current(_)) {
            for (key, _) in moves.by_key() {
                txns.extend(fence(&key, state, moves));
            }
        }
        txns
    }

    /// Returns the transactions of the endpoint's tables: instants, and counts, which are far smaller than instants.
    fn txns<'a>(&self, state: &'a LogState) -> impl Iterator<Item = (String, i64)> + use<'a> {
        let is_drift = matches!(self.table.name, LakeTable::Drift);
        let of_table = format!("/{}/", self.endpoint.table_name());
        let txns = state.txns();
        txns.filter(move |(app, _)| {
            (!is_drift || app.contains(&of_table)) && !Positions::counts_losses(app)
        })
    }

    fn is_in_millis(&self, app: &str) -> bool {
        let table = &self.table.name;
        matches!(table, LakeTable::Snapshots(_) | LakeTable::Deltas(_))
            && TxnName::is_in_millis(app)
    }

    fn stamps(&self, file: &LiveFile) -> Stamps {
        let table = &self.table.name;
        let is_shared = matches!(table, LakeTable::Drift | LakeTable::Quarantine);
        Stamps {
            key: file.partition_value(INTEGRATION_KEY).map(str::to_owned),
            endpoint: is_shared.then(|| self.endpoint.clone()),
            columns: match table {
                LakeTable::Drift => OF_DRIFT,
                _ => OF_ROWS,
            },
        }
    }
}

/// Moves the rows of a table.
struct Mending<'a> {
    of: &'a StampedTable,
    moves: &'a Moves,
}

impl FileChange for Mending<'_> {
    async fn of(&self, file: &Arc<LiveFile>) -> Result<Option<(u64, Exchange)>, DeltaError> {
        let first_us = self.moves.first_us();
        let is_past = |(_, last_us): (i64, i64)| last_us < first_us;
        if file.bounds.observed_us.is_some_and(is_past) {
            return Ok(None);
        }
        let (stamps, moves) = (self.of.stamps(file), self.moves.clone());
        let change = move |batch: RecordBatch| stamps.moved(&batch, &moves);
        self.of.table.rewritten(file, change).await
    }

    /// The rows are moved before the transactions.
    fn txns(&self, _: &LogState) -> Vec<(String, i64)> {
        Vec::new()
    }
}

/// Returns one more transaction for the log of `current`: the snapshot must be folded again. The transaction overtakes
/// a fold that has read rows from the future and is not visible yet. Folding again also corrects what an earlier fold
/// took for newer than it was.
///
/// While something is held, the snapshot keeps its fold position, because folding it again must not count as a second
/// full fetch. Then the transaction only overtakes the running fold.
fn fence(key: &IntegrationKey, state: &LogState, moves: &Moves) -> Option<(String, i64)> {
    let positions = Positions::of(key, state);
    positions.last_us()?;
    if positions.held == 0 && positions.snapshot_us.is_some() {
        return Some((TxnName::Snapshot.app_id(key), NONE));
    }
    let considered_us = positions.considered_us?;
    let considered_us = moves
        .to_us(key.as_str(), considered_us)
        .unwrap_or(considered_us);
    Some((
        TxnName::Considered.app_id(key),
        considered_us.saturating_sub(1),
    ))
}
