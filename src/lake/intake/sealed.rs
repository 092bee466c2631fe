//! A whole fetch on its way into the lake: all of it is there, nothing of it is visible.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use fastrand::Rng;
use tokio::sync::mpsc;

use crate::catalog::{Endpoint, SystemColumn};
use crate::delta::delta_error::DECODING;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::ids::IntegrationKey;
use crate::lake::conform::conform;
use crate::lake::intake::committer::Committer;
use crate::lake::intake::comparison::{Comparison, Keep, Sampled, Shown};
use crate::lake::intake::known_sources::{KnownSources, is_taken_over};
use crate::lake::intake::pending_fetch::{FetchedRows, FinishedFetch};
use crate::lake::intake::runs::hash;
use crate::lake::layout::LakeTable;
use crate::lake::{Lake, LakeError, SnapshotFacts};
use crate::sink::{MissingRows, Provenance, Receipt};

/// A whole fetch that only waits for its log entry, and holds next to no memory.
pub struct Sealed {
    pub(in crate::lake) lake: Lake,
    pub(in crate::lake) committer: Arc<Committer>,
    pub(in crate::lake) endpoint: Arc<Endpoint>,
    pub(in crate::lake) finished: FinishedFetch,
    /// What the snapshot says that a snapshot replaces.
    pub(in crate::lake) replaced: Option<SnapshotFacts>,
    /// Hashes of the ids of a snapshot's rows that are there, ascending within each run: 8 bytes a row, until it is
    /// committed.
    pub(in crate::lake) present: Arc<Vec<Vec<u64>>>,
    /// Those of rows that it shows as deleted.
    pub(in crate::lake) deleted: Arc<Vec<Vec<u64>>>,
    /// Of those, the ones that the last comparison found known as present, ascending.
    pub(in crate::lake) compared: Arc<Vec<u64>>,
}

impl Sealed {
    /// Returns what the lake knows of the table that it replaces; `None` for a delta.
    pub(in crate::lake) async fn known(&self) -> Result<Option<KnownSources>, LakeError> {
        if !self.committer.replaces() {
            return Ok(None);
        }
        let known = KnownSources::of(&self.lake, &self.endpoint, self.key()).await;
        known.map(Some)
    }

    /// Returns what a snapshot shows that is committed after one of which these are the facts.
    pub(in crate::lake) fn shown(&self, replaced: Option<&SnapshotFacts>) -> Shown {
        let facts = self.finished.fence.facts;
        let second_look = self.lake.settings().guard.second_look;
        let facts = facts.map(|facts| facts.following(replaced, second_look));
        Shown {
            present: Arc::clone(&self.present),
            deleted: Arc::clone(&self.deleted),
            since: facts.map(|facts| facts.since),
            first_look: facts.and_then(|facts| facts.first_look),
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

    /// Sees to it that `current` has all that the snapshot saw that this one replaces: rows that this one lacks and that are
    /// not confirmed to be gone would be nowhere else. Fails when the table cannot be folded.
    pub async fn take_over(&self) -> Result<(), LakeError> {
        if self.committer.replaces() && !self.is_taken_over().await? {
            let only = [self.key().clone()].into_iter().collect();
            let settings = self.lake.settings().fold.at_full_speed();
            // Boxed: it would make the future of every fetch larger.
            let folded = Box::pin(self.lake.fold(&self.endpoint, Some(&only), &settings)).await?;
            let aside = folded.aside.into_iter().map(|aside| aside.error).next();
            if let Some(error) = folded.stopped.or(aside) {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn is_taken_over(&self) -> Result<bool, LakeError> {
        let start = &self.finished.fence.start;
        is_taken_over(&self.lake, &self.endpoint, start.key(), start.seen()).await
    }

    pub(in crate::lake) fn key(&self) -> &IntegrationKey {
        self.finished.fence.start.key()
    }

    /// Remembers earlier looks, as long as the snapshots since then are folded into `current`. Else a row may have
    /// been seen lately, and nobody knows of it any more: the looks begin anew.
    async fn remember_looks(&mut self) {
        let Some(replaced) = self.replaced.filter(|_| self.committer.replaces()) else {
            return;
        };
        // What cannot be read is not taken over, as far as anybody knows.
        let is_taken_over = self.is_taken_over().await.unwrap_or(false);
        let second_look = self.lake.settings().guard.second_look;
        let facts = self.finished.fence.facts.as_mut();
        if let Some(facts) = facts.filter(|_| is_taken_over) {
            *facts = facts.following(Some(&replaced), second_look);
        }
    }

    /// Takes note of what is written beside a snapshot. Means nothing for a delta.
    pub fn note(&mut self, provenance: Provenance) {
        if let Some(facts) = &mut self.finished.fence.facts {
            *facts = facts.with(provenance);
        }
    }

    /// Makes the fetch visible, with others of its time.
    pub async fn commit(mut self) -> Result<Receipt, LakeError> {
        self.remember_looks().await;
        let key = self.key().clone();
        let Self {
            lake,
            committer,
            finished,
            present,
            deleted,
            compared,
            ..
        } = self;
        drop((present, deleted, compared));
        let receipt = committer.commit(lake.tasks(), finished).await?;
        if let (LakeTable::Deltas(endpoint), Receipt::Committed { rows, .. }) =
            (&committer.table.name, &receipt)
        {
            lake.waiting_rows().add(endpoint, &key, *rows);
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
            comparison = comparison.read(&file).await?;
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
            comparison = comparison.read(&file).await?;
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
        let mut snapshot = self.shown(known.facts.as_ref());
        // A look that saw rows which were kept as they were is none that lacked them.
        snapshot.first_look = snapshot
            .first_look
            .filter(|first| known.kept < Some(*first));
        let mut comparison = Comparison::with(snapshot, keep);
        for file in known.pending() {
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
        let text = |name| {
            let column = batch.column_by_name(name).expect("every data file has it");
            column.as_string::<i32>()
        };
        let (ids, ops) = (text("id"), text(SystemColumn::Op.name()));
        let wanted: BooleanArray = (0..batch.num_rows())
            .map(|row| {
                let is_gone = ops.value(row) != "upsert";
                Some(is_gone && hashes.binary_search(&hash(ids.value(row))).is_ok())
            })
            .collect();
        if wanted.true_count() > 0 {
            found.push(filter_record_batch(&batch, &wanted).map_err(|_| DECODING)?);
        }
    }
    Ok(found)
}
