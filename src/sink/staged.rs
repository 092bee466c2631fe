//! A whole fetch between two barriers: all of it is there, nothing of it is visible.

use arrow::array::RecordBatch;
use fastrand::Rng;
use tokio::sync::mpsc;

use crate::sink::{MissingRows, Provenance, Receipt, SinkError};

/// A whole fetch that is not visible yet. Dropping it leaves nothing that anybody sees.
///
/// A snapshot is compared with what the sink knows before it replaces it: a row that it lacks is either gone at Kombo or was
/// missed. What is known is the newest observation of each row that says that the row is there: in the snapshot that is
/// replaced, in deltas, and in older snapshots where the sink keeps them. The caller asks Kombo, commits what it finds as a
/// delta, and commits the snapshot last.
pub trait Staged: Send {
    /// Compares a snapshot with what the sink knows now: which rows it lacks, with a random sample of `limit`, and how many
    /// it shows as deleted. Empty for a delta.
    fn missing(
        &mut self,
        limit: usize,
        random: Rng,
    ) -> impl Future<Output = Result<MissingRows, SinkError>> + Send;

    /// Sends, some at a time, the ids that the snapshot lacks and that an earlier snapshot lacks, too, which began a
    /// [`SecondLook`](crate::time::SecondLook) before it. Ends without an error once nobody listens.
    ///
    /// The default sends none, for a sink that does not remember earlier snapshots: its
    /// [`MissingRows::lacked_twice`] is 0.
    fn lacked_twice(
        &mut self,
        _ids: mpsc::Sender<Vec<String>>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// Sends, some at a time, the snapshot's own rows that it shows as deleted and that the last comparison found known as
    /// present. Ends without an error once nobody listens.
    ///
    /// The default sends none, for a sink whose deltas nobody follows: its [`MissingRows::shown`] is 0.
    fn tombstones(
        &mut self,
        _rows: mpsc::Sender<RecordBatch>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        async { Ok(()) }
    }

    /// Makes sure that what the sink knows stays known once this snapshot is committed, also the rows that it lacks. Called
    /// before the commit when rows are missing that are not confirmed to be gone.
    fn take_over(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Takes what is stored beside a snapshot. Means nothing for a delta. A sink that stores no such thing ignores it.
    fn note(&mut self, _provenance: Provenance) {}

    /// Makes the fetch durable and visible as a whole, with the bases that its mode moves. Returns then, and not before.
    ///
    /// After an error nothing of it is visible, unless the error says that the outcome is unknown: then it is visible as a
    /// whole or not at all.
    fn commit(self) -> impl Future<Output = Result<Receipt, SinkError>> + Send;
}
