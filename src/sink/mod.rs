//! The seam between fetches and the place where rows are stored. Implement [`Sink`] to write to a store of your own.
//!
//! A sink takes one complete fetch and answers once the fetch is durable. A fetch is stored as a whole or not at all.
//! The sink also answers up to which instants each table is covered. Between taking and answering stands a [`Staged`]
//! fetch: the sink holds all of the fetch, and no reader sees any part of the fetch.
//!
//! This room holds [`Sink`] and [`Staged`] with their contract, the types that the two traits use (one file each) and
//! [`SinkError`]. The room names no store and no format. A service also needs a [`Registry`] of integrations. Work that
//! a sink needs done between fetches is a [`Chore`](crate::chore::Chore). A simple sink commits through [`WholeFetch`].
//!
//! Three sinks exist. The lake is the one for production, and the tests have a sink in memory.
//! `examples/parquet_folder_sink.rs` is a small sink to copy from. All three pass the same conformance function in
//! `tests/it/sink.rs`; copy that function beside your own sink. The conformance function drops no future half way and
//! simulates no crash. [`Sink`] says what a crash may leave, and only tests of the sink itself can show that.
//!
//! A sink that does not keep its rows, such as a queue, needs a small store beside the queue: for [`Coverage`], and for
//! the rows that [`Staged::missing`] compares a snapshot with.
//!
//! The sink owns the truth about what is covered. A caller may remember bases, but they count only while the sink's
//! [`Watermarks`] equal the watermarks that the caller remembers. No row may ever be visible before its commit. No base
//! may move without the rows that the base covers.

mod advance;
mod candidate;
mod coverage;
mod missing_rows;
mod newest_hashes;
mod provenance;
mod receipt;
mod registration;
mod registry;
mod sink_error;
mod staged;
mod watermarks;
mod whole_fetch;
mod write_error;

pub use advance::Advance;
pub use candidate::{Candidate, StoredCandidates};
pub use coverage::Coverage;
pub use missing_rows::{MissingRow, MissingRows};
pub use newest_hashes::{HashLookup, NewestHashes};
pub use provenance::Provenance;
pub use receipt::Receipt;
pub use registration::Registration;
pub use registry::{Registrations, Registry};
pub use sink_error::{SinkCause, SinkError};
pub use staged::Staged;
pub use watermarks::Watermarks;
pub use whole_fetch::WholeFetch;
pub use write_error::WriteError;

use std::sync::Arc;

use futures_util::Stream;

use crate::catalog::Endpoint;
use crate::fetch::Fetch;
use crate::ids::IntegrationId;
use crate::stream::{FetchError, FetchEvent};

