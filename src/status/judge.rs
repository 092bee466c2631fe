//! Whether a table is as fresh as it has to be.

use std::time::Duration;

use super::{Notes, TableStatus};
use crate::catalog::Endpoint;
use crate::plan::Schedule;
use crate::time::{Horizon, Moment};

/// How old a base may be: what follows from a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective(pub Schedule);

/// What is to be said of a table's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is as fresh as it has to be.
    Fresh,
    /// Its base is older than it may be.
    Late {
        /// How old it may be.
        objective: Duration,
    },
    /// Its integration is parked, or Kombo has switched the table off: it does not get older by anyone's fault.
    Parked,
    /// Nothing of it is committed yet.
    Unfetched,
}

impl Objective {
    /// Fills in what a service says of its heartbeat. A service that says nothing of it is as good as none.
    pub(super) fn with(self, notes: Option<&Notes>) -> Self {
        let achieved = notes.map(|notes| Duration::from_secs(notes.heartbeat_period_secs));
        let heartbeat_interval = self.0.heartbeat_interval;
        Self(Schedule {
            heartbeat_interval: heartbeat_interval.max(achieved.unwrap_or_default()),
            ..self.0
        })
    }

    /// For tables that deltas keep fresh: by the heartbeat that a service says it achieves, else the configured one.
    fn of_deltas(&self) -> Duration {
        self.0.objective(self.0.heartbeat_interval)
    }

    /// Returns how old a base of the endpoint's tables may be.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Duration {
        let delta = self.of_deltas();
        if endpoint.updated_after {
            return delta;
        }
        // Only snapshots refresh the others.
        delta.max(self.0.full_interval.saturating_mul(2))
    }

    /// Returns whether notes are young enough to be believed in what they excuse. Those from the future are not.
    pub(super) fn is_recent(&self, notes: &Notes, now: Moment) -> bool {
        let written = Moment::from_millis(notes.written_ms);
        written <= Horizon::at(now).latest() && now.since(written) <= self.of_deltas()
    }

    /// Judges a table. Only `off` is taken from its note, and only from a recent one.
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
