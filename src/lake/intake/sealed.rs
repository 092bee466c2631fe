//! A whole fetch on its way into the lake: all of it is there, nothing of it is visible.

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
use crate::ids::IntegrationKey;
use crate::lake::conform::conform;
use crate::lake::intake::FetchIntake;
use crate::lake::intake::committer::Committer;
use crate::lake::intake::comparison::{Comparison, Keep, Sampled, Shown, ShownIds};
use crate::lake::intake::known_sources::{KnownSources, is_taken_over};
use crate::lake::intake::pending_fetch::{FetchedRows, FinishedFetch};
use crate::lake::intake::runs::hash;
use crate::lake::layout::LakeTable;
use crate::lake::{LakeError, SnapshotHistory};
use crate::sink::{MissingRows, Provenance, Receipt};

/// A whole fetch that only waits for its log entry, and holds next to no memory.
pub struct Sealed {
    pub(in crate::lake) intake: Arc<FetchIntake>,
    pub(in crate::lake) committer: Arc<Committer>,
    pub(in crate::lake) endpoint: Arc<Endpoint>,
    pub(in crate::lake) finished: FinishedFetch,
    /// What the snapshot says that a snapshot replaces.
    pub(in crate::lake) replaced: Option<SnapshotHistory>,
    /// Of a snapshot's rows: 8 bytes a row, until it is committed.
    pub(in crate::lake) ids: ShownIds,
    /// Of the rows that it shows as deleted, the ones that the last comparison found known as present, ascending.
    pub(in crate::lake) compared: Arc<Vec<u64>>,
}

impl Sealed {
    /// Returns what the lake knows of the table that it replaces; `None` for a delta.
    pub(in crate::lake) async fn known(&self) -> Result<Option<KnownSources>, LakeError> {
        if !self.committer.replaces() {
            return Ok(None);
        }
        let known = KnownSources::of(&self.intake.tables, &self.endpoint, self.key()).await;
        known.map(Some)
    }

    /// Returns what a snapshot shows that is committed after one with this history.
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

    /// Returns the paths of the files that it has for itself.
    pub(in crate::lake) fn paths(&self) -> impl Iterator<Item = &str> {
        let files = match &self.finished.rows {
            FetchedRows::Files(files) => &files[..],
            FetchedRows::Shared(_) => &[],
        };
        files.iter().map(|file| file.add.path.as_str())
    }

    /// Returns whether `current` has all that the snapshot saw that this one replaces.
    pub(in crate::lake) async fn is_taken_over(&self) -> Result<bool, LakeError> {
        let start = &self.finished.fence.start;
        let tables = &self.intake.tables;
        is_taken_over(tables, &self.endpoint, &start.key, start.seen).await
    }

    pub(in crate::lake) fn key(&self) -> &IntegrationKey {
        self.finished.key()
    }

    /// Remembers earlier looks, as long as the snapshots since then are folded into `current`. Else a row may have
    /// been seen lately, and nobody knows of it any more: the looks begin anew.
    async fn remember_looks(&mut self) {
        let Some(replaced) = self.replaced.filter(|_| self.committer.replaces()) else {
            return;
        };
        // What cannot be read is not taken over, as far as anybody knows.
        let is_taken_over = self.is_taken_over().await.unwrap_or(false);
        let second_look = self.intake.tables.settings.guard.second_look;
        let history = self.finished.fence.history.as_mut();
        if let Some(history) = history.filter(|_| is_taken_over) {
            *history = history.following(Some(&replaced), second_look);
        }
    }

    /// Takes note of what is written beside a snapshot. Means nothing for a delta.
    pub fn note(&mut self, provenance: Provenance) {
        if let Some(history) = &mut self.finished.fence.history {
            *history = history.with(provenance);
        }
    }

    /// Makes the fetch visible, with others of its time.
    pub async fn commit(mut self) -> Result<Receipt, LakeError> {
        self.remember_looks().await;
        (self.ids, self.compared) = Default::default();
        let (intake, committer, key) = (self.intake, self.committer, self.finished.key().clone());
        let receipt = committer.commit(&intake.tasks, self.finished).await?;
        if let (LakeTable::Deltas(endpoint), Receipt::Committed { rows, .. }) =
            (&committer.table.name, &receipt)
        {
            intake.waiting.add(endpoint, &key, *rows);
        }
        Ok(receipt)
    }
}

/// What it lacks of what the lake knows, and what it shows as deleted.
impl Sealed {
    /// Compares it with what the lake knows. None for a delta.
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

    /// Sends those of these ids that an earlier snapshot lacks, too: those of one file at a time. Ends once nobody listens.
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
        // Nobody listens: nobody needs them.
        drop(ids.send(comparison.end().take_twice()).await);
        Ok(())
    }

    /// Sends its own rows that the last comparison found shown as deleted and known as present: those of one file at a time.
    /// Ends once nobody listens.
    pub async fn tombstones(&self, rows: mpsc::Sender<RecordBatch>) -> Result<(), LakeError> {
        if self.compared.is_empty() {
            return Ok(());
        }
        let (schema, key) = (self.endpoint.schema(), self.key());
        for path in self.paths() {
            let file = self.committer.table.files.read(path).await?;
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
        // A look that saw rows which were kept as they were is none that lacked them.
        snapshot.first_look = snapshot
            .first_look
            .filter(|first| known.kept < Some(*first));
        let mut comparison = Comparison::with(snapshot, keep);
        for file in &known.pending {
            comparison = comparison.read_pending(known, file).await?;
        }
        Ok(comparison)
    }
}

/// Returns the rows of a file that say that they are gone, of those whose ids have these hashes, ascending.
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
