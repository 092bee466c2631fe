//! What a deleted integration leaves behind leaves the lake, 14 days after, as it leaves Kombo.
//!
//! Its rows go from every table, and rows of others in the same files are carried over. Its bases become none in the same
//! entries, so that nothing that is gone looks covered: Kombo gives no id twice, but a person may fetch it again. In the
//! registry it stays as `purged`, which is written last: a purge that was stopped is taken up by the next one. Its data
//! files are then vacuum's, after the grace.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::exchange::{EntryForm, Exchange, exchange};
use super::sift::{Leaving, Sifted, sift};
use crate::catalog::Endpoint;
use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::committer::Committer;
use crate::lake::data_files::on_cpu;
use crate::lake::layout::{DeltaTable, Partition};
use crate::lake::log::{LiveFile, LogState};
use crate::lake::txns::{key_of, voided};
use crate::lake::{Lake, LakeError, Part, Registration};
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

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeSettings {
    /// How long after its deletion an integration is purged.
    pub after: Duration,
    /// Only this one.
    pub only: Option<IntegrationId>,
    /// Only says what would be done.
    pub dry_run: bool,
}

impl PurgeSettings {
    /// How long Kombo itself keeps the data of a deleted integration.
    pub const AFTER: Duration = Duration::from_hours(14 * 24);
}

/// What was purged, or would be.
#[derive(Clone, Debug, Default)]
pub struct PurgeReport {
    /// Integrations whose time has come.
    pub integrations: Vec<IntegrationId>,
    /// Deleted ones whose time is still to come, and when that is, in milliseconds since the epoch.
    pub waiting: Vec<(IntegrationId, i64)>,
    /// Tables that had rows of them.
    pub tables: Vec<TablePurge>,
    /// Tables that could not be purged, and why. The integrations stay `deleted`, and the next purge goes on.
    pub failed: Vec<(String, LakeError)>,
    /// When all this was, by the earlier of the store's clock and ours.
    pub now_ms: i64,
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
    /// Purges integrations that were deleted long enough ago. Several may run at once, beside everything else.
    pub async fn purge(
        &self,
        endpoints: &[Arc<Endpoint>],
        settings: &PurgeSettings,
    ) -> Result<PurgeReport, LakeError> {
        let mut report = self.due(settings).await?;
        if report.integrations.is_empty() {
            return Ok(report);
        }
        let mut leaving = Leaving::default();
        for integration in &report.integrations {
            leaving.add_all(&integration.key());
        }
        // `current` comes after what it is made of, and once more at the end: a fold that had read its rows before they
        // went may have brought them back.
        for part in [Part::Snapshots, Part::Deltas, Part::Current, Part::Current] {
            for endpoint in endpoints {
                let name = part.of(endpoint.name());
                let opened = self.existing_table(endpoint, part).await;
                report.purge(&name, opened, &leaving, settings).await;
            }
            if part == Part::Current && settings.dry_run {
                break;
            }
        }
        for name in [DeltaTable::Drift, DeltaTable::Quarantine, DeltaTable::Holds] {
            let opened = self.own_table(&name).await;
            report.purge(&name, opened, &leaving, settings).await;
        }
        if report.failed.is_empty() && !settings.dry_run {
            self.register_purged(&report.integrations, report.now_ms)
                .await?;
            let count = report.integrations.len();
            info!(count, "{count} deleted integrations are purged");
        }
        Ok(report)
    }

    /// Finds the integrations whose time has come. Of one that an older build wrote down it is not known when it was
    /// deleted: its time begins now.
    async fn due(&self, settings: &PurgeSettings) -> Result<PurgeReport, LakeError> {
        let deleted = self.registered().await?.into_iter().filter(|known| {
            let asked_for = settings.only.as_ref();
            known.state == Registration::DELETED
                && asked_for.is_none_or(|only| *only == known.integration)
        });
        let deleted: Vec<Registration> = deleted.collect();
        if deleted.is_empty() {
            return Ok(PurgeReport::default());
        }
        let now_ms = self.lower_clock().await?;
        let after_ms = i64::try_from(settings.after.as_millis()).unwrap_or(i64::MAX);
        let mut report = PurgeReport {
            now_ms,
            ..PurgeReport::default()
        };
        let mut undated = Vec::new();
        for known in deleted {
            let since_ms = known.state_since_ms.unwrap_or(now_ms);
            let due_ms = since_ms.saturating_add(after_ms);
            if known.state_since_ms.is_none() {
                undated.push(Registration {
                    state_since_ms: Some(now_ms),
                    ..known.clone()
                });
            }
            if due_ms <= now_ms {
                report.integrations.push(known.integration);
            } else {
                report.waiting.push((known.integration, due_ms));
            }
        }
        if !undated.is_empty() && !settings.dry_run {
            self.register(&undated).await?;
        }
        Ok(report)
    }
}

