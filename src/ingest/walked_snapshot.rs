//! A snapshot whose last page is there, and how it was walked.

use super::tally::Tally;
use crate::fetch::{Fetch, FetchEnd};
use crate::stream::Caught;

/// A snapshot whose last page is there.
pub(super) struct WalkedSnapshot<S> {
    pub(super) staged: S,
    pub(super) fetch: Fetch,
    pub(super) tally: Tally,
    pub(super) end: FetchEnd,
    /// Rows of it that have to come back when they are asked for.
    pub(super) canaries: Caught,
}
