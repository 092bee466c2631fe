//! What a deleted integration leaves behind leaves the lake, 14 days after, as it leaves Kombo.
//!
//! It takes a [`ConfirmedGone`] for each: the answers of Kombo, the last one asked for right before. So no caller can take
//! away the rows of an integration that only a webhook or the registry calls deleted.
//!
//! Its rows go from every table, and rows of others in the same files are carried over. Its bases become none in the same
//! entries, so that nothing that is gone looks covered: Kombo gives no id twice, but a person may fetch it again. In the
//! registry it stays as `purged`, which is written last: a purge that was stopped is taken up by the next one. Its data
//! files are then vacuum's, after the grace.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{info, warn};

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::on_cpu;
use crate::delta::log::{LiveFile, LogState};
use crate::delta::object_key::Partition;
use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::care::exchange::{EntryForm, Exchange, exchange};
use crate::lake::care::sift::{Leaving, Sifted, sift};
use crate::lake::layout::COMMIT_DATE;
use crate::lake::layout::INTEGRATION_KEY;
use crate::lake::layout::LakeTable;
use crate::lake::layout::of_day;
use crate::lake::ledgers;
use crate::lake::positions::Positions;
use crate::lake::table_txns::voided;
use crate::lake::tables::OpenTable;
use crate::lake::txn_name::{TxnName, key_of};
use crate::lake::{Lake, LakeError, Part};
use crate::plan::ConfirmedGone;
use crate::time::parse_date;

/// Files in one log entry.
const BATCH_FILES: usize = 500;

/// Readings of one table, when others keep exchanging its files meanwhile.
const ATTEMPTS: u32 = 10;

/// Even one row of a file is worth writing it again.
const WORTH: u64 = u64::MAX;

const PURGE: EntryForm = EntryForm {
    operation: "PURGE",
    rearranges: false,
};

/// What was purged, or would be.
#[derive(Clone, Debug, Default)]
pub struct PurgeReport {
    /// Integrations that were purged, or would be.
    pub integrations: Vec<IntegrationId>,
    /// Tables that had rows of them.
    pub tables: Vec<TablePurge>,
    /// Tables that could not be purged, and why. The integrations stay `deleted`, and the next purge goes on.
    pub failed: Vec<(String, LakeError)>,
}

/// What was purged at one Delta table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePurge {
    /// The table's folder.
    pub table: String,
    /// Rows that left it.
    pub rows: u64,
    /// The files they left: removed, or written again without them.
    pub files: u64,
}

impl Lake {
    /// Purges integrations that Kombo has confirmed to be gone, each by an answer asked for right before; a dry run only
    /// says what would leave. Those that somebody has found alive meanwhile stay. Several may run at once, beside
    /// everything else.
    pub async fn purge(
        &self,
        endpoints: &[Arc<Endpoint>],
        gone: &[ConfirmedGone],
        dry_run: bool,
    ) -> Result<PurgeReport, LakeError> {
        let mut report = PurgeReport::default();
        // `current` comes after what it is made of, and once more at the end: a fold that had read its rows before they
        // went may have brought them back.
        for part in [Part::Snapshots, Part::Deltas, Part::Current, Part::Current] {
            // A backfill that names one of them may begin at any time.
            report.integrations = self.still_gone(gone).await?;
            if report.integrations.is_empty() {
                return Ok(report);
            }
            let purging = Purging::new(&report.integrations, dry_run);
            self.purge_part(endpoints, part, &purging, &mut report)
                .await;
            if part == Part::Current && dry_run {
                break;
            }
        }
        let purging = Purging::new(&report.integrations, dry_run);
        for name in [LakeTable::Drift, LakeTable::Quarantine, LakeTable::Holds] {
            let opened = ledgers::existing(self.tables(), &name).await;
            let opened = opened.map(|table| (table, Vec::new()));
            report.purge(&name, opened, &purging).await;
        }
        if report.failed.is_empty() && !dry_run {
            let now_ms = self.lower_clock().await?;
            self.register_purged(&report.integrations, now_ms).await?;
            let count = report.integrations.len();
            info!(count, "{count} deleted integrations are purged");
        }
        Ok(report)
    }

