//! Limits for instants from outside. Each such instant passes this file before it is compared with anything or stored.
//!
//! A single answer with a `Date` in the year 9999 would shift the time in the lake for good. Only this machine's clock
//! is there to compare with, and this clock may be wrong, too. An error of an hour or a day has no effect, since Kombo's
//! clock decides within the limits. The limits are:
//!
//! - **Too late**: an instant more than [`TRUSTED`] after this machine's clock is refused. Wrong time zones and a wrong
//!   date line explain 26 hours at most. Clocks that are further off are off by years (a dead battery, a mistyped
//!   year). An answer with such a `Date` counts as an answer without `Date`: its rows are kept, and the base of its
//!   table does not move.
//! - **Too early**: an early instant does less harm. Later instants still come after it, and an early base only asks
//!   for more rows. So a server whose clock is behind from the start is accepted, such as a stand-in for Kombo. An
//!   instant more than [`TRUSTED`] before this machine's clock *and* before the last time of the same server is
//!   refused. An instant before 2023 is refused, too: clocks that were reset show such dates, and this program is
//!   younger.
//! - **Stored**: a base, or the instant of an observation, is stored at most [`MAX_SERVER_LEAD`] ahead of this
//!   machine's clock. An instant further ahead *in the lake* was written with another clock; `status` and `check`
//!   report such an instant.
//!
//! These instants pass the limits: the `Date` of every answer ([`Horizon::admit`]); instants from the logs of a lake,
//! before a fetch relies on them ([`Horizon::is_beyond_trust`]) or a report shows them ([`Horizon::ahead`]); and
//! instants in the notes of a service. No [`Base`](super::Base) and no estimate of [`ServerClock`](super::ServerClock)
//! is made from a `Date` that was not admitted.
//!
//! These instants need no limit here. `Retry-After` is a difference between two instants of one answer, with a limit of
//! its own. `changed_at` and `remote_deleted_at` are data, within the years 0001 to 9999. The age of a file uses the
//! earlier one of the store's clock and this machine's clock, so a clock that runs ahead deletes nothing. Webhooks and
//! the hint file carry no instant.

use std::time::Duration;

use super::{Moment, ObservedAt};

/// How far a stored instant may be ahead of this machine's clock.
pub const MAX_SERVER_LEAD: Duration = Duration::from_mins(10);

/// How far two clocks may be apart before one of them counts as wrong.
pub const TRUSTED: Duration = Duration::from_hours(48);

/// 2023-01-01. Earlier dates come from clocks that were reset.
const EARLIEST: Moment = Moment::from_millis(1_672_531_200_000);

/// The limits for instants from outside, by this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    now: Moment,
}

/// A `Date` of the server that has passed the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerDate {
    pub(super) at: Moment,
    pub(super) horizon: Horizon,
}

/// The time on Kombo's clock, estimated from the answers so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerNow {
    says_us: i64,
    observed: ObservedAt,
}

impl Horizon {
    /// Makes the limits for the current instant of this machine's clock.
    #[must_use]
    pub const fn at(now: Moment) -> Self {
        Self { now }
    }

    /// Checks a `Date`. `before` is the time of the same server by earlier answers. Returns `None` when the `Date`
    /// cannot be true.
    #[must_use]
    pub fn admit(self, at: Moment, before: Option<ServerNow>) -> Option<ServerDate> {
        let is_past = at <= self.now + TRUSTED;
        let is_near = at >= self.now - TRUSTED;
        let goes_on = before.is_none_or(|now| at >= now.moment() - TRUSTED);
        let is_one = is_past && (is_near || at >= EARLIEST && goes_on);
        let horizon = self;
        is_one.then_some(ServerDate { at, horizon })
    }

    /// Wraps the time on Kombo's clock, in microseconds since the epoch.
    #[must_use]
    pub fn server_now(self, says_us: i64) -> ServerNow {
        ServerNow {
            says_us,
            observed: ObservedAt::from_micros(says_us.min(self.latest_us())),
        }
    }

    /// Returns the observation instant for something that carries no instant of Kombo: the current instant of this
    /// machine's clock.
    #[must_use]
    pub fn unstamped(self) -> ObservedAt {
        self.now.into()
    }

    /// Returns the latest instant that may be stored.
    #[must_use]
    pub fn latest(self) -> Moment {
        self.now + MAX_SERVER_LEAD
    }

    /// Returns the latest instant that may be stored, in microseconds since the epoch.
    #[must_use]
    pub fn latest_us(self) -> i64 {
        self.latest().as_micros()
    }

