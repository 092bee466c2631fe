//! Instants from outside: the one place where each is bounded before it is compared with anything or written.
//!
//! One answer with a `Date` in 9999 would move what the lake says of time there for good. The only clock to hold it
//! against is this machine's, which may be wrong as well: by an hour or a day without any effect, since Kombo's clock
//! decides then. So there are these bounds:
//!
//! - An instant more than [`TRUSTED`] after this machine's clock is no instant at all. Time zones and the date line taken
//!   wrong make 26 hours at most; clocks that are further off are years off (a dead battery, a year typed wrong). An answer
//!   with such a `Date` is one without: its rows are kept, its table's base does not move.
//! - One that is too early does less harm: what is written after it is later all the same, and a base too early asks for
//!   more. So a server whose clock is behind altogether, as a stand-in's may be, is believed. An instant more than
//!   [`TRUSTED`] before this machine's clock *and* before what the same server has said is none; nor is one before 2023,
//!   which is what clocks show that were reset: this program is younger.
//! - What is written is at most [`MAX_SERVER_LEAD`] ahead of this machine's clock: a base, and the instant of an
//!   observation. What lies further ahead *in the lake* was written by another clock, and `status` and `check` say so.
//!
//! Who comes through here: `Date` of every answer ([`Horizon::admit`]: no [`Base`](super::Base) and no estimate of
//! [`ServerClock`](super::ServerClock) is made of an instant that was not admitted), what is read of a lake's logs before a
//! fetch goes on from it ([`Horizon::is_beyond_trust`]) or people are told of it ([`Horizon::ahead`]), and a service's notes.
//!
//! Who needs not: `Retry-After` is a difference of two instants of one answer, with a bound of its own. `changed_at` and
//! `remote_deleted_at` are data, within the years 0001 to 9999. Ages of files are taken from the earlier of the store's
//! clock and ours, so that a clock that runs ahead deletes nothing. Webhooks carry no instant, nor does the hint file.

use std::time::Duration;

use super::{Moment, ObservedAt};

/// How far what is written may be ahead of this machine's clock.
pub const MAX_SERVER_LEAD: Duration = Duration::from_mins(10);

/// How far two clocks may be apart before one of them is taken for wrong.
pub const TRUSTED: Duration = Duration::from_hours(48);

/// 2023-01-01.
const EARLIEST: Moment = Moment::from_millis(1_672_531_200_000);

/// What this machine's clock lets an instant from outside be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    now: Moment,
}

/// A `Date` that may be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerDate {
    pub(super) at: Moment,
    pub(super) horizon: Horizon,
}

/// The time on Kombo's clock, by its answers so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerNow {
    says_us: i64,
    observed: ObservedAt,
}

impl Horizon {
    /// Begins with what this machine's clock says.
    #[must_use]
    pub const fn at(now: Moment) -> Self {
        Self { now }
    }

    /// Takes in a `Date`; `before` is what the same server has said so far. `None` when it
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

    /// Takes in what Kombo's clock says, in microseconds since the epoch.
    #[must_use]
    pub fn server_now(self, says_us: i64) -> ServerNow {
        ServerNow {
            says_us,
            observed: ObservedAt::from_micros(says_us.min(self.latest_us())),
        }
    }

    /// Returns when something is observed that bears no instant of Kombo's: now, by this machine's clock.
    #[must_use]
    pub fn unstamped(self) -> ObservedAt {
        self.now.into()
    }

    /// Returns the latest instant that may be written.
    #[must_use]
    pub fn latest(self) -> Moment {
        self.now + MAX_SERVER_LEAD
    }

    /// Returns the latest instant that may be written, in microseconds since the epoch.
    #[must_use]
    pub fn latest_us(self) -> i64 {
        self.latest().as_micros()
    }

    /// Returns how far a stored instant is ahead of this machine's clock; `None` for one that may have been written.
    #[must_use]
    pub fn ahead(self, stored: ObservedAt) -> Option<Duration> {
        let ahead = i128::from(stored.as_micros()) - i128::from(self.now.as_millis()) * 1_000;
        let micros = u64::try_from(ahead).unwrap_or(0);
        (stored.as_micros() > self.latest_us()).then(|| Duration::from_micros(micros))
    }

    /// Returns whether a stored instant is so far ahead that this machine's clock cannot be what is wrong.
    #[must_use]
    pub fn is_beyond_trust(self, stored: ObservedAt) -> bool {
        self.ahead(stored).is_some_and(|ahead| ahead > TRUSTED)
    }
}

impl ServerNow {
    /// Returns what Kombo's clock says: to compare with other instants of that clock, never to be written.
    #[must_use]
    pub fn moment(self) -> Moment {
        ObservedAt::from_micros(self.says_us).moment()
    }

    /// Returns the instant to write for something that is observed now.
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
