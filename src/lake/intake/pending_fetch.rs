//! Fetches that are committed together: their rows, the condition under which each may be committed, and their
//! answers.

use arrow::array::RecordBatch;
use tokio::sync::oneshot;

use crate::delta::file::data_files::Written;
use crate::delta::file::decoded_bytes::decoded_bytes;
use crate::delta::log::{AddFile, LogState};
use crate::ids::IntegrationKey;
use crate::lake::table_txns::TableTxns;
use crate::lake::txn_name::NONE;
use crate::lake::{LakeError, SnapshotHistory};
use crate::sink::Receipt;
use crate::time::{Base, ObservedAt, Tier};

/// A finished fetch, ready to be committed.
pub(in crate::lake) struct FinishedFetch {
    /// The bases that the fetch moves, and the condition under which it may do so.
    pub(in crate::lake) fence: Fence,
    /// The rows that the fetch adds.
    pub(in crate::lake) rows: FetchedRows,
}

impl FinishedFetch {
    /// Returns the key of the fetch's integration.
    pub(in crate::lake) fn key(&self) -> &IntegrationKey {
        &self.fence.start.key
    }
}

/// The bases of a table when its fetch began, and how the fetch moves them.
pub(in crate::lake) struct Fence {
    /// The stored values when the fetch began.
    pub(in crate::lake) start: TableTxns,
    /// The instant up to which the fetch covers its table.
    pub(in crate::lake) base: Option<Base>,
    /// The overlap tiers whose bases the fetch moves.
    pub(in crate::lake) tiers: Vec<Tier>,
    /// The last observation of the fetch.
    pub(in crate::lake) seen: ObservedAt,
    /// The first observation of the fetch. Set for `deltas`, where new rows must be later than all rows of the table.
    pub(in crate::lake) first: Option<ObservedAt>,
    /// The history to store beside a snapshot. `None` for a delta.
    pub(in crate::lake) history: Option<SnapshotHistory>,
}

impl Fence {
    /// Returns whether the fetch may still be committed onto a table with these stored values.
    ///
    /// The bases must be unchanged, too. A delta that raised them may have dropped a row as unchanged, and this fetch
    /// may hold an older observation of that row. Observations must also come into `deltas` in order of time, so that
    /// a reader of the table up to one observation has read all earlier ones.
    fn holds(&self, stored: &TableTxns) -> bool {
        *stored == self.start && self.first.is_none_or(|first| Some(first) > stored.seen)
    }

    /// Returns the transactions of a log entry that makes the fetch visible on top of `state`. Values that stand in the
    /// log already are left out: a table of ten thousand integrations has ten thousand of each.
    pub(in crate::lake) fn txns(&self, state: &LogState) -> Vec<(String, i64)> {
        let key = &self.start.key;
        let stored = TableTxns::of(key, |app| state.txn(app));
        let mut txns = stored.moved(self.base, &self.tiers, self.seen);
        let history = self.history.iter();
        txns.extend(history.flat_map(|history| history.txns(key)));
        // A value that was never written reads like one that was cleared.
        txns.retain(|(app, version)| state.txn(app).unwrap_or(NONE) != *version);
        txns
    }
}

/// The rows of a finished fetch.
pub(in crate::lake) enum FetchedRows {
    /// In files of their own.
    Files(Vec<Written>),
    /// A few rows, which share a file with rows of other fetches.
    Shared(Vec<RecordBatch>),
}

/// A finished fetch, and the channel for its receipt.
pub(in crate::lake) struct PendingFetch {
    pub(in crate::lake) finished: FinishedFetch,
    pub(in crate::lake) answer: oneshot::Sender<Result<Receipt, LakeError>>,
}

/// The file that the small deltas of a group share.
pub(in crate::lake) enum SharedFile {
    /// Not written yet for this group.
    None,
    /// No fetch of the group has rows for the file.
    Empty,
    /// The file is on the store.
    Written(Written),
}

impl SharedFile {
    /// Returns the file's add action for a log entry.
    pub(in crate::lake) fn add(&self) -> Option<&AddFile> {
        match self {
            Self::Written(written) => Some(&written.add),
            _ => None,
        }
    }
}

impl PendingFetch {
    /// Returns the key of the fetch's integration.
    pub(in crate::lake) fn key(&self) -> &IntegrationKey {
        self.finished.key()
    }

    /// Returns the decoded size in bytes of the rows that wait for a shared file.
    pub(in crate::lake) fn shared_bytes(&self) -> usize {
        match &self.finished.rows {
            FetchedRows::Files(_) => 0,
            FetchedRows::Shared(batches) => batches.iter().map(decoded_bytes).sum(),
        }
    }

    /// Returns the receipt of the committed fetch.
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
        // The fence compared the table with the values at the start of the fetch, so the start values are the stored
        // ones.
        let seen = fence.start.next_seen(fence.seen);
        Receipt::Committed {
            version,
            rows,
            files,
            bytes,
            seen,
        }
    }

    /// Sends the result to the waiting caller.
    pub(in crate::lake) fn answer(self, result: Result<Receipt, LakeError>) {
        // The receiver is gone when the fetch was dropped while its group was being committed.
        drop(self.answer.send(result));
    }
}

/// Answers the fetches that another writer has superseded, and returns the others.
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
