//! What a fetch is: one walk over the pages of one table.

use crate::ids::{FetchId, TableId};
use crate::time::{Base, ObservedAt, Tier, UpdatedAfter};

/// Whether a fetch asks for everything or for what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchMode {
    /// Every row, without `updated_after`.
    Snapshot,
    /// The rows that changed after an instant.
    Delta {
        /// Whose base the instant comes from, and so which bases the fetch moves.
        tier: Tier,
        /// The instant sent with every page.
        updated_after: UpdatedAfter,
    },
}

impl FetchMode {
    /// Returns `snapshot` or `delta`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Delta { .. } => "delta",
        }
    }

    /// Returns the tiers whose bases the fetch moves: all for a snapshot.
    pub fn moves(self) -> impl Iterator<Item = Tier> {
        match self {
            Self::Snapshot => Tier::Daily,
            Self::Delta { tier, .. } => tier,
        }
        .moves()
    }
}

/// One fetch that is about to run, or running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Written beside every row it brings.
    pub id: FetchId,
    /// What it fetches.
    pub table: TableId,
    /// Everything, or what changed.
    pub mode: FetchMode,
}

impl Fetch {
    /// Makes a fetch with a fresh id.
    #[must_use]
    pub fn new(table: TableId, mode: FetchMode) -> Self {
        Self {
            id: FetchId::fresh(),
            table,
            mode,
        }
    }
}

/// What is known once the last page is there. Only a fetch that reached this may be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchEnd {
    /// The instant the fetch covers its table up to. `None` without a usable `Date`: rows are kept, no base moves.
    pub base: Option<Base>,
    /// The `_fetched_at` of its last row, or the server time of its last page when it brought none.
    pub seen: ObservedAt,
    /// Pages walked.
    pub pages: u64,
    /// Rows brought, without those in quarantine.
    pub rows: u64,
    /// Rows without a usable id, left out.
    pub quarantined: u64,
    /// Values that did not fit their column and are in `_rest`.
    pub rest_values: u64,
}

impl FetchEnd {
    /// Begins without pages: the last observation is `seen`.
    #[must_use]
    pub fn after(seen: ObservedAt) -> Self {
        Self {
            base: None,
            seen,
            pages: 0,
            rows: 0,
            quarantined: 0,
            rest_values: 0,
        }
    }
}

/// Pages, and what became of their rows: `received` is the sum of the five below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pages of all walks.
    pub pages: u64,
    /// Bytes of JSON on them.
    pub bytes: u64,
    /// Rows on them, and rows that are gone, of which no page tells.
    pub received: u64,
    /// Rows that are visible now.
    pub committed: u64,
    /// Rows left out because the sink has them.
    pub unchanged: u64,
    /// Rows left out because another page of the same fetch had them, or had them in a newer version.
    pub repeated: u64,
    /// Rows without a usable id.
    pub quarantined: u64,
    /// Rows of walks that broke or were superseded: asked for again by the next fetch.
    pub abandoned: u64,
}

/// Which share of the request budget a request is paid from, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Deltas that a notification asked for.
    Notified,
    /// Start-up catch-up and heartbeat deltas.
    CatchUp,
    /// Full fetches on schedule.
    Snapshot,
    /// A batch backfill.
    Backfill,
}

impl Lane {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [
        Self::Notified,
        Self::CatchUp,
        Self::Snapshot,
        Self::Backfill,
    ];

    /// Every so many fetches, and requests, one is for full fetches while one of those waits: 20 %.
    pub const FULL_EVERY: u32 = 5;

    /// Returns its place among the lanes, 0 for the most urgent.
    #[must_use]
    pub fn position(self) -> usize {
        self as usize
    }
}
