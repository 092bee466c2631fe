//! How much of a lake is kept, and what is worth merging.

use std::time::Duration;

use serde::Deserialize;

use crate::delta::compaction::FAN_IN;
use crate::setting::{BadSetting, seconds, some_seconds};

const DAY: Duration = Duration::from_hours(24);

/// How much is kept, and what is worth merging: by the service, and by the verb.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpkeepSettings {
    /// Whether the service does it.
    pub enabled: bool,
    /// From one upkeep of the service to the next.
    #[serde(rename = "interval_secs", deserialize_with = "seconds")]
    pub interval: Duration,
    /// How long every version of a table can be read: its log entries are kept that long. At least a day.
    #[serde(rename = "log_retention_secs", deserialize_with = "seconds")]
    pub log_retention: Duration,
    /// How long a data file is kept that no version names any more: 14 to 30 days, which is how long logs remember what was
    /// removed. `None` for twice the interval of full fetches, within those bounds.
    #[serde(rename = "vacuum_grace_secs", deserialize_with = "some_seconds")]
    pub vacuum_grace: Option<Duration>,
    /// How old a row of `deltas` has to be before it may leave. At least 35 days.
    #[serde(rename = "delta_retention_secs", deserialize_with = "seconds")]
    pub delta_retention: Duration,
    /// How long `kombo_drift` is kept. At least as long as `deltas`: changes are read from both.
    #[serde(rename = "drift_retention_secs", deserialize_with = "seconds")]
    pub drift_retention: Duration,
    /// Small files of one partition that are worth merging, of `deltas` and of `kombo_drift`: 2 to 32, or zero to merge none.
    pub compact_files: usize,
    /// Whether the service purges integrations 14 days after their deletion.
    pub purge_deleted: bool,
    /// A file of `deltas` below this size is small.
    #[serde(skip)]
    pub small_file_bytes: u64,
    /// Only says what would be done.
    #[serde(skip)]
    pub dry_run: bool,
}

impl UpkeepSettings {
    /// The shortest grace: twice the interval of full fetches, and many times the longest fetch.
    pub const SHORTEST_GRACE: Duration = Duration::from_hours(14 * 24);
    /// The longest grace: how long logs remember which files were removed.
    pub const LONGEST_GRACE: Duration = Duration::from_hours(30 * 24);
    /// The shortest time that log entries are kept: the longest fetch.
    pub const SHORTEST_RETENTION: Duration = DAY;
    /// The youngest that a row may leave `deltas`: whoever reads its changes once a month misses none.
    pub const SHORTEST_DELTA_RETENTION: Duration = Duration::from_hours(35 * 24);

    /// Checks that nothing is deleted that somebody may still read, and that what is promised can be kept.
    pub fn check(&self) -> Result<(), BadSetting> {
        BadSetting::at_least(
            "log_retention_secs",
            self.log_retention,
            Self::SHORTEST_RETENTION,
            ": a fetch may run for a day, and its commit reads the log from where it began",
        )?;
        BadSetting::at_least(
            "delta_retention_secs",
            self.delta_retention,
            Self::SHORTEST_DELTA_RETENTION,
            ": 35 days, so that whoever reads changes once a month misses none",
        )?;
        BadSetting::at_least(
            "drift_retention_secs",
            self.drift_retention,
            self.delta_retention,
            ", as delta_retention_secs is: changes are read from both",
        )?;
        if self.compact_files != 0 && !(2..=FAN_IN).contains(&self.compact_files) {
            let problem = format!(
                "is {}, but must be from 2 to {FAN_IN}, or 0 to merge none: one file is none the better for being written again, and a merge takes {FAN_IN}",
                self.compact_files
            );
            return Err(BadSetting::new("compact_files", problem));
        }
        self.check_grace(Duration::ZERO)
    }

    /// Checks the grace beside the interval of full fetches.
    pub fn check_grace(&self, full_interval: Duration) -> Result<(), BadSetting> {
        let Some(grace) = self.vacuum_grace else {
            return Ok(());
        };
        let option = "vacuum_grace_secs";
        BadSetting::at_least(
            option,
            grace,
            Self::least_grace(full_interval),
            ": two weeks, and twice schedule.full_interval_secs, so that readers of a snapshot keep its files",
        )?;
        if grace > Self::LONGEST_GRACE {
            let problem = format!(
                "is {}, but must be at most {}: 30 days, which is how long the lake remembers which files were removed",
                grace.as_secs(),
                Self::LONGEST_GRACE.as_secs()
            );
            return Err(BadSetting::new(option, problem));
        }
        Ok(())
    }

    /// Returns how long a data file is kept that no version names any more.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.vacuum_grace.unwrap_or(Self::SHORTEST_GRACE)
    }

    /// Returns the shortest grace of a lake with snapshots this far apart: twice that, so that readers of a snapshot keep its
    /// files, within the bounds of any grace.
    #[must_use]
    pub fn least_grace(full_interval: Duration) -> Duration {
        let twice = full_interval.saturating_mul(2);
        twice.clamp(Self::SHORTEST_GRACE, Self::LONGEST_GRACE)
    }

    /// Returns the same for a lake with snapshots this far apart: what was left open follows from that.
    #[must_use]
    pub fn with_snapshots_every(&self, full_interval: Duration) -> Self {
        let grace = self.vacuum_grace;
        Self {
            vacuum_grace: Some(grace.unwrap_or_else(|| Self::least_grace(full_interval))),
            ..self.clone()
        }
    }
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: DAY,
            log_retention: 7 * DAY,
            vacuum_grace: None,
            delta_retention: Self::SHORTEST_DELTA_RETENTION,
            drift_retention: 400 * DAY,
            compact_files: 16,
            purge_deleted: true,
            small_file_bytes: 8 << 20,
            dry_run: false,
        }
    }
}
