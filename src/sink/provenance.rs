//! Why a snapshot was fetched and from which state.

use crate::time::{Base, Moment};

/// What the caller knows about a snapshot and the sink does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The ordinary base of the table when the fetch was ordered. Deltas that brought no row raise this base, too.
    pub prior: Option<Base>,
    /// When the earliest notification arrived that no fetch had answered yet.
    pub announced: Option<Moment>,
}
