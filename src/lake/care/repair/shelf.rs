//! One Delta table of those that hold instants of an endpoint's tables: what of it lies in the future, and the table
//! without that.

use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::on_cpu;
use crate::delta::log::{LiveFile, LogState};
use crate::delta::object_key::Partition;
use crate::ids::{EndpointName, IntegrationKey};
use crate::lake::care::exchange::{EntryForm, Exchange, exchange};
use crate::lake::care::repair::moves::{Found, Moves};
use crate::lake::care::repair::restamp::{OF_DRIFT, OF_ROWS, Stamps};
use crate::lake::layout::COMMIT_DATE;
use crate::lake::layout::INTEGRATION_KEY;
use crate::lake::layout::LakeTable;
use crate::lake::layout::of_day;
use crate::lake::layout::of_integration;
use crate::lake::positions::Positions;
use crate::lake::tables::OpenTable;
use crate::lake::txn_name::{NONE, TxnName, key_of};
use crate::lake::{Lake, LakeError, Part};
use crate::time::{Horizon, parse_date};

/// Files in one log entry.
const BATCH_FILES: usize = 200;

/// Readings of one table, when others keep exchanging its files meanwhile.
const ATTEMPTS: u32 = 10;

const REPAIR: EntryForm = EntryForm {
    operation: "REPAIR",
    rearranges: false,
};

/// One Delta table.
pub(super) struct Shelf {
    pub(super) table: OpenTable,
    endpoint: EndpointName,
}

/// How many rows and files of a table lie in the future, or were moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) rows: u64,
    pub(super) files: u64,
}

impl Lake {
    /// Opens one of an endpoint's Delta tables, where it is.
    pub(super) async fn shelf(
        &self,
        endpoint: &Arc<Endpoint>,
        part: Part,
    ) -> Result<Option<Shelf>, LakeError> {
        let table = self.tables().existing(endpoint, part).await?;
        Ok(table.map(|table| Shelf::of(table, endpoint)))
    }
}

impl Shelf {
    pub(super) fn of(table: OpenTable, endpoint: &Endpoint) -> Self {
        Self {
            table,
            endpoint: endpoint.name().clone(),
        }
    }

