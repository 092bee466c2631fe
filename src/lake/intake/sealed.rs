//! A complete fetch on its way into the lake: all of its rows are on the store, and none is visible.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use fastrand::Rng;
use tokio::sync::mpsc;

use crate::catalog::Endpoint;
use crate::decode::{ObservedRow, observed_rows};
use crate::delta::delta_error::DECODING;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::delta::log::AddFile;
use crate::ids::IntegrationKey;
use crate::lake::conform::conform;
use crate::lake::intake::FetchIntake;
use crate::lake::intake::committer::Committer;
use crate::lake::intake::comparison::{Comparison, Keep, Sampled, Shown, ShownIds};
use crate::lake::intake::known_sources::{KnownSources, is_taken_over};
use crate::lake::intake::pending_fetch::{FetchedRows, FinishedFetch};
use crate::lake::intake::runs::hash;
use crate::lake::intake::staged_runs::says_upserts_only;
use crate::lake::layout::LakeTable;
use crate::lake::{LakeError, SnapshotHistory};
use crate::sink::{MissingRows, Provenance, Receipt};

/// A complete fetch that waits for its log entry. The waiting fetch needs little memory.
pub struct Sealed {
    pub(in crate::lake) intake: Arc<FetchIntake>,
    pub(in crate::lake) committer: Arc<Committer>,
    pub(in crate::lake) endpoint: Arc<Endpoint>,
    pub(in crate::lake) finished: FinishedFetch,
    /// The history of the snapshot that this snapshot replaces.
    pub(in crate::lake) replaced: Option<SnapshotHistory>,
    /// The ids of a snapshot's rows, 8 bytes per row, until the snapshot is committed.
    pub(in crate::lake) ids: ShownIds,
    /// Hashes of the rows that the snapshot shows as deleted and that the last comparison found known as present,
    /// ascending.
    pub(in crate::lake) compared: Arc<Vec<u64>>,
}

impl Sealed {
    /// Returns the lake's sources for the table that the snapshot replaces. `None` for a delta.
    pub(in crate::lake) async fn known(&self) -> Result<Option<KnownSources>, LakeError> {
        if !self.committer.replaces() {
            return Ok(None);
        }
        let known = KnownSources::of(&self.intake.tables, &self.endpoint, self.key()).await;
        known.map(Some)
    }

    /// Returns what the snapshot shows, if it follows a snapshot with the history `replaced`.
    fn shown(&self, replaced: Option<&SnapshotHistory>) -> Shown {
        let history = self.finished.fence.history;
        let second_look = self.intake.tables.settings.guard.second_look;
        let history = history.map(|history| history.following(replaced, second_look));
        Shown {
            ids: self.ids.clone(),
            since: history.map(|history| history.since),
            first_look: history.and_then(|history| history.first_look),
        }
    }

    /// Returns the files that hold rows of this fetch only.
    pub(in crate::lake) fn files(&self) -> impl Iterator<Item = &AddFile> {
        let files = match &self.finished.rows {
            FetchedRows::Files(files) => &files[..],
            FetchedRows::Shared(_) => &[],
        };
        files.iter().map(|file| &file.add)
    }

    /// Returns whether `current` has everything that the replaced snapshot saw.
    pub(in crate::lake) async fn is_taken_over(&self) -> Result<bool, LakeError> {
        let start = &self.finished.fence.start;
        let tables = &self.intake.tables;
        is_taken_over(tables, &self.endpoint, &start.key, start.seen).await
    }

    pub(in crate::lake) fn key(&self) -> &IntegrationKey {
        self.finished.key()
    }

    /// Keeps the memory of earlier checks, if the snapshots since then are folded into `current`. Otherwise a row may
    /// have been seen recently without any record of it, so the checks start again.
    async fn remember_looks(&mut self) {
        let Some(replaced) = self.replaced.filter(|_| self.committer.replaces()) else {
            return;
        };
        // A table that cannot be read counts as not taken over.
        let is_taken_over = self.is_taken_over().await.unwrap_or(false);
        let second_look = self.intake.tables.settings.guard.second_look;
        let history = self.finished.fence.history.as_mut();
        if let Some(history) = history.filter(|_| is_taken_over) {
            *history = history.following(Some(&replaced), second_look);
        }
    }