/// Takes complete fetches and stores each one as a whole.
///
/// A table is one endpoint of one integration. A table has two parts: one snapshot, which the next snapshot replaces as
/// a whole, and deltas, which only grow. A reader takes the newest observation of each record, by `_fetched_at`, over
/// both parts.
///
/// # Ordering
/// Fetches of different tables come at the same time and in any order. Fetches of one table may overlap, also with
/// fetches of other processes that write to the same place. Commits to one part of a table form a line. The sink
/// answers [`Receipt::Superseded`], and nothing of the fetch becomes visible, when any process has committed to the
/// part, or has raised a base through the part, since the fetch was staged. [`advance`](Sink::advance) raises bases
/// through deltas. Every row of a delta must be later than all rows of the table's earlier deltas; the sink supersedes
/// a delta that breaks this rule, too.
///
/// # Duplicates
/// A fetch becomes visible at most once. The same record may come again in a later fetch, changed or not. The sink
/// keeps every observation and removes none. A caller that does not know whether a commit succeeded fetches again. The
/// second fetch is superseded, or it brings later observations of the same records. Both are harmless.
///
/// # Barriers
/// [`stage`](Self::stage) is the first barrier: the fetch is complete, and nothing of the fetch is visible.
/// [`Staged::commit`] is the second barrier: it returns when rows and bases are visible together. A commit may wait in
/// order to share its work with other commits. [`flush`](Self::flush) ends that wait. `flush` itself is not a barrier:
/// only the answer of `commit` says that a fetch is durable.
///
/// # Durability
/// Durable rows and bases survive the loss of this process and of its machine, provided that the store behind the sink
/// keeps what the store has acknowledged.
///
/// # Cancellation
/// Each future may be dropped at any `.await`. A dropped `stage` and a dropped [`Staged`] leave nothing that a reader
/// sees. A dropped `commit` leaves the complete fetch visible or nothing; [`covered`](Self::covered) tells which of the
/// two.
///
/// # Crashes
/// A crash leaves the same as dropping every future: complete fetches, and perhaps orphaned files. No reader sees an
/// orphaned file, and the sink removes such files later. The sink needs no recovery step before its next use.
///
/// # Errors
/// A [`SinkError`] says whether the same work may succeed later ([`SinkError::is_retryable`]) and what the operator can do
/// ([`SinkError::advice`]). A [`WriteError`] also says whether the fetch or the store failed. After an error of `stage`
/// nothing of the fetch is visible.
///
/// # Coverage
/// The sink answers from what is durable and visible, including the commits of other writers. The sink never answers
/// from memory alone. A base moves only together with the rows that the base covers, or by [`advance`](Self::advance).
/// A base never moves backwards.
pub trait Sink: Send + Sync {
    /// A fetch that the sink holds and that is not visible.
    type Staged: Staged;

    /// Returns up to which instants a table is covered: its bases and its newest observation. Every commit that
    /// returned before this call is part of the answer, whichever process made the commit. A table that was never
    /// fetched has the default coverage. A table that cannot be read is an error.
    fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> impl Future<Output = Result<Coverage, SinkError>> + Send;

    /// Returns the newest `_hash` of rows that a delta has brought, as far as reading at most `most_bytes` tells.
    /// Observations by other writers count. Observations that a later step may still remove do not count.
    ///
    /// A row that is missing from the answer is written again, which costs one more observation. A row that is in the
    /// answer with an older hash is lost. So a sink that cannot tell the newest hash of a row leaves the row out of the
    /// answer. The default answer holds no rows.
    fn newest_hashes(
        &self,
        _endpoint: &Arc<Endpoint>,
        _integration: &IntegrationId,
        _lookup: &HashLookup,
        _most_bytes: u64,
    ) -> impl Future<Output = Result<NewestHashes, SinkError>> + Send {
        async { Ok(NewestHashes::default()) }
    }

    /// Takes a fetch up to its [`FetchEvent::End`]. Returns an error when the stream fails or stops before that event.
    ///
    /// Reads the state of the table before polling the events for the first time: a commit to this part of the table
    /// after that read supersedes the fetch. Drops the events once the sink holds no more memory than a commit needs.
    /// The caller may then begin the next fetch while this one waits for its commit.
    fn stage(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> impl Future<Output = Result<Self::Staged, WriteError>> + Send;

    /// Stages a fetch and commits it.
    fn write(
        &self,
        fetch: &Fetch,
        endpoint: &Arc<Endpoint>,
        events: impl Stream<Item = Result<FetchEvent, FetchError>> + Send,
    ) -> impl Future<Output = Result<Receipt, WriteError>> + Send {
        async move {
            let staged = self.stage(fetch, endpoint, events).await?;
            Ok(staged.commit().await?)
        }
    }

    /// Raises bases of an endpoint's tables without writing rows. Skips a table whose watermarks differ from the
    /// watermarks of its [`Advance`]: another writer has committed since, and the bases may no longer be true. Moves no
    /// watermark and lowers no base.
    fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Tells the sink that no fetch is running any more, so a commit need not wait for other commits. Returns at once.
    fn flush(&self) {}
}
