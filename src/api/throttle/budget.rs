//! The request budget of one key as a state machine. Time is a parameter, and nothing here waits.
//!
//! The budget joins three parts: the ledger (what the server has left), the pacer (what the configuration allows) and
//! the lanes (which request is next). Every request passes [`Budget::serve`] before it leaves.

use std::collections::VecDeque;
use std::time::Duration;

use super::headers::{RateHeaders, Told};
use super::lanes::{Lanes, Owner, Ticket};
use super::window::{Gate, Ledger, Sent};
use super::window_use::WindowUse;
use super::{Pacer, ThrottleView};
use crate::api::{ApiSettings, Wait, WaitReason};
use crate::fetch::Lane;
use crate::time::Backoff;

/// The wait after a 429 that does not say how long to wait.
const AFTER_REFUSAL: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));

/// The longest wait after a 429 whose time is implausible, unless the configured window is longer.
const LONGEST_WITHOUT_TIME: Duration = Duration::from_mins(15);

const TOO_MANY_REQUESTS: u16 = 429;

/// The state that all requests of one key share.
#[derive(Debug)]
pub(super) struct Budget {
    ledger: Ledger,
    lanes: Lanes,
    /// `None` when the rate limit is switched off.
    pacer: Option<Pacer>,
    configured: u64,
    /// The length of the window of the configured rate.
    window: Duration,
    /// When the requests of the last such window left, at most `configured` of them. Empty when the rate limit is
    /// switched off.
    recent: VecDeque<Duration>,
    concurrency: usize,
    running: usize,
    refusals: u32,
    /// The waits after 429s whose time is implausible: the configured window, and longer ones.
    without_time: Backoff,
    /// Why the last refusal holds all requests.
    refused_for: WaitReason,
    total_wait: Duration,
    held: Option<(Duration, WaitReason)>,
}

/// A request that may leave at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) ticket: Ticket,
    pub(super) sent: Sent,
}

impl Budget {
    pub(super) fn new(settings: &ApiSettings) -> Self {
        let window = Duration::from_secs(settings.rate_limit_duration_secs.get());
        Self {
            ledger: Ledger::new(window),
            lanes: Lanes::default(),
            pacer: settings
                .rate_limit_enabled
                .then(|| Pacer::new(settings.rate_limit_num, window)),
            configured: u64::from(settings.rate_limit_num.get()),
            window,
            recent: VecDeque::new(),
            concurrency: usize::try_from(settings.concurrency.get()).unwrap_or(usize::MAX),
            running: 0,
            refusals: 0,
            without_time: Backoff::new(window, window.max(LONGEST_WITHOUT_TIME)),
            refused_for: WaitReason::RateLimit,
            total_wait: Duration::ZERO,
            held: None,
        }
    }

    /// Adds a request to its lane.
    pub(super) fn join(&mut self, lane: Lane, owner: Owner, now: Duration) -> Ticket {
        self.lanes.join(lane, owner, now)
    }

    /// Removes a request that gave up before it was served.
    pub(super) fn leave(&mut self, lane: Lane, owner: &Owner, ticket: Ticket) {
        self.lanes.leave(lane, owner, ticket);
    }

    /// Grants every request that may leave now. Returns the grants, and when to serve again if nothing else happens
    /// before.
    pub(super) fn serve(&mut self, now: Duration) -> (Vec<Grant>, Option<Duration>) {
        let mut grants = Vec::new();
        self.held = None;
        while self.running < self.concurrency && !self.lanes.is_empty() {
            self.held = self.shut_until(now);
            if self.held.is_some() {
                break;
            }
            let Some((ticket, since)) = self.lanes.next(now) else {
                break;
            };
            self.total_wait += now.saturating_sub(since);
            self.running += 1;
            let sent = self.ledger.send(now);
            if self.pacer.is_some() {
                self.recent.push_back(now);
            }
            grants.push(Grant { ticket, sent });
        }
        (grants, self.held.map(|(until, _)| until))
    }

    /// Takes back a granted request that never left.
    pub(super) fn unsend(&mut self, sent: Sent) {
        self.ledger.unsend(sent);
    }

