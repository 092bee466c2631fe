//! Instants on Kombo's clock, and how they are read and written.
//!
//! Kombo's guide "Fetching data" remembers the local clock at the start of a fetch. That loses rows when the local
//! clock is ahead. Here a [`Base`] is computed from the server's `Date` header and a monotonic interval. The local wall
//! clock is only an upper limit.
//!
//! An instant from outside passes [`Horizon`] before it is compared with anything or stored. No instant may be stored
//! that lies more than [`MAX_SERVER_LEAD`] ahead of the local clock, and no base may move backwards. Kombo's clock owns
//! the truth about time.

mod backoff;
mod civil;
mod horizon;
mod moment;
mod second_look;
mod server;
mod ticks;
mod uptime;

pub use backoff::Backoff;
pub use civil::{format_date, format_timestamp, parse_date, parse_instant, parse_timestamp};
pub use horizon::{Horizon, MAX_SERVER_LEAD, ServerDate, ServerNow, TRUSTED};
pub use moment::Moment;
pub(crate) use moment::millis;
pub use second_look::SecondLook;
pub use server::{ServerClock, parse_http_date};
pub use uptime::Uptime;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use ticks::Ticks;

/// Reads a wall clock, which may jump in both directions. A parameter everywhere, so that tests and the twin can bring
/// their own clock.
pub trait Clock: Send + Sync {
    /// Returns the current instant.
    fn now(&self) -> Moment;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Moment {
        Moment::from_millis(chrono::Utc::now().timestamp_millis())
    }
}

/// The server-clock instant up to which a finished fetch covers its table. Stored as milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Base(Moment);

impl Base {
    /// Wraps a stored value, in milliseconds since the epoch.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(Moment::from_millis(millis))
    }

    /// Computes the base of a fetch from its first page: the server's `Date`, minus the monotonic time from sending
    /// that request to receiving its headers. The base is never more than ten minutes ahead of the local clock.
    ///
    /// The server rounds `Date` down to whole seconds. So the base is at or before the instant at which the server read
    /// its data.
    #[must_use]
    pub fn from_first_page(date: ServerDate, elapsed: Duration) -> Self {
        // A part of a millisecond counts as a complete one, so that the base is never too late.
        let covered = date.at - elapsed.saturating_add(Duration::from_micros(999));
        Self(covered.min(date.horizon.latest()))
    }

    /// Returns milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.as_millis()
    }

    /// Returns the base as an instant.
    #[must_use]
    pub fn moment(self) -> Moment {
        self.0
    }

    /// Returns the instant to send as `updated_after`: this base minus the overlap of the tier.
    #[must_use]
    pub fn updated_after(self, tier: Tier) -> UpdatedAfter {
        UpdatedAfter(self.0 - tier.overlap())
    }
}

impl From<Moment> for Base {
    fn from(at: Moment) -> Self {
        Self(at)
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The `updated_after` of a delta. Shown in UTC with `Z`, as the pattern in Kombo's OpenAPI document demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpdatedAfter(Moment);

impl UpdatedAfter {
    /// Wraps milliseconds since the epoch.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(Moment::from_millis(millis))
    }

    /// Returns milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.as_millis()
    }
}

impl fmt::Display for UpdatedAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When a row was observed: the server time of its page, in microseconds since the epoch. Within a table, each
/// observation is later than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObservedAt(Ticks);

impl ObservedAt {
    /// The earliest possible instant, before every other one.
    pub const EARLIEST: Self = Self(Ticks::new(i64::MIN + 1));

    /// Wraps microseconds since the epoch.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(Ticks::new(micros))
    }

    /// Returns microseconds since the epoch.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0.get()
    }

    /// Returns the next instant, one microsecond later.
    #[must_use]
    pub fn next(self) -> Self {
        self.later_by(1)
    }

    /// Returns the instant `rows` microseconds later. Rows that are made together get one instant each.
    #[must_use]
    pub fn later_by(self, rows: usize) -> Self {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        Self::from_micros(self.as_micros().saturating_add(rows))
    }

    /// Returns the instant in milliseconds, rounded down.
    #[must_use]
    pub fn moment(self) -> Moment {
        Moment::from_millis(self.as_micros().div_euclid(1000))
    }
}

impl From<Moment> for ObservedAt {
    fn from(at: Moment) -> Self {
        Self::from_micros(at.as_micros())
    }
}

impl fmt::Display for ObservedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_timestamp(self.as_micros()))
    }
}

/// How far a delta reaches back before its base ([`Tier::overlap`]), and how often a delta reaches back that far
/// ([`Tier::period`]). Rows may become visible later than the instant that they carry. Each tier has its own base. So a
/// row that becomes visible late, but within the overlap, is in the next fetch of that tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Every delta. The overlap is five minutes.
    Ordinary,
    /// The first delta that begins an hour or more after the hourly base. The overlap is one hour.
    Hourly,
    /// The first delta that begins 24 hours or more after the daily base. The overlap is 24 hours.
    Daily,
}

impl Tier {
    /// All tiers, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Ordinary, Self::Hourly, Self::Daily];

    /// Returns the overlap: how long before its base a delta of this tier starts.
    #[must_use]
    pub fn overlap(self) -> Duration {
        match self {
            Self::Ordinary => Duration::from_mins(5),
            Self::Hourly => Duration::from_hours(1),
            Self::Daily => Duration::from_hours(24),
        }
    }

    /// Returns how long after the tier's base the next delta of this tier is due. The ordinary tier is always due.
    #[must_use]
    pub fn period(self) -> Duration {
        match self {
            Self::Ordinary => Duration::ZERO,
            Self::Hourly => Duration::from_hours(1),
            Self::Daily => Duration::from_hours(24),
        }
    }

