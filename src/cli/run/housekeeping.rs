//! What a lake needs beside the fetches: notes for `status`, and upkeep once a day. Neither holds up a fetch, and a
//! failure of either costs nothing but itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at, timeout};
use tracing::{info, warn};

use super::super::logs::RateLimit;
use super::super::purging::Asked;
use super::super::session::Session;
use crate::catalog::{Catalog, Endpoint};
use crate::lake::{Lake, LakeError, PurgeSettings, UpkeepReport, UpkeepSettings};
use crate::service::SharedClient;
use crate::status::Notes;

/// How often notes are put, and lines told that were left out.
const NOTES_EVERY: Duration = Duration::from_mins(1);

/// The first upkeep is this long after a start: not while everything is caught up with, and not after a day, which a
/// service that is restarted daily would never reach.
const FIRST_UPKEEP: Duration = Duration::from_mins(10);

/// How long the last notes may take.
const LAST_NOTES: Duration = Duration::from_secs(5);

/// Looks after a lake while the service runs.
pub(super) struct Housekeeping {
    lake: Lake,
    notes: watch::Receiver<Notes>,
    limit: RateLimit,
    /// All there are: tables that are not fetched any more are kept up all the same.
    endpoints: Vec<Arc<Endpoint>>,
    upkeep: Option<Upkeep>,
    /// Kombo is asked before anything of an integration leaves.
    client: SharedClient,
}

/// What is done once a day.
struct Upkeep {
    every: Duration,
    settings: UpkeepSettings,
    /// Rows of integrations that were deleted long enough ago leave, too.
    purge: bool,
}

impl Housekeeping {
    pub(super) fn new(
        lake: Lake,
        session: &Session,
        catalog: &Catalog,
        notes: watch::Receiver<Notes>,
        limit: RateLimit,
        client: SharedClient,
    ) -> Self {
        let (schedule, upkeep) = (&session.config.source.schedule, &session.config.sink.upkeep);
        let settings = UpkeepSettings {
            log_retention: Duration::from_secs(upkeep.log_retention_secs.get()),
            vacuum_grace: upkeep.vacuum_grace(schedule),
            delta_retention: Duration::from_secs(upkeep.delta_retention_secs.get()),
            drift_retention: Duration::from_secs(upkeep.drift_retention_secs.get()),
            compact_files: upkeep.compact_files.get() as usize,
            ..UpkeepSettings::default()
        };
        let every = Duration::from_secs(upkeep.interval_secs.get());
        Self {
            lake,
            notes,
            limit,
            endpoints: catalog.endpoints().to_vec(),
            upkeep: upkeep.enabled.then_some(Upkeep {
                every,
                settings,
                purge: upkeep.purge_deleted,
            }),
            client,
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        let (lake, endpoints) = (self.lake.clone(), std::mem::take(&mut self.endpoints));
        let (upkeep, client) = (self.upkeep.take(), self.client.clone());
        tokio::join!(self.tell(), keep_up(lake, endpoints, upkeep, client));
    }

    async fn tell(mut self) {
        let mut ticks = unhurried(interval(NOTES_EVERY));
        loop {
            ticks.tick().await;
            for (place, left_out) in self.limit.take_left_out() {
                warn!(
                    place,
                    left_out, "{left_out} lines like others were left out"
                );
            }
            self.put_notes().await;
        }
    }

    async fn put_notes(&mut self) {
        if !self.notes.has_changed().unwrap_or(false) {
            return;
        }
        let bytes = self.notes.borrow_and_update().to_bytes();
        if let Err(error) = self.lake.put_status(bytes.into()).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "the notes for status were not put"
            );
        }
    }
}

/// Puts what the service has to say at its end, unless the lake does not take it soon.
pub(super) async fn put_last(lake: &Lake, notes: &watch::Receiver<Notes>) {
    let bytes = notes.borrow().to_bytes();
    // Notes are for display; the logs of the lake have what counts.
    if !matches!(
        timeout(LAST_NOTES, lake.put_status(bytes.into())).await,
        Ok(Ok(()))
    ) {
        warn!("the last notes for status were not put");
    }
}

async fn keep_up(
    lake: Lake,
    endpoints: Vec<Arc<Endpoint>>,
    upkeep: Option<Upkeep>,
    client: SharedClient,
) {
    let Some(Upkeep {
        every,
        settings,
        purge,
    }) = upkeep
    else {
        return;
    };
    let mut ticks = unhurried(interval_at(Instant::now() + FIRST_UPKEEP.min(every), every));
    loop {
        ticks.tick().await;
        match lake.upkeep(&endpoints, &settings).await {
            Ok(report) => log_upkeep(&report),
            Err(error) => put_off("upkeep", &error, every),
        }
        if purge {
            let purged = purge_deleted(&lake, &endpoints, &client).await;
            if let Err(error) = purged {
                put_off("purge", &error, every);
            }
        }
    }
}

/// Purges what Kombo does not find this time either. What was purged is logged by the lake, and what failed, too.
async fn purge_deleted(
    lake: &Lake,
    endpoints: &[Arc<Endpoint>],
    client: &SharedClient,
) -> Result<(), LakeError> {
    let settings = PurgeSettings {
        after: PurgeSettings::AFTER,
        only: None,
    };
    let found = lake.purge_due(&settings).await?;
    let asked = Asked::ask(&*client.get(), &found).await;
    for (id, kept) in &asked.kept {
        let (reason, advice) = (kept.to_string(), kept.advice());
        warn!(integration.id = %id, reason, advice, "{id} is not purged, though its time has come: {reason}");
    }
    asked.revive(lake, &found).await?;
    lake.purge(endpoints, &asked.gone, false).await.map(drop)
}

fn put_off(what: &str, error: &LakeError, every: Duration) {
    warn!(
        error = error as &dyn std::error::Error,
        "{what} failed; the next one is in {} h",
        every.as_secs() / 3600
    );
}

/// What failed is logged by the lake.
fn log_upkeep(report: &UpkeepReport) {
    let sum = |of: fn(&crate::lake::TableUpkeep) -> u64| report.tables.iter().map(of).sum::<u64>();
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
        "upkeep: {left} old rows gone, {merged} files merged, {deleted} deleted, {entries} log entries cut"
    );
}

fn unhurried(mut ticks: Interval) -> Interval {
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
