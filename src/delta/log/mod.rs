//! The log of a Delta table: which files are live, and which version each application transaction has reached.
//!
//! This crate writes each entry as JSON, with put-if-absent at the first free version
//! ([`publish`](mod@crate::delta::log::publish)). An entry makes data and transactions visible at once. The Delta
//! kernel library replays and writes checkpoints; its types stay in [`kernel`]. Between checkpoints [`DeltaLog`]
//! keeps the state in memory and follows the log by reading its newest entries.
//!
//! [`schema`] adds our missing columns to a table's schema. The next entry commits the added columns.

mod action;
mod app_id;
mod checkpoints;
mod clean_up;
mod create;
mod entry;
mod flaw;
mod kernel;
mod listing;
mod live_file;
mod live_files;
mod live_list;
mod log_damage;
mod log_error;
mod log_reader;
mod log_state;
mod mend;
mod publish;
mod replay;
mod schema;
mod shared_values;
mod survey;
mod tail;
mod txn_map;
mod view;

pub use clean_up::OutdatedLog;
pub use entry::{AddFile, Entry, RemoveFile};
pub use live_file::{BoundedColumns, FileBounds, LiveFile};
pub use log_damage::{LogDamage, LogDamageKind};
pub use log_error::{LogError, SchemaError};
pub use log_state::LogState;
pub(crate) use mend::LogMending;
pub(crate) use survey::{LogEntries, LogSurvey};

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::chance::fresh_uuid;
use crate::delta::log::action::{LogLine, to_json_lines};
use crate::delta::log::create::create;
use crate::delta::log::entry::commit_info;
use crate::delta::log::flaw::Flaw;
use crate::delta::log::log_reader::LogReader;
use crate::delta::log::publish::{Patience, PublishError, Published, publish};
use crate::delta::log::replay::Replay;
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;
use crate::time::Clock;

/// The shape that a table must have.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// The columns, partition columns included.
    pub schema: SchemaRef,
    /// Names of the partition columns.
    pub partition_columns: Vec<String>,
    /// What the table holds, for people who list tables.
    pub description: String,
}

/// Settings of a log.
#[derive(Clone)]
pub struct LogSettings {
    /// Number of entries between two checkpoints.
    pub checkpoint_interval: NonZeroU64,
    /// The clock for timestamps in entries. People and clean-up read the timestamps; no rule of this crate depends on
    /// them.
    pub clock: Arc<dyn Clock>,
    /// The columns by which files are found.
    pub bounded: BoundedColumns,
}

/// The outcome of committing an entry.
#[derive(Clone, Debug)]
pub enum CommitOutcome {
    /// The entry is visible.
    Committed {
        /// The version of the entry.
        version: u64,
    },
    /// Another writer's entry took the version, and no part of our entry is visible. The caller compares
    /// transactions, recomputes its removes and commits on the new state.
    Lost {
        /// The newest state of the table.
        state: Arc<LogState>,
    },
}

/// The log of one Delta table. One per table and process is enough.
pub struct DeltaLog {
    store: TableStore,
    table: TablePath,
    /// The columns of this build, as a Delta schema.
    ours: Value,
    settings: LogSettings,
    patience: Patience,
    reader: LogReader,
    /// Checkpoints and hints of the log that cannot be used. The next commit replaces them.
    flaws: std::sync::Mutex<BTreeSet<Flaw>>,
    /// A copy of the log's state. The log on the store is the truth, and a writer with an outdated copy loses the
    /// next commit.
    known: RwLock<ConfirmedState>,
    /// Held while the log is read, so that many callers share one read.
    reading: Mutex<()>,
}

/// The state of a table, and when it was last confirmed.
struct ConfirmedState {
    state: Arc<LogState>,
    /// When the log was last known to end at this state.
    confirmed: Instant,
}

impl DeltaLog {
    /// Opens a table's log. Creates version 0 if the table does not exist.
    pub async fn open(
        store: &TableStore,
        table: TablePath,
        shape: TableShape,
        settings: LogSettings,
    ) -> Result<Self, LogError> {
        Self::open_patiently(store, table, shape, settings, Patience::default()).await
    }

