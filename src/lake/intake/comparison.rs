//! Compares the known rows with a new snapshot: which rows the snapshot lacks, and which it shows as deleted.

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
use crate::lake::layout::key_of_file;
use crate::sample::Sample;
use crate::sink::{MissingRow, MissingRows};
use crate::time::ObservedAt;

/// The columns that decide. Files with the integration in their path do not have the key column.
const COLUMNS: &[&str] = &[
    SystemColumn::IntegrationKey.name(),
    SystemColumn::Op.name(),
    SystemColumn::FetchedAt.name(),
    "id",
];

/// The newest known observation of a row.
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

/// The rows of a new snapshot, as hashes of their ids, ascending within each run. Two ids with the same hash count as
/// the same id. With 64 bits that happens in one of billions of tables.
#[derive(Clone, Debug, Default)]
pub(in crate::lake) struct ShownIds {
    /// Rows that the snapshot shows as present.
    pub(in crate::lake) present: Arc<Vec<Vec<u64>>>,
    /// Rows that the snapshot shows as deleted.
    pub(in crate::lake) deleted: Arc<Vec<Vec<u64>>>,
}

/// The ids of a new snapshot, and when the snapshot began.
pub(in crate::lake) struct Shown {
    pub(in crate::lake) ids: ShownIds,
    /// When the snapshot began.
    pub(in crate::lake) since: Option<ObservedAt>,
    /// When an earlier snapshot began, long enough before this one. A row that was last seen before then was missing
    /// in both.
    pub(in crate::lake) first_look: Option<ObservedAt>,
}

/// Compares the known rows with a new snapshot, file by file.
pub(in crate::lake) struct Comparison {
    key: IntegrationKey,
    snapshot: Shown,
    pending: HashMap<String, Sighted>,
    /// Rows of the first source. The second source has only older observations of them.
    met: HashSet<u64>,
    keep: Keep,
}

/// Which of the missing ids to keep.
pub(in crate::lake) enum Keep {
    /// The number of missing ids, and a sample of them.
    Sample(Sampled),
    /// The ids that an earlier snapshot lacks too, until they are taken out.
    Twice(Vec<String>),
}

/// The number of missing ids, and a sample of them.
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
    pub(in crate::lake) fn with(key: &IntegrationKey, snapshot: Shown, keep: Keep) -> Self {
        Self {
            key: key.clone(),
            snapshot,
            pending: HashMap::new(),
            met: HashSet::new(),
            keep,
        }
    }

    /// Reads a file of `deltas`. All of these files come before the other sources.
    pub(in crate::lake) async fn read_pending(
        mut self,
        known: &KnownSources,
        file: &LiveFile,
    ) -> Result<Self, LakeError> {
        let bytes = known.deltas.files.read(&file.path).await?;
        let position = known.position;
        on_cpu(move || {
            for batch in columns(bytes)? {
                self.meet_pending(position, &batch?);
            }
            Ok(self)
        })
        .await?
    }

    /// Reads a file of a source with known rows.
    pub(in crate::lake) async fn read(
        mut self,
        (source, file): (&KnownSource, &Arc<LiveFile>),
    ) -> Result<Self, LakeError> {
        if key_of_file(file).is_none() {
            return self.read_shared(source, file).await;
        }
        let bytes = source.table.files.read(&file.path).await?;
        // `current` is the second source when a snapshot is not folded yet.
        let is_first = !source.is_shown;
        on_cpu(move || {
            for batch in columns(bytes)? {
                self.meet(is_first, &batch?);
            }
            Ok(self)
        })
        .await?
    }

    /// Reads the part of a file that may have rows of the integration. The file has rows of others, too.
    async fn read_shared(
        mut self,
        source: &KnownSource,
        file: &LiveFile,
    ) -> Result<Self, LakeError> {
        let (column, key) = (SystemColumn::IntegrationKey.name(), self.key.clone());
        let wanted = (column, key.as_str());
        let files = &source.table.files;
        let batches = files.read_where(&file.path, file.size, wanted, COLUMNS);
        for batch in &batches.await? {
            self.meet(!source.is_shown, batch);
        }
        Ok(self)
    }

    /// Decides on the rows that only deltas know.
    pub(in crate::lake) fn end(mut self) -> Self {
        for (id, newest) in std::mem::take(&mut self.pending) {
            self.decide(&id, newest);
        }
        self
    }

    /// Takes out the ids that two snapshots lack, without the ids taken out before.
    pub(in crate::lake) fn take_twice(&mut self) -> Vec<String> {
        match &mut self.keep {
            Keep::Sample(_) => Vec::new(),
            Keep::Twice(ids) => std::mem::take(ids),
        }
    }

    /// Returns the missing rows, if they were asked for, and the hashes of the rows shown as deleted, ascending.
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

    fn meet_pending(&mut self, position: Option<ObservedAt>, batch: &RecordBatch) {
        let is_ours = ours(batch, &self.key);
        let rows = observed_rows(batch).enumerate();
        for (_, row) in rows.filter(|(row, _)| is_ours(*row)) {
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
        let is_ours = ours(batch, &self.key);
        let rows = observed_rows(batch).enumerate();
        for (_, row) in rows.filter(|(row, _)| is_ours(*row)) {
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
        // A row that was seen after the snapshot began may have been restored after its page was read.
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

/// Returns which rows of a batch are of the integration. A batch without the key column has rows of one integration,
/// which its path names.
fn ours<'a>(batch: &'a RecordBatch, key: &IntegrationKey) -> impl Fn(usize) -> bool + use<'a> {
    let keys = texts(batch, SystemColumn::IntegrationKey.name());
    let key = key.clone();
    move |row| keys.is_none_or(|keys| keys.value(row) == key.as_str())
}

/// Returns whether one of the runs contains a hash. Each run is ascending.
fn is_in(runs: &[Vec<u64>], hash: u64) -> bool {
    runs.iter().any(|run| run.binary_search(&hash).is_ok())
}

fn columns(
    file: Bytes,
) -> Result<impl Iterator<Item = Result<RecordBatch, DeltaError>>, DeltaError> {
    read(file, COLUMNS)
}
