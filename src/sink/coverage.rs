//! Up to which instants a sink has everything of a table.

use serde::{Deserialize, Serialize};

use crate::sink::Watermarks;
use crate::time::{Base, Bases, ObservedAt};

/// Up to which instants a table is covered. A sink may keep this as JSON beside the rows: bases in milliseconds, observations
/// in microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// One base per tier: the maximum over snapshots and deltas.
    pub bases: Bases,
    /// The base of the last snapshot.
    pub snapshot_base: Option<Base>,
    /// The last `_fetched_at` of the table: the next observation has to be later.
    pub seen: Option<ObservedAt>,
    /// The last `_fetched_at` of each part: tells whether anybody has committed since.
    pub watermarks: Watermarks,
}
