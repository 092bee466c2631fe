//! What a world is like before anything happens in it.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::time::Moment;

/// Monday, 2026-01-05, 08:00 UTC. Fixed, so that records do not depend on when the twin runs.
const START: Moment = Moment::from_millis(1_767_600_000_000);

/// How many customers there are, how much data they have, and how the API treats callers.
#[derive(Clone)]
pub struct WorldSettings {
    /// Connected customers. Their categories take turns: ATS, HRIS, LMS, ASSESSMENT; the fourth is the first with
    /// assessments.
    pub integrations: u32,
    /// Rows of each integration's biggest endpoint: applications, employees, course progressions, orders.
    pub rows: u64,
    /// What all records are made from. The same seed gives the same bytes.
    pub seed: u64,
    /// The world's clock at the start.
    pub start: Moment,
    /// The only key that is accepted.
    pub api_key: String,
    /// Requests per window; `None` for no limit and no headers about it.
    pub rate_limit: Option<RateLimit>,
    /// Legal things that the vendor's own client cannot read.
    pub oddities: Oddities,
    /// A filter on an unknown id answers 404, as the vendor's older documentation says.
    pub unknown_ids_fail: bool,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            integrations: 3,
            rows: 1_000,
            seed: 1,
            start: START,
            api_key: "twin-key".to_owned(),
            rate_limit: None,
            oddities: Oddities::default(),
            unknown_ids_fail: false,
        }
    }
}

impl fmt::Debug for WorldSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldSettings")
            .field("integrations", &self.integrations)
            .field("rows", &self.rows)
            .field("seed", &self.seed)
            .field("rate_limit", &self.rate_limit)
            .field("oddities", &self.oddities)
            .finish_non_exhaustive()
    }
}

/// A fixed window that starts with its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per window, for the whole key.
    pub requests: NonZeroU32,
    /// How long a window lasts.
    pub window: Duration,
}

impl RateLimit {
    /// Returns a limit per minute, as Kombo's headers suggest.
    #[must_use]
    pub fn per_minute(requests: NonZeroU32) -> Self {
        Self {
            requests,
            window: Duration::from_mins(1),
        }
    }
}

/// Things the API may send and a careless client breaks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oddities {
    /// 14 days after its deletion a row is null but for `id` and `remote_deleted_at`. Seen only with `include_deleted`.
    pub anonymised_rows: bool,
    /// A closed enum takes a value that no schema lists.
    pub unknown_enum_values: bool,
    /// Some rows have a field that no schema lists.
    pub unknown_fields: bool,
}

impl Oddities {
    /// Everything.
    pub const ALL: Self = Self {
        anonymised_rows: true,
        unknown_enum_values: true,
        unknown_fields: true,
    };
    /// Nothing the vendor's own client would refuse.
    pub const NONE: Self = Self {
        anonymised_rows: false,
        unknown_enum_values: false,
        unknown_fields: false,
    };
}

impl Default for Oddities {
    /// Anonymised rows only: the documented one. Without `include_deleted` no client sees it.
    fn default() -> Self {
        Self {
            anonymised_rows: true,
            ..Self::NONE
        }
    }
}
