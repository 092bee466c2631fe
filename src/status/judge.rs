//! Whether a table is as fresh as it has to be.

use std::time::Duration;

use super::{Notes, TableStatus};
use crate::catalog::Endpoint;
use crate::time::Horizon;

/// How old a base may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective {
    /// For tables that deltas keep fresh. `None` for twice the heartbeat: what a service says it achieves, else the
    /// configured one.
    pub delta: Option<Duration>,
    /// The configured heartbeat.
    pub heartbeat: Duration,
    /// For tables without `updated_after`, which only snapshots refresh.
    pub snapshot: Duration,
}

/// What is to be said of a table's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
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
        let heartbeat = self.heartbeat.max(achieved.unwrap_or_default());
        Self { heartbeat, ..self }
    }

    /// Returns how old a base of the endpoint's tables may be.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Duration {
        let delta = self.delta.unwrap_or(self.heartbeat.saturating_mul(2));
        if endpoint.updated_after {
            return delta;
        }
        delta.max(self.snapshot)
    }

    /// Returns whether notes are young enough to be believed in what they excuse. Those from the future are not.
    pub(super) fn is_recent(&self, notes: &Notes, now_ms: i64) -> bool {
        let delta = self.delta.unwrap_or(self.heartbeat.saturating_mul(2));
        let is_past = notes.written_ms <= Horizon::at(now_ms).latest_ms();
        is_past && age(notes.written_ms, now_ms) <= delta
    }

    /// Judges a table. Only `off` is taken from its note, and only from a recent one.
    pub(super) fn judge(
        &self,
        table: &TableStatus,
        endpoint: &Endpoint,
        parked: bool,
        recent: bool,
        now_ms: i64,
    ) -> Verdict {
        if parked || recent && table.note.off.is_some() {
            return Verdict::Parked;
        }
        let objective = self.of(endpoint);
        match table.base() {
            None => Verdict::Unfetched,
            Some(base) if age(base.as_millis(), now_ms) > objective => Verdict::Late { objective },
            Some(_) => Verdict::Fresh,
        }
    }
}

/// Returns how long ago an instant was; zero for one that is still to come.
fn age(instant_ms: i64, now_ms: i64) -> Duration {
    let passed = now_ms.saturating_sub(instant_ms);
    Duration::from_millis(u64::try_from(passed).unwrap_or_default())
}
