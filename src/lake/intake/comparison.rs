//! Holds what is known against a new snapshot: what it lacks, and what it shows as deleted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use fastrand::Rng;

use crate::catalog::SystemColumn;
use crate::decode::{ObservedRow, observed_rows, texts};
use crate::delta::delta_error::DeltaError;
use crate::delta::file::data_files::on_cpu;
use crate::delta::file::writer::read;
use crate::delta::log::LiveFile;
use crate::ids::IntegrationKey;
use crate::lake::LakeError;
use crate::lake::intake::known_sources::{KnownSource, KnownSources};
use crate::lake::intake::runs::hash;
use crate::sample::Sample;
use crate::sink::{MissingRow, MissingRows};
use crate::time::ObservedAt;

/// The newest that is known of a row.
#[derive(Clone, Copy)]
struct Sighted {
    at: ObservedAt,
    is_there: bool,
}

impl From<&ObservedRow<'_>> for Sighted {
    fn from(row: &ObservedRow<'_>) -> Self {
        Self {
            at: row.at,
            is_there: row.is_there(),
        }
    }
}

/// The rows of a new snapshot, by the hashes of their ids, ascending within each run. Ids whose hash is shared with another
/// are taken for the same; of 64 bits that is one in billions of tables.
#[derive(Clone, Debug, Default)]
pub(in crate::lake) struct ShownIds {
    /// Rows that are there.
    pub(in crate::lake) present: Arc<Vec<Vec<u64>>>,
    /// Rows that it shows as deleted.
    pub(in crate::lake) deleted: Arc<Vec<Vec<u64>>>,
}

/// What a new snapshot shows, and since when.
pub(in crate::lake) struct Shown {
    pub(in crate::lake) ids: ShownIds,
    /// When it began.
    pub(in crate::lake) since: Option<ObservedAt>,
    /// What was seen last before this, an earlier snapshot lacked as well, which began long enough before.
    pub(in crate::lake) first_look: Option<ObservedAt>,
}

/// Holds what is known against a new snapshot, file by file.
pub(in crate::lake) struct Comparison {
    snapshot: Shown,
    pending: HashMap<String, Sighted>,
    /// Rows of the first source: what the second says of them is older.
    met: HashSet<u64>,
    keep: Keep,
}

/// What is wanted of the ids that are missing.
pub(in crate::lake) enum Keep {
    /// How many there are, and a sample of them.
    Sample(Sampled),
    /// Those that an earlier snapshot lacks, too, until they are taken.
    Twice(Vec<String>),
}

/// How many ids are missing, and a sample of them.
pub(in crate::lake) struct Sampled {
    missing: Sample<MissingRow>,
    lacked_twice: u64,
    /// Hashes of ids that are known as present and that the snapshot shows as deleted.
    deleted: Vec<u64>,
}

impl Sampled {
    pub(in crate::lake) fn new(limit: usize, random: Rng) -> Self {
        Self {
            missing: Sample::new(limit, random),
            lacked_twice: 0,
            deleted: Vec::new(),
        }
    }
}

impl Comparison {
    pub(in crate::lake) fn with(snapshot: Shown, keep: Keep) -> Self {
        Self {
            snapshot,
            pending: HashMap::new(),
            met: HashSet::new(),
            keep,
        }
    }

    /// Takes in a file of `deltas`; all of them come first.
    pub(in crate::lake) async fn read_pending(
        mut self,
        known: &KnownSources,
        file: &LiveFile,
    ) -> Result<Self, LakeError> {
        let bytes = known.deltas.files.read(&file.path).await?;
        let (key, position) = (known.key.clone(), known.position);
        on_cpu(move || {
            for batch in columns(bytes)? {
                self.meet_pending(&key, position, &batch?);
            }
            Ok(self)
        })
        .await?
    }

    /// Takes in a file that says what is known.
    pub(in crate::lake) async fn read(
        mut self,
        (source, file): (&KnownSource, &Arc<LiveFile>),
    ) -> Result<Self, LakeError> {
        let bytes = source.table.files.read(&file.path).await?;
        // `current` comes after a snapshot that it does not have yet.
        let is_first = !source.is_shown;
        on_cpu(move || {
            for batch in columns(bytes)? {
                self.meet(is_first, &batch?);
            }
            Ok(self)
        })
        .await?
    }

