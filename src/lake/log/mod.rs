//! The log of a Delta table: which files are live, and up to which base the table is covered.
//!
//! An entry is our own JSON, put if absent at the first free version ([`publish`](self::publish)); it makes data and
//! bases visible at once. The kernel replays checkpoints and writes them; its types stay in [`kernel`](self::kernel).
//! In between, [`DeltaLog`] keeps the state in memory and follows the log by reading its tail.
//!
//! [`schema`](self::schema) adds our missing columns to a table's schema; they go out with the next entry.

mod action;
mod entry;
mod error;
mod kernel;
mod publish;
mod schema;
mod state;
mod tail;

pub use entry::{AddFile, Entry, RemoveFile};
pub use error::{LogError, SchemaError};
pub use state::{LiveFile, LogState};

use std::num::NonZeroU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use self::action::{CommitInfo, Line, Metadata, Protocol, to_json_lines};
use self::kernel::{Kernel, Replay};
use self::publish::{PublishError, Published, publish};
use super::layout::{DeltaTable, ObjectKey};
use super::store::LakeStore;
use crate::time::{Clock, SystemClock};

/// How old a state may be and still be committed on. Log entries live seven days; a state older than that could see
/// its next version free because the entry that took it was cleaned up.
const LONGEST_UNCONFIRMED: Duration = Duration::from_hours(1);

/// What a table must have.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// Its columns, partition columns included.
    pub schema: SchemaRef,
    /// Names of the columns that partition it.
    pub partition_columns: Vec<String>,
    /// What it holds, for people who list tables.
    pub description: String,
}

/// How a log is kept.
#[derive(Clone)]
pub struct LogSettings {
    /// Entries between checkpoints.
    pub checkpoint_interval: NonZeroU64,
    /// Stamps entries, for people and for clean-up; no rule of ours reads the stamps.
    pub clock: Arc<dyn Clock>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            checkpoint_interval: NonZeroU64::new(100).expect("not zero"),
            clock: Arc::new(SystemClock),
        }
    }
}

/// What became of an entry.
#[derive(Clone, Debug)]
pub enum CommitOutcome {
    /// It is visible.
    Committed {
        /// The version it made.
        version: u64,
    },
    /// Another writer's entry took the version, and nothing of ours is visible. The caller compares transactions,
    /// recomputes its removes and commits on the new state.
    Lost {
        /// The table as it is now.
        state: Arc<LogState>,
    },
}

/// The log of one Delta table. Cheap to clone; one per table and process is enough.
#[derive(Clone)]
pub struct DeltaLog {
    inner: Arc<Inner>,
}

struct Inner {
    store: LakeStore,
    table: DeltaTable,
    /// The columns of this build, as Delta writes them.
    ours: Value,
    settings: LogSettings,
    kernel: Kernel,
    state: RwLock<Arc<LogState>>,
    /// Held while the log is read, so that many callers share one reading.
    reading: Mutex<()>,
}

impl DeltaLog {
    /// Opens a table's log, with a table of version 0 if there is none.
    pub async fn open(
        store: &LakeStore,
        table: DeltaTable,
        shape: TableShape,
    ) -> Result<Self, LogError> {
        Self::open_with(store, table, shape, LogSettings::default()).await
    }

    /// Opens a table's log as [`open`](Self::open) does, kept in another way.
    pub async fn open_with(
        store: &LakeStore,
        table: DeltaTable,
        shape: TableShape,
        settings: LogSettings,
    ) -> Result<Self, LogError> {
        let name = table.to_string();
        let ours = schema::to_delta(&shape.schema).map_err(|source| LogError::Schema {
            table: name.clone(),
            source,
        })?;
        let kernel = Kernel::new(store, &table)?;
        if !tail::exists(store, &table).await? {
            create(store, &table, &shape, &ours, &settings).await?;
        }
        let state = load(&kernel, &name).await?;
        if state.metadata.partition_columns != shape.partition_columns {
            return Err(LogError::Partitioning {
                table: name,
                found: state.metadata.partition_columns.clone(),
                expected: shape.partition_columns,
            });
        }
        state.merged_metadata(&ours, &name)?;
        Ok(Self {
            inner: Arc::new(Inner {
                store: store.clone(),
                table,
                ours,
                settings,
                kernel,
                state: RwLock::new(Arc::new(state)),
                reading: Mutex::new(()),
            }),
        })
    }

    /// Returns the table.
    #[must_use]
    pub fn table(&self) -> &DeltaTable {
        &self.inner.table
    }

