//! The ledger: what is left of the server's rate window, computed from the rate headers.
//!
//! The server counts. The client sees the server's counter only in answers, late and out of order. Two lower bounds of
//! what is left hold for any order of answers:
//!
//! - The lowest `remaining` so far, minus the requests in flight. Any request that the server counted after that answer
//!   is still unanswered.
//! - The `remaining` of an answer, minus every request that was sent and still unanswered when the answered request
//!   left. This bound can rise. So it is used once the server is seen to refill a bucket instead of opening windows.
//!
//! `reset` has whole seconds, and servers round in different ways. So the end of the window is known as an interval. At
//! the upper end of the interval the window is certainly over. A single request then opens the next window. All
//! instants are durations since a fixed start and are parameters.

use std::time::Duration;

use super::headers::{RateHeaders, Told};
use super::window_use::WindowUse;

/// `reset` has whole seconds: rounded down, up or to the nearest second.
const ROUNDING: Duration = Duration::from_secs(1);

/// How long other requests wait for the answer of the request that opens a window.
const OPENING_PATIENCE: Duration = Duration::from_secs(10);

/// How long a server counts as refilling after it refilled within a window.
const REFILLS_FOR: Duration = Duration::from_mins(10);

/// In the last part of a window the end is too uncertain to spread requests up to it.
const TOO_SHORT_TO_SPREAD: Duration = Duration::from_secs(2);

/// The last request of a window is kept until this long after the earliest possible end of the window. It finds out
/// whether the next window is open, and costs nothing where it is not.
const PROBE_AFTER: Duration = Duration::from_millis(200);

/// In a smaller window the last request is worth more than an early look at the next window.
const LEAST_TO_PROBE: u64 = 20;

/// The share of a window that a run ahead leaves for other clients of the key, as a divisor.
const RESERVE: u64 = 10;

/// Spreads requests over this share of a window, so that the last requests do not fall beyond its end.
const SPREAD_PERCENT: u32 = 90;

/// A request that was granted, until the headers of its answer arrive or the answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    at: Duration,
    /// Number of requests that were answered or lost when this request was granted.
    settled_before: u64,
    opens: bool,
}

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// The request may be sent.
    Open,
    /// No request may be sent before this instant, unless an answer comes first.
    Shut(Duration),
}

/// The ledger of one key.
#[derive(Debug)]
pub(super) struct Ledger {
    state: WindowState,
    /// The server refused a request. Nothing leaves before this instant.
    refused_until: Option<Duration>,
    /// The assumed length of a window when the reported length cannot be true.
    assumed: Duration,
    in_flight: u64,
    sent: u64,
    settled: u64,
    last_sent: Option<Duration>,
    refills_until: Option<Duration>,
}

#[derive(Debug)]
enum WindowState {
    /// Nothing is known. One request at a time is sent until an answer says more.
    Unknown { opening_since: Option<Duration> },
    /// Answers carry no usable headers.
    Unannounced,
    /// The server reports this window.
    Announced(RateWindow),
}

impl WindowState {
    const UNKNOWN: Self = Self::Unknown {
        opening_since: None,
    };
}

#[derive(Debug)]
struct RateWindow {
    limit: Option<u64>,
    /// The lowest `remaining` that was reported.
    lowest: u64,
    /// Number of settled requests when the answer with the lowest `remaining` came, including that request.
    lowest_at: u64,
    /// Number of requests that the server may have counted after the lowest `remaining`, and whose answers do not say
    /// so.
    untold: u64,
    /// Number of requests since the start of the process that may have been sent in all, according to the answer to
    /// the latest answered request.
    sendable: u64,
    /// Number of settled requests when that request left.
    sendable_at: u64,
    opened: Duration,
    ends_not_before: Duration,
    ends_not_after: Duration,
    plausible: bool,
}

impl Ledger {
    pub(super) fn new(assumed: Duration) -> Self {
        Self {
            state: WindowState::UNKNOWN,
            refused_until: None,
            assumed,
            in_flight: 0,
            sent: 0,
            settled: 0,
            last_sent: None,
            refills_until: None,
        }
    }

