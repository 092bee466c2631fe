//! A snapshot with its last page received, and its walk.

use super::tally::Tally;
use crate::fetch::{Fetch, FetchEnd};
use crate::stream::Caught;

/// A snapshot with its last page received.
pub(super) struct WalkedSnapshot<S> {
    pub(super) staged: S,
    pub(super) fetch: Fetch,
    pub(super) tally: Tally,
    pub(super) end: FetchEnd,
    /// Rows of the snapshot that Kombo must return when asked by id; they prove that an answer can be trusted.
    pub(super) canaries: Caught,
}
