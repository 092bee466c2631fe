//! A complete fetch that the sink holds and that no reader sees yet.

use arrow::array::RecordBatch;
use fastrand::Rng;
use tokio::sync::mpsc;

use crate::sink::{MissingRows, Provenance, Receipt, SinkError};

/// A complete fetch that is not visible yet. Dropping the value leaves nothing that a reader sees.
///
/// A snapshot is compared with what the sink knows before the snapshot replaces the earlier one. A known row that the
/// snapshot lacks is either gone at Kombo or was missed by the walk. The sink knows a row as present when the newest
/// observation of the row says so. The sink looks for observations in the snapshot that is being replaced, in deltas,
/// and in older snapshots if the sink keeps them.
///
/// # Ordering
/// The caller works in this order: compare, ask Kombo for the missing rows, commit the answers as a delta, commit the
/// snapshot last. [`missing`](Self::missing) comes before [`lacked_twice`](Self::lacked_twice) and
/// [`tombstones`](Self::tombstones). The caller may call [`missing`](Self::missing) again when another writer has
/// committed deltas since.
///
/// # Cancellation
/// Each future may be dropped at any `.await`. Only a dropped [`commit`](Self::commit) may leave the fetch visible, and
/// then the complete fetch.
///
/// # Crashes
/// A crash before the commit leaves nothing that a reader sees. A crash between the commit of the delta and the commit
/// of the snapshot leaves true observations in `deltas` beside the earlier snapshot.
pub trait Staged: Send {
    /// Compares a snapshot with what the sink knows now. Returns how many known rows the snapshot lacks, a random
    /// sample of at most `limit` of them, and how many known rows the snapshot shows as deleted. The result for a delta
    /// is empty.
    fn missing(
        &mut self,
        limit: usize,
        random: Rng,
    ) -> impl Future<Output = Result<MissingRows, SinkError>> + Send;

    /// Sends the ids that this snapshot and an earlier snapshot lack, some at a time. The earlier snapshot began at
    /// least a [`SecondLook`](crate::time::SecondLook) before this one. Ends without an error once the receiver is
    /// dropped.
    ///
    /// The default sends no ids. It suits a sink that does not remember earlier snapshots and reports
    /// [`MissingRows::lacked_twice`] as 0.
    fn lacked_twice(
        &mut self,
        _ids: mpsc::Sender<Vec<String>>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// Sends the rows of the snapshot that the snapshot shows as deleted and that the last comparison found known as
    /// present, some at a time. Ends without an error once the receiver is dropped.
    ///
    /// The default sends no rows. It suits a sink whose deltas have no followers and that reports
    /// [`MissingRows::shown`] as 0.
    fn tombstones(
        &mut self,
        _rows: mpsc::Sender<RecordBatch>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// Makes sure that what the sink knows stays known after this snapshot is committed, including rows that the
    /// snapshot lacks. The caller calls this before the commit when rows are missing and not confirmed to be gone.
    fn take_over(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Takes notes that the sink stores beside a snapshot. Has no effect on a delta. A sink without a place for such
    /// notes ignores them.
    fn note(&mut self, _provenance: Provenance) {}

    /// Makes the complete fetch durable and visible, together with the bases that the fetch's mode moves. Returns only
    /// when rows and bases are durable and visible.
    ///
    /// After an error nothing of the fetch is visible. The exception is an error that says that the outcome is unknown:
    /// then the complete fetch is visible or nothing.
    fn commit(self) -> impl Future<Output = Result<Receipt, SinkError>> + Send;
}
