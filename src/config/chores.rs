//! What the chores of a lake are told by the options of a sink.

use std::time::Duration;

use super::{ScheduleSettings, SinkSettings};
use crate::lake::{ChoreSettings, FoldChoreSettings, UpkeepChoreSettings, UpkeepSettings};

impl SinkSettings {
    /// Returns which chores the lake has beside a source with this schedule.
    #[must_use]
    pub fn chores(&self, schedule: &ScheduleSettings) -> ChoreSettings {
        let (fold, upkeep) = (&self.fold, &self.upkeep);
        ChoreSettings {
            fold: fold.enabled.then(|| FoldChoreSettings {
                trigger: fold.trigger(),
                cpu_percent: fold.cpu_percent.get(),
            }),
            upkeep: upkeep.enabled.then(|| UpkeepChoreSettings {
                every: Duration::from_secs(upkeep.interval_secs.get()),
                upkeep: UpkeepSettings {
                    log_retention: Duration::from_secs(upkeep.log_retention_secs.get()),
                    vacuum_grace: upkeep.vacuum_grace(schedule),
                    delta_retention: Duration::from_secs(upkeep.delta_retention_secs.get()),
                    drift_retention: Duration::from_secs(upkeep.drift_retention_secs.get()),
                    compact_files: upkeep.compact_files.get() as usize,
                    ..UpkeepSettings::default()
                },
                purge_deleted: upkeep.purge_deleted,
            }),
        }
    }
}