    async fn purge_part(
        &self,
        endpoints: &[Arc<Endpoint>],
        part: Part,
        purging: &Purging,
        report: &mut PurgeReport,
    ) {
        for endpoint in endpoints {
            let name = part.of(endpoint.name());
            let opened = self.tables().existing(endpoint, part).await;
            let settled = match part {
                Part::Current => purging.settled(self, endpoint).await,
                Part::Snapshots | Part::Deltas => Ok(Vec::new()),
            };
            let opened = opened.and_then(|table| Ok((table, settled?)));
            report.purge(&name, opened, purging).await;
        }
    }
}

/// Whose rows leave.
struct Purging {
    keys: BTreeSet<IntegrationKey>,
    leaving: Leaving,
    dry_run: bool,
}

impl Purging {
    fn new(integrations: &[IntegrationId], dry_run: bool) -> Self {
        let keys: BTreeSet<_> = integrations.iter().map(IntegrationId::key).collect();
        let mut leaving = Leaving::default();
        for key in &keys {
            leaving.add_all(key);
        }
        Self {
            keys,
            leaving,
            dry_run,
        }
    }

    /// Returns what the log of an endpoint's `current` has to say so that everything there is counts as folded: else the
    /// next fold would take tables without rows for tables whose rows have all vanished.
    async fn settled(
        &self,
        lake: &Lake,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Vec<(String, i64)>, LakeError> {
        let mut settled = Vec::new();
        for (part, names) in [
            (Part::Snapshots, &[TxnName::Snapshot][..]),
            (Part::Deltas, &[TxnName::Folded, TxnName::Considered]),
        ] {
            let Some(table) = lake.tables().existing(endpoint, part).await? else {
                continue;
            };
            let state = table.refreshed().await?;
            for key in &self.keys {
                let Some(seen) = state.txn(&TxnName::Seen.app_id(key)) else {
                    continue;
                };
                settled.extend(names.iter().map(|name| (name.app_id(key), seen)));
            }
        }
        Ok(settled)
    }

    /// Returns what a table's log has to say of integrations without rows. What `kombo_drift` says of how far they were
    /// compared stays: it is true, and nothing would be compared again.
    fn void(&self, table: &LakeTable, state: &LogState) -> Vec<(String, i64)> {
        match table {
            LakeTable::Snapshots(_) | LakeTable::Deltas(_) => {
                let keys = self.keys.iter();
                keys.flat_map(|key| voided(key, |app| state.txn(app)))
                    .collect()
            }
            LakeTable::Drift => state
                .txns()
                .filter(|(app, count)| {
                    let counts = app.ends_with("/rows") || app.ends_with("/drifted");
                    let ours = || key_of(app).is_some_and(|key| self.keys.contains(&key));
                    counts && *count != 0 && ours()
                })
                .map(|(app, _)| (app.to_owned(), 0))
                .collect(),
            LakeTable::Current(_) => {
                let keys = self.keys.iter();
                let emptied = keys.flat_map(|key| Positions::of(key, state).emptied(key));
                let differs = |(app, value): &(String, i64)| {
                    state.txn(app).is_some_and(|stored| stored != *value)
                };
                emptied.filter(differs).collect()
            }
            LakeTable::Integrations | LakeTable::Quarantine | LakeTable::Holds => Vec::new(),
        }
    }
}

/// A table, where there is one, and what its log has to say besides.
type Opened = (Option<OpenTable>, Vec<(String, i64)>);

impl PurgeReport {
    /// Purges one table. That it fails is told, and the others are purged all the same.
    async fn purge(
        &mut self,
        name: &LakeTable,
        opened: Result<Opened, LakeError>,
        purging: &Purging,
    ) {
        let done = match opened {
            Ok((None, _)) => return,
            Ok((Some(table), settled)) => {
                let table = TablePurging {
                    table: &table,
                    purging,
                    settled,
                };
                table.run().await
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(done) if done.files == 0 => {}
            Ok(done) => self.tables.push(done),
            Err(error) => {
                warn!(table = %name, %error, "{name} could not be purged; the next purge goes on there");
                self.failed.push((name.to_string(), error));
            }
        }
    }
}

/// The purge of one table.
struct TablePurging<'a> {
    table: &'a OpenTable,
    purging: &'a Purging,
    /// What its log has to say besides.
    settled: Vec<(String, i64)>,
}

impl TablePurging<'_> {
    /// Takes the rows out of the table, file by file, until none is left that others have not exchanged meanwhile.
    async fn run(&self) -> Result<TablePurge, LakeError> {
        let mut done = TablePurge {
            table: self.table.name.to_string(),
            ..TablePurge::default()
        };
        for _ in 0..ATTEMPTS {
            if self.once(&mut done).await? {
                return Ok(done);
            }
        }
        Err(DeltaError::Contended { table: done.table }.into())
    }

