//! Report of a fold.

use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::{Hold, LakeError, SetAside};
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

/// Number of drifted rows, by kind and cause.
pub(super) type DriftCounts = Vec<(DriftKind, DriftCause, u64)>;

/// Result of a fold of one endpoint's tables.
#[derive(Clone, Debug, Default)]
pub struct FoldReport {
    /// Tables that were folded.
    pub tables: Vec<FoldedTable>,
    /// Number of tables that another process folded meanwhile.
    pub overtaken: u64,
    /// Tables that were not rebuilt, because something of them is held.
    pub left_held: Vec<IntegrationKey>,
    /// Tables that could not be folded and are unchanged. A table can also be among the folded ones: then its fold is
    /// visible, but the end of its hold could not be written.
    pub aside: Vec<SetAside<IntegrationKey>>,
    /// Error that stopped the fold. The remaining tables wait for the next fold.
    pub stopped: Option<LakeError>,
}

/// Result of a fold of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedTable {
    /// Key of the integration.
    pub key: IntegrationKey,
    /// Whether a new snapshot was folded.
    pub snapshot: bool,
    /// Rows of the table after the fold.
    pub rows: u64,
    /// Rows that are new or differ from the old row.
    pub changed: u64,
    /// Rows that were removed.
    pub removed: u64,
    /// Rows that the guard keeps unchanged.
    pub held: u64,
    /// Number of files that were written.
    pub files: u64,
    /// Size of the written files, in bytes.
    pub bytes: u64,
    /// Rows that were compared with a new snapshot; zero without a comparison.
    pub compared: u64,
    /// Drifted rows of the comparison, by kind and cause.
    pub drift: Vec<(DriftKind, DriftCause, u64)>,
    /// What the guard holds of the table, if this fold changed the hold.
    pub hold: Option<Hold>,
    /// What the guard releases. The caller must report it.
    pub released: Option<Release>,
}

/// End of a hold, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Id of the integration.
    pub integration: IntegrationId,
    /// Why the rows are released: accepted, confirmed or resolved.
    pub state: HoldState,
    /// Rows that were removed or lost values by the release.
    pub rows: u64,
    /// Whether other rows of the table stay held.
    pub in_part: bool,
}

/// A table that waits to be folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfolded {
    /// Key of the integration.
    pub key: IntegrationKey,
    /// Whether the table has a new snapshot, which is folded at once.
    pub at_once: bool,
    /// Waiting rows that this process committed.
    pub waiting_rows: u64,
    /// Rows in `current`.
    pub rows: u64,
}
