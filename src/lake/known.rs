//! What the lake knows of one integration's rows of an endpoint: the newest observation of each, wherever it is.
//!
//! `current` knows every row that was not seen to be removed. It knows less than the live snapshot until that is folded,
//! and less than `deltas` until those are. So a row is looked up in a live snapshot that is not folded yet, else in
//! `current`, and in what came to `deltas` since. Files are read one at a time; in memory are the ids of those deltas, and
//! 8 bytes for a row of a live snapshot that is not folded yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;

use super::committer::Committer;
use super::data_files::on_cpu;
use super::fold::Positions;
use super::layout::Partition;
use super::log::{LiveFile, LogState};
use super::missing::{Missing, MissingId};
use super::runs::hash;
use super::txns::TableTxns;
use super::writer::read;
use super::{Lake, LakeError, Part, SnapshotFacts};
use crate::catalog::{Endpoint, SystemColumn};
use crate::ids::IntegrationKey;
use crate::time::ObservedAt;

/// Where the lake keeps what it knows of one integration.
pub(super) struct Known {
    key: IntegrationKey,
    /// Of the live snapshot.
    pub(super) facts: Option<SnapshotFacts>,
    /// The last `_fetched_at` in `deltas`.
    pub(super) deltas_seen: Option<ObservedAt>,
    /// The live snapshot, `current`, or one after the other: what the first says of a row is newer.
    sources: Vec<Source>,
    deltas: Arc<Committer>,
    pending: Vec<Arc<LiveFile>>,
    /// Observations up to this one are in a source.
    position: Option<ObservedAt>,
}

struct Source {
    table: Arc<Committer>,
    files: Vec<Arc<LiveFile>>,
}

/// One file of a source.
pub(super) struct SourceFile<'a> {
    table: &'a Committer,
    file: &'a LiveFile,
    /// Another source comes after its own.
    is_first: bool,
}

/// `current`, as far as it has the integration.
struct Folded {
    source: Source,
    snapshot: ObservedAt,
    position: Option<ObservedAt>,
}

impl Known {
    /// Finds what there is now.
    pub(super) async fn of(
        lake: &Lake,
        endpoint: &Arc<Endpoint>,
        key: &IntegrationKey,
    ) -> Result<Self, LakeError> {
        let snapshots = lake.endpoint_table(endpoint, Part::Snapshots).await?;
        let state = snapshots.refreshed().await?;
        let facts = SnapshotFacts::of(key, |app| state.txn(app));
        let seen = TableTxns::of(key, |app| state.txn(app)).seen();
        let live = Source::of(&snapshots, &state, key).await?;
        let since = facts.map(|facts| before(facts.since));
        let (sources, position) = match folded(lake, endpoint, key).await? {
            None => (vec![live], since),
            Some(folded) if Some(folded.snapshot) == seen => (vec![folded.source], folded.position),
            // `None` is the lowest: then all of them count.
            Some(folded) => (vec![live, folded.source], since.min(folded.position)),
        };
        // After `current`, so that nothing falls between the two.
        let deltas = lake.endpoint_table(endpoint, Part::Deltas).await?;
        let state = deltas.refreshed().await?;
        let deltas_seen = TableTxns::of(key, |app| state.txn(app)).seen();
        let mut pending = Vec::new();
        if deltas_seen > position {
            pending = deltas.live(&state).await?;
            pending.retain(|file| file.may_hold(key.as_str(), position));
        }
        Ok(Self {
            key: key.clone(),
            facts,
            deltas_seen,
            sources,
            deltas,
            pending,
            position,
        })
    }

    /// Returns the files that say what is known, in the order in which they have to be read.
    pub(super) fn files(&self) -> Vec<SourceFile<'_>> {
        let last = self.sources.len().saturating_sub(1);
        let sources = self.sources.iter().enumerate();
        let files = sources.flat_map(|(at, source)| {
            source.files.iter().map(move |file| SourceFile {
                table: &source.table,
                file,
                is_first: at < last,
            })
        });
        files.collect()
    }

    /// Returns the source that says what is newer: its table, and its files.
    pub(super) fn first_source(&self) -> (&Committer, &[Arc<LiveFile>]) {
        let Source { table, files } = &self.sources[0];
        (table, files)
    }

    /// Returns the table of [`Known::pending`].
    pub(super) fn deltas(&self) -> &Committer {
        &self.deltas
    }

    /// Returns the instant up to which observations are in a source.
    pub(super) fn position(&self) -> Option<ObservedAt> {
        self.position
    }

    /// Returns the files of `deltas` that may say something newer.
    pub(super) fn pending(&self) -> &[Arc<LiveFile>] {
        &self.pending
    }
}

impl Source {
    async fn of(
        table: &Arc<Committer>,
        state: &LogState,
        key: &IntegrationKey,
    ) -> Result<Self, LakeError> {
        let mut files = table.live(state).await?;
        files.retain(|file| {
            let partition = file.partition_values.get(Partition::INTEGRATION_KEY);
            partition.and_then(Option::as_deref) == Some(key.as_str())
        });
        Ok(Self {
            table: Arc::clone(table),
            files,
        })
    }
}

async fn folded(
    lake: &Lake,
    endpoint: &Arc<Endpoint>,
    key: &IntegrationKey,
) -> Result<Option<Folded>, LakeError> {
    let Some(table) = lake.existing_table(endpoint, Part::Current).await? else {
        return Ok(None);
    };
    let state = table.refreshed().await?;
    let positions = Positions::of(key, &state);
    let Some(snapshot) = positions.snapshot_us else {
        return Ok(None);
    };
    Ok(Some(Folded {
        source: Source::of(&table, &state, key).await?,
        snapshot: ObservedAt::from_micros(snapshot),
        position: positions.folded_us.map(ObservedAt::from_micros),
    }))
}

