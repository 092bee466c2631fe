//! When tables are fetched without a notification: full fetches, heartbeats, and snapshots in place of deltas.
//!
//! All instants are on Kombo's clock. Every result is an instant at or after `now`, computed only from the lake and
//! from `now`. So a restart loses nothing and repeats nothing.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

use crate::catalog::Endpoint;
use crate::ids::IntegrationKey;
use crate::setting::{seconds, some_seconds};
use crate::time::{Base, Moment, millis};

/// Least time between two fetches of a table without `updated_after` because of notifications. Each such fetch costs
/// all rows of the table.
pub const SNAPSHOT_INSTEAD_EVERY: Duration = Duration::from_hours(6);

/// Number of further chances in an interval for a missed full fetch: one per day in the usual week.
const CHANCES: i64 = 7;

/// The part of the time between two chances in which a chance is open: one in 24, which is one hour of a day.
const OPEN_PART: i64 = 24;

/// When tables are fetched without a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Time from one full fetch (snapshot) of a table to the next: a week. A full fetch finds what no delta can find.
    /// Twice this interval is the default of `vacuum_grace_secs`. `status` calls a table that Kombo cannot filter by
    /// `updated_after` late when its base is older than twice this interval.
    #[serde(rename = "full_interval_secs", deserialize_with = "seconds")]
    pub full_interval: Duration,
    /// Time from one delta of a table to the next without a notification: six hours. The heartbeat makes up for lost
    /// webhooks. With more tables than the rate limit allows, the service stretches this interval.
    #[serde(rename = "heartbeat_interval_secs", deserialize_with = "seconds")]
    pub heartbeat_interval: Duration,
    /// How long nested copies in a table may be stale before its full fetch is brought forward. Off: until the next
    /// full fetch.
    #[serde(rename = "nested_refresh_secs", deserialize_with = "some_seconds")]
    pub nested_refresh: Option<Duration>,
    /// How old the base of a table may be before the table counts as late. Off: twice the heartbeat.
    #[serde(rename = "freshness_objective_secs", deserialize_with = "some_seconds")]
    pub freshness_objective: Option<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Schedule {
    /// The default schedule. A weekly snapshot finds what no delta can find. A delta every six hours makes up for lost
    /// webhooks.
    pub const DEFAULT: Self = Self {
        full_interval: Duration::from_hours(7 * 24),
        heartbeat_interval: Duration::from_hours(6),
        nested_refresh: None,
        freshness_objective: None,
    };

    /// Returns how old the base of a table may be before the table counts as late. `heartbeat` is the actual period,
    /// which a small request budget stretches. So a table is late when a heartbeat was missed, and not because there
    /// are many tables.
    #[must_use]
    pub fn objective(&self, heartbeat: Duration) -> Duration {
        let told = self.freshness_objective;
        told.unwrap_or_else(|| heartbeat.saturating_mul(2))
    }

    /// Returns the objective of the tables of an endpoint. A table without `updated_after` has no deltas, so only its
    /// snapshots make it fresh.
    #[must_use]
    pub fn objective_of(&self, endpoint: &Endpoint, heartbeat: Duration) -> Duration {
        let of_deltas = self.objective(heartbeat);
        if endpoint.updated_after {
            return of_deltas;
        }
        of_deltas.max(self.full_interval.saturating_mul(2))
    }

    /// Returns when a table's next snapshot starts. `last` is the base of the last snapshot. `stale_since` is when
    /// nested copies became stale.
    ///
    /// Each integration has its own instant within the interval, derived from the hash in its key. So thousands of
    /// integrations that started together are spread out from their second snapshot on. A snapshot that was missed
    /// while the service was down gets a new chance every seventh of the interval, and each chance is open for a 24th
    /// of that time. After minutes of downtime, the snapshots that were just missed start at once. After months, every
    /// table gets its turn within a seventh of the interval, and at most a 24th of the tables starts at one time.
    #[must_use]
    pub fn next_snapshot(
        &self,
        key: &IntegrationKey,
        last: Option<Base>,
        stale_since: Option<Moment>,
        now: Moment,
    ) -> Moment {
        // Without any rows, an early snapshot matters more than an even load. The request budget spreads these
        // snapshots.
        let Some(last) = last else {
            return now;
        };
        let refresh = self.nested_refresh.zip(stale_since);
        let refresh = refresh.map(|(patience, since)| since + patience);
        let regular = self.regular_snapshot(key, last.as_millis(), now.as_millis());
        let regular = Moment::from_millis(regular);
        refresh.map_or(regular, |refresh| regular.min(refresh.max(now)))
    }

    /// All values are in milliseconds. The interval is a circle, and each integration has its place on the circle.
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

/// Returns how often each of `tables` tables is asked for unannounced changes within a request budget:
///
/// `period = max(interval, tables * window / (0.75 * requests))`
///
/// Heartbeats and catch-up may use three quarters of the budget, and an empty delta is one request. With 300 requests
/// per minute, six hours are enough for 81,000 tables. Tables without `updated_after` have no heartbeat.
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
/// The heartbeat comes up to an eighth of the period early, derived from the hash in the integration's key. So tables
/// that were fetched together at a start drift apart. A notification in between moves the base, and so the heartbeat.
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

/// Returns the first instant after `now` at the time of day that belongs to an integration. Each integration has one
/// time of day, so a restart asks nothing again, and questions about many integrations spread over the day.
#[must_use]
pub fn next_daily(key: &IntegrationKey, now: Moment) -> Moment {
    const DAY: Duration = Duration::from_hours(24);
    let of_day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let midnight = Moment::from_millis(now.as_millis().div_euclid(of_day).saturating_mul(of_day));
    let today = midnight + phase(key, DAY);
    if today > now { today } else { today + DAY }
}

/// Returns a part of the span that depends only on the integration, in whole milliseconds.
fn phase(key: &IntegrationKey, span: Duration) -> Duration {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(key.number() % span.max(1))
}

#[cfg(test)]
mod tests;
