//! What a world is made of: number of customers, rows, seed, start, and how the API treats callers.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::time::Moment;

/// Monday, 2026-01-05, 08:00 UTC. The default is fixed, so that records do not depend on when the twin runs.
const START: Moment = Moment::from_millis(1_767_600_000_000);

/// How many customers there are, how much data they have, and how the API treats callers.
#[derive(Clone)]
pub struct WorldSettings {
    /// Number of connected customers. Categories take turns: ATS, HRIS, LMS, ASSESSMENT. So four customers have one of
    /// each.
    pub integrations: u32,
    /// Rows of each integration's biggest endpoint: applications, employees, course progressions, orders.
    pub rows: u64,
    /// Seed of all records. The same seed and start give the same bytes.
    pub seed: u64,
    /// Time of the world at the start. The instants in the records are counted back from it.
    pub start: Moment,
    /// The only key that is accepted.
    pub api_key: String,
    /// Request limit; `None` for no limit and no rate limit headers.
    pub rate_limit: Option<RateLimit>,
    /// Answers that the API allows and Kombo's own client cannot read.
    pub oddities: Oddities,
    /// Whether a filter on an unknown id gets 404, as Kombo's older documentation says.
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

/// A request limit with a fixed window. A window starts with its first request.
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

/// Unusual answers that the API allows and that break a careless client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oddities {
    /// Whether a row has only `id` and `remote_deleted_at` from 14 days after its deletion on. Such a row is returned only
    /// with `include_deleted`.
    pub anonymised_rows: bool,
    /// Whether a closed enum may have a value that no schema lists.
    pub unknown_enum_values: bool,
    /// Whether some rows have a field that no schema lists.
    pub unknown_fields: bool,
}

impl Oddities {
    /// All unusual answers.
    pub const ALL: Self = Self {
        anonymised_rows: true,
        unknown_enum_values: true,
        unknown_fields: true,
    };
    /// No unusual answers: Kombo's own client reads everything.
    pub const NONE: Self = Self {
        anonymised_rows: false,
        unknown_enum_values: false,
        unknown_fields: false,
    };
}

impl Default for Oddities {
    /// Returns anonymised rows only, which Kombo documents.
    fn default() -> Self {
        Self {
            anonymised_rows: true,
            ..Self::NONE
        }
    }
}
