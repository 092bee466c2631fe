//! How far each part of a table has come. Two reads of the watermarks tell whether a writer committed in between.

use serde::{Deserialize, Serialize};

use crate::time::ObservedAt;

/// The last observation in each part of a table. Every commit of rows raises one of the two watermarks. So equal
/// watermarks at two instants mean that no writer committed in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// The last `_fetched_at` of snapshots.
    pub snapshots: Option<ObservedAt>,
    /// The last `_fetched_at` of deltas.
    pub deltas: Option<ObservedAt>,
}