    /// Returns how far a stored instant is ahead of this machine's clock. Returns `None` when the instant is within the
    /// limit for stored instants.
    #[must_use]
    pub fn ahead(self, stored: ObservedAt) -> Option<Duration> {
        let ahead = i128::from(stored.as_micros()) - i128::from(self.now.as_millis()) * 1_000;
        let micros = u64::try_from(ahead).unwrap_or(0);
        (stored.as_micros() > self.latest_us()).then(|| Duration::from_micros(micros))
    }

    /// Returns whether a stored instant is too far ahead to be explained by a wrong clock of this machine.
    #[must_use]
    pub fn is_beyond_trust(self, stored: ObservedAt) -> bool {
        self.ahead(stored).is_some_and(|ahead| ahead > TRUSTED)
    }
}

impl ServerNow {
    /// Returns the time on Kombo's clock. Only for comparison with other instants of that clock; this value must not be
    /// stored.
    #[must_use]
    pub fn moment(self) -> Moment {
        ObservedAt::from_micros(self.says_us).moment()
    }

    /// Returns the instant to store for something that is observed now.
    #[must_use]
    pub fn observed(self) -> ObservedAt {
        self.observed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_000_000_000;
    const DAY: i64 = 86_400_000;
    const YEAR_9999: i64 = 253_402_300_799_000;

    fn horizon() -> Horizon {
        Horizon::at(Moment::from_millis(NOON))
    }

    fn admit(date_ms: i64, before: Option<ServerNow>) -> Option<i64> {
        let admitted = horizon().admit(Moment::from_millis(date_ms), before)?;
        Some(admitted.at.as_millis())
    }

    #[test]
    fn a_clock_that_is_a_day_off_is_believed_and_one_of_another_year_is_not() {
        let horizon = horizon();
        for date_ms in [NOON, NOON + DAY, NOON - DAY, NOON + 2 * DAY, NOON - 2 * DAY] {
            let before = Some(horizon.server_now(NOON * 1_000));
            for before in [None, before] {
                assert_eq!(admit(date_ms, before), Some(date_ms));
            }
        }
        let year_2099 = 4_070_908_800_000;
        let late = [NOON + 2 * DAY + 1, year_2099, YEAR_9999, i64::MAX];
        let early = [0, 1_577_836_800_000, i64::MIN];
        for date_ms in late.into_iter().chain(early) {
            assert_eq!(admit(date_ms, None), None, "{date_ms}");
        }
    }

    #[test]
    fn a_server_that_is_behind_altogether_is_believed_and_one_that_falls_behind_is_not() {
        let horizon = horizon();
        let months_ago = NOON - 100 * DAY;
        let said = |ms: i64| Some(horizon.server_now(ms * 1_000));
        assert!(admit(months_ago, None).is_some());
        assert!(admit(months_ago + 5, said(months_ago)).is_some());
        assert_eq!(admit(months_ago, said(NOON)), None);
        assert!(admit(NOON, said(months_ago)).is_some(), "it was set");
        let ahead = said(NOON + 40 * DAY);
        assert!(admit(NOON, ahead).is_some(), "this machine agrees");
    }

    #[test]
    fn what_is_written_is_never_far_ahead_of_this_machines_clock() {
        let now = horizon().server_now((NOON + DAY) * 1_000);
        assert_eq!(
            now.moment().as_millis(),
            NOON + DAY,
            "bases are compared with this"
        );
        assert_eq!(now.observed().as_micros(), (NOON + 600_000) * 1_000);
        let behind = horizon().server_now((NOON - DAY) * 1_000);
        assert_eq!(behind.observed().as_micros(), (NOON - DAY) * 1_000);
    }

    #[test]
    fn a_stored_instant_is_ahead_only_beyond_what_may_have_been_written() {
        let horizon = horizon();
        let at = |ms: i64| ObservedAt::from_micros(ms * 1_000);
        assert_eq!(horizon.ahead(at(NOON)), None);
        assert_eq!(horizon.ahead(at(NOON + 600_000)), None);
        let hour = horizon.ahead(at(NOON + 3_600_000));
        assert_eq!(hour, Some(Duration::from_hours(1)));
        let is_refused = [NOON + DAY, NOON + 2 * DAY, NOON + 3 * DAY, YEAR_9999]
            .map(|at_ms| horizon.is_beyond_trust(at(at_ms)));
        assert_eq!(is_refused, [false, false, true, true]);
        assert!(horizon.is_beyond_trust(ObservedAt::from_micros(i64::MAX)));
        assert_eq!(horizon.ahead(ObservedAt::from_micros(i64::MIN)), None);
    }
}