    /// Returns whether one more request fits.
    pub(super) fn gate(&mut self, now: Duration, used: WindowUse) -> Gate {
        if let Some(until) = self.refused_until(now) {
            return Gate::Shut(until);
        }
        self.refills_until = self.refills_until.filter(|until| now < *until);
        if (self.announced()).is_some_and(|window| now >= window.ends_not_after) {
            self.state = WindowState::UNKNOWN;
        }
        match &self.state {
            WindowState::Unannounced => Gate::Open,
            WindowState::Unknown { opening_since } => match opening_since {
                Some(since) if now < *since + OPENING_PATIENCE => {
                    Gate::Shut(*since + OPENING_PATIENCE)
                }
                _ => Gate::Open,
            },
            WindowState::Announced(window) => {
                let left = self.left_in(window);
                if left == 0 {
                    return Gate::Shut(window.ends_not_after);
                }
                let probe = self.probe(window, left);
                let due = match used {
                    WindowUse::Urgent => self.spread(window, left, now),
                    WindowUse::Even => probe.or_else(|| self.spread(window, left, now)),
                    WindowUse::Ahead => probe,
                };
                match due {
                    Some(at) if now < at => Gate::Shut(at),
                    _ => Gate::Open,
                }
            }
        }
    }

    /// Records a request that leaves now. May be called only after [`Self::gate`] returned [`Gate::Open`].
    pub(super) fn send(&mut self, now: Duration) -> Sent {
        let opens = if let WindowState::Unknown { opening_since } = &mut self.state {
            *opening_since = Some(now);
            true
        } else {
            false
        };
        self.in_flight += 1;
        self.sent += 1;
        self.last_sent = Some(now);
        Sent {
            at: now,
            settled_before: self.settled,
            opens,
        }
    }