/// Returns the last instant before one.
fn before(at: ObservedAt) -> ObservedAt {
    ObservedAt::from_micros(at.as_micros().saturating_sub(1))
}

/// The newest that is known of a row.
#[derive(Clone, Copy)]
struct Sighted {
    at: ObservedAt,
    is_there: bool,
}

/// Holds what is known against the ids of a new snapshot, file by file.
pub(super) struct Comparison {
    /// Hashes, ascending within each run. Ids whose hash is shared with another are taken as present; of 64 bits that is
    /// one in billions of tables.
    present: Arc<Vec<Vec<u64>>>,
    /// When the live snapshot began.
    since: Option<ObservedAt>,
    pending: HashMap<String, Sighted>,
    /// Rows of the first source: what the second says of them is older.
    met: HashSet<u64>,
    keep: Keep,
}

/// What is wanted of the ids that are missing.
pub(super) enum Keep {
    /// Some of them, and how many there are.
    First { limit: usize, missing: Missing },
    /// Those that the live snapshot lacks, too, until they are taken.
    Twice(Vec<String>),
}

impl Comparison {
    pub(super) fn with(present: Arc<Vec<Vec<u64>>>, since: Option<ObservedAt>, keep: Keep) -> Self {
        Self {
            present,
            since,
            pending: HashMap::new(),
            met: HashSet::new(),
            keep,
        }
    }

    /// Takes in a file of `deltas`; all of them come first.
    pub(super) async fn read_pending(
        mut self,
        known: &Known,
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
    pub(super) async fn read(mut self, file: &SourceFile<'_>) -> Result<Self, LakeError> {
        let (bytes, is_first) = (file.table.files.read(&file.file.path).await?, file.is_first);
        on_cpu(move || {
            for batch in columns(bytes)? {
                self.meet(is_first, &batch?);
            }
            Ok(self)
        })
        .await?
    }

    /// Counts what only deltas know of.
    pub(super) fn end(mut self) -> Self {
        for (id, newest) in std::mem::take(&mut self.pending) {
            self.decide(&id, newest);
        }
        self
    }

    /// Takes out what two snapshots lack and was not taken before.
    pub(super) fn take_twice(&mut self) -> Vec<String> {
        match &mut self.keep {
            Keep::First { .. } => Vec::new(),
            Keep::Twice(ids) => std::mem::take(ids),
        }
    }

    /// Returns what is missing, when that was asked for.
    pub(super) fn into_missing(self) -> Missing {
        match self.keep {
            Keep::First { missing, .. } => missing,
            Keep::Twice(_) => Missing::default(),
        }
    }

    fn meet_pending(
        &mut self,
        key: &IntegrationKey,
        position: Option<ObservedAt>,
        batch: &RecordBatch,
    ) {
        let keys = batch
            .column_by_name(SystemColumn::IntegrationKey.name())
            .expect("deltas have it")
            .as_string::<i32>();
        for (row, (id, newest)) in rows(batch).enumerate() {
            if keys.value(row) != key.as_str()
                || Some(newest.at) <= position
                || self.is_present(hash(id))
            {
                continue;
            }
            let known = self.pending.entry(id.to_owned()).or_insert(newest);
            if newest.at > known.at {
                *known = newest;
            }
        }
    }

    fn meet(&mut self, is_first: bool, batch: &RecordBatch) {
        for (id, mut newest) in rows(batch) {
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
        let mut runs = self.present.iter();
        runs.any(|run| run.binary_search(&hash).is_ok())
    }

    fn decide(&mut self, id: &str, newest: Sighted) {
        if !newest.is_there {
            return;
        }
        let lacked_before = self.since.is_some_and(|since| newest.at < since);
        match &mut self.keep {
            Keep::First { limit, missing } => {
                missing.total += 1;
                missing.lacked_before += u64::from(lacked_before);
                if missing.ids.len() < *limit {
                    missing.ids.push(MissingId {
                        id: id.to_owned(),
                        last_seen: newest.at,
                        lacked_before,
                    });
                }
            }
            Keep::Twice(ids) if lacked_before => ids.push(id.to_owned()),
            Keep::Twice(_) => {}
        }
    }
}

fn columns(file: Bytes) -> Result<impl Iterator<Item = Result<RecordBatch, LakeError>>, LakeError> {
    // Those without a column of this name have it in their path.
    let columns = [
        SystemColumn::IntegrationKey.name(),
        SystemColumn::Op.name(),
        SystemColumn::FetchedAt.name(),
        "id",
    ];
    read(file, &columns)
}

fn rows(batch: &RecordBatch) -> impl Iterator<Item = (&str, Sighted)> {
    let column = |name| batch.column_by_name(name).expect("every data file has it");
    let ids = column("id").as_string::<i32>();
    let ops = column(SystemColumn::Op.name()).as_string::<i32>();
    let times = column(SystemColumn::FetchedAt.name());
    let times = times.as_primitive::<TimestampMicrosecondType>();
    (0..batch.num_rows()).map(move |row| {
        let newest = Sighted {
            at: ObservedAt::from_micros(times.value(row)),
            is_there: ops.value(row) == "upsert",
        };
        (ids.value(row), newest)
    })
}
