//! How a snapshot came about.

use crate::time::Base;

/// What the caller knows of a fetch and the sink does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The table's ordinary base when the fetch was ordered, raised by deltas that found nothing.
    pub prior: Option<Base>,
    /// When the earliest notification came that no fetch had answered, in milliseconds since the epoch.
    pub announced_ms: Option<i64>,
}
