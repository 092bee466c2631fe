//! Runs upkeep once a day, and then purges deleted integrations. A failure of one does not stop the other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tracing::{info, warn};

use super::{FullInterval, PurgeAnswers};
use crate::catalog::Endpoint;
use crate::chore::{Beside, Chore, Questions};
use crate::lake::{
    Lake, LakeError, PurgeDepth, PurgeSettings, SetAside, TableUpkeep, UpkeepReport, UpkeepSettings,
};
use crate::trouble::{Sight, TroubleKind};
use crate::words::{self, counted, counted_as, with_causes};

/// Time from a start to the first upkeep. Not at once, while the service catches up with changes. Not after a day,
/// which a service that is restarted daily would never reach.
const FIRST_UPKEEP: Duration = Duration::from_mins(10);

/// The upkeep of all endpoints.
pub(super) struct UpkeepChore {
    lake: Lake,
    endpoints: Vec<Arc<Endpoint>>,
    settings: UpkeepSettings,
    full_interval: FullInterval,
}

impl Chore for UpkeepChore {
    fn name(&self) -> &'static str {
        "upkeep"
    }

    fn first_due(&self) -> Duration {
        FIRST_UPKEEP.min(self.settings.interval)
    }

    fn run<'a>(&'a mut self, beside: Beside<'a>) -> BoxFuture<'a, Duration> {
        async move {
            let settings = (self.settings).with_snapshots_every(self.full_interval.get());
            let mut failed = match self.lake.upkeep(&self.endpoints, &settings).await {
                Ok(report) => {
                    log_upkeep(&report);
                    part_failed(&report)
                }
                Err(error) => Some(self.put_off("upkeep", &error)),
            };
            if self.settings.purge_deleted
                && let Err(error) = self.purge(beside.kombo).await
            {
                failed = Some(self.put_off("purge", &error));
            }
            if let Err(error) = self.lake.forget_old_status().await {
                self.put_off("deleting the notes of old services", &error);
            }
            let failing = failed.map(Sight::of);
            beside.troubles.see(TroubleKind::UpkeepFailing, failing);
            self.settings.interval
        }
        .boxed()
    }
}

impl UpkeepChore {
    pub(super) fn new(
        lake: Lake,
        endpoints: Vec<Arc<Endpoint>>,
        settings: UpkeepSettings,
        full_interval: FullInterval,
    ) -> Self {
        Self {
            lake,
            endpoints,
            settings,
            full_interval,
        }
    }

    /// Purges the integrations that Kombo again does not find. The purge itself logs its result and its failures.
    async fn purge(&self, kombo: &dyn Questions) -> Result<(), LakeError> {
        let found = self.lake.purge_due(&PurgeSettings::default()).await?;
        let answers = PurgeAnswers::ask(kombo, &found).await;
        for (id, kept) in &answers.kept {
            let (reason, advice) = (kept.to_string(), kept.advice());
            warn!(integration.id = %id, reason, advice, "integration {id} is due to be purged but is kept: {reason}");
        }
        let depth = PurgeDepth::Rows;
        let purged = self
            .lake
            .purge_answered(&self.endpoints, &found, &answers, depth);
        purged.await.map(drop)
    }

    /// Logs a failure, and returns its text.
    fn put_off(&self, what: &str, error: &LakeError) -> String {
        warn!(
            error = with_causes(error),
            advice = error.advice(),
            "{what} failed; the next attempt is in {} h",
            self.settings.interval.as_secs() / 3600
        );
        format!("{what} failed: {}", with_causes(error))
    }
}

/// Returns the text of what failed while other tables were done. `None` when nothing failed.
fn part_failed(report: &UpkeepReport) -> Option<String> {
    let SetAside { member, error } = report.failed.first()?;
    let tables = counted(report.failed.len() as u64, "table");
    Some(format!(
        "{tables}, such as {member}: {}",
        with_causes(error)
    ))
}

/// Logs the totals. Failures are logged by the upkeep itself.
fn log_upkeep(report: &UpkeepReport) {
    let sum = |of: fn(&TableUpkeep) -> u64| report.tables.iter().map(of).sum::<u64>();
    let (merged, deleted) = (
        sum(|done| done.merged_files),
        sum(|done| done.deleted_files),
    );
    let (bytes, entries) = (
        sum(|done| done.deleted_bytes),
        sum(|done| done.deleted_log_entries),
    );
    let left = sum(|done| done.left_rows);
    info!(
        left,
        merged,
        deleted,
        bytes,
        entries,
        "upkeep done: {} expired, {} merged, {} deleted ({}), {} deleted",
        counted(left, "row"),
        counted(merged, "small file"),
        counted(deleted, "unreferenced file"),
        words::bytes(bytes),
        counted_as(entries, "log entry", "log entries")
    );
}