    /// Returns the tiers whose bases a fetch of this tier moves: this tier and every narrower one.
    pub fn moves(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |tier| *tier <= self)
    }
}

/// The bases of a table, one for each tier. `None` means that no fetch of the tier has covered the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bases {
    ordinary: Option<Base>,
    hourly: Option<Base>,
    daily: Option<Base>,
}

impl Bases {
    /// Returns the base of a tier.
    #[must_use]
    pub fn get(&self, tier: Tier) -> Option<Base> {
        match tier {
            Tier::Ordinary => self.ordinary,
            Tier::Hourly => self.hourly,
            Tier::Daily => self.daily,
        }
    }

    /// Moves the base of a tier forward. Ignores a lower base: bases never move backwards.
    pub fn raise(&mut self, tier: Tier, base: Base) {
        let slot = match tier {
            Tier::Ordinary => &mut self.ordinary,
            Tier::Hourly => &mut self.hourly,
            Tier::Daily => &mut self.daily,
        };
        *slot = (*slot).max(Some(base));
    }

    /// Moves the base of every tier forward to the base in `others`.
    pub fn raise_all(&mut self, others: &Self) {
        for tier in Tier::ALL {
            if let Some(base) = others.get(tier) {
                self.raise(tier, base);
            }
        }
    }

    /// Returns the tier and the `updated_after` of the next delta: the widest tier whose period has passed since its
    /// base.
    ///
    /// Returns `None` when a tier has no base, or when a base lies more than ten minutes ahead of the server. No delta
    /// from such a base would bring the changes in between, so only a snapshot can cover the table.
    #[must_use]
    pub fn next_delta(&self, server_now: Moment) -> Option<(Tier, UpdatedAfter)> {
        let (ordinary, hourly, daily) = (self.ordinary?, self.hourly?, self.daily?);
        if ordinary.max(hourly).max(daily).moment() > Horizon::at(server_now).latest() {
            return None;
        }
        let passed = |base: Base, tier: Tier| server_now.since(base.moment()) >= tier.period();
        let (tier, base) = if passed(daily, Tier::Daily) {
            (Tier::Daily, daily)
        } else if passed(hourly, Tier::Hourly) {
            (Tier::Hourly, hourly)
        } else {
            (Tier::Ordinary, ordinary)
        };
        Some((tier, base.updated_after(tier)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_000_000_000;

    fn at(millis: i64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn a_base_is_the_server_date_less_the_time_the_answer_took() {
        let date = Horizon::at(at(NOON + 45_000))
            .admit(at(NOON), None)
            .expect("near");
        let base = Base::from_first_page(date, Duration::from_micros(1_500_001));
        assert_eq!(
            base.as_millis(),
            NOON - 1_501,
            "a part of a millisecond counts as a whole one"
        );
    }

    #[test]
    fn a_server_far_ahead_is_capped_by_the_local_clock() {
        let date = Horizon::at(at(NOON))
            .admit(at(NOON + 86_400_000), None)
            .expect("near");
        let base = Base::from_first_page(date, Duration::ZERO);
        assert_eq!(base.as_millis(), NOON + 600_000);
    }

    #[test]
    fn bases_never_go_back() {
        let mut bases = Bases::default();
        bases.raise(Tier::Hourly, Base::from_millis(10));
        bases.raise(Tier::Hourly, Base::from_millis(5));
        assert_eq!(bases.get(Tier::Hourly), Some(Base::from_millis(10)));
    }

    #[test]
    fn a_daily_fetch_moves_all_tiers_and_an_hourly_one_two() {
        assert_eq!(Tier::Daily.moves().count(), 3);
        assert_eq!(
            Tier::Hourly.moves().collect::<Vec<_>>(),
            [Tier::Ordinary, Tier::Hourly]
        );
        assert_eq!(Tier::Ordinary.moves().collect::<Vec<_>>(), [Tier::Ordinary]);
    }

    #[test]
    fn the_next_delta_is_the_widest_tier_that_is_due_from_its_own_base() {
        let mut bases = Bases::default();
        assert_eq!(bases.next_delta(at(NOON)), None);
        bases.raise(Tier::Daily, Base::from_millis(NOON - 7_200_000));
        bases.raise(Tier::Hourly, Base::from_millis(NOON - 3_600_000));
        bases.raise(Tier::Ordinary, Base::from_millis(NOON - 60_000));
        let (tier, after) = bases.next_delta(at(NOON)).expect("all tiers have bases");
        assert_eq!((tier, after.as_millis()), (Tier::Hourly, NOON - 7_200_000));
        let (tier, after) = bases
            .next_delta(at(NOON - 1))
            .expect("all tiers have bases");
        assert_eq!(
            (tier, after.as_millis()),
            (Tier::Ordinary, NOON - 60_000 - 300_000)
        );
    }

    #[test]
    fn a_base_far_ahead_of_the_server_leaves_only_a_snapshot() {
        let mut bases = Bases::default();
        for tier in Tier::ALL {
            bases.raise(tier, Base::from_millis(NOON + 600_001));
        }
        assert_eq!(bases.next_delta(at(NOON)), None);
        assert!(bases.next_delta(at(NOON + 1)).is_some());
    }

    #[test]
    fn updated_after_is_written_in_utc_with_milliseconds() {
        assert_eq!(
            UpdatedAfter::from_millis(NOON + 7).to_string(),
            "2023-11-14T22:13:20.007Z"
        );
    }
}
