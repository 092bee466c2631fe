//! How the lake is kept tidy while the service runs.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use serde::Deserialize;

use super::error::ConfigError;
use super::marks::Marks;
use super::reader::join;
use super::{ScheduleSettings, SinkSettings};

const DAY_SECS: u64 = 24 * 3600;

/// Readers that began before a file lost its place need it still, and so does a fetch that runs for a day.
const LEAST_GRACE_SECS: u64 = 14 * DAY_SECS;

/// Whoever reads changes once a month misses none.
const LEAST_DELTAS_SECS: u64 = 35 * DAY_SECS;

/// How the lake is kept tidy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpkeepSettings {
    /// Whether it is, by the service.
    pub enabled: bool,
    /// From one upkeep to the next.
    pub interval_secs: NonZeroU64,
    /// How long log entries are kept that a checkpoint covers.
    pub log_retention_secs: NonZeroU64,
    /// How long files are kept that nothing refers to any more; `None` for twice the full interval, at least two weeks.
    pub vacuum_grace_secs: Option<NonZeroU64>,
    /// How long a row of `deltas` is kept at least.
    pub delta_retention_secs: NonZeroU64,
    /// How long what full fetches found is kept.
    pub drift_retention_secs: NonZeroU64,
    /// From how many delta files of one day on they are rewritten as one.
    pub compact_files: NonZeroU32,
    /// Whether rows of an integration leave 14 days after its deletion.
    pub purge_deleted: bool,
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_secs: const { NonZeroU64::new(DAY_SECS).expect("not zero") },
            log_retention_secs: const { NonZeroU64::new(7 * DAY_SECS).expect("not zero") },
            vacuum_grace_secs: None,
            delta_retention_secs: const { NonZeroU64::new(LEAST_DELTAS_SECS).expect("not zero") },
            drift_retention_secs: const { NonZeroU64::new(400 * DAY_SECS).expect("not zero") },
            compact_files: const { NonZeroU32::new(16).expect("not zero") },
            purge_deleted: true,
        }
    }
}

impl UpkeepSettings {
    /// Returns how long files are kept that nothing refers to any more.
    #[must_use]
    pub fn vacuum_grace(&self, schedule: &ScheduleSettings) -> Duration {
        let grace = self.vacuum_grace_secs.map(NonZeroU64::get);
        Duration::from_secs(grace.unwrap_or_else(|| least_grace_secs(schedule)))
    }
}

/// Checks that nothing is deleted that somebody may still read.
pub(super) fn check_upkeep(
    sink: &SinkSettings,
    schedule: &ScheduleSettings,
    marks: &Marks,
) -> Result<(), ConfigError> {
    let path = |option| join("sinks", &format!("{}.upkeep.{option}", sink.name));
    let retention = sink.upkeep.log_retention_secs.get();
    if retention < DAY_SECS {
        let problem = format!(
            "is {retention}, but must be at least {DAY_SECS}: a fetch may run for a day, and its commit reads the log from where it began"
        );
        return Err(marks.invalid(&path("log_retention_secs"), &problem));
    }
    let deltas = sink.upkeep.delta_retention_secs.get();
    if deltas < LEAST_DELTAS_SECS {
        let problem = format!(
            "is {deltas}, but must be at least {LEAST_DELTAS_SECS}: 35 days, so that whoever reads changes once a month misses none"
        );
        return Err(marks.invalid(&path("delta_retention_secs"), &problem));
    }
    let drift = sink.upkeep.drift_retention_secs.get();
    if drift < deltas {
        let problem = format!(
            "is {drift}, but must be at least {deltas}, as delta_retention_secs is: changes are read from both"
        );
        return Err(marks.invalid(&path("drift_retention_secs"), &problem));
    }
    let least = least_grace_secs(schedule);
    match sink.upkeep.vacuum_grace_secs {
        Some(grace) if grace.get() < least => {
            let problem = format!(
                "is {grace}, but must be at least {least}: two weeks, and twice schedule.full_interval_secs, so that readers of a snapshot keep its files"
            );
            Err(marks.invalid(&path("vacuum_grace_secs"), &problem))
        }
        _ => Ok(()),
    }
}

fn least_grace_secs(schedule: &ScheduleSettings) -> u64 {
    let full = schedule.full_interval_secs.get();
    full.saturating_mul(2).max(LEAST_GRACE_SECS)
}
