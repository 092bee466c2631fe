//! How far a table has come, so that two readers of it can tell whether anybody committed in between.

use serde::{Deserialize, Serialize};

use crate::time::ObservedAt;

/// The last observation in each part of a table. Every commit of rows raises one of the two, so watermarks that are the
/// same at two instants mean that nobody committed in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// The last `_fetched_at` of snapshots.
    pub snapshots: Option<ObservedAt>,
    /// The last `_fetched_at` of deltas.
    pub deltas: Option<ObservedAt>,
}
