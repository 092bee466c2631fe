//! The files of a running fetch: each run of rows becomes a sorted file as soon as the run is full.
//!
//! A snapshot that needs more than one file keeps the rows that are not upserts (deleted or absent) apart, in files of
//! their own. So whoever needs the rows that exist takes the other files as they are. Each file without such rows says
//! so in its add action, with the tag [`UPSERTS_ONLY`].

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;

use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::{Written, on_cpu};
use crate::delta::file::writer::decoded_bytes;
use crate::delta::object_key::Partition;
use crate::lake::intake::comparison::ShownIds;
use crate::lake::intake::runs::{CONTEST_IDS, Contest, Sorted, repeated};
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

/// A run before it is written.
struct SortedRun {
    rows: Sorted,
    hashes: Vec<u64>,
    gone: Vec<u64>,
}

impl SortedRun {
    fn new(rows: Sorted) -> Self {
        Self {
            hashes: rows.id_hashes(),
            gone: rows.gone_hashes(),
            rows,
        }
    }
}

impl StagedRuns {
    pub(super) fn new(table: OpenTable, is_snapshot: bool) -> Self {
        Self {
            table,
            is_snapshot,
            runs: Vec::new(),
            apart: Vec::new(),
            apart_bytes: 0,
        }
    }

    /// Returns whether no row was added.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.apart.is_empty()
    }

    /// Writes a full run. Rows that are not upserts wait until they fill half a run, so that they take less memory than
    /// the run that is gathered meanwhile.
    pub(super) async fn add(
        &mut self,
        rows: Vec<RecordBatch>,
        partition: Partition,
        run_bytes: usize,
    ) -> Result<(), DeltaError> {
        if !self.is_snapshot {
            return self.write(rows, partition).await;
        }
        let (run, apart, bytes) = on_cpu(move || {
            let mut sorted = Sorted::new(rows);
            let apart = sorted.split_off_gone()?;
            let bytes: usize = apart.iter().map(decoded_bytes).sum();
            Ok::<_, DeltaError>((SortedRun::new(sorted), apart, bytes))
        })
        .await??;
        self.apart.extend(apart);
        self.apart_bytes += bytes;
        self.write_run(run, partition.clone()).await?;
        if self.apart_bytes >= run_bytes / 2 {
            self.write_apart(partition).await?;
        }
        Ok(())
    }

    /// Writes the last rows. A snapshot that fits in one file stays one file.
    pub(super) async fn add_last(
        &mut self,
        rows: Vec<RecordBatch>,
        partition: Partition,
    ) -> Result<(), DeltaError> {
        if self.is_empty() {
            return self.write(rows, partition).await;
        }
        self.add(rows, partition.clone(), usize::MAX).await?;
        self.write_apart(partition).await
    }

    async fn write_apart(&mut self, partition: Partition) -> Result<(), DeltaError> {
        self.apart_bytes = 0;
        let apart = std::mem::take(&mut self.apart);
        self.write(apart, partition).await
    }

    async fn write(
        &mut self,
        rows: Vec<RecordBatch>,
        partition: Partition,
    ) -> Result<(), DeltaError> {
        let run = on_cpu(move || SortedRun::new(Sorted::new(rows))).await?;
        self.write_run(run, partition).await
    }

    async fn write_run(&mut self, run: SortedRun, partition: Partition) -> Result<(), DeltaError> {
        let SortedRun { rows, hashes, gone } = run;
        let bytes_per_row = rows.bytes_per_row();
        let files = &self.table.files;
        let written = files.write(move |form| rows.encode(form), partition).await;
        if let Some(mut written) = written? {
            if self.is_snapshot && gone.is_empty() {
                let tag = (UPSERTS_ONLY.to_owned(), YES.to_owned());
                written.add.tags.extend([tag]);
            }
            self.runs.push(Run {
                written,
                hashes,
                gone,
                bytes_per_row,
            });
        }
        Ok(())
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
