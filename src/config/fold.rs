//! When and how fast the service folds snapshots and deltas into `current`.

use std::num::{NonZeroU8, NonZeroU64};
use std::time::Duration;

use serde::Deserialize;

use super::SinkSettings;
use super::error::ConfigError;
use super::marks::Marks;
use super::reader::join;
use crate::versions::trigger::Trigger;

/// When and how fast `current` is folded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FoldOptions {
    /// Whether the service folds. Without it `kombo-source fold` has to be run.
    pub enabled: bool,
    /// How long an observation waits at most.
    pub max_age_secs: NonZeroU64,
    /// Waiting rows that are this share of a table, in percent, are folded sooner.
    pub rows_percent: NonZeroU8,
    /// How much of one core folding takes, in percent.
    pub cpu_percent: NonZeroU8,
}

impl Default for FoldOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            max_age_secs: const { NonZeroU64::new(300).expect("not zero") },
            rows_percent: const { NonZeroU8::new(5).expect("not zero") },
            cpu_percent: const { NonZeroU8::new(50).expect("not zero") },
        }
    }
}

impl FoldOptions {
    /// Returns the rule that says when a table is folded.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        Trigger {
            max_age: Duration::from_secs(self.max_age_secs.get()),
            rows_share: f64::from(self.rows_percent.get()) / 100.0,
        }
    }
}

/// Checks that shares are shares.
pub(super) fn check_fold(sink: &SinkSettings, marks: &Marks) -> Result<(), ConfigError> {
    for (option, percent) in [
        ("rows_percent", sink.fold.rows_percent),
        ("cpu_percent", sink.fold.cpu_percent),
    ] {
        if percent.get() > 100 {
            let path = join("sinks", &format!("{}.fold.{option}", sink.name));
            let problem = format!("is {percent}, but a share in percent is at most 100");
            return Err(marks.invalid(&path, &problem));
        }
    }
    Ok(())
}