    /// Returns whether nothing came in between.
    async fn once(&self, done: &mut TablePurge) -> Result<bool, LakeError> {
        let state = self.table.refreshed().await?;
        let (mut batch, mut all_stood) = (Vec::new(), true);
        for file in self.table.live(&state).await? {
            batch.extend(self.without(&file).await?);
            if batch.len() >= BATCH_FILES {
                all_stood &= self.commit(std::mem::take(&mut batch), done).await?;
            }
        }
        // Without a file there are bases.
        Ok(self.commit(batch, done).await? && all_stood)
    }

    /// Returns what takes a file's place, and how many rows leave it; `None` when it has none of them.
    async fn without(&self, file: &Arc<LiveFile>) -> Result<Option<(u64, Exchange)>, LakeError> {
        let (table, purging) = (self.table, self.purging);
        let inputs = vec![Arc::clone(file)];
        if let Some(key) = file.partition_values.get(INTEGRATION_KEY) {
            let key = key.as_deref().and_then(IntegrationKey::from_stored);
            let rows = file.num_records.unwrap_or_default();
            let output = None;
            return Ok(key
                .filter(|key| purging.keys.contains(key))
                .map(|_| (rows, Exchange { inputs, output })));
        }
        if !purging.leaving.touches(file) {
            return Ok(None);
        }
        let bytes = table.files.read(&file.path).await?;
        let leaving = purging.leaving.clone();
        let form = (!purging.dry_run).then(|| table.files.form.clone());
        let sifted = on_cpu(move || sift(bytes, &leaving, WORTH, form.as_ref())).await??;
        let (rows, written) = match sifted {
            Sifted::Stays => return Ok(None),
            Sifted::Empty(rows) => (rows, None),
            Sifted::Smaller(rows, written) => (rows, written),
        };
        let day = file.partition_values.get(COMMIT_DATE);
        let day = day.and_then(|day| parse_date(day.as_deref()?));
        let partition = day.map_or(Partition::Whole, of_day);
        let written = table.files.put(written, partition).await?;
        let output = written.map(|written| written.add);
        Ok(Some((rows, Exchange { inputs, output })))
    }

    /// Returns whether every file was still there.
    async fn commit(
        &self,
        batch: Vec<(u64, Exchange)>,
        done: &mut TablePurge,
    ) -> Result<bool, LakeError> {
        let (rows, exchanges): (Vec<u64>, Vec<Exchange>) = batch.into_iter().unzip();
        let stood = if self.purging.dry_run {
            (0..rows.len()).collect()
        } else {
            let txns = |state: &LogState| {
                let settled = self.settled.iter();
                let settled = settled.filter(|(app, value)| state.txn(app) != Some(*value));
                let mut txns = self.purging.void(&self.table.name, state);
                txns.extend(settled.cloned());
                txns
            };
            exchange(self.table, PURGE, &exchanges, txns).await?
        };
        done.rows += stood.iter().map(|at| rows[*at]).sum::<u64>();
        done.files += stood.len() as u64;
        Ok(stood.len() == rows.len())
    }
}
