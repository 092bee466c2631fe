//! Removes the rows of a deleted integration from the lake 14 days after its deletion, when Kombo deletes the data,
//! too.
//!
//! A purge needs a [`ConfirmedGone`] per integration: Kombo's answers, the last one from right before the purge. So no
//! caller can remove rows on the word of a webhook or the registry alone.
//!
//! The rows are removed from every table; rows of other integrations in the same files are copied. The same log entries
//! clear the bases of the integration, so that removed rows do not look covered. Kombo never gives an id twice, but an
//! operator may fetch a purged integration again. The registry keeps the integration as `purged`, and that state is
//! written last: the next purge completes one that was stopped. Vacuum deletes the data files after the grace, and the
//! logs are cut after a week. [`PurgeDepth::Files`] waits for neither.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{info, warn};

use crate::catalog::Endpoint;
use crate::delta::delta_error::DeltaError;
use crate::delta::exchange::{Exchange, FileChange};
use crate::delta::log::{LiveFile, LogState};
use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::care::clocks::Clocks;
use crate::lake::care::forget::{OWN, forget, forget_names};
use crate::lake::care::leavers::still_gone;
use crate::lake::care::leaving::Leaving;
use crate::lake::layout::{INTEGRATION_KEY, LakeTable};
use crate::lake::ledgers::{self, registry::register_purged};
use crate::lake::operation::Operation;
use crate::lake::positions::Positions;
use crate::lake::table_txns::voided;
use crate::lake::tables::{OpenTable, Tables};
use crate::lake::txn_name::{TxnName, key_of};
use crate::lake::{LakeError, Part};
use crate::plan::ConfirmedGone;
use crate::words::{counted, with_causes};

/// Rewrites a file even for one row.
const WORTH: u64 = u64::MAX;

/// How far a purge goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeDepth {
    /// Changes nothing, and reports the rows that would be removed.
    Plan,
    /// Removes the rows. Earlier versions of the tables can be read until upkeep deletes their files.
    Rows,
    /// Removes the rows, and makes every earlier version of their tables unreadable at once. Readers of such a version
    /// fail.
    Files,
}

/// What a purge removed, or would remove.
#[derive(Clone, Debug, Default)]
pub struct PurgeReport {
    /// Purged integrations.
    pub integrations: Vec<IntegrationId>,
    /// Tables that had rows of these integrations.
    pub tables: Vec<TablePurge>,
    /// Tables that could not be purged, and why. Their integrations stay `deleted`, and the next purge continues.
    pub failed: Vec<(String, LakeError)>,
    /// Number of data files that were deleted. Zero unless the purge went as far as [`PurgeDepth::Files`].
    pub deleted_files: u64,
    /// Size of the deleted data files, in bytes.
    pub deleted_bytes: u64,
}

/// What was purged from one Delta table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePurge {
    /// The table's folder.
    pub table: String,
    /// Number of removed rows.
    pub rows: u64,
    /// Number of files with removed rows: deleted from the table, or rewritten without these rows.
    pub files: u64,
}

/// Purges integrations that Kombo has confirmed to be gone, each by an answer from right before. Integrations that were
/// found alive meanwhile are kept. Several purges may run at once, beside fetches and folds, and beside readers unless
/// the files are deleted.
pub(in crate::lake) async fn purge(
    tables: &Tables,
    endpoints: &[Arc<Endpoint>],
    gone: &[ConfirmedGone],
    depth: PurgeDepth,
) -> Result<PurgeReport, LakeError> {
    let dry_run = depth == PurgeDepth::Plan;
    let mut report = PurgeReport::default();
    let endpoints = &tables.there(endpoints).await;
    // `current` comes after its sources, and once more at the end: a fold that read rows before their removal may have
    // written them back.
    for part in [Part::Snapshots, Part::Deltas, Part::Current, Part::Current] {
        // A backfill that names one of the integrations may begin at any time.
        report.integrations = still_gone(tables, gone).await?;
        if report.integrations.is_empty() {
            return Ok(report);
        }
        let purging = Purging::new(&report.integrations, dry_run);
        purge_part(tables, endpoints, part, &purging, &mut report).await;
        if part == Part::Current && dry_run {
            break;
        }
    }
    let purging = Purging::new(&report.integrations, dry_run);
    for name in OWN {
        let opened = ledgers::existing(tables, &name).await;
        let opened = opened.map(|table| (table, Vec::new()));
        report.purge(&name, opened, &purging).await;
    }
    if depth == PurgeDepth::Files {
        let failed = &mut report.failed;
        let forgotten = forget(tables, endpoints, &purging.keys, failed).await?;
        (report.deleted_files, report.deleted_bytes) = (forgotten.files, forgotten.bytes);
    }
    if report.failed.is_empty() && !dry_run {
        let now = Clocks::read(tables).await?.earlier;
        register_purged(tables, &report.integrations, now).await?;
        if depth == PurgeDepth::Files {
            let forgotten = forget_names(tables).await?;
            report.deleted_files += forgotten.files;
            report.deleted_bytes += forgotten.bytes;
        }
        let count = report.integrations.len();
        info!(
            count,
            "purged {}",
            counted(count as u64, "deleted integration")
        );
    }
    Ok(report)
}