    /// Returns whether the table exists. Creates nothing.
    pub async fn exists(store: &TableStore, table: &TablePath) -> Result<bool, LogError> {
        tail::exists(store, table).await
    }

    /// Opens the log of an existing table. `None` when the table does not exist; then nothing is created.
    pub async fn open_existing(
        store: &TableStore,
        table: TablePath,
        shape: TableShape,
        settings: LogSettings,
    ) -> Result<Option<Self>, LogError> {
        if !tail::exists(store, &table).await? {
            return Ok(None);
        }
        let opened = Self::read(store, table, shape, settings, Patience::default());
        opened.await.map(Some)
    }

    /// Returns the names of all application transactions of a table. Empty when the table does not exist.
    pub async fn stored_txns(
        store: &TableStore,
        table: &TablePath,
    ) -> Result<Vec<String>, LogError> {
        if !tail::exists(store, table).await? {
            return Ok(Vec::new());
        }
        let reader = LogReader::new(store, table);
        let in_force = reader.read(None, Replay::State).await?.in_force;
        Ok(in_force.txns.iter().map(|(id, _)| id.text()).collect())
    }

    async fn open_patiently(
        store: &TableStore,
        table: TablePath,
        shape: TableShape,
        settings: LogSettings,
        patience: Patience,
    ) -> Result<Self, LogError> {
        if !tail::exists(store, &table).await? {
            let now = settings.clock.now();
            let ours = delta_schema(&table, &shape)?;
            create(store, &table, &shape, &ours, now, &patience).await?;
        }
        Self::read(store, table, shape, settings, patience).await
    }

    async fn read(
        store: &TableStore,
        table: TablePath,
        shape: TableShape,
        settings: LogSettings,
        patience: Patience,
    ) -> Result<Self, LogError> {
        let ours = delta_schema(&table, &shape)?;
        let reader = LogReader::new(store, &table);
        let confirmed = Instant::now();
        let replayed = reader.read(None, Replay::State).await?;
        let flaws = replayed.flaws.clone();
        let state = replayed.state(&table, settings.bounded)?;
        if state.metadata.partition_columns != shape.partition_columns {
            return Err(LogError::Partitioning {
                table: table.to_string(),
                found: state.metadata.partition_columns.clone(),
                expected: shape.partition_columns,
            });
        }
        state.merged_metadata(&ours, &table)?;
        let state = Arc::new(state);
        let log = Self {
            store: store.clone(),
            table,
            ours,
            settings,
            patience,
            reader,
            flaws: std::sync::Mutex::default(),
            known: RwLock::new(ConfirmedState { state, confirmed }),
            reading: Mutex::new(()),
        };
        log.note(&flaws);
        Ok(log)
    }

    /// Returns the table's state as of the last read or commit.
    #[must_use]
    pub fn state(&self) -> Arc<LogState> {
        let known = self.known.read();
        Arc::clone(&known.unwrap_or_else(PoisonError::into_inner).state)
    }

    /// Reads the entries committed since the last read, and returns the newest state. Callers that wait for a read under
    /// way share the next one, which begins after they called.
    pub async fn refresh(&self) -> Result<Arc<LogState>, LogError> {
        let called = Instant::now();
        let _reading = self.reading.lock().await;
        let known = self.state();
        if self.known().confirmed > called {
            return Ok(known);
        }
        let asked = Instant::now();
        let state = match tail::read(&self.store, &self.table, known.version).await? {
            Some(entries) if entries.is_empty() => known,
            Some(entries) => {
                let mut state = LogState::clone(&known);
                for lines in entries {
                    state.advance(lines, &self.table)?;
                }
                Arc::new(state)
            }
            // The entries after the known version were cleaned up. Only a checkpoint still has their content.
            None => Arc::new(self.loaded(known.version).await?),
        };
        Ok(self.adopt(state, asked))
    }

