//! The files of a running fetch: each run of rows becomes a sorted file as soon as the run is full.
//!
//! A run is sorted, encoded and uploaded by a task of its own, while the next rows are received and decoded. At most one
//! run is on this way at a time, so a fetch holds at most one run and the rows that are gathered meanwhile.
//!
//! A snapshot that needs more than one file keeps the rows that are not upserts (deleted or absent) apart, in files of
//! their own. So whoever needs the rows that exist takes the other files as they are. Each file without such rows says
//! so in its add action, with the tag [`UPSERTS_ONLY`].

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;
use tokio::task::JoinSet;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{Written, on_cpu};
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::file::writer::EncodedFile;
use crate::delta::object_key::Partition;
use crate::lake::intake::comparison::ShownIds;
use crate::lake::intake::contest::{CONTEST_IDS, Contest};
use crate::lake::intake::row_room::RowPlace;
use crate::lake::intake::runs::{Sorted, repeated};
use crate::lake::tables::OpenTable;

/// The tag of a file of `snapshots` whose rows are all upserts.
const UPSERTS_ONLY: &str = "kombo.upserts_only";

/// The value of [`UPSERTS_ONLY`]. Files with other rows lack the tag.
const YES: &str = "true";

/// Returns whether the tags of a file of `snapshots` say that every row of the file is an upsert. Files of versions
/// before the tag lack it.
pub(in crate::lake) fn says_upserts_only(tags: &BTreeMap<String, String>) -> bool {
    tags.get(UPSERTS_ONLY).is_some_and(|value| value == YES)
}

/// The files of one fetch. No log entry names them yet.
pub(super) struct StagedRuns {
    table: OpenTable,
    is_snapshot: bool,
    runs: Vec<Run>,
    /// The rows of the written runs that are not upserts and are in no file yet. Always empty for a delta.
    apart: Vec<RecordBatch>,
    apart_bytes: usize,
    /// The run that is on its way to the store. Ends with this value.
    writing: JoinSet<Result<WrittenRun, DeltaError>>,
}

/// A run whose rows are on the store, except those that are kept apart.
struct WrittenRun {
    run: Option<Run>,
    apart: Vec<RecordBatch>,
    apart_bytes: usize,
}

/// A sorted part of the rows, in a file.
struct Run {
    written: Written,
    /// Hashes of the ids, ascending.
    hashes: Vec<u64>,
    /// Hashes of the ids of deleted or absent rows, ascending. Part of `hashes`.
    gone: Vec<u64>,
    bytes_per_row: usize,
}

/// Which rows of a run go into its file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// All rows.
    AllRows,
    /// The upserts. The other rows are kept apart.
    Upserts,
}

impl StagedRuns {
    pub(super) fn new(table: OpenTable, is_snapshot: bool) -> Self {
        Self {
            table,
            is_snapshot,
            runs: Vec::new(),
            apart: Vec::new(),
            apart_bytes: 0,
            writing: JoinSet::new(),
        }
    }

