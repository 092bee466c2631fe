//! When and how tables are folded.

use std::num::NonZeroU8;
use std::time::Duration;

use serde::Deserialize;

use crate::setting::{BadSetting, seconds};

/// When and how tables are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FoldSettings {
    /// Whether the service folds. Without it `kombo-source fold` has to be run.
    pub enabled: bool,
    /// How long an observation waits at most in a running service.
    #[serde(rename = "max_age_secs", deserialize_with = "seconds")]
    pub max_age: Duration,
    /// Waiting rows that are this share of a table, in percent, are folded sooner.
    pub rows_percent: NonZeroU8,
    /// How much of one core merging may take, in percent.
    pub cpu_percent: NonZeroU8,
    /// Decoded bytes of pending rows that are kept in memory. More are read part by part.
    #[serde(skip)]
    pub pending_bytes: usize,
    /// Decoded bytes of a file of `current`: a change of one row rewrites that much.
    #[serde(skip)]
    pub file_bytes: usize,
    /// Makes every table anew from snapshot and deltas, whatever waits, and puts it in the place of the old one. Tables with
    /// something held are left alone: what they hold is nowhere else.
    #[serde(skip)]
    pub rebuild: bool,
}

impl Default for FoldSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_age: Duration::from_mins(5),
            rows_percent: const { NonZeroU8::new(5).expect("not zero") },
            cpu_percent: const { NonZeroU8::new(50).expect("not zero") },
            pending_bytes: 64 << 20,
            file_bytes: 64 << 20,
            rebuild: false,
        }
    }
}

impl FoldSettings {
    /// A whole core.
    pub const WHOLE_CORE: NonZeroU8 = NonZeroU8::new(100).expect("not zero");

    /// Checks that shares are shares.
    pub fn check(&self) -> Result<(), BadSetting> {
        BadSetting::share("rows_percent", self.rows_percent)?;
        BadSetting::share("cpu_percent", self.cpu_percent)
    }

    /// Returns the same at full speed, for those that somebody waits for.
    #[must_use]
    pub fn at_full_speed(self) -> Self {
        Self {
            cpu_percent: Self::WHOLE_CORE,
            ..self
        }
    }
}
