//! A fetch: one run for one table. A fetch reads all pages of the table's endpoint; one pass over the pages is a walk.

use crate::ids::{FetchId, TableId};
use crate::time::{Base, ObservedAt, Tier, UpdatedAfter};

/// Whether a fetch asks for everything or for what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchMode {
    /// Asks for every row, without `updated_after`.
    Snapshot,
    /// Asks for the rows that changed after an instant.
    Delta {
        /// The tier whose base the instant comes from. The tier also decides which bases the fetch moves.
        tier: Tier,
        /// The instant that is sent with the request for every page.
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

    /// Returns the tiers whose bases the fetch moves. A snapshot moves all tiers.
    pub fn moves(self) -> impl Iterator<Item = Tier> {
        match self {
            Self::Snapshot => Tier::Daily,
            Self::Delta { tier, .. } => tier,
        }
        .moves()
    }
}

/// One fetch that is about to run or is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The id that is written beside every row of the fetch, as `_fetch_id`.
    pub id: FetchId,
    /// The table that is fetched.
    pub table: TableId,
    /// Whether the fetch asks for everything or for changes.
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

/// What is known once the last page has come. Only a fetch with an end may be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchEnd {
    /// The server-clock instant up to which the fetch covers its table. `None` without a usable `Date` header: then the
    /// rows are kept and no base moves.
    pub base: Option<Base>,
    /// The `_fetched_at` of the last row. Without rows, the server time of the last page.
    pub seen: ObservedAt,
    /// Number of pages of all walks.
    pub pages: u64,
    /// Number of rows on the pages, without quarantined rows.
    pub rows: u64,
    /// Number of rows without a usable id. They are not in the batches.
    pub quarantined: u64,
    /// Number of values that did not fit their column and were written to `_rest`.
    pub rest_values: u64,
}

impl FetchEnd {
    /// Returns the end of a fetch before its first page. The last observation is `seen`.
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

/// Counts of pages, and of rows by outcome. `received` is the sum of the five counts after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of pages of all walks.
    pub pages: u64,
    /// Size of the pages' JSON in bytes.
    pub bytes: u64,
    /// Number of rows on the pages, plus rows that are gone and that no page shows.
    pub received: u64,
    /// Number of rows that are visible now.
    pub committed: u64,
    /// Number of rows dropped as unchanged, because the sink has an equal row.
    pub unchanged: u64,
    /// Number of rows deduplicated, because another page of the fetch had the row, or had a newer version of the row.
    pub repeated: u64,
    /// Number of rows without a usable id.
    pub quarantined: u64,
    /// Number of rows of walks that broke or were superseded. The next fetch asks for these rows again.
    pub abandoned: u64,
}

/// Lanes of the request budget: which share pays for a request. The most urgent lane comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Deltas that a notification asked for.
    Notified,
    /// Deltas at start-up (catch-up) and heartbeat deltas.
    CatchUp,
    /// Full fetches on schedule.
    Snapshot,
    /// Fetches of the `backfill` command.
    Backfill,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 4] = [
        Self::Notified,
        Self::CatchUp,
        Self::Snapshot,
        Self::Backfill,
    ];

    /// While a full fetch waits, every fifth fetch and every fifth request is for full fetches: 20 %.
    pub const FULL_EVERY: u32 = 5;

    /// Returns the position of the lane, 0 for the most urgent.
    #[must_use]
    pub fn position(self) -> usize {
        self as usize
    }
}