    /// Adds values to the history that is stored beside a snapshot. Does nothing for a delta.
    pub fn note(&mut self, provenance: Provenance) {
        if let Some(history) = &mut self.finished.fence.history {
            *history = history.with(provenance);
        }
    }

    /// Commits the fetch, together with other waiting fetches.
    pub async fn commit(mut self) -> Result<Receipt, LakeError> {
        self.remember_looks().await;
        (self.ids, self.compared) = Default::default();
        let (intake, committer, key) = (self.intake, self.committer, self.finished.key().clone());
        let receipt = intake.commit(&committer, self.finished).await?;
        if let (LakeTable::Deltas(endpoint), Receipt::Committed { rows, .. }) =
            (&committer.table.name, &receipt)
        {
            intake.waiting.add(endpoint, &key, *rows);
        }
        Ok(receipt)
    }
}

/// Comparison with the known rows: rows that the snapshot lacks, and rows that it shows as deleted.
impl Sealed {
    /// Returns the known rows that the snapshot lacks. Empty for a delta.
    pub async fn missing(&mut self, limit: usize, random: Rng) -> Result<MissingRows, LakeError> {
        self.compared = Arc::default();
        let Some(known) = self.known().await? else {
            return Ok(MissingRows::default());
        };
        let keep = Keep::Sample(Sampled::new(limit, random));
        let mut comparison = self.compare(&known, keep).await?;
        for file in known.files() {
            comparison = comparison.read(file).await?;
        }
        let (missing, deleted) = comparison.end().into_missing();
        self.compared = Arc::new(deleted);
        Ok(MissingRows {
            as_of: known.deltas_seen,
            ..missing
        })
    }

    /// Sends the missing ids that an earlier snapshot lacks too, file by file. Ends when the receiver is dropped.
    pub async fn lacked_twice(&self, ids: mpsc::Sender<Vec<String>>) -> Result<(), LakeError> {
        let Some(known) = self.known().await? else {
            return Ok(());
        };
        let mut comparison = self.compare(&known, Keep::Twice(Vec::new())).await?;
        for file in known.files() {
            comparison = comparison.read(file).await?;
            if ids.send(comparison.take_twice()).await.is_err() {
                return Ok(());
            }
        }
        // The receiver is dropped when it needs no more ids.
        drop(ids.send(comparison.end().take_twice()).await);
        Ok(())
    }

    /// Sends the snapshot's own rows that are shown as deleted and that the last comparison found known as present,
    /// file by file. Ends when the receiver is dropped.
    pub async fn tombstones(&self, rows: mpsc::Sender<RecordBatch>) -> Result<(), LakeError> {
        if self.compared.is_empty() {
            return Ok(());
        }
        let (schema, key) = (self.endpoint.schema(), self.key());
        let mixed = self.files().filter(|file| !says_upserts_only(&file.tags));
        for file in mixed {
            let file = self.committer.table.files.read(&file.path).await?;
            let deleted = Arc::clone(&self.compared);
            let found = on_cpu(move || deleted_rows(file, &deleted)).await??;
            for batch in found {
                let batch = conform(&batch, &schema, key.as_str())?;
                if rows.send(batch).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn compare(&self, known: &KnownSources, keep: Keep) -> Result<Comparison, LakeError> {
        let mut snapshot = self.shown(known.history.as_ref());
        // A check does not count as first check if rows were kept as they were at or after it: that full fetch saw
        // these rows.
        snapshot.first_look = snapshot
            .first_look
            .filter(|first| known.kept < Some(*first));
        let mut comparison = Comparison::with(self.key(), snapshot, keep);
        for file in &known.pending {
            comparison = comparison.read_pending(known, file).await?;
        }
        Ok(comparison)
    }
}

/// Returns the deleted rows of a file with one of these id hashes, which are ascending.
fn deleted_rows(file: Bytes, hashes: &[u64]) -> Result<Vec<RecordBatch>, LakeError> {
    let mut found = Vec::new();
    for batch in read(file, &[])? {
        let batch = batch?;
        let is_wanted =
            |row: ObservedRow<'_>| !row.is_there() && hashes.binary_search(&hash(row.id)).is_ok();
        let wanted = observed_rows(&batch).map(|row| Some(is_wanted(row)));
        let wanted: BooleanArray = wanted.collect();
        if wanted.true_count() > 0 {
            found.push(filter_record_batch(&batch, &wanted).map_err(|_| DECODING)?);
        }
    }
    Ok(found)
}
