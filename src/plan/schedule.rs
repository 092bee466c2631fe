//! When tables are fetched without a notification: full fetches, heartbeats, and snapshots in place of deltas.
//!
//! All instants are on Kombo's clock. Every answer is an instant at or after `now`, worked out from what
//! the lake says and from `now` alone, so restarts lose nothing and repeat nothing.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

use crate::ids::IntegrationKey;
use crate::setting::{seconds, some_seconds};
use crate::time::{Base, Moment, millis};

/// How often a table without `updated_after` is fetched at most because of notifications: each time costs all its rows.
pub const SNAPSHOT_INSTEAD_EVERY: Duration = Duration::from_hours(6);

/// A missed full fetch has this many further chances in an interval: one a day for the usual week.
const CHANCES: i64 = 7;

/// The part of the time between two chances in which one is open: one in 24 is an hour of a day.
const OPEN_PART: i64 = 24;

/// When tables are fetched without a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// From one snapshot of a table to the next, at most. Also decides how long upkeep keeps files that nothing names, and
    /// when `status` calls a table late.
    #[serde(rename = "full_interval_secs", deserialize_with = "seconds")]
    pub full_interval: Duration,
    /// From one delta of a table to the next when nothing was announced, if the budget allows.
    #[serde(rename = "heartbeat_interval_secs", deserialize_with = "seconds")]
    pub heartbeat_interval: Duration,
    /// How long a table may hold stale nested copies before its snapshot is brought forward; `None` for ever.
    #[serde(rename = "nested_refresh_secs", deserialize_with = "some_seconds")]
    pub nested_refresh: Option<Duration>,
    /// How old the base of a table may be before it counts as late; `None` for twice the heartbeat.
    #[serde(rename = "freshness_objective_secs", deserialize_with = "some_seconds")]
    pub freshness_objective: Option<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Schedule {
    /// A snapshot a week finds what no delta can; a delta every six hours makes up for lost webhooks.
    pub const DEFAULT: Self = Self {
        full_interval: Duration::from_hours(7 * 24),
        heartbeat_interval: Duration::from_hours(6),
        nested_refresh: None,
        freshness_objective: None,
    };

    /// Returns how old the base of a table may be before it counts as late. The heartbeat is the one achieved, which a small
    /// budget stretches: a table is late when a heartbeat was missed, not when there are many tables.
    #[must_use]
    pub fn objective(&self, heartbeat: Duration) -> Duration {
        let told = self.freshness_objective;
        told.unwrap_or_else(|| heartbeat.saturating_mul(2))
    }

    /// Returns when a table's next snapshot starts. `last` is the base of the one before, `stale_since` when nested
    /// copies became stale.
    ///
    /// Each integration has its own instant within the interval, from the hash in its key, so thousands that started
    /// together part ways with their second snapshot. A snapshot that was missed while the service was down opens again
    /// every seventh of the interval, for a 24th of that time: after minutes, those just missed start at once; after
    /// months, every table gets its turn within a seventh of the interval, and never more than a 24th at one time.
    #[must_use]
    pub fn next_snapshot(
        &self,
        key: &IntegrationKey,
        last: Option<Base>,
        stale_since: Option<Moment>,
        now: Moment,
    ) -> Moment {
        // Without rows, being early matters more than being even; the request budget spreads them.
        let Some(last) = last else {
            return now;
        };
        let refresh = self.nested_refresh.zip(stale_since);
        let refresh = refresh.map(|(patience, since)| since + patience);
        let regular = self.regular_snapshot(key, last.as_millis(), now.as_millis());
        let regular = Moment::from_millis(regular);
        refresh.map_or(regular, |refresh| regular.min(refresh.max(now)))
    }

    /// All in milliseconds: the interval is a circle, and each integration has its place on it.
    fn regular_snapshot(&self, key: &IntegrationKey, last: i64, now: i64) -> i64 {
        let interval = millis(self.full_interval).max(1);
        let phase = millis(phase(key, self.full_interval));
        let since_slot = last.saturating_sub(phase).rem_euclid(interval);
        let slot = last.saturating_sub(since_slot).saturating_add(interval);
        if slot >= now {
            return slot;
        }
        let between = (interval / CHANCES).max(1);
        let open = (between / OPEN_PART).max(1);
        let since_chance = now.saturating_sub(slot).rem_euclid(between);
        if since_chance < open {
            now
        } else {
            now.saturating_add(between - since_chance)
        }
    }
}

/// Returns when a table without `updated_after` may be fetched because of a notification.
#[must_use]
pub fn next_snapshot_instead(last: Option<Base>, now: Moment) -> Moment {
    last.map_or(now, |last| {
        (last.moment() + SNAPSHOT_INSTEAD_EVERY).max(now)
    })
}

/// Returns how often each of a number of tables is asked for changes that no notification announced, within a request budget:
///
/// `period = max(interval, tables * window / (0.75 * requests))`
///
/// since heartbeats and catch-up may use three quarters of the budget, and an empty delta is one request. With 300
/// requests a minute, six hours are enough for 81,000 tables. Tables without `updated_after` have no heartbeat.
#[must_use]
pub fn heartbeat_period(
    interval: Duration,
    tables: u32,
    requests: NonZeroU32,
    window: Duration,
) -> Duration {
    let needed = window
        .saturating_mul(tables)
        .saturating_mul(4)
        .checked_div(requests.get().saturating_mul(3));
    interval.max(needed.unwrap_or(interval))
}

/// Returns when a table's next heartbeat is due, given the base of its last fetch.
///
/// Up to an eighth early, by the hash in the integration's key: tables that were fetched together at a start drift
/// apart. A notification in between moves the base, and so the heartbeat.
#[must_use]
pub fn next_heartbeat(
    period: Duration,
    key: &IntegrationKey,
    last: Option<Base>,
    now: Moment,
) -> Moment {
    let early = phase(key, period / 8);
    let due = |last: Base| (last.moment() + period.saturating_sub(early)).max(now);
    last.map_or(now, due)
}

/// Returns a part of the span that is the integration's own, in whole milliseconds.
fn phase(key: &IntegrationKey, span: Duration) -> Duration {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(key.number() % span.max(1))
}

#[cfg(test)]
mod tests;
