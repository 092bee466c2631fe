//! Where fetches go: the seam for other pipelines.
//!
//! A sink takes a whole fetch and answers once it is durable, all or nothing; it also answers what it covers already.
//! Between the two stands a [`Staged`] fetch: all of it is there, nothing of it is visible.
//!
//! This room is the seam alone: [`Sink`] and [`Staged`] with their contract, the words they are spoken in (one file each)
//! and [`SinkError`]. It names no store and no format. [`Registry`] is what a service needs besides, and
//! [`chore`](crate::chore) what a sink needs to have done between fetches. A simple sink commits by [`WholeFetch`]. The lake is one implementation, the in-memory
//! sink of the tests another; `examples/parquet_folder_sink.rs` is a third, to be copied. All three pass the one
//! conformance function in `tests/it/sink.rs`: copy it beside a sink of your own. It drops no future half way and crashes
//! nowhere; what a crash may leave stands on [`Sink`], and only the sink's own tests can show it.
//!
//! A sink that forgets its rows, such as a queue, needs a small store beside it: for [`Coverage`], and for what
//! [`Staged::missing`] compares with.
//!
//! The sink owns the truth about what is covered. What a fetch's caller remembers counts only while the sink's
//! [`Watermarks`] are those that the caller knows. No row may ever be visible before its commit, and no base may move
//! without the rows that it covers.

mod advance;
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
pub use coverage::Coverage;
pub use missing_rows::{MissingRow, MissingRows};
pub use newest_hashes::{HashLookup, NewestHashes};
pub use provenance::Provenance;
pub use receipt::Receipt;
pub use registration::Registration;
pub use registry::{Registrations, Registry};
pub use sink_error::SinkError;
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

/// Takes whole fetches.
///
/// A table is one endpoint of one integration. It has two parts: a snapshot, which the next snapshot replaces as a whole,
/// and deltas, which only grow. A reader takes the newest observation of each row (`_fetched_at`) over both parts.
///
/// # Ordering
/// Fetches of different tables come at the same time and in any order. Fetches of one table may overlap, also with those of
/// other processes that write to the same place. Commits to one part of a table form a line: when anybody has committed to
/// the part since the fetch was staged, or has raised a base through it, the sink answers [`Receipt::Superseded`] and
/// nothing of the fetch becomes visible. Every row of a delta is later than all rows of the table's earlier deltas; a delta
/// that breaks this is superseded, too. [`advance`](Sink::advance) raises bases through deltas.
///
/// # Duplicates
/// A fetch becomes visible at most once. The same record may come again in a later fetch, changed or not: the sink keeps
/// every observation and removes none. A caller that does not know whether a commit succeeded fetches again. The second
/// fetch is superseded or brings later observations of the same rows, and both are harmless.
///
/// # Barriers
/// [`stage`](Self::stage) is the first barrier: the fetch is complete, and nothing of it is visible.
/// [`Staged::commit`] is the second one: it returns when rows and bases are visible together. A commit may wait for others
/// to share its work. [`flush`](Self::flush) ends that wait and is itself no barrier: only the commit's own answer says
/// that a fetch is durable.
///
/// # Durability
/// Durable means that rows and bases survive the loss of this process and of its machine, as far as the store behind the
/// sink promises that for what it has acknowledged.
///
/// # Cancellation
/// Each future may be dropped at any `.await`. A dropped `stage`, and a [`Staged`] that is dropped, leave nothing that
/// anybody sees. A dropped `commit` leaves the fetch visible as a whole or not at all; [`covered`](Self::covered) tells
/// which.
///
/// # Crashes
/// A crash leaves what dropping every future leaves: whole fetches, and perhaps orphaned files that no reader sees and that
/// the sink removes later. There is nothing to recover before the sink is used again.
///
/// # Coverage
/// The sink answers from what is durable and visible, other writers' commits included; it never answers from memory alone.
/// A base moves only together with the rows that it covers, or by [`advance`](Self::advance), and never backwards.
pub trait Sink: Send + Sync {
    /// A fetch that the sink holds and that is not visible.
    type Staged: Staged;

    /// Returns up to which instants a table is covered: its bases and its newest observation. A commit that had returned
    /// before this was called is part of the answer, whichever process made it. A table that nobody has fetched has the
    /// default coverage; a table that cannot be read is an error.
    fn covered(
        &self,
        endpoint: &Arc<Endpoint>,
        integration: &IntegrationId,
    ) -> impl Future<Output = Result<Coverage, SinkError>> + Send;

    /// Returns the newest observation of rows that a delta has brought, as far as reading `most_bytes` tells. Other
    /// writers' observations count; observations that may yet be taken out do not.
    ///
    /// A row that is not in the answer is written again, which costs an observation. A row that is in the answer with an
    /// older hash is lost: so a sink that cannot tell, says nothing. That is the default.
    fn newest_hashes(
        &self,
        _endpoint: &Arc<Endpoint>,
        _integration: &IntegrationId,
        _lookup: &HashLookup,
        _most_bytes: u64,
    ) -> impl Future<Output = Result<NewestHashes, SinkError>> + Send {
        async { Ok(NewestHashes::default()) }
    }

    /// Takes a fetch up to its [`FetchEvent::End`]. A stream that fails or stops before it is an error.
    ///
    /// Reads the table's state before it asks anything of the events: whatever is committed to this part of the table from
    /// then on supersedes the fetch. Drops the events once it holds no more memory than a commit needs, so that the next
    /// fetch may begin while this one waits to be committed.
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

    /// Raises bases of an endpoint's tables without rows. Leaves out a table whose watermarks are not those of its advance:
    /// somebody has committed since, and the bases may not be true any more. Moves no watermark and lowers no base.
    fn advance(
        &self,
        endpoint: &Arc<Endpoint>,
        advances: &[Advance],
    ) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Says that no fetch is running any more: no commit needs to wait for company. Returns at once.
    fn flush(&self) {}
}
