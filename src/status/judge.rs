//! Judges whether a table is as fresh as the objective demands.

use std::time::Duration;

use super::{Notes, TableStatus};
use crate::catalog::Endpoint;
use crate::plan::Schedule;
use crate::time::{Horizon, Moment};

/// The age that a base may have. It follows from a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective(pub Schedule);

/// The verdict on the age of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The base is within the objective.
    Fresh,
    /// The base is older than the objective.
    Late {
        /// The age that the base may have.
        objective: Duration,
    },
    /// The integration is parked, or the model is switched off at Kombo. The table is not late, however old it is.
    Parked,
    /// No fetch of the table is committed yet.
    Unfetched,
}

impl Objective {
    /// Takes over the heartbeat period from the notes of a service, if the period is longer than the configured one. Notes
    /// without a period change nothing.
    pub(super) fn with(self, notes: Option<&Notes>) -> Self {
        let achieved = notes.map(|notes| Duration::from_secs(notes.heartbeat_period_secs));
        let heartbeat_interval = self.0.heartbeat_interval;
        Self(Schedule {
            heartbeat_interval: heartbeat_interval.max(achieved.unwrap_or_default()),
            ..self.0
        })
    }

    /// Returns the objective of tables that have deltas. It follows from the heartbeat that a service achieves, else from the
    /// configured one.
    fn of_deltas(&self) -> Duration {
        self.0.objective(self.0.heartbeat_interval)
    }

    /// Returns the age that a base of the endpoint's tables may have.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Duration {
        self.0.objective_of(endpoint, self.0.heartbeat_interval)
    }

    /// Returns whether notes are recent enough to excuse a table. Notes dated in the future are not.
    pub(super) fn is_recent(&self, notes: &Notes, now: Moment) -> bool {
        let written = Moment::from_millis(notes.written_ms);
        written <= Horizon::at(now).latest() && now.since(written) <= self.of_deltas()
    }

    /// Judges a table. Of the note only `off` counts, and only if the notes are recent.
    pub(super) fn judge(
        &self,
        table: &TableStatus,
        endpoint: &Endpoint,
        parked: bool,
        recent: bool,
        now: Moment,
    ) -> Freshness {
        if parked || recent && table.note.off.is_some() {
            return Freshness::Parked;
        }
        let objective = self.of(endpoint);
        match table.base() {
            None => Freshness::Unfetched,
            Some(base) if now.since(base.moment()) > objective => Freshness::Late { objective },
            Some(_) => Freshness::Fresh,
        }
    }
}
