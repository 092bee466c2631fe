//! The end of the service: running fetches end within a limit. Then the bases of empty deltas, the hints and the notes
//! for `status` are written, so that the next start need not find them out again.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use super::run::{Service, TICK};
use crate::api::KomboApi;
use crate::ids::InstanceId;
use crate::sink::{Registry, Sink};
use crate::status::Notes;
use crate::words::{age, counted_as};

/// How long fetches that wait for nothing at Kombo get for their commit, while no request may leave.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the last write of the notes may take.
const LAST_NOTES: Duration = Duration::from_secs(5);

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Waits for running fetches, within the drain limit, and then writes bases, hints and notes.
    pub(super) async fn drain(mut self) {
        self.inbox.close();
        self.vitals.closed();
        let until = Instant::now() + self.drain_limit;
        let fetches = self.runner.running().len();
        tell_waiting(fetches, self.drain_limit);
        // New integrations are written first: their webhooks wait for the answer.
        self.keep(self.now());
        self.save();
        // Chores keep running beside the last fetches, but the shutdown does not wait for them.
        let mut last_end = Instant::now();
        while self.runner.tasks.len() > self.beside() && Instant::now() < until {
            if let Ok(Some(report)) = timeout_at(until, self.runner.step(true)).await {
                self.report(report);
                last_end = Instant::now();
            }
            self.keep(self.now());
            self.save();
            if last_end.elapsed() >= PATIENCE && self.waits_beyond(until) {
                info!(
                    "the fetches wait for Kombo longer than the shutdown may take, so they end now"
                );
                break;
            }
        }
        let left = self.runner.running().len();
        self.runner.tasks.shutdown().await;
        let flushed = timeout_at(
            until.max(Instant::now() + TICK),
            self.runner.ingest.flush_bases(|_| false),
        );
        if !matches!(flushed.await, Ok(Ok(()))) {
            warn!(
                "the bases of empty deltas were not written: the next start asks Kombo for a longer period"
            );
        }
        let announced = self.dispatch.announced();
        if let Err(error) = self.hints.write(&announced) {
            warn!(%error, "the restart hints cannot be written into data_dir: after a restart changed tables are not fetched first; set data_dir to a writable folder");
        }
        put_last(
            self.sink().clone(),
            self.vitals.instance(),
            self.last_notes(),
        )
        .await;
        self.tell_last_minute();
        tell_left(left);
    }

    /// Returns notes that say that the service has ended.
    fn last_notes(&self) -> Notes {
        Notes {
            ended_ms: Some(self.clock.now().as_millis()),
            waits: None,
            troubles: Vec::new(),
            ..self.notes(self.now())
        }
    }

    /// Returns whether no request leaves before the shutdown must be over.
    fn waits_beyond(&self, until: Instant) -> bool {
        let waits = self.api().waits();
        waits.is_some_and(|wait| Instant::now() + wait.left > until)
    }

    /// Returns the number of tasks that the shutdown does not wait for.
    fn beside(&self) -> usize {
        self.chores.under_way + usize::from(self.noting)
    }
}

/// Writes the last notes. They are for display only: rows and bases are in the sink already.
async fn put_last(sink: impl Registry, instance: &InstanceId, notes: Notes) {
    let put = timeout(LAST_NOTES, sink.put_notes(instance, notes.to_bytes())).await;
    if !matches!(put, Ok(Ok(()))) {
        warn!(
            "the service's last notes were not written to the lake: `kombo-source status` shows the previous ones"
        );
    }
}

/// Logs what the shutdown waits for, if it waits.
fn tell_waiting(fetches: usize, limit: Duration) {
    if fetches > 0 {
        let limit = age(limit);
        let running = counted_as(fetches as u64, "fetch", "fetches");
        info!(
            fetches,
            "shutting down: {running} may run for at most {limit}"
        );
    }
}

/// Logs fetches that were not over when the shutdown had to be.
fn tell_left(left: usize) {
    if left > 0 {
        let fetches = counted_as(left as u64, "fetch was", "fetches were");
        warn!(
            left,
            "{fetches} not over at the shutdown and committed nothing; the tables are fetched again at the next start"
        );
    }
}