async fn purge_part(
    tables: &Tables,
    endpoints: &[Arc<Endpoint>],
    part: Part,
    purging: &Purging,
    report: &mut PurgeReport,
) {
    for endpoint in endpoints {
        let name = part.of(endpoint.name());
        let opened = tables.existing(endpoint, part).await;
        let settled = match part {
            Part::Current => purging.settled(tables, endpoint).await,
            Part::Snapshots | Part::Deltas => Ok(Vec::new()),
        };
        let opened = opened.and_then(|table| Ok((table, settled?)));
        report.purge(&name, opened, purging).await;
    }
}

/// Integrations to purge.
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

    /// Returns the transactions that mark everything in an endpoint's `current` as folded. Without them the next fold
    /// would take the empty tables for tables whose rows all disappeared, and hold them.
    async fn settled(
        &self,
        tables: &Tables,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Vec<(String, i64)>, LakeError> {
        let mut settled = Vec::new();
        for (part, names) in [
            (Part::Snapshots, &[TxnName::Snapshot][..]),
            (Part::Deltas, &[TxnName::Folded, TxnName::Considered]),
        ] {
            let Some(table) = tables.existing(endpoint, part).await? else {
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

    /// Returns the transactions that a table's log needs for integrations without rows. `kombo_drift` keeps how far the
    /// integrations were compared: the positions are true, and nothing is compared again.
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
                .map(|(app, _)| (app, 0))
                .collect(),
            LakeTable::Current(_) => {
                let keys = self.keys.iter();
                let emptied = keys.flat_map(|key| Positions::of(key, state).emptied(key));
                let differs = |(app, value): &(String, i64)| {
                    state.txn(app).is_some_and(|stored| stored != *value)
                };
                emptied.filter(differs).collect()
            }
            LakeTable::Integrations
            | LakeTable::Coverage
            | LakeTable::Issues
            | LakeTable::Quarantine
            | LakeTable::Holds => Vec::new(),
        }
    }
}

/// A table, if it exists, and additional transactions for its log.
type ToPurge = (Option<OpenTable>, Vec<(String, i64)>);

impl PurgeReport {
    /// Purges one table. A failure is logged and reported, and does not stop the purge of other tables.
    async fn purge(
        &mut self,
        name: &LakeTable,
        opened: Result<ToPurge, LakeError>,
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
                warn!(table = %name, error = with_causes(&error), advice = error.advice(), "purging {name} failed; the next purge tries again");
                self.failed.push((name.to_string(), error));
            }
        }
    }
}

/// The purge of one table.
struct TablePurging<'a> {
    table: &'a OpenTable,
    purging: &'a Purging,
    /// Additional transactions for the table's log.
    settled: Vec<(String, i64)>,
}

impl TablePurging<'_> {
    /// Removes the rows file by file, until no file with selected rows is left. Files that others exchange meanwhile
    /// are read again.
    async fn run(&self) -> Result<TablePurge, LakeError> {
        let (operation, dry_run) = (Operation::Purge.as_str(), self.purging.dry_run);
        let done = self.table.change_files(operation, self, dry_run).await?;
        if done.files > 0 && !dry_run {
            // With it the log can be cut in time, however few commits follow.
            self.table.log.try_checkpoint().await;
        }
        Ok(TablePurge {
            table: self.table.name.to_string(),
            rows: done.rows,
            files: done.files,
        })
    }
}

impl FileChange for TablePurging<'_> {
    async fn of(&self, file: &Arc<LiveFile>) -> Result<Option<(u64, Exchange)>, DeltaError> {
        let purging = self.purging;
        if file.partition_values.contains_key(INTEGRATION_KEY) {
            let key = file.partition_value(INTEGRATION_KEY);
            let key = key.and_then(IntegrationKey::from_stored);
            let goes = key.is_some_and(|key| purging.keys.contains(&key));
            let gone = Exchange {
                inputs: vec![Arc::clone(file)],
                output: None,
            };
            return Ok(goes.then(|| (file.num_records.unwrap_or_default(), gone)));
        }
        if !purging.leaving.touches(file) {
            return Ok(None);
        }
        let sifting = purging.leaving.sifting(WORTH);
        self.table.sifted(file, sifting, purging.dry_run).await
    }

    fn txns(&self, state: &LogState) -> Vec<(String, i64)> {
        let settled = self.settled.iter();
        let settled = settled.filter(|(app, value)| state.txn(app) != Some(*value));
        let mut txns = self.purging.void(&self.table.name, state);
        txns.extend(settled.cloned());
        txns
    }
}