impl PurgeReport {
    /// Purges one table. That it fails is told, and the others are purged all the same.
    async fn purge(
        &mut self,
        name: &DeltaTable,
        opened: Result<Option<Arc<Committer>>, LakeError>,
        leaving: &Leaving,
        settings: &PurgeSettings,
    ) {
        let keys: BTreeSet<IntegrationKey> =
            self.integrations.iter().map(IntegrationId::key).collect();
        let done = match opened {
            Ok(None) => return,
            Ok(Some(table)) => purge_table(&table, leaving, &keys, settings.dry_run).await,
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

/// Takes the rows out of a table, file by file, until none is left that others have not exchanged meanwhile.
async fn purge_table(
    table: &Committer,
    leaving: &Leaving,
    keys: &BTreeSet<IntegrationKey>,
    dry_run: bool,
) -> Result<TablePurge, LakeError> {
    let mut done = TablePurge {
        table: table.files.table.to_string(),
        ..TablePurge::default()
    };
    for _ in 0..ATTEMPTS {
        if purge_once(table, leaving, keys, dry_run, &mut done).await? {
            return Ok(done);
        }
    }
    Err(LakeError::Contended { table: done.table })
}

/// Returns whether nothing came in between.
async fn purge_once(
    table: &Committer,
    leaving: &Leaving,
    keys: &BTreeSet<IntegrationKey>,
    dry_run: bool,
    done: &mut TablePurge,
) -> Result<bool, LakeError> {
    let state = table.refreshed().await?;
    let (mut batch, mut all_stood) = (Vec::new(), true);
    let live = table.live(&state).await?;
    let files = live.len();
    for (at, file) in live.into_iter().enumerate() {
        batch.extend(without(table, &file, leaving, keys, dry_run).await?);
        if batch.len() >= BATCH_FILES || at + 1 == files {
            all_stood &= commit(table, std::mem::take(&mut batch), keys, dry_run, done).await?;
        }
    }
    // Without a file there are bases.
    if files == 0 {
        all_stood &= commit(table, Vec::new(), keys, dry_run, done).await?;
    }
    Ok(all_stood)
}

/// Returns what takes a file's place, and how many rows leave it; `None` when it has none of them.
async fn without(
    table: &Committer,
    file: &Arc<LiveFile>,
    leaving: &Leaving,
    keys: &BTreeSet<IntegrationKey>,
    dry_run: bool,
) -> Result<Option<(u64, Exchange)>, LakeError> {
    let inputs = vec![Arc::clone(file)];
    if let Some(key) = file.partition_values.get(Partition::INTEGRATION_KEY) {
        let key = key.as_deref().and_then(IntegrationKey::from_stored);
        let rows = file.num_records.unwrap_or_default();
        let output = None;
        return Ok(key
            .filter(|key| keys.contains(key))
            .map(|_| (rows, Exchange { inputs, output })));
    }
    if !leaving.touches(file) {
        return Ok(None);
    }
    let bytes = table.files.read(&file.path).await?;
    let (leaving, form) = (
        leaving.clone(),
        (!dry_run).then(|| table.files.form.clone()),
    );
    let sifted = on_cpu(move || sift(bytes, &leaving, WORTH, form.as_ref())).await??;
    let (rows, written) = match sifted {
        Sifted::Stays => return Ok(None),
        Sifted::Empty(rows) => (rows, None),
        Sifted::Smaller(rows, written) => (rows, written),
    };
    let day = file.partition_values.get(Partition::COMMIT_DATE);
    let day = day.and_then(|day| parse_date(day.as_deref()?));
    let partition = day.map_or(Partition::Whole, Partition::CommitDate);
    let written = table.files.put(written, partition).await?;
    let output = written.map(|written| written.add);
    Ok(Some((rows, Exchange { inputs, output })))
}

/// Returns whether every file was still there.
async fn commit(
    table: &Committer,
    batch: Vec<(u64, Exchange)>,
    keys: &BTreeSet<IntegrationKey>,
    dry_run: bool,
    done: &mut TablePurge,
) -> Result<bool, LakeError> {
    let (rows, exchanges): (Vec<u64>, Vec<Exchange>) = batch.into_iter().unzip();
    let stood = if dry_run {
        (0..rows.len()).collect()
    } else {
        let txns = |state: &LogState| void(&table.files.table, state, keys);
        exchange(table, PURGE, &exchanges, txns).await?
    };
    done.rows += stood.iter().map(|at| rows[*at]).sum::<u64>();
    done.files += stood.len() as u64;
    Ok(stood.len() == rows.len())
}

/// Returns what a table's log has to say of integrations without rows. What it says of how far they were folded and
/// compared stays: it is true, and nothing would be folded again.
fn void(
    table: &DeltaTable,
    state: &LogState,
    keys: &BTreeSet<IntegrationKey>,
) -> Vec<(String, i64)> {
    match table {
        DeltaTable::Snapshots(_) | DeltaTable::Deltas(_) => keys
            .iter()
            .flat_map(|key| voided(key, |app| state.txn(app)))
            .collect(),
        DeltaTable::Current(_) | DeltaTable::Drift => state
            .txns()
            .filter(|(app, count)| {
                let counts = app.ends_with("/rows") || app.ends_with("/drifted");
                counts && *count != 0 && key_of(app).is_some_and(|key| keys.contains(&key))
            })
            .map(|(app, _)| (app.to_owned(), 0))
            .collect(),
        DeltaTable::Integrations | DeltaTable::Quarantine | DeltaTable::Holds => Vec::new(),
    }
}