    /// Puts one entry at the version after `read`.
    ///
    /// The entry also adds our missing columns to the table's schema. A checkpoint is written when one is due. A
    /// failed checkpoint is logged and does not affect the entry.
    pub async fn commit(&self, read: &LogState, entry: Entry) -> Result<CommitOutcome, LogError> {
        if self.unconfirmed_for() >= self.patience.longest_unconfirmed {
            self.refresh().await?;
        }
        let known = self.state();
        if known.version > read.version {
            return Ok(CommitOutcome::Lost { state: known });
        }
        let version = read.version + 1;
        let commit_id = fresh_uuid().simple().to_string();
        let lines = self.lines(read, entry, &commit_id)?;
        let key = ObjectKey::LogEntry(&self.table, version).path();
        let bytes = to_json_lines(&lines).into();
        let asked = Instant::now();
        match publish(&self.store, &key, bytes, &commit_id, &self.patience).await {
            Ok(Published::Ours) => {}
            Ok(Published::Anothers) => {
                let state = self.refresh().await?;
                return Ok(CommitOutcome::Lost { state });
            }
            Err(error) => return Err(publish_error(error, &self.table, version)),
        }
        // The known state may hold the list of files, which the state `read` may lack.
        let mut state = LogState::clone(&self.at_version(read.version).unwrap_or(known));
        state.advance(lines, &self.table)?;
        self.adopt(Arc::new(state), asked);
        self.checkpoint_if_due(version).await;
        Ok(CommitOutcome::Committed { version })
    }

    /// Reads the complete log, which once had version `known`.
    async fn loaded(&self, known: u64) -> Result<LogState, LogError> {
        let replayed = self.reader.read(None, Replay::State).await?;
        self.note(&replayed.flaws);
        if replayed.version < known {
            let kind = LogDamageKind::MissingEntry;
            let damage = LogDamage::of_entry(&self.table, known, kind);
            return Err(LogError::damaged(&self.table, damage));
        }
        replayed.state(&self.table, self.settings.bounded)
    }

    /// Writers replace the complete state, so a panic elsewhere leaves the state intact.
    fn known(&self) -> RwLockWriteGuard<'_, ConfirmedState> {
        let known = self.known.write();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    fn at_version(&self, version: u64) -> Option<Arc<LogState>> {
        Some(self.state()).filter(|state| state.version == version)
    }

    fn unconfirmed_for(&self) -> Duration {
        self.known().confirmed.elapsed()
    }

    /// Stores a state unless a newer one is known. Returns the newest state.
    fn adopt(&self, state: Arc<LogState>, confirmed: Instant) -> Arc<LogState> {
        let mut known = self.known();
        if state.version > known.state.version {
            known.state = state;
        }
        known.confirmed = known.confirmed.max(confirmed);
        Arc::clone(&known.state)
    }

    fn lines(
        &self,
        read: &LogState,
        entry: Entry,
        commit_id: &str,
    ) -> Result<Vec<LogLine>, LogError> {
        let now = self.settings.clock.now();
        let mut lines = vec![commit_info(entry.operation, commit_id, now)];
        let metadata = read.merged_metadata(&self.ours, &self.table)?;
        lines.extend(metadata.map(|metadata| LogLine {
            meta_data: Some(Box::new(metadata)),
            ..LogLine::default()
        }));
        lines.extend(entry.actions(now));
        Ok(lines)
    }
}

impl fmt::Debug for DeltaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeltaLog({} at {})", self.table, self.state().version)
    }
}

/// Returns the columns of this build as a Delta schema.
fn delta_schema(table: &TablePath, shape: &TableShape) -> Result<Value, LogError> {
    schema::to_delta(&shape.schema).map_err(|source| LogError::Schema {
        table: table.to_string(),
        source,
    })
}

fn publish_error(error: PublishError, table: &TablePath, version: u64) -> LogError {
    let table = table.to_string();
    match error {
        PublishError::Refused(source) => LogError::Refused {
            table,
            version,
            source,
        },
        PublishError::Unknown(source) => LogError::OutcomeUnknown {
            table,
            version,
            source,
        },
    }
}

#[cfg(test)]
mod tests;
