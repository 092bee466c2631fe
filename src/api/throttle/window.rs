//! The ledger: what is left of the server's rate window, read from its headers.
//!
//! The server counts; we only see its counter in answers, late and out of order. Two lower bounds of what is left hold
//! whatever the order of answers:
//!
//! - the lowest `remaining` seen, less what is in flight: whatever was counted after that answer has not answered yet;
//! - an answer's `remaining`, less everything sent that had not been answered when its request left. It can rise, so it
//!   serves once the server is seen to refill a bucket instead of opening windows.
//!
//! `reset` has whole seconds, rounded as the server likes, so the window's end is known as an interval. At its upper
//! end the window is certainly over; a single request then opens the next one. All instants are durations since a
//! fixed start and are passed in.

use std::time::Duration;

use super::headers::RateHeaders;

/// `reset` has whole seconds: floored, ceiled or rounded.
const ROUNDING: Duration = Duration::from_secs(1);

/// A longer window is taken for a lie: an instant instead of a duration, or nonsense.
const LONGEST_WINDOW: Duration = Duration::from_hours(1);

/// How long others wait for the answer of the request that opens a window.
const OPENING_PATIENCE: Duration = Duration::from_secs(10);

/// How long a server that refilled within a window is taken for one that refills.
const REFILLS_FOR: Duration = Duration::from_mins(10);

/// In the last part of a window the end is too uncertain to spread over it.
const TOO_SHORT_TO_SPREAD: Duration = Duration::from_secs(2);

/// Keeps the last requests of a window from falling past its end.
const SPREAD_PERCENT: u32 = 90;

/// A request that was let through, until its answer's headers or its loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    at: Duration,
    /// Requests that had been answered or lost by then.
    settled_before: u64,
    opens: bool,
}

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Yes.
    Open,
    /// Not before this instant, unless an answer comes.
    Shut(Duration),
}

/// The ledger of one key.
#[derive(Debug)]
pub(super) struct Ledger {
    state: WindowState,
    /// The server refused; nothing leaves before this instant.
    refused_until: Option<Duration>,
    /// The window's length to assume where the server's word cannot be right.
    assumed: Duration,
    in_flight: u64,
    sent: u64,
    settled: u64,
    last_sent: Option<Duration>,
    refills_until: Option<Duration>,
}

#[derive(Debug)]
enum WindowState {
    /// Nothing known. One request at a time until an answer says more.
    Unknown { opening_since: Option<Duration> },
    /// Answers carry no usable headers.
    Unannounced,
    /// A window the server told of.
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
    /// The lowest `remaining` told.
    lowest: u64,
    /// How many requests were settled when that answer came, itself included.
    lowest_at: u64,
    /// Requests that may have been counted after it without an answer to tell.
    untold: u64,
    /// How many requests, counted since the start of the process, may have been sent in all, by the answer to the
    /// latest request, and how many were settled when that one left.
    sendable: u64,
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

    /// Answers whether one more request fits.
    pub(super) fn gate(&mut self, now: Duration) -> Gate {
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
                match self.spread(window, left, now) {
                    Some(at) if now < at => Gate::Shut(at),
                    _ => Gate::Open,
                }
            }
        }
    }

    /// Notes a request that leaves now. Only after [`Self::gate`] said that it may.
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

    /// Notes a request whose answer never came. The server may have counted it.
    pub(super) fn lose(&mut self, sent: Sent) {
        self.settle();
        self.stop_opening(sent);
        if let WindowState::Announced(window) = &mut self.state {
            window.untold += 1;
        }
    }

    /// Reads an answer's headers. `succeeded` tells whether the server itself answered: a load balancer's error has no
    /// headers either and says nothing about them.
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
            // An answer that left before the window was lost sight of tells of an older one.
            unknown @ WindowState::Unknown { .. } if !sent.opens => unknown,
            _ => WindowState::Announced(told),
        };
    }

    /// Notes that the server refused a request for its rate. Nothing leaves until then; one request opens the next window.
    pub(super) fn refuse(&mut self, until: Duration) {
        self.refused_until = self.refused_until.max(Some(until));
        self.state = WindowState::UNKNOWN;
    }

    /// Returns until when the server's refusal holds, while it does.
    pub(super) fn refused_until(&self, now: Duration) -> Option<Duration> {
        self.refused_until.filter(|until| now < *until)
    }

    /// Returns whether the server's windows alone may pace: it told of a plausible one and did not refill within it.
    pub(super) fn has_fixed_window(&self, now: Duration, configured: u64) -> bool {
        let is_fixed = |window: &RateWindow| {
            window.plausible
                && window.limit.is_some_and(|limit| limit <= configured)
                && window.ends_not_before > now + TOO_SHORT_TO_SPREAD
        };
        self.refills_until.is_none() && self.announced().is_some_and(is_fixed)
    }

    /// Returns what may still be sent in the window, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.announced().map(|window| self.left_in(window))
    }

    /// Returns the window's size as told.
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

    /// When the next request is due if the rest of the window is spent evenly, a little ahead of time.
    fn spread(&self, window: &RateWindow, left: u64, now: Duration) -> Option<Duration> {
        let time_left = window.ends_not_before.saturating_sub(now);
        if !window.plausible || time_left < TOO_SHORT_TO_SPREAD {
            return None;
        }
        let shares = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
        Some(self.last_sent? + time_left / shares * SPREAD_PERCENT / 100)
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
        reset: Duration,
    ) -> RateWindow {
        let plausible = reset <= LONGEST_WINDOW;
        let reset = if plausible { reset } else { self.assumed };
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

    /// Joins what an answer tells with what is known.
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
            // Of the window before: it was counted there, so it is no longer in flight here.
            return window;
        }
        if sent.at < window.opened {
            // It may have been counted in either window.
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
