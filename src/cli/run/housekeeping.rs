//! What a lake needs beside the fetches: notes for `status`, and upkeep once a day. Neither holds up a fetch, and a
//! failure of either costs nothing but itself.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::super::logs::RateLimit;
use super::super::session::Session;
use crate::lake::Lake;
use crate::status::Notes;

/// How often notes are put, if they changed.
const NOTES_EVERY: Duration = Duration::from_mins(1);

/// Looks after a lake while the service runs.
pub(super) struct Housekeeping {
    lake: Lake,
    notes: watch::Receiver<Notes>,
    limit: RateLimit,
}

impl Housekeeping {
    pub(super) fn new(
        lake: Lake,
        session: &Session,
        notes: watch::Receiver<Notes>,
        limit: RateLimit,
    ) -> Self {
        Self { lake, notes, limit }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        let mut put_notes = interval(NOTES_EVERY);
        put_notes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            put_notes.tick().await;
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
