//! One fetch on its way into the lake. Rows become files as they arrive, and become visible together at the end.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};

use crate::catalog::{Endpoint, SystemColumn};
use crate::decode::{QuarantinedRow, times};
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::log::LogState;
use crate::delta::object_key::Partition;
use crate::fetch::{Fetch, FetchEnd, FetchMode};
use crate::lake::intake::FetchIntake;
use crate::lake::intake::committer::Committer;
use crate::lake::intake::comparison::ShownIds;
use crate::lake::intake::pending_fetch::{Fence, FetchedRows, FinishedFetch};
use crate::lake::intake::row_room::RowPlace;
use crate::lake::intake::runs::Sorted;
use crate::lake::intake::sealed::Sealed;
use crate::lake::intake::staged_runs::StagedRuns;
use crate::lake::layout::{of_day, of_integration};
use crate::lake::ledgers::quarantine;
use crate::lake::table_txns::TableTxns;
use crate::lake::{LakeError, SnapshotHistory};
use crate::sink::Receipt;
use crate::time::ObservedAt;

/// Decoded bytes up to which the rows of a delta share a file with other fetches.
const SHARED_BYTES: usize = 4 << 20;

/// Quarantined rows that are kept in memory before they are committed to the quarantine.
const QUARANTINE_ROWS: usize = 1_000;

/// The rows of a running fetch. Dropping a `Staging` leaves unreferenced files, possibly rows in the quarantine, and no
/// other trace.
pub struct Staging {
    intake: Arc<FetchIntake>,
    committer: Arc<Committer>,
    fetch: Fetch,
    endpoint: Arc<Endpoint>,
    /// The stored values when the fetch began. A writer that changes them meanwhile supersedes the fetch.
    start: TableTxns,
    /// The history of the snapshot that this snapshot replaces. Another replacement would change `start`, and so be
    /// noticed.
    replaced: Option<SnapshotHistory>,
    /// The first and the last observation so far.
    observed: Option<(ObservedAt, ObservedAt)>,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    place: RowPlace,
    runs: StagedRuns,
    quarantined: Vec<QuarantinedRow>,
    /// Whether a run was lost on its way: then the staged rows are not the complete fetch.
    torn: bool,
}

impl Staging {
    pub(in crate::lake) fn new(
        intake: Arc<FetchIntake>,
        place: RowPlace,
        committer: Arc<Committer>,
        fetch: Fetch,
        endpoint: Arc<Endpoint>,
        state: &LogState,
    ) -> Self {
        let key = fetch.table.integration.key();
        let start = TableTxns::of(&key, |app| state.txn(app));
        let replaced = SnapshotHistory::of(&key, |app| state.txn(app));
        let runs = StagedRuns::new(committer.table.clone(), committer.replaces());
        Self {
            place,
            intake,
            committer,
            fetch,
            endpoint,
            start,
            replaced,
            observed: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            runs,
            quarantined: Vec::new(),
            torn: false,
        }
    }

