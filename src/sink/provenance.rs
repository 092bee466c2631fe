//! How a snapshot came about.

use crate::time::{Base, Moment};

/// What the caller knows of a fetch and the sink does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The table's ordinary base when the fetch was ordered, raised by deltas that found nothing.
    pub prior: Option<Base>,
    /// When the earliest notification came that no fetch had answered.
    pub announced: Option<Moment>,
}
