//! How tables are folded, and what became of each.

use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::{Hold, LakeError, SetAside};
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

/// How tables are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldSettings {
    /// How much of one core merging may take, in percent.
    pub cpu_percent: u8,
    /// Decoded bytes of pending rows that are kept in memory. More are read part by part.
    pub pending_bytes: usize,
    /// Decoded bytes of a file of `current`: a change of one row rewrites that much.
    pub file_bytes: usize,
    /// Makes every table anew from snapshot and deltas, whatever waits, and puts it in the place of the old one. Tables with
    /// something held are left alone: what they hold is nowhere else.
    pub rebuild: bool,
}

impl Default for FoldSettings {
    fn default() -> Self {
        Self {
            cpu_percent: 100,
            pending_bytes: 64 << 20,
            file_bytes: 64 << 20,
            rebuild: false,
        }
    }
}

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
