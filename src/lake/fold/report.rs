//! What became of the tables that were folded.

use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::{Hold, LakeError, SetAside};
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

/// How many rows drifted, by kind and cause.
pub(super) type DriftCounts = Vec<(DriftKind, DriftCause, u64)>;

/// What was folded of one endpoint's tables.
#[derive(Clone, Debug, Default)]
pub struct FoldReport {
    /// Tables that were folded.
    pub tables: Vec<FoldedTable>,
    /// Tables that another process folded meanwhile.
    pub overtaken: u64,
    /// Tables that were not made anew, because something of them is held.
    pub left_held: Vec<IntegrationKey>,
    /// Tables that could not be folded and are as they were. One may be among the folded as well: then only what is no
    /// longer held of it could not be written down.
    pub aside: Vec<SetAside<IntegrationKey>>,
    /// What kept it from going on with the others. They wait for the next fold.
    pub stopped: Option<LakeError>,
}

/// What was folded of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedTable {
    /// Whose table.
    pub key: IntegrationKey,
    /// A new snapshot was folded in.
    pub snapshot: bool,
    /// Rows that it has now.
    pub rows: u64,
    /// Of those, rows that are new or other than before.
    pub changed: u64,
    /// Rows that it has no longer.
    pub removed: u64,
    /// Rows that stay as they were, because the guard holds what would become of them.
    pub held: u64,
    /// Files that were written, and their size.
    pub files: u64,
    /// The size of those files in bytes.
    pub bytes: u64,
    /// Rows that a new snapshot was compared for; zero when it was not.
    pub compared: u64,
    /// What that found, by kind and cause.
    pub drift: Vec<(DriftKind, DriftCause, u64)>,
    /// What the guard holds of it, when the fold had to do with that.
    pub hold: Option<Hold>,
    /// What it holds no longer. Whoever folds has to tell of it.
    pub released: Option<Release>,
}

/// The end of a hold, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Whose table.
    pub integration: IntegrationId,
    /// Why it is held no longer: accepted, confirmed or resolved.
    pub state: HoldState,
    /// Rows that went, or lost values, for that.
    pub rows: u64,
    /// Other rows of the table stay held.
    pub in_part: bool,
}

/// A table that waits to be folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfolded {
    /// Whose table.
    pub key: IntegrationKey,
    /// It has a new snapshot.
    pub at_once: bool,
    /// Rows of this process that wait.
    pub waiting_rows: u64,
    /// Rows that `current` has.
    pub rows: u64,
}
