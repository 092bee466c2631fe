//! The end of the service: what is under way ends within a limit, and what would else be found out again is written down.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use super::run::{Service, TICK};
use crate::api::KomboApi;
use crate::sink::{Registry, Sink};

/// How long the last notes may take.
const LAST_NOTES: Duration = Duration::from_secs(5);

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Lets what is under way end, within the limit, and writes down what would else be found out again.
    pub(super) async fn drain(mut self) {
        self.inbox.close();
        let until = Instant::now() + self.drain_limit;
        let fetches = self.runner.running().len();
        info!(fetches, "shutting down");
        // What is new of an integration first: its webhook waits for it.
        self.save();
        // Chores go on beside the last fetches, but nothing waits for them.
        while self.runner.tasks.len() > self.beside() && Instant::now() < until {
            if let Ok(Some(report)) = timeout_at(until, self.runner.step(true)).await {
                self.report(report);
            }
            self.save();
        }
        let left = self.runner.running().len();
        self.runner.tasks.shutdown().await;
        let flushed = timeout_at(
            until.max(Instant::now() + TICK),
            self.runner.ingest.flush_bases(|_| false),
        );
        if !matches!(flushed.await, Ok(Ok(()))) {
            warn!(
                "bases of empty deltas were not written down: the next start asks for a little more"
            );
        }
        let announced = self.dispatch.announced();
        if let Err(error) = self.hints.write(&announced) {
            warn!(%error, "the hint file cannot be written; set data_dir to a folder that can");
        }
        let notes = self.dispatch.notes(self.now()).to_bytes();
        // Notes are for display; what counts is in the sink already.
        let put = timeout(LAST_NOTES, self.sink().put_notes(notes)).await;
        if !matches!(put, Ok(Ok(()))) {
            warn!("the last notes for status were not put");
        }
        info!(left, "shut down");
    }

    /// Counts the tasks that nobody waits for.
    fn beside(&self) -> usize {
        self.chores.under_way + usize::from(self.noting)
    }
}