    /// Takes back a request that never left.
    pub(super) fn unsend(&mut self, sent: Sent) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.sent = self.sent.saturating_sub(1);
        self.stop_opening(sent);
    }

    /// Records a request whose answer never came. The server may have counted the request.
    pub(super) fn lose(&mut self, sent: Sent) {
        self.settle();
        self.stop_opening(sent);
        if let WindowState::Announced(window) = &mut self.state {
            window.untold += 1;
        }
    }

    /// Takes the headers of an answer. `succeeded` says whether the server itself answered. An error of a load balancer
    /// has no rate headers either, and says nothing about the server's headers.
    pub(super) fn answer(
        &mut self,
        sent: Sent,
        now: Duration,
        headers: RateHeaders,
        succeeded: bool,
    ) {
        self.settle();
        self.stop_opening(sent);
        let (Some(remaining), Some(reset)) = (headers.remaining, headers.reset) else {
            match &mut self.state {
                WindowState::Unknown { .. } if succeeded => self.state = WindowState::Unannounced,
                WindowState::Announced(window) => window.untold += 1,
                _ => {}
            }
            return;
        };
        let remaining = headers
            .limit
            .map_or(remaining, |limit| remaining.min(limit));
        let told = self.window_told(sent, now, headers.limit, remaining, reset);
        self.state = match std::mem::replace(&mut self.state, WindowState::Unannounced) {
            WindowState::Announced(window) => {
                WindowState::Announced(self.merge(window, told, sent, now))
            }
            // The request left before the window was lost, so its answer describes an older window.
            unknown @ WindowState::Unknown { .. } if !sent.opens => unknown,
            _ => WindowState::Announced(told),
        };
    }

    /// Records that the server refused a request because of the rate. Nothing leaves before `until`; then one request
    /// opens the next window.
    pub(super) fn refuse(&mut self, until: Duration) {
        self.refused_until = self.refused_until.max(Some(until));
        self.state = WindowState::UNKNOWN;
    }

    /// Returns the instant before which the server's refusal holds. Returns `None` when no refusal holds.
    pub(super) fn refused_until(&self, now: Duration) -> Option<Duration> {
        self.refused_until.filter(|until| now < *until)
    }

    /// Returns whether the server's windows alone may set the pace: the server reported a plausible window and did not
    /// refill within it.
    pub(super) fn has_fixed_window(&self, now: Duration, configured: u64) -> bool {
        let is_fixed = |window: &RateWindow| {
            window.plausible
                && window.limit.is_some_and(|limit| limit <= configured)
                && window.ends_not_before > now + TOO_SHORT_TO_SPREAD
        };
        self.refills_until.is_none() && self.announced().is_some_and(is_fixed)
    }

    /// Returns whether requests may run ahead of an even spread: the server's windows set the pace, and a reserve is left
    /// for other clients of the key.
    pub(super) fn has_surplus(&self, now: Duration, configured: u64) -> bool {
        let exceeds = |window: &RateWindow| {
            let reserve = window.limit.unwrap_or_default() / RESERVE;
            self.left_in(window) > reserve
        };
        self.has_fixed_window(now, configured) && self.announced().is_some_and(exceeds)
    }

    /// Returns the number of requests that may still be sent in the window, if known.
    pub(super) fn left(&self) -> Option<u64> {
        self.announced().map(|window| self.left_in(window))
    }

    /// Returns the size of the window as the server reports it.
    pub(super) fn limit(&self) -> Option<u64> {
        self.announced()?.limit
    }

    fn announced(&self) -> Option<&RateWindow> {
        match &self.state {
            WindowState::Announced(window) => Some(window),
            _ => None,
        }
    }

    fn left_in(&self, window: &RateWindow) -> u64 {
        let by_lowest = window
            .lowest
            .saturating_sub(window.untold)
            .saturating_sub(self.in_flight);
        if self.refills_until.is_none() {
            return by_lowest;
        }
        by_lowest.max(window.sendable.saturating_sub(self.sent))
    }

    /// Returns when the next request is due if the rest of the window is spent evenly, slightly ahead of time.
    fn spread(&self, window: &RateWindow, left: u64, now: Duration) -> Option<Duration> {
        let time_left = window.ends_not_before.saturating_sub(now);
        if !window.plausible || time_left < TOO_SHORT_TO_SPREAD {
            return None;
        }
        let shares = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
        Some(self.last_sent? + time_left / shares * SPREAD_PERCENT / 100)
    }

    /// Returns when the last request of the window is due. `None` for any other request.
    fn probe(&self, window: &RateWindow, left: u64) -> Option<Duration> {
        let is_large = window.limit.is_some_and(|limit| limit >= LEAST_TO_PROBE);
        let probes = left == 1 && window.plausible && is_large && self.refills_until.is_none();
        probes.then(|| (window.ends_not_before + PROBE_AFTER).min(window.ends_not_after))
    }

    fn settle(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.settled += 1;
    }

    fn stop_opening(&mut self, sent: Sent) {
        if let WindowState::Unknown { opening_since } = &mut self.state
            && sent.opens
            && *opening_since == Some(sent.at)
        {
            *opening_since = None;
        }
    }

    fn window_told(
        &self,
        sent: Sent,
        now: Duration,
        limit: Option<u64>,
        remaining: u64,
        reset: Told,
    ) -> RateWindow {
        let (plausible, reset) = match reset {
            Told::In(reset) => (true, reset),
            Told::Implausible => (false, self.assumed),
        };
        RateWindow {
            limit,
            lowest: remaining,
            lowest_at: self.settled,
            untold: 0,
            sendable: remaining
                .saturating_add(sent.settled_before)
                .saturating_add(1),
            sendable_at: sent.settled_before,
            opened: sent.at,
            ends_not_before: (sent.at + reset).saturating_sub(ROUNDING),
            ends_not_after: now + reset + ROUNDING,
            plausible,
        }
    }

    /// Joins the window of an answer with the known window.
    fn merge(
        &mut self,
        known: RateWindow,
        told: RateWindow,
        sent: Sent,
        now: Duration,
    ) -> RateWindow {
        if told.ends_not_before > known.ends_not_after {
            return told;
        }
        let mut window = known;
        if told.ends_not_after < window.ends_not_before {
            // The answer belongs to the window before. The server counted the request there, so the request is not in
            // flight in this window.
            return window;
        }
        if sent.at < window.opened {
            // The server may have counted the request in either window.
            window.untold += 1;
            return window;
        }
        if sent.settled_before >= window.lowest_at && told.lowest >= window.lowest {
            self.refills_until = Some(now + REFILLS_FOR);
        }
        if told.sendable_at >= window.sendable_at {
            (window.sendable, window.sendable_at) = (told.sendable, told.sendable_at);
        }
        if told.lowest < window.lowest {
            window.lowest = told.lowest;
            window.lowest_at = told.lowest_at;
        }
        window.limit = told.limit.or(window.limit);
        if self.refills_until.is_some() {
            window.ends_not_before = told.ends_not_before;
            window.ends_not_after = told.ends_not_after;
        } else {
            window.ends_not_before = window.ends_not_before.max(told.ends_not_before);
            window.ends_not_after = window.ends_not_after.min(told.ends_not_after);
        }
        window
    }
}