    /// Adds rows. Rows that exceed a run are sorted and uploaded while further rows are added, up to half a run of them.
    ///
    /// After an error, or when the future is dropped half-way, the fetch cannot be committed any more.
    pub async fn push(&mut self, batch: RecordBatch) -> Result<(), LakeError> {
        self.check(&batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let bytes = decoded_bytes(&batch);
        let run_bytes = self
            .place
            .run_bytes(self.intake.tables.settings.run_bytes.get());
        if self.waiting_bytes + bytes > run_bytes {
            self.upload_run().await?;
        }
        if self.runs.is_writing() && self.waiting_bytes + bytes > run_bytes / 2 {
            // A run that is uploaded and a full one together would take too much memory.
            self.torn = true;
            self.runs.settle().await?;
            self.torn = false;
        }
        self.observe(&batch);
        self.place.hold(bytes);
        self.waiting_bytes += bytes;
        self.waiting.push(batch);
        if self.waiting_bytes >= run_bytes {
            // A run that is full waits for nothing: the fetch may have to wait long for its next page.
            self.upload_run().await?;
        }
        // Somebody may wait for the rows of a small delta, so it does not wait.
        if self.is_worth_a_file() && !self.place.has_room().await {
            self.upload_run().await?;
        }
        Ok(())
    }

    /// Returns whether the rows that wait become a file of their own anyway: those of a snapshot, and those of a delta
    /// that is too large to share a file.
    fn is_worth_a_file(&self) -> bool {
        self.committer.replaces() || !self.runs.is_empty() || self.waiting_bytes > SHARED_BYTES
    }

    /// Adds rows that cannot be stored as records.
    pub async fn quarantine(&mut self, rows: Vec<QuarantinedRow>) -> Result<(), LakeError> {
        self.quarantined.extend(rows);
        if self.quarantined.len() < QUARANTINE_ROWS {
            return Ok(());
        }
        self.upload_quarantine().await
    }

    /// Uploads the rows that are still in memory, and keeps one row per id. Nothing is visible yet.
    pub async fn seal(mut self, end: FetchEnd) -> Result<Sealed, LakeError> {
        if self.torn {
            return Err(LakeError::Torn);
        }
        let mut ids = ShownIds::default();
        let rows = match self.fetch.mode {
            FetchMode::Delta { .. }
                if self.runs.is_empty() && self.waiting_bytes <= SHARED_BYTES =>
            {
                let batches = std::mem::take(&mut self.waiting);
                FetchedRows::Shared(on_cpu(move || Sorted::new(batches).into_batches()).await??)
            }
            _ => {
                let (partition, waiting) = (self.partition(), std::mem::take(&mut self.waiting));
                self.runs
                    .add_last(waiting, partition.clone(), &self.place)
                    .await?;
                self.runs.drop_older_observations(&partition).await?;
                let files;
                (files, ids) = self.runs.take_files();
                FetchedRows::Files(files)
            }
        };
        // Committed before the bases move. After that no fetch would ask Kombo for these rows again.
        self.upload_quarantine().await?;
        let (first, last) = self.observed.unzip();
        let replaces = self.committer.replaces();
        let history = SnapshotHistory::new(first.unwrap_or(end.seen));
        let fence = Fence {
            start: self.start,
            base: end.base,
            tiers: self.fetch.mode.moves().collect(),
            seen: last.map_or(end.seen, |last| last.max(end.seen)),
            first: first.filter(|_| !replaces),
            history: replaces.then_some(history),
        };
        let finished = FinishedFetch { fence, rows };
        Ok(Sealed {
            intake: self.intake,
            committer: self.committer,
            endpoint: self.endpoint,
            finished,
            replaced: self.replaced,
            ids,
            compared: Arc::default(),
        })
    }

    /// Makes all rows visible in one step, together with the bases that the fetch moves, or changes nothing.
    ///
    /// A crash before the log entry leaves unreferenced files, and rows in the quarantine that the next fetch stores
    /// there again. A crash after the log entry leaves a complete commit; only its receipt is lost.
    pub async fn commit(self, end: FetchEnd) -> Result<Receipt, LakeError> {
        self.seal(end).await?.commit().await
    }

    fn observe(&mut self, batch: &RecordBatch) {
        let times = times(batch).unwrap_or_default().iter().copied();
        let times = times.map(ObservedAt::from_micros);
        let (first, last) = self.observed.unzip();
        let first = first.into_iter().chain(times.clone()).min();
        let last = last.into_iter().chain(times).max();
        self.observed = first.zip(last);
    }

    /// Checks that all rows are of this integration. Rows of another integration must not get this integration's key,
    /// whatever mixed them up.
    fn check(&self, batch: &RecordBatch) -> Result<(), LakeError> {
        let table = || self.committer.table.name.to_string();
        if batch.schema().fields() != self.endpoint.schema().fields() {
            return Err(LakeError::Columns { table: table() });
        }
        let integration = &self.fetch.table.integration;
        let all_are = |column: SystemColumn, expected: &str| {
            let values = batch.column(column.position()).as_string::<i32>();
            (0..values.len()).all(|row| values.value(row) == expected)
        };
        let ours = all_are(SystemColumn::IntegrationKey, self.start.key.as_str())
            && all_are(SystemColumn::IntegrationId, integration.as_str());
        if ours {
            Ok(())
        } else {
            Err(LakeError::ForeignRows { table: table() })
        }
    }

    /// Returns the partition of new files. The day is the day of the upload. The day only names the folder; the rows
    /// may become visible later.
    fn partition(&self) -> Partition {
        match self.fetch.mode {
            FetchMode::Snapshot => of_integration(&self.start.key),
            FetchMode::Delta { .. } => of_day(self.committer.table.today()),
        }
    }

    async fn upload_quarantine(&mut self) -> Result<(), LakeError> {
        let rows = std::mem::take(&mut self.quarantined);
        if rows.is_empty() {
            return Ok(());
        }
        self.torn = true;
        quarantine::commit(&self.intake.tables, &self.fetch, rows).await?;
        self.torn = false;
        Ok(())
    }

    async fn upload_run(&mut self) -> Result<(), LakeError> {
        let batches = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if batches.is_empty() {
            return Ok(());
        }
        self.torn = true;
        let run_bytes = self
            .place
            .run_bytes(self.intake.tables.settings.run_bytes.get());
        let partition = self.partition();
        self.runs
            .add(batches, partition, run_bytes, &self.place)
            .await?;
        self.torn = false;
        Ok(())
    }
}
