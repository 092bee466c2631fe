//! Makes a damaged log readable again.
//!
//! An entry that is missing or damaged gets a stand-in: a valid entry without files. This is the only case in which an
//! entry is replaced. A copy of what was there is put aside first. A log without a beginning begins anew at version 0.
//! A checkpoint or hint that leads nowhere is put aside and deleted: it only repeats what the entries say.
//!
//! What the lost entry had said is gone. So each stand-in leaves a mark in the table's transactions, and the mark stays
//! until a later entry settles it. A crash in between leaves the mark, and the next repair goes on from there.

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use crate::chance::fresh_uuid;
use crate::delta::fault::{FaultReason, StoreFault};
use crate::delta::log::action::{LogLine, Protocol, Txn, to_json_lines};
use crate::delta::log::create::metadata;
use crate::delta::log::entry::commit_info;
use crate::delta::log::log_error::LogError;
use crate::delta::log::survey::{LogEntries, LogSurvey};
use crate::delta::log::{DeltaLog, LogState, TableShape, schema};
use crate::delta::object_key::{ObjectKey, TablePath};
use crate::delta::store::TableStore;
use crate::time::Moment;

/// The marks of repairs among a table's transactions: `kombo-repair/<what>`. Other programs read no meaning into them.
const MARK: &str = "kombo-repair/";

/// The repair is not complete.
const PENDING: i64 = -1;

/// The repair is complete.
const SETTLED: i64 = 0;

/// How a log is mended.
pub(crate) struct LogMending<'a> {
    /// The shape of the table, for a log without a beginning.
    pub(crate) shape: &'a TableShape,
    /// The folder below the store's root to which copies go.
    pub(crate) aside: &'a str,
    /// What the stand-ins are named in the log.
    pub(crate) operation: &'a str,
    /// The time of the repair.
    pub(crate) now: Moment,
}

impl DeltaLog {
    /// Makes a log readable that a survey found damaged. May be repeated after a crash on any line.
    pub(crate) async fn mend(
        store: &TableStore,
        table: &TablePath,
        found: &LogSurvey,
        mending: &LogMending<'_>,
    ) -> Result<(), LogError> {
        let failed = |fault: StoreFault| LogError::read(table, fault);
        for hint in &found.hints {
            mending.put_aside(store, hint).await.map_err(failed)?;
            store.delete(hint).await.map_err(failed)?;
        }
        let bad = match &found.entries {
            LogEntries::There(bad) => bad.clone(),
            LogEntries::NoTable | LogEntries::Gone => {
                let log = ObjectKey::Log(table).path();
                let listed = store.objects().list(Some(&log));
                let listed: Vec<_> = listed
                    .try_collect()
                    .await
                    .map_err(|error| failed(error.into()))?;
                // The first entry is deleted last: until then the next survey comes to the same answer.
                for object in listed.iter().rev() {
                    let left = &object.location;
                    mending.put_aside(store, left).await.map_err(failed)?;
                    store.delete(left).await.map_err(failed)?;
                }
                let first = ObjectKey::LogEntry(table, 0).path();
                let bytes = mending.stand_in(table, 0)?;
                return match store.create(&first, bytes.into()).await {
                    Err(fault) if fault.reason() != FaultReason::AlreadyExists => {
                        Err(failed(fault))
                    }
                    _ => Ok(()),
                };
            }
        };
        for entry in bad {
            let key = ObjectKey::LogEntry(table, entry.version).path();
            let bytes = mending.stand_in(table, entry.version)?;
            mending.put_aside(store, &key).await.map_err(failed)?;
            let put = store.objects().put(&key, PutPayload::from(bytes)).await;
            put.map_err(|error| failed(error.into()))?;
        }
        Ok(())
    }
}

impl LogMending<'_> {
    /// Copies an object below the folder for copies. Does nothing when the object is not there.
    async fn put_aside(&self, store: &TableStore, key: &Path) -> Result<(), StoreFault> {
        if let Some(bytes) = store.read_if_there(key).await? {
            let copy = Path::from(format!("{}/{key}", self.aside));
            store.objects().put(&copy, PutPayload::from(bytes)).await?;
        }
        Ok(())
    }

    fn stand_in(&self, table: &TablePath, version: u64) -> Result<Vec<u8>, LogError> {
        let commit_id = fresh_uuid().simple().to_string();
        let mut lines = vec![commit_info(self.operation, &commit_id, self.now)];
        if version == 0 {
            let ours = schema::to_delta(&self.shape.schema).map_err(|source| LogError::Schema {
                table: table.to_string(),
                source,
            })?;
            lines.push(LogLine {
                protocol: Some(Protocol::OURS),
                ..LogLine::default()
            });
            lines.push(LogLine {
                meta_data: Some(Box::new(metadata(self.shape, &ours, self.now))),
                ..LogLine::default()
            });
        }
        lines.push(LogLine {
            txn: Some(Txn {
                app_id: format!("{MARK}{version}"),
                version: PENDING,
                last_updated: None,
            }),
            ..LogLine::default()
        });
        Ok(to_json_lines(&lines))
    }
}

impl LogState {
    /// Returns whether a repair of the table began and is not complete.
    #[must_use]
    pub fn is_under_repair(&self) -> bool {
        self.pending_repairs().next().is_some()
    }

    /// Returns the transactions that say that every repair of the table is complete.
    pub(crate) fn settled(&self) -> Vec<(String, i64)> {
        self.pending_repairs().map(|app| (app, SETTLED)).collect()
    }

    fn pending_repairs(&self) -> impl Iterator<Item = String> {
        let marks = self.applications();
        let marks = marks.filter(|app| app.starts_with(MARK) && self.txn(app) == Some(PENDING));
        marks.map(|app| app.to_string())
    }

    /// Returns the transaction that says that a repair of the table began, and is not complete.
    pub(crate) fn repair_begun() -> (String, i64) {
        (format!("{MARK}rows"), PENDING)
    }
}
