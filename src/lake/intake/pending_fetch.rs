//! Fetches that are committed together: what each brings, what it may not have been overtaken by, what it is told.

use arrow::array::RecordBatch;
use tokio::sync::oneshot;

use crate::delta::file::data_files::Written;
use crate::delta::file::writer::decoded_bytes;
use crate::delta::log::{AddFile, LogState};
use crate::ids::IntegrationKey;
use crate::lake::table_txns::TableTxns;
use crate::lake::{LakeError, SnapshotHistory};
use crate::sink::Receipt;
use crate::time::{Base, ObservedAt, Tier};

/// A finished fetch, ready to be committed.
pub(in crate::lake) struct FinishedFetch {
    /// What it moves, and what others may not have moved.
    pub(in crate::lake) fence: Fence,
    /// What it adds.
    pub(in crate::lake) rows: FetchedRows,
}

impl FinishedFetch {
    /// Returns whose fetch it is.
    pub(in crate::lake) fn key(&self) -> &IntegrationKey {
        &self.fence.start.key
    }
}

/// The bases of a table when its fetch began, and how the fetch moves them.
pub(in crate::lake) struct Fence {
    /// As they were.
    pub(in crate::lake) start: TableTxns,
    /// What the fetch covers.
    pub(in crate::lake) base: Option<Base>,
    /// Which bases it moves.
    pub(in crate::lake) tiers: Vec<Tier>,
    /// Its last observation.
    pub(in crate::lake) seen: ObservedAt,
    /// Its first observation, where rows have to be later than all that the table has: in `deltas`.
    pub(in crate::lake) first: Option<ObservedAt>,
    /// What is written beside it: of a snapshot.
    pub(in crate::lake) history: Option<SnapshotHistory>,
}

impl Fence {
    /// Returns whether the fetch may still be committed onto a table of which this is stored.
    ///
    /// The bases, too, have to be what they were: whoever raised them may have left out a row because it had not changed,
    /// and this fetch may hold an older observation of it. And observations come into `deltas` in their order, so that
    /// whoever has read the table up to one of them has read all before it.
    fn holds(&self, stored: &TableTxns) -> bool {
        *stored == self.start && self.first.is_none_or(|first| Some(first) > stored.seen)
    }

    /// Returns the transactions of a log entry that makes the fetch visible onto `state`.
    pub(in crate::lake) fn txns(&self, state: &LogState) -> Vec<(String, i64)> {
        let key = &self.start.key;
        let stored = TableTxns::of(key, |app| state.txn(app));
        let mut txns = stored.moved(self.base, &self.tiers, self.seen);
        let history = self.history.iter();
        txns.extend(history.flat_map(|history| history.txns(key)));
        txns
    }
}

/// The rows of a finished fetch.
pub(in crate::lake) enum FetchedRows {
    /// In files of their own.
    Files(Vec<Written>),
    /// Few, so that they share a file with others'.
    Shared(Vec<RecordBatch>),
}

/// A finished fetch and who waits for its receipt.
pub(in crate::lake) struct PendingFetch {
    pub(in crate::lake) finished: FinishedFetch,
    pub(in crate::lake) answer: oneshot::Sender<Result<Receipt, LakeError>>,
}

/// The file that small deltas of a group share.
pub(in crate::lake) enum SharedFile {
    /// Not written for this group.
    None,
    /// Nobody has rows for it.
    Empty,
    /// On the store.
    Written(Written),
}

impl SharedFile {
    /// Returns how a log entry adds it.
    pub(in crate::lake) fn add(&self) -> Option<&AddFile> {
        match self {
            Self::Written(written) => Some(&written.add),
            _ => None,
        }
    }
}

impl PendingFetch {
    /// Returns whose fetch it is.
    pub(in crate::lake) fn key(&self) -> &IntegrationKey {
        self.finished.key()
    }

    /// Returns the decoded size of the rows that wait for a shared file.
    pub(in crate::lake) fn shared_bytes(&self) -> usize {
        match &self.finished.rows {
            FetchedRows::Files(_) => 0,
            FetchedRows::Shared(batches) => batches.iter().map(decoded_bytes).sum(),
        }
    }

    /// Tells what was committed of it.
    pub(in crate::lake) fn receipt(&self, version: u64, shared: &SharedFile) -> Receipt {
        let (rows, files, bytes) = match &self.finished.rows {
            FetchedRows::Files(files) => (
                files.iter().map(|file| file.rows).sum(),
                files.len() as u64,
                files.iter().map(|file| file.add.size).sum(),
            ),
            FetchedRows::Shared(batches) => {
                let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
                match shared {
                    SharedFile::Written(file) => (rows, 1, file.add.size * rows / file.rows.max(1)),
                    _ => (rows, 0, 0),
                }
            }
        };
        let fence = &self.finished.fence;
        // The fetch was compared with the table it is committed to: what it started from is what was there.
        let seen = fence.start.next_seen(fence.seen);
        Receipt::Committed {
            version,
            rows,
            files,
            bytes,
            seen,
        }
    }

    /// Answers whoever waits.
    pub(in crate::lake) fn answer(self, result: Result<Receipt, LakeError>) {
        // Nobody listening means the fetch was dropped while its group was being committed.
        drop(self.answer.send(result));
    }
}

/// Tells those whose table was moved by another writer, and returns the others.
pub(in crate::lake) fn still_valid(
    group: Vec<PendingFetch>,
    state: &LogState,
) -> Vec<PendingFetch> {
    let (valid, superseded): (Vec<_>, Vec<_>) = group.into_iter().partition(|pending| {
        let fence = &pending.finished.fence;
        fence.holds(&TableTxns::of(&fence.start.key, |app| state.txn(app)))
    });
    for pending in superseded {
        pending.answer(Ok(Receipt::Superseded));
    }
    valid
}