    /// Returns the table as last read or committed.
    #[must_use]
    pub fn state(&self) -> Arc<LogState> {
        let state = self.inner.state.read();
        Arc::clone(&state.unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what was committed since, and returns the table as it is now.
    pub async fn refresh(&self) -> Result<Arc<LogState>, LogError> {
        let _reading = self.inner.reading.lock().await;
        let name = self.inner.table.to_string();
        let mut state = LogState::clone(&self.state());
        let confirmed = Instant::now();
        match tail::read(&self.inner.store, &self.inner.table, state.version).await? {
            Some(entries) => {
                for lines in entries {
                    state.advance(lines, &name)?;
                }
            }
            // Entries after the version known were cleaned up: only a checkpoint has what they said.
            None => state = load(&self.inner.kernel, &name).await?,
        }
        state.confirmed = confirmed;
        Ok(self.adopt(state))
    }

    /// Puts one entry at the version after `read`.
    ///
    /// The table's schema gains our missing columns with it. A checkpoint is written when one is due; that it failed is
    /// logged and does not concern the entry.
    pub async fn commit(&self, read: &LogState, entry: Entry) -> Result<CommitOutcome, LogError> {
        let mut now = self.state();
        if now.confirmed.elapsed() >= LONGEST_UNCONFIRMED {
            now = self.refresh().await?;
        }
        if now.version > read.version {
            return Ok(CommitOutcome::Lost { state: now });
        }
        let version = read.version + 1;
        let commit_id = Uuid::new_v4().simple().to_string();
        let lines = self.lines(read, entry, &commit_id)?;
        let key = ObjectKey::LogEntry(&self.inner.table, version).path();
        let bytes = to_json_lines(&lines).into();
        match publish(self.inner.store.objects(), &key, bytes, &commit_id).await {
            Ok(Published::Ours) => {}
            Ok(Published::Anothers) => {
                let state = self.refresh().await?;
                return Ok(CommitOutcome::Lost { state });
            }
            Err(error) => return Err(publish_error(error, &self.inner.table, version)),
        }
        let mut state = read.clone();
        state.advance(lines, &self.inner.table.to_string())?;
        self.adopt(state);
        if version.is_multiple_of(self.inner.settings.checkpoint_interval.get())
            && let Err(error) = self.checkpoint().await
        {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            warn!(table = %self.inner.table, version, error = %error, cause, "no checkpoint was written; the log stays complete without it");
        }
        Ok(CommitOutcome::Committed { version })
    }

    /// Lists the files of the table as of a state, by path.
    pub async fn live_files(&self, at: &LogState) -> Result<Vec<Arc<LiveFile>>, LogError> {
        let mut files: Vec<_> = if let Some(live) = &at.live {
            live.values().cloned().collect()
        } else {
            let replayed = self.inner.kernel.replay(Some(at.version), Replay::Files);
            let (_, lines) = replayed.await?;
            let live: std::collections::HashMap<_, _> = lines
                .into_iter()
                .filter_map(|line| line.add)
                .map(|add| (add.path.as_str().into(), Arc::new(LiveFile::from(add))))
                .collect();
            let files = live.values().cloned().collect();
            let mut state = self.write();
            if state.version == at.version && state.live.is_none() {
                Arc::make_mut(&mut state).live = Some(live);
            }
            files
        };
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Writes a checkpoint of the newest version, so that readers need not read every entry.
    pub async fn checkpoint(&self) -> Result<(), LogError> {
        self.inner.kernel.checkpoint().await
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Arc<LogState>> {
        let state = self.inner.state.write();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a state over unless a newer one is known, and returns the newest.
    fn adopt(&self, mut state: LogState) -> Arc<LogState> {
        let mut known = self.write();
        let same_version = known.version == state.version;
        if same_version && state.live.is_none() {
            // Someone listed the files meanwhile.
            state.live.clone_from(&known.live);
        }
        if state.version > known.version || (same_version && state.confirmed >= known.confirmed) {
            *known = Arc::new(state);
        }
        Arc::clone(&known)
    }

    fn lines(&self, read: &LogState, entry: Entry, commit_id: &str) -> Result<Vec<Line>, LogError> {
        let now_ms = self.inner.settings.clock.wall_ms();
        let mut lines = vec![commit_info(entry.operation, commit_id, now_ms)];
        let name = self.inner.table.to_string();
        lines.extend(
            read.merged_metadata(&self.inner.ours, &name)?
                .map(Line::meta_data),
        );
        // The protocol allows one transaction per application and version.
        let txns: std::collections::BTreeMap<_, _> = entry.txns.into_iter().collect();
        lines.extend(
            txns.into_iter()
                .map(|(id, version)| Line::txn(id, version, now_ms)),
        );
        lines.extend(
            entry
                .removes
                .into_iter()
                .map(|file| Line::remove(file, now_ms)),
        );
        lines.extend(entry.adds.into_iter().map(Line::add));
        Ok(lines)
    }
}

fn commit_info(operation: &str, commit_id: &str, now_ms: i64) -> Line {
    Line::commit_info(CommitInfo {
        timestamp: now_ms,
        operation: operation.to_owned(),
        engine_info: concat!("kombo-source/", env!("CARGO_PKG_VERSION")).to_owned(),
        commit_id: Some(commit_id.to_owned()),
        ..CommitInfo::default()
    })
}

/// Puts version 0. That another process was first is as good.
async fn create(
    store: &LakeStore,
    table: &DeltaTable,
    shape: &TableShape,
    ours: &Value,
    settings: &LogSettings,
) -> Result<(), LogError> {
    let now_ms = settings.clock.wall_ms();
    let commit_id = Uuid::new_v4().simple().to_string();
    let lines = [
        commit_info("CREATE TABLE", &commit_id, now_ms),
        Line::protocol(Protocol::OURS),
        Line::meta_data(Metadata {
            id: Uuid::new_v4().to_string(),
            name: None,
            description: Some(shape.description.clone()),
            format: action::Format::parquet(),
            schema_string: ours.to_string(),
            partition_columns: shape.partition_columns.clone(),
            created_time: Some(now_ms),
            configuration: schema::configuration(),
        }),
    ];
    let key = ObjectKey::LogEntry(table, 0).path();
    publish(
        store.objects(),
        &key,
        to_json_lines(&lines).into(),
        &commit_id,
    )
    .await
    .map(|_| ())
    .map_err(|error| publish_error(error, table, 0))
}

async fn load(kernel: &Kernel, table: &str) -> Result<LogState, LogError> {
    let confirmed = Instant::now();
    let (version, lines) = kernel.replay(None, Replay::State).await?;
    LogState::from_replay(version, lines, confirmed, table)
}

fn publish_error(error: PublishError, table: &DeltaTable, version: u64) -> LogError {
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
