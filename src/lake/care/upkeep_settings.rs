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
    /// Whether the service runs upkeep. With `false`, `kombo-source upkeep` has to be run.
    pub enabled: bool,
    /// Time from one upkeep of the service to the next: a day.
    #[serde(rename = "interval_secs", deserialize_with = "seconds")]
    pub interval: Duration,
    /// How long log entries are kept that a checkpoint covers: a week. During this time every version of a Delta
    /// table can be read.
    ///
    /// Range: 86400 or more.
    #[serde(rename = "log_retention_secs", deserialize_with = "seconds")]
    pub log_retention: Duration,
    /// How long an unreferenced data file is kept before it is deleted. Off: twice `full_interval_secs`, but at least
    /// 14 days and at most 30 days, so 14 days by default. The lake remembers for 30 days which files were removed.
    /// A value below that default is refused.
    ///
    /// Range: 1209600 to 2592000.
    #[serde(rename = "vacuum_grace_secs", deserialize_with = "some_seconds")]
    pub vacuum_grace: Option<Duration>,
    /// How long a row of `deltas` is kept at least: 35 days. The row is deleted after that time, once a full fetch
    /// that began after it is folded into `current`.
    ///
    /// Range: 3024000 or more.
    #[serde(rename = "delta_retention_secs", deserialize_with = "seconds")]
    pub delta_retention: Duration,
    /// How long the findings of full fetches are kept in `kombo_drift`: 400 days. Never shorter than
    /// `delta_retention_secs`, because changes are read from both.
    ///
    /// Range: 3024000 or more.
    #[serde(rename = "drift_retention_secs", deserialize_with = "seconds")]
    pub drift_retention: Duration,
    /// Number of small files of one partition from which they are merged into one, in `deltas` and `kombo_drift`. 0:
    /// never.
    ///
    /// Range: 2 to 32, or 0.
    pub compact_files: usize,
    /// Whether the rows of an integration are deleted from the lake 14 days after Kombo first answered that the
    /// integration does not exist. A second check at least a day later has to confirm the answer. Kombo deletes its own
    /// data 14 days after the deletion, too.
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
