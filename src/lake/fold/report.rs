//! Report of a fold.

use std::time::Duration;

use crate::ids::{IntegrationId, IntegrationKey};
use crate::lake::{Hold, LakeError, SetAside};
use crate::time::Moment;
use crate::versions::drift::{DriftCause, DriftKind};
use crate::versions::guard::HoldState;

/// Number of drifted rows, by kind and cause.
pub(super) type DriftCounts = Vec<(DriftKind, DriftCause, u64)>;

/// Result of a fold of one endpoint's tables.
#[derive(Clone, Debug, Default)]
pub struct FoldReport {
    /// Tables that were folded.
    pub tables: Vec<FoldedTable>,
    /// Number of files that were written for several small tables together.
    pub shared_files: u64,
    /// Size of these files, in bytes.
    pub shared_bytes: u64,
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
    /// Number of files that were written for this table alone.
    pub files: u64,
    /// Size of these files, in bytes.
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
    /// The file of `current` that the table shares with others.
    pub shared: Option<SharedFile>,
}

/// A file of `current` with the rows of many small tables. A fold of one of them rewrites the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFile {
    /// Path below the table's folder.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When the file was written.
    pub written_at: Moment,
}

/// Stored bytes of a shared file that may be rewritten per `max_age`. See [`SharedFile::rests`].
const BYTES_PER_AGE: u64 = 64 << 10;

impl SharedFile {
    /// Returns whether the file was written so short a time ago that its tables wait before it is written again. The
    /// time is `max_age` for each 64 KiB of the file: with five minutes, a file of 4 MB is written at most once in five
    /// hours, and a small one every five minutes. So the bytes that folds write in a day are bounded by the number of
    /// files, however often rows change. A clock that was set back makes no file wait.
    #[must_use]
    pub fn rests(&self, now: Moment, max_age: Duration) -> bool {
        let age_ms = now.as_millis().saturating_sub(self.written_at.as_millis());
        let rest_ms = max_age.as_millis() * u128::from(self.bytes) / u128::from(BYTES_PER_AGE);
        u128::try_from(age_ms).is_ok_and(|age_ms| age_ms < rest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_file_rests_in_proportion_to_its_size() {
        let max_age = Duration::from_mins(5);
        let rests = |bytes, age_mins: i64| {
            let written_at = Moment::from_millis(1_000_000_000);
            let now = Moment::from_millis(1_000_000_000 + age_mins * 60_000);
            let file = SharedFile {
                path: String::new(),
                bytes,
                written_at,
            };
            file.rests(now, max_age)
        };
        assert!(rests(4 << 20, 319) && !rests(4 << 20, 320));
        assert!(rests(64 << 10, 4) && !rests(64 << 10, 5));
        assert!(!rests(1_000, 1));
        assert!(!rests(4 << 20, -1), "the clock was set back");
    }
}
