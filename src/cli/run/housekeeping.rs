//! What a lake needs beside the fetches: notes for `status`, and upkeep once a day. Neither holds up a fetch, and a
//! failure of either costs nothing but itself.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::super::session::Session;
use crate::lake::{Lake, UpkeepSettings};
use crate::status::Notes;

/// How often notes are put, if they changed.
const NOTES_EVERY: Duration = Duration::from_mins(1);

/// Looks after a lake while the service runs.
pub(super) struct Housekeeping {
    lake: Lake,
    notes: watch::Receiver<Notes>,
}

impl Housekeeping {
    pub(super) fn new(lake: Lake, _session: &Session, notes: watch::Receiver<Notes>) -> Self {
        Self { lake, notes }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        let mut put_notes = interval(NOTES_EVERY);
        put_notes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            put_notes.tick().await;
            self.put_notes().await;
        }
    }

    async fn put_notes(&mut self) {
        if !self.notes.has_changed().unwrap_or(false) {
            return;
        }
        let bytes = self.notes.borrow_and_update().to_bytes();
        if let Err(error) = self.lake.put_status(bytes.into()).await {
            warn!(error = &error as &dyn std::error::Error, "the notes for status were not put");
        }
    }
}
