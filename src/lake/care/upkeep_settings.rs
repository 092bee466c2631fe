//! Settings of upkeep: retention, and when small files are merged.

use std::time::Duration;

use serde::Deserialize;

use crate::delta::compaction::FAN_IN;
use crate::setting::{BadSetting, seconds, some_seconds};

const DAY: Duration = Duration::from_hours(24);

/// Settings of upkeep, for the service and for `kombo-source upkeep`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpkeepSettings {
    /// Whether the service runs upkeep.
    pub enabled: bool,
    /// Time from one upkeep of the service to the next.
    #[serde(rename = "interval_secs", deserialize_with = "seconds")]
    pub interval: Duration,
    /// How long every version of a table can be read (time travel): retention of the log entries. At least one day.
    #[serde(rename = "log_retention_secs", deserialize_with = "seconds")]
    pub log_retention: Duration,
    /// Grace before vacuum deletes an unreferenced data file: 14 to 30 days. Logs remember removed files for 30 days.
    /// By default twice the interval of full fetches, within these bounds.
    #[serde(rename = "vacuum_grace_secs", deserialize_with = "some_seconds")]
    pub vacuum_grace: Option<Duration>,
    /// Retention of `deltas`: the least age of a row that upkeep removes. At least 35 days.
    #[serde(rename = "delta_retention_secs", deserialize_with = "seconds")]
    pub delta_retention: Duration,
    /// Retention of `kombo_drift`. At least the retention of `deltas`, because readers take changes from both.
    #[serde(rename = "drift_retention_secs", deserialize_with = "seconds")]
    pub drift_retention: Duration,
    /// Upkeep merges the small files of one partition (of `deltas` and `kombo_drift`) when there are at least this
    /// many: 2 to 32. Zero merges none.
    pub compact_files: usize,
    /// Whether the service purges integrations 14 days after their deletion in Kombo.
    pub purge_deleted: bool,
    /// Files below this size are small, in stored bytes.
    #[serde(skip)]
    pub small_file_bytes: u64,
    /// Reports what would be done and changes nothing.
    #[serde(skip)]
    pub dry_run: bool,
}

impl UpkeepSettings {
    /// The shortest grace: twice the default interval of full fetches, and many times the longest fetch.
    pub const SHORTEST_GRACE: Duration = Duration::from_hours(14 * 24);
    /// The longest grace: how long logs remember which files were removed.
    pub const LONGEST_GRACE: Duration = Duration::from_hours(30 * 24);
    /// The shortest retention of log entries: the longest fetch.
    pub const SHORTEST_RETENTION: Duration = DAY;
    /// The shortest retention of `deltas`: a reader that reads changes once a month misses none.
    pub const SHORTEST_DELTA_RETENTION: Duration = Duration::from_hours(35 * 24);

    /// Checks that the settings delete nothing that a reader may still need, and that the lake can keep its guarantees.
    pub fn check(&self) -> Result<(), BadSetting> {
        BadSetting::at_least(
            "log_retention_secs",
            self.log_retention,
            Self::SHORTEST_RETENTION,
            ": a fetch may run for a day, and its commit reads the log from the fetch's start",
        )?;
        BadSetting::at_least(
            "delta_retention_secs",
            self.delta_retention,
            Self::SHORTEST_DELTA_RETENTION,
            ": 35 days, so that a reader that reads changes once a month misses none",
        )?;
        BadSetting::at_least(
            "drift_retention_secs",
            self.drift_retention,
            self.delta_retention,
            ", the value of delta_retention_secs: readers take changes from both tables",
        )?;
        if self.compact_files != 0 && !(2..=FAN_IN).contains(&self.compact_files) {
            let problem = format!(
                "is {}, but must be from 2 to {FAN_IN}, or 0 to merge none: rewriting one file gains nothing, and one merge takes at most {FAN_IN}",
                self.compact_files
            );
            return Err(BadSetting::new("compact_files", problem));
        }
        self.check_grace(Duration::ZERO)
    }

    /// Checks the grace against the interval of full fetches.
    pub fn check_grace(&self, full_interval: Duration) -> Result<(), BadSetting> {
        let Some(grace) = self.vacuum_grace else {
            return Ok(());
        };
        let option = "vacuum_grace_secs";
        BadSetting::at_least(
            option,
            grace,
            Self::least_grace(full_interval),
            ": two weeks and twice schedule.full_interval_secs, so that no reader of a snapshot loses its files",
        )?;
        if grace > Self::LONGEST_GRACE {
            let problem = format!(
                "is {}, but must be at most {}: 30 days, because the lake remembers removed files for that long",
                grace.as_secs(),
                Self::LONGEST_GRACE.as_secs()
            );
            return Err(BadSetting::new(option, problem));
        }
        Ok(())
    }

    /// Returns how long an unreferenced data file is kept.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.vacuum_grace.unwrap_or(Self::SHORTEST_GRACE)
    }

    /// Returns the shortest grace of a lake with this interval between snapshots: twice the interval, within the bounds
    /// of any grace. So readers of a snapshot keep its files.
    #[must_use]
    pub fn least_grace(full_interval: Duration) -> Duration {
        let twice = full_interval.saturating_mul(2);
        twice.clamp(Self::SHORTEST_GRACE, Self::LONGEST_GRACE)
    }

    /// Returns these settings with defaults that depend on the interval between snapshots.
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