    /// Looks for what lies in the future: rows, and what the log says of tables.
    pub(super) async fn look(
        &self,
        horizon: Horizon,
        found: &mut Found,
    ) -> Result<Extent, LakeError> {
        let state = self.table.refreshed().await?;
        let latest_us = horizon.latest_us();
        for (app, value) in self.txns(&state) {
            let Some(key) = key_of(app) else { continue };
            if self.is_in_millis(app) {
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

    /// Moves all of it. The rows go first: as long as one of them lies in the future, so does what the log says of its
    /// table, and a crash in between is found and mended by the next repair.
    pub(super) async fn mend(&self, moves: &Moves, horizon: Horizon) -> Result<Extent, LakeError> {
        let mut done = Extent::default();
        for _ in 0..ATTEMPTS {
            if self.mend_files(moves, &mut done).await? {
                let txns = |state: &LogState| self.moved_txns(state, moves, horizon);
                exchange(&self.table, REPAIR, &[], txns).await?;
                return Ok(done);
            }
        }
        let table = self.table.name.to_string();
        Err(DeltaError::Contended { table }.into())
    }

    /// Returns whether every file was still there.
    async fn mend_files(&self, moves: &Moves, done: &mut Extent) -> Result<bool, LakeError> {
        let state = self.table.refreshed().await?;
        let (mut batch, mut all_stood) = (Vec::new(), true);
        for file in self.table.live(&state).await? {
            batch.extend(self.mended(&file, moves).await?);
            if batch.len() >= BATCH_FILES {
                all_stood &= self.commit(std::mem::take(&mut batch), done).await?;
            }
        }
        Ok(self.commit(batch, done).await? && all_stood)
    }

    /// Returns what takes a file's place, and how many of its rows were moved.
    async fn mended(
        &self,
        file: &Arc<LiveFile>,
        moves: &Moves,
    ) -> Result<Option<(u64, Exchange)>, LakeError> {
        let first_us = moves.first_us();
        let is_past = |(_, last_us): (i64, i64)| last_us < first_us;
        if file.bounds.observed_us.is_some_and(is_past) {
            return Ok(None);
        }
        let files = &self.table.files;
        let bytes = files.read(&file.path).await?;
        let (stamps, moves, form) = (self.stamps(file), moves.clone(), files.form.clone());
        let rows = usize::try_from(file.num_records.unwrap_or(1)).unwrap_or(usize::MAX);
        let mended = on_cpu(move || stamps.restamp(bytes, &moves, rows, &form)).await??;
        let Some((changed, encoded)) = mended else {
            return Ok(None);
        };
        let written = files.put(Some(encoded), partition_of(file)).await?;
        let output = written.map(|mut written| {
            written.add.tags.clone_from(&file.tags);
            written.add
        });
        let inputs = vec![Arc::clone(file)];
        Ok(Some((changed, Exchange { inputs, output })))
    }

    async fn commit(
        &self,
        batch: Vec<(u64, Exchange)>,
        done: &mut Extent,
    ) -> Result<bool, LakeError> {
        let (rows, exchanges): (Vec<u64>, Vec<Exchange>) = batch.into_iter().unzip();
        let stood = exchange(&self.table, REPAIR, &exchanges, |_| Vec::new()).await?;
        done.rows += stood.iter().map(|at| rows[*at]).sum::<u64>();
        done.files += stood.len() as u64;
        Ok(stood.len() == rows.len())
    }

    /// Returns what the log has to say instead.
    fn moved_txns(&self, state: &LogState, moves: &Moves, horizon: Horizon) -> Vec<(String, i64)> {
        let mut txns: Vec<(String, i64)> = self
            .txns(state)
            .filter_map(|(app, value)| {
                let key = key_of(app).filter(|key| moves.concern(key.as_str()))?;
                if self.is_in_millis(app) {
                    // A base in the future covers nothing.
                    return (value > horizon.latest().as_millis()).then(|| (app.to_owned(), NONE));
                }
                let to_us = moves.to_us(key.as_str(), value)?;
                Some((app.to_owned(), to_us))
            })
            .collect();
        if matches!(self.table.name, LakeTable::Current(_)) {
            for (key, _) in moves.by_key() {
                txns.extend(fence(&key, state, moves));
            }
        }
        txns
    }

    /// Returns the transactions that speak of the endpoint's tables: instants, and counts that are far smaller.
    fn txns<'a>(&self, state: &'a LogState) -> impl Iterator<Item = (&'a str, i64)> + use<'a> {
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
        let partition = file.partition_values.get(INTEGRATION_KEY);
        let table = &self.table.name;
        let is_shared = matches!(table, LakeTable::Drift | LakeTable::Quarantine);
        Stamps {
            key: partition.cloned().flatten(),
            endpoint: is_shared.then(|| self.endpoint.clone()),
            columns: match table {
                LakeTable::Drift => OF_DRIFT,
                _ => OF_ROWS,
            },
        }
    }
}

/// Returns what else the log of `current` has to say of a table: that its snapshot is to be folded again. A fold that has
/// read rows from the future and is not visible yet is overtaken by that, and whatever an earlier one took for newer than
/// it was is put right. While something is held the snapshot stays as it was folded, since a second look at it must
/// not count as another one: then only the fold under way is overtaken.
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

fn partition_of(file: &LiveFile) -> Partition {
    let value = |column| file.partition_values.get(column).cloned().flatten();
    let key = value(INTEGRATION_KEY).and_then(|key| IntegrationKey::from_stored(&key));
    let day = || value(COMMIT_DATE).and_then(|day| parse_date(&day));
    match key {
        Some(key) => of_integration(&key),
        None => day().map_or(Partition::Whole, of_day),
    }
}
