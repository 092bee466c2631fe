//! What a new snapshot lacks of what the lake knows, and what it shows as deleted.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use fastrand::Rng;
use tokio::sync::mpsc;

use crate::catalog::SystemColumn;
use crate::delta::delta_error::DECODING;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::lake::LakeError;
use crate::lake::conform::conform;
use crate::lake::intake::comparison::{Comparison, Keep, Sampled};
use crate::lake::intake::known::Known;
use crate::lake::intake::runs::hash;
use crate::lake::intake::sealed::Sealed;
use crate::time::ObservedAt;

/// Ids that the lake knows of, as present, and that a staged snapshot lacks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// All of them, or a random sample of as many as were asked for; in a random order.
    pub ids: Vec<MissingId>,
    /// How many there are.
    pub total: u64,
    /// How many of those an earlier snapshot lacks, too, which began long enough before.
    pub lacked_twice: u64,
    /// How many more are known as present, and shown as deleted by the snapshot itself.
    pub shown: u64,
    /// The last `_fetched_at` in `deltas` when they were compared: whoever commits there later may bring one back.
    pub as_of: Option<ObservedAt>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq)]
pub struct MissingId {
    /// Kombo's id.
    pub id: String,
    /// When it was observed last.
    pub last_seen: ObservedAt,
    /// That was before an earlier snapshot began, which lacks it, too, and which began long enough before.
    pub lacked_twice: bool,
}

impl Missing {
    /// Returns whether there is nothing to look into and nothing to say again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0 && self.shown == 0
    }
}

impl fmt::Debug for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ids,
            total,
            lacked_twice,
            shown,
            ..
        } = self;
        let ids = ids.len();
        write!(
            f,
            "Missing({ids} of {total}, {lacked_twice} twice, {shown} shown)"
        )
    }
}

impl fmt::Debug for MissingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MissingId({:?})", self.last_seen)
    }
}

impl Sealed {
    /// Compares it with what the lake knows. None for a delta.
    pub async fn missing(&mut self, limit: usize, random: Rng) -> Result<Missing, LakeError> {
        self.compared = Arc::default();
        let Some(known) = self.known().await? else {
            return Ok(Missing::default());
        };
        let keep = Keep::Sample(Sampled::new(limit, random));
        let mut comparison = self.compare(&known, keep).await?;
        for file in known.files() {
            comparison = comparison.read(&file).await?;
        }
        let (missing, deleted) = comparison.end().into_missing();
        self.compared = Arc::new(deleted);
        Ok(Missing {
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

    async fn compare(&self, known: &Known, keep: Keep) -> Result<Comparison, LakeError> {
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
