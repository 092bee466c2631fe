//! One table, as the dispatcher knows it.

use std::sync::Arc;
use std::time::Duration;

use super::super::held::Holding;
use crate::catalog::Endpoint;
use crate::plan::{Announced, ModelOff};
use crate::sink::Coverage;
use crate::time::{Backoff, Base, Moment, Tier};

/// How long a table waits for its next try after failures in a row.
const RETRY: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_mins(15));

/// Error of a table whose coverage could not be read at the start, until its first fetch.
const UNREAD: &str = "the table cannot be read from the lake";

/// What is known of a table. What few tables have is in boxes: a service holds tens of thousands of tables.
#[derive(Debug)]
pub(in crate::service) struct TrackedTable {
    pub(in crate::service) endpoint: Arc<Endpoint>,
    /// Whether the coverage of the table could not be read yet.
    is_unread: bool,
    /// The base of the table: a committed fetch covers changes up to this instant, on Kombo's clock.
    pub(in crate::service) base: Option<Base>,
    pub(in crate::service) snapshot_base: Option<Base>,
    /// Whether a snapshot waits or runs.
    pub(in crate::service) snapshot_wanted: bool,
    /// When the last successful delta and the last successful snapshot began.
    pub(in crate::service) delta_began: Option<Moment>,
    pub(in crate::service) snapshot_began: Option<Moment>,
    /// When the last notification came.
    pub(in crate::service) last_notified_at: Option<Moment>,
    /// When the last delta began that a notification asked for.
    pub(in crate::service) answer_began: Option<Moment>,
    /// Since when nested copies of other records may be stale.
    pub(in crate::service) stale_since: Option<Moment>,
    /// When the first notification came that no committed fetch has covered.
    pub(in crate::service) notified_at: Announced,
    pub(in crate::service) failures: u32,
    pub(in crate::service) error: Option<Box<TableError>>,
    pub(in crate::service) off: Option<Box<Off>>,
    /// Number of values in the last fetches that fit no column.
    pub(in crate::service) rest_values: u64,
}

/// Why the last fetch of a table failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct TableError {
    /// The error with its causes, without row values.
    pub(in crate::service) message: String,
    /// When the first failure in a row happened.
    pub(in crate::service) since: Moment,
}

/// A table that the integration does not offer for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct Off {
    pub(in crate::service) reason: ModelOff,
    /// When the table was last tried.
    pub(in crate::service) tried: Moment,
    /// Number of tries in a row that changed nothing.
    looks: u32,
}

impl TrackedTable {
    /// Returns a table with the given coverage.
    pub(super) fn held(endpoint: Arc<Endpoint>, held: Holding, now: Moment) -> Self {
        let mut table = Self::unknown(endpoint);
        match held {
            Holding::Known(coverage) => table.take_over(&coverage.unwrap_or_default()),
            Holding::Unread => {
                table.is_unread = true;
                table.failed(UNREAD.to_owned(), now);
            }
        }
        table
    }

    /// Returns whether a delta of the table may be asked for. A table whose coverage could not be read counts as one:
    /// the coverage is read again before the fetch, and decides the mode.
    pub(super) fn takes_deltas(&self) -> bool {
        self.endpoint.updated_after && (self.base.is_some() || self.is_unread)
    }

    /// Takes in the coverage of a table that could not be read before.
    pub(super) fn read(&mut self, coverage: &Coverage) {
        if std::mem::take(&mut self.is_unread) {
            self.take_over(coverage);
        }
    }

    fn unknown(endpoint: Arc<Endpoint>) -> Self {
        Self {
            endpoint,
            is_unread: false,
            base: None,
            snapshot_base: None,
            snapshot_wanted: false,
            delta_began: None,
            snapshot_began: None,
            last_notified_at: None,
            answer_began: None,
            stale_since: None,
            notified_at: Announced::default(),
            failures: 0,
            error: None,
            off: None,
            rest_values: 0,
        }
    }

    /// Takes in what the lake covers. A delta needs the bases of all tiers: if one is missing, only a snapshot covers
    /// the table.
    pub(super) fn take_over(&mut self, coverage: &Coverage) {
        let bases = Tier::ALL.map(|tier| coverage.bases.get(tier));
        if bases.iter().all(Option::is_some) {
            self.base = self.base.max(bases[0]);
        }
        self.snapshot_base = self.snapshot_base.max(coverage.snapshot_base);
    }

    /// Returns the instant from which the next heartbeat is counted. Without a usable `Date` a fetch moves no base; its
    /// start counts then, so that it is not followed by another fetch at once.
    pub(in crate::service) fn last_fetch(&self) -> Option<Base> {
        let began = self.delta_began.max(self.snapshot_began);
        self.base.max(began.map(Base::from))
    }

    /// Returns the instant from which the next snapshot is counted, by the rule of [`last_fetch`](Self::last_fetch).
    pub(super) fn last_snapshot(&self) -> Option<Base> {
        self.snapshot_base.max(self.snapshot_began.map(Base::from))
    }

    /// Takes in that the clock was replaced, and shows an earlier time now. What the previous clock showed has happened,
    /// so it is not later than `now`.
    pub(super) fn set_back(&mut self, now: Moment) {
        (self.answer_began, self.delta_began, self.snapshot_began) = (None, None, None);
        let past = |at: Moment| at.min(now);
        self.notified_at.set(self.notified_at.get().map(past));
        self.last_notified_at = self.last_notified_at.map(past);
        self.stale_since = self.stale_since.map(past);
        if let Some(error) = &mut self.error {
            error.since = past(error.since);
        }
        if let Some(off) = &mut self.off {
            off.tried = past(off.tried);
        }
    }

    /// Takes in a notification.
    pub(super) fn notified(&mut self, now: Moment) {
        let first = self.notified_at.get().unwrap_or(now);
        self.notified_at.set(Some(first));
        self.last_notified_at = Some(now);
    }

    /// Takes in a failure. Returns whether it is the first one since the last successful fetch.
    pub(super) fn failed(&mut self, message: String, now: Moment) -> bool {
        let since = self.error.as_ref().map(|error| error.since);
        self.error = Some(Box::new(TableError {
            message,
            since: since.unwrap_or(now),
        }));
        since.is_none()
    }

    /// Returns how long to wait before the next try. The wait grows with each failure in a row.
    pub(super) fn next_wait(&mut self) -> Duration {
        let wait = RETRY.wait(self.failures);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Takes in that the integration does not offer the table. Returns how long to wait until the next try.
    pub(super) fn switched_off(&mut self, reason: ModelOff, now: Moment) -> Duration {
        let before = self.off.as_ref();
        let looks = before.map_or(0, |off| off.looks.saturating_add(1));
        self.off = Some(Box::new(Off {
            reason,
            tried: now,
            looks,
        }));
        (self.failures, self.error) = (0, None);
        self.notified_at.set(None);
        self.snapshot_wanted = false;
        reason.recheck(looks)
    }

    /// Clears errors after a successful fetch.
    pub(super) fn recovered(&mut self) {
        (self.failures, self.error, self.off) = (0, None, None);
    }
}