    /// Records that the answer to a sent request will never come.
    pub(super) fn lose(&mut self, sent: Sent) {
        self.ledger.lose(sent);
    }

    /// Takes the status and the rate headers of an answer.
    pub(super) fn answer(&mut self, sent: Sent, now: Duration, headers: RateHeaders, status: u16) {
        self.ledger.answer(sent, now, headers, status < 400);
        if status == TOO_MANY_REQUESTS {
            let (wait, reason) = match headers.wait() {
                Some(Told::In(wait)) => (wait, WaitReason::RateLimit),
                Some(Told::Implausible) => (
                    self.without_time.wait(self.refusals),
                    WaitReason::RateLimitWithoutTime,
                ),
                None => (AFTER_REFUSAL.wait(self.refusals), WaitReason::RateLimit),
            };
            self.refused_for = reason;
            self.ledger.refuse(now + wait);
            self.refusals = self.refusals.saturating_add(1);
        } else if status < 400 {
            self.refusals = 0;
        }
    }

    /// Frees the place of a finished request, after its body was read.
    pub(super) fn finish(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Returns the state for progress bars and metrics.
    pub(super) fn view(&self, now: Duration) -> ThrottleView {
        let waiting_by_lane = self.lanes.waiting();
        ThrottleView {
            limit: self.ledger.limit(),
            remaining: self.ledger.left(),
            running: self.running,
            waiting: waiting_by_lane.iter().sum(),
            waiting_by_lane,
            total_wait: self.total_wait,
            wait: self.wait(now),
        }
    }

    /// Returns what holds all requests.
    fn wait(&self, now: Duration) -> Option<Wait> {
        let (until, reason) = self.refused(now).or(self.held)?;
        let left = until.saturating_sub(now);
        (!left.is_zero()).then_some(Wait { reason, left })
    }

    fn refused(&self, now: Duration) -> Option<(Duration, WaitReason)> {
        let until = self.ledger.refused_until(now)?;
        Some((until, self.refused_for))
    }

    fn shut_until(&mut self, now: Duration) -> Option<(Duration, WaitReason)> {
        if let Some(refused) = self.refused(now) {
            return Some(refused);
        }
        let pacer = self.pacer.as_ref()?;
        let used = self.window_use(now);
        let until = match self.ledger.gate(now, used) {
            Gate::Shut(until) if self.ledger.left() == Some(0) => {
                return Some((until, WaitReason::WindowUsedUp));
            }
            Gate::Shut(until) => Some(until),
            Gate::Open => None,
        };
        let until =
            until.or_else(|| spent_until(&mut self.recent, now, self.window, self.configured));
        let until = until.or_else(|| {
            let fixed = self.ledger.has_fixed_window(now, self.configured);
            let is_paced = used != WindowUse::Ahead;
            is_paced.then(|| pacer.pass(now, fixed).err()).flatten()
        });
        until.map(|until| (until, WaitReason::ConfiguredRate))
    }

    /// A one-time load runs ahead: nothing in this process waits behind it. A service may get a notification at any time,
    /// so it keeps requests for the rest of the window.
    fn window_use(&self, now: Duration) -> WindowUse {
        let runs_ahead = || self.lanes.only_load() && self.ledger.has_surplus(now, self.configured);
        match self.lanes.waiting() {
            [0, 0, 0, _] if runs_ahead() => WindowUse::Ahead,
            [0, ..] => WindowUse::Even,
            _ => WindowUse::Urgent,
        }
    }
}

/// Returns until when the requests of the last window use up the configured rate. Whatever the server says, no span of a
/// window's length has more requests.
fn spent_until(
    recent: &mut VecDeque<Duration>,
    now: Duration,
    window: Duration,
    configured: u64,
) -> Option<Duration> {
    while recent.front().is_some_and(|left| *left + window <= now) {
        recent.pop_front();
    }
    let oldest = recent
        .front()
        .filter(|_| recent.len() as u64 >= configured)?;
    Some(*oldest + window)
}