    /// Counts what only deltas know of.
    pub(in crate::lake) fn end(mut self) -> Self {
        for (id, newest) in std::mem::take(&mut self.pending) {
            self.decide(&id, newest);
        }
        self
    }

    /// Takes out what two snapshots lack and was not taken before.
    pub(in crate::lake) fn take_twice(&mut self) -> Vec<String> {
        match &mut self.keep {
            Keep::Sample(_) => Vec::new(),
            Keep::Twice(ids) => std::mem::take(ids),
        }
    }

    /// Returns what is missing, when that was asked for, and the hashes of what is shown as deleted, ascending.
    pub(in crate::lake) fn into_missing(self) -> (MissingRows, Vec<u64>) {
        let Keep::Sample(sampled) = self.keep else {
            return (MissingRows::default(), Vec::new());
        };
        let Sampled {
            missing,
            lacked_twice,
            mut deleted,
        } = sampled;
        deleted.sort_unstable();
        let missing = MissingRows {
            total: missing.met(),
            lacked_twice,
            shown: deleted.len() as u64,
            ids: missing.into_kept(),
            as_of: None,
        };
        (missing, deleted)
    }

    fn meet_pending(
        &mut self,
        key: &IntegrationKey,
        position: Option<ObservedAt>,
        batch: &RecordBatch,
    ) {
        let keys = texts(batch, SystemColumn::IntegrationKey.name()).expect("deltas have it");
        let rows = keys.iter().zip(observed_rows(batch));
        for (_, row) in rows.filter(|(whose, _)| *whose == Some(key.as_str())) {
            if Some(row.at) <= position || self.is_present(hash(row.id)) {
                continue;
            }
            let newest = Sighted::from(&row);
            let known = self.pending.entry(row.id.to_owned()).or_insert(newest);
            if newest.at > known.at {
                *known = newest;
            }
        }
    }

    fn meet(&mut self, is_first: bool, batch: &RecordBatch) {
        for row in observed_rows(batch) {
            let (id, mut newest) = (row.id, Sighted::from(&row));
            let hash = hash(id);
            if self.is_present(hash) || (!is_first && self.met.contains(&hash)) {
                continue;
            }
            if is_first {
                self.met.insert(hash);
            }
            if let Some(pending) = self.pending.remove(id)
                && pending.at >= newest.at
            {
                newest = pending;
            }
            self.decide(id, newest);
        }
    }

    fn is_present(&self, hash: u64) -> bool {
        is_in(&self.snapshot.ids.present, hash)
    }

    fn decide(&mut self, id: &str, newest: Sighted) {
        if !newest.is_there {
            return;
        }
        let shown = &self.snapshot;
        // What was seen since the snapshot began may have come back after its page was read.
        let is_shown = Some(newest.at) < shown.since && is_in(&shown.ids.deleted, hash(id));
        let lacked_twice = Some(newest.at) < shown.first_look;
        match &mut self.keep {
            Keep::Sample(sampled) if is_shown => sampled.deleted.push(hash(id)),
            Keep::Twice(_) if is_shown => {}
            Keep::Sample(sampled) => {
                sampled.lacked_twice += u64::from(lacked_twice);
                sampled.missing.offer(|| MissingRow {
                    id: id.to_owned(),
                    last_seen: newest.at,
                    lacked_twice,
                });
            }
            Keep::Twice(ids) if lacked_twice => ids.push(id.to_owned()),
            Keep::Twice(_) => {}
        }
    }
}

/// Each run ascends.
fn is_in(runs: &[Vec<u64>], hash: u64) -> bool {
    runs.iter().any(|run| run.binary_search(&hash).is_ok())
}

fn columns(
    file: Bytes,
) -> Result<impl Iterator<Item = Result<RecordBatch, DeltaError>>, DeltaError> {
    // Those without a column of this name have it in their path.
    let columns = [
        SystemColumn::IntegrationKey.name(),
        SystemColumn::Op.name(),
        SystemColumn::FetchedAt.name(),
        "id",
    ];
    read(file, &columns)
}