    /// Returns whether no row was added.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.apart.is_empty() && self.writing.is_empty()
    }

    /// Returns whether a run is on its way.
    pub(super) fn is_writing(&self) -> bool {
        !self.writing.is_empty()
    }

    /// Begins to write a full run, once the run before it is written. Rows that are not upserts wait until they fill
    /// half a run, so that they take less memory than the run that is gathered meanwhile.
    pub(super) async fn add(
        &mut self,
        rows: Vec<RecordBatch>,
        partition: Partition,
        run_bytes: usize,
        place: &RowPlace,
    ) -> Result<(), DeltaError> {
        self.settle().await?;
        if self.apart_bytes >= run_bytes / 2 {
            self.write_apart(partition.clone(), place).await?;
        }
        let content = if self.is_snapshot {
            Content::Upserts
        } else {
            Content::AllRows
        };
        self.begin(rows, content, partition, place);
        Ok(())
    }

    /// Writes the last rows. A snapshot that fits in one file stays one file.
    pub(super) async fn add_last(
        &mut self,
        rows: Vec<RecordBatch>,
        partition: Partition,
        place: &RowPlace,
    ) -> Result<(), DeltaError> {
        if self.is_empty() {
            self.begin(rows, Content::AllRows, partition, place);
            return self.settle().await;
        }
        self.add(rows, partition.clone(), usize::MAX, place).await?;
        self.settle().await?;
        self.write_apart(partition, place).await
    }

    /// Waits until all runs are written. After an error rows are missing.
    pub(super) async fn settle(&mut self) -> Result<(), DeltaError> {
        while let Some(ended) = self.writing.join_next().await {
            let written = match ended {
                Ok(written) => written?,
                Err(stopped) if stopped.is_panic() => {
                    std::panic::resume_unwind(stopped.into_panic())
                }
                // The runtime is shutting down.
                Err(_) => return Err(DeltaError::Closed),
            };
            self.runs.extend(written.run);
            self.apart.extend(written.apart);
            self.apart_bytes += written.apart_bytes;
        }
        Ok(())
    }

    async fn write_apart(
        &mut self,
        partition: Partition,
        place: &RowPlace,
    ) -> Result<(), DeltaError> {
        place.hold(std::mem::take(&mut self.apart_bytes));
        let apart = std::mem::take(&mut self.apart);
        self.begin(apart, Content::AllRows, partition, place);
        self.settle().await
    }

    fn begin(
        &mut self,
        rows: Vec<RecordBatch>,
        content: Content,
        partition: Partition,
        place: &RowPlace,
    ) {
        if !rows.is_empty() {
            let (table, tagged) = (self.table.clone(), self.is_snapshot);
            let held = place.hand_over(rows.iter().map(decoded_bytes).sum());
            let turn = place.turn();
            self.writing.spawn(async move {
                let turn = turn.await;
                let encoded = encoded(&table, rows, content).await?;
                // Other fetches may gather and encode rows while this one uploads.
                drop((turn, held));
                encoded.uploaded(&table, partition, tagged).await
            });
        }
    }

    /// Keeps one row per id over all runs: the latest observation. The files that hold older ones are written again.
    pub(super) async fn drop_older_observations(
        &mut self,
        partition: &Partition,
    ) -> Result<(), DeltaError> {
        let hashes: Vec<&[u64]> = self.runs.iter().map(|run| run.hashes.as_slice()).collect();
        let repeated = repeated(&hashes);
        let concerned: Vec<usize> = (0..self.runs.len())
            .filter(|run| intersects(&self.runs[*run].hashes, &repeated))
            .collect();
        let mut losers: HashMap<usize, Vec<usize>> = HashMap::new();
        for part in repeated.chunks(CONTEST_IDS) {
            let mut contest = Contest::over(part);
            for run in &concerned {
                let run = *run;
                let file = self.read(run).await?;
                contest = on_cpu(move || contest.enter(run, file)).await??;
            }
            for (run, row) in contest.losers() {
                losers.entry(run).or_default().push(row);
            }
        }
        for (run, mut rows) in losers {
            rows.sort_unstable();
            self.rewrite(run, rows, partition.clone()).await?;
        }
        self.runs.retain(|run| run.written.rows > 0);
        Ok(())
    }

    /// Takes the files, and the ids of the rows in them.
    pub(super) fn take_files(&mut self) -> (Vec<Written>, ShownIds) {
        let (mut present, mut deleted, mut files) = (Vec::new(), Vec::new(), Vec::new());
        for run in std::mem::take(&mut self.runs) {
            present.push(without(run.hashes, &run.gone));
            deleted.push(run.gone);
            files.push(run.written);
        }
        let ids = ShownIds {
            present: present.into(),
            deleted: deleted.into(),
        };
        (files, ids)
    }

    async fn read(&self, run: usize) -> Result<bytes::Bytes, DeltaError> {
        let path = &self.runs[run].written.add.path;
        self.table.files.read(path).await
    }

    /// Writes a run's file again without the rows `losers`. The older file stays unreferenced. A file of upserts stays
    /// one.
    async fn rewrite(
        &mut self,
        run: usize,
        losers: Vec<usize>,
        partition: Partition,
    ) -> Result<(), DeltaError> {
        let run = &mut self.runs[run];
        let files = &self.table.files;
        let rewritten = files
            .write_without(&run.written, losers, run.bytes_per_row, partition)
            .await?;
        match rewritten {
            Some(mut written) => {
                written.add.tags.clone_from(&run.written.add.tags);
                run.written = written;
            }
            None => run.written.rows = 0,
        }
        Ok(())
    }
}

/// A run that is encoded and not uploaded.
struct EncodedRun {
    file: Option<EncodedFile>,
    /// Hashes of all ids, and of the ids of rows that do not exist.
    hashes: (Vec<u64>, Vec<u64>),
    bytes_per_row: usize,
    apart: Vec<RecordBatch>,
}

/// Sorts and encodes rows. Rows that do not go into the file are kept apart.
async fn encoded(
    table: &OpenTable,
    rows: Vec<RecordBatch>,
    content: Content,
) -> Result<EncodedRun, DeltaError> {
    let form = table.files.form.clone();
    on_cpu(move || {
        let mut sorted = Sorted::new(rows);
        let apart = match content {
            Content::AllRows => Vec::new(),
            Content::Upserts => sorted.split_off_gone()?,
        };
        Ok(EncodedRun {
            hashes: (sorted.id_hashes(), sorted.gone_hashes()),
            bytes_per_row: sorted.bytes_per_row(),
            file: sorted.encode(&form)?,
            apart,
        })
    })
    .await?
}

impl EncodedRun {
    /// Uploads the file. `tagged` says whether the file says that all of its rows exist.
    async fn uploaded(
        self,
        table: &OpenTable,
        partition: Partition,
        tagged: bool,
    ) -> Result<WrittenRun, DeltaError> {
        let (hashes, gone) = self.hashes;
        let file = table.files.put(self.file, partition).await?;
        let run = file.map(|mut written| {
            if tagged && gone.is_empty() {
                let tag = (UPSERTS_ONLY.to_owned(), YES.to_owned());
                written.add.tags.extend([tag]);
            }
            Run {
                written,
                hashes,
                gone,
                bytes_per_row: self.bytes_per_row,
            }
        });
        Ok(WrittenRun {
            run,
            apart_bytes: self.apart.iter().map(decoded_bytes).sum(),
            apart: self.apart,
        })
    }
}

/// Removes the hashes in `gone`. Both lists are ascending.
fn without(mut hashes: Vec<u64>, gone: &[u64]) -> Vec<u64> {
    if !gone.is_empty() {
        hashes.retain(|hash| gone.binary_search(hash).is_err());
    }
    hashes
}

/// Returns whether two ascending lists have a hash in common.
fn intersects(hashes: &[u64], repeated: &[u64]) -> bool {
    let (few, many) = if hashes.len() < repeated.len() {
        (hashes, repeated)
    } else {
        (repeated, hashes)
    };
    few.iter().any(|hash| many.binary_search(hash).is_ok())
}
