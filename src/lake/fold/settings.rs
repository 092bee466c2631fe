//! When and how tables are folded.

use std::num::NonZeroU8;
use std::time::Duration;

use serde::Deserialize;

use crate::setting::{BadSetting, seconds};

/// A stored file is small when it is below this fraction of the target decoded size.
const SMALL_ONE_IN: usize = 24;

/// When and how tables are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FoldSettings {
    /// Whether the service folds. With `false`, `current` changes only when `kombo-source fold` is run.
    pub enabled: bool,
    /// Longest time that an observation waits before it is folded: five minutes. A new snapshot is folded at once. A file that
    /// small integrations share is written again at most once in this time for each 64 KiB of its size.
    #[serde(rename = "max_age_secs", deserialize_with = "seconds")]
    pub max_age: Duration,
    /// Share of a table in percent: when this many rows wait, they are folded sooner.
    ///
    /// Range: 1 to 100.
    pub rows_percent: NonZeroU8,
    /// Share of one CPU core in percent that folding may use.
    ///
    /// Range: 1 to 100.
    pub cpu_percent: NonZeroU8,
    /// Budget for waiting rows in memory, in decoded bytes. A table with more waiting rows is read part by part.
    #[serde(skip)]
    pub pending_bytes: usize,
    /// Target size of a file of `current`, in decoded bytes. A change of one row rewrites one such file.
    #[serde(skip)]
    pub file_bytes: usize,
    /// Rebuilds every table from snapshot and deltas, also when nothing waits, and replaces the old rows. A table with
    /// something held is not rebuilt, because its held rows exist only in `current`.
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
    /// One complete core, in percent.
    pub const WHOLE_CORE: NonZeroU8 = NonZeroU8::new(100).expect("not zero");

    /// Checks that each share is between 1 and 100 percent.
    pub fn check(&self) -> Result<(), BadSetting> {
        BadSetting::share("rows_percent", self.rows_percent)?;
        BadSetting::share("cpu_percent", self.cpu_percent)
    }

    /// Stored bytes below which a file of `current` is small. A table with more bytes in files of its own is large, and
    /// shares no file. Stored rows take about a sixth of their decoded size.
    #[must_use]
    pub(crate) fn small_bytes(&self) -> u64 {
        (self.file_bytes / SMALL_ONE_IN) as u64
    }

    /// Returns these settings at full speed, for a fold that a user waits for.
    #[must_use]
    pub fn at_full_speed(self) -> Self {
        Self {
            cpu_percent: Self::WHOLE_CORE,
            ..self
        }
    }
}
