//! The request budget of one API key, shared by all tasks.
//!
//! The state machine in `budget` decides, and this file does the waiting. After a 429 every request of the key is held
//! here until the wait is over. A request joins a lane and waits until it may leave. One of the waiting tasks runs the
//! timer for all of them. Dropping a waiter or a permit gives back its place, so a caller may be cancelled at any
//! point.

mod budget;
mod headers;
mod lanes;
mod window;
mod window_use;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::waits::WaitLog;
use super::{ApiSettings, Wait};
use crate::fetch::Lane;
use crate::ids::IntegrationId;
use budget::Budget;
pub(super) use headers::{RateHeaders, Told};
use lanes::{Owner, Ticket};
use window::Sent;

/// The pace without windows to count: one percent slower than allowed, because answers jitter and the server counts
/// arrivals.
const STEADY_PERCENT: u32 = 101;

/// While the ledger counts windows, requests missed between two windows may be made up, up to a twentieth of the limit.
const MAKE_UP_SHARE: u32 = 20;

/// The state of the request budget, for progress bars and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThrottleView {
    /// Requests per window, as the server reports them.
    pub limit: Option<u64>,
    /// Requests that may still be sent in this window, if known.
    pub remaining: Option<u64>,
    /// Number of requests under way.
    pub running: usize,
    /// Number of waiting requests.
    pub waiting: usize,
    /// Number of waiting requests in each lane, the most urgent lane first.
    pub waiting_by_lane: [usize; 4],
    /// Total waiting time of all requests.
    pub total_wait: Duration,
    /// What still holds all requests: a rate limit of Kombo, or the configured rate. `None` when nothing does.
    pub wait: Option<Wait>,
}

/// The shared request budget.
#[derive(Clone, Debug)]
pub(super) struct Throttle(Arc<SharedBudget>);

#[derive(Debug)]
struct SharedBudget {
    started: Instant,
    room: Mutex<Room>,
    log: Arc<WaitLog>,
}

#[derive(Debug)]
struct Room {
    budget: Budget,
    waiters: BTreeMap<Ticket, Waiter>,
    /// The waiter that sleeps until the next request may leave, on behalf of all waiters.
    timekeeper: Option<Ticket>,
}

#[derive(Debug)]
struct Waiter {
    wake: Arc<Notify>,
    sent: Option<Sent>,
}

impl Throttle {
    /// Begins with a full budget. Long waits are written to `log`.
    pub(super) fn new(settings: &ApiSettings, log: Arc<WaitLog>) -> Self {
        Self(Arc::new(SharedBudget {
            log,
            started: Instant::now(),
            room: Mutex::new(Room {
                budget: Budget::new(settings),
                waiters: BTreeMap::new(),
                timekeeper: None,
            }),
        }))
    }

    /// Waits until a request may leave.
    pub(super) async fn admit(&self, lane: Lane, owner: Option<&IntegrationId>) -> Permit {
        let place = Seat::take(Arc::clone(&self.0), lane, owner.cloned());
        loop {
            let wake_at = match place.look() {
                Ok(permit) => return permit,
                Err(wake_at) => wake_at,
            };
            if let Some(wait) = self.view().wait {
                self.0.log.tell(wait);
            }
            let alarm = async {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = place.wake.notified() => {}
                () = alarm => {}
            }
        }
    }

    /// Returns the state for progress bars and metrics.
    pub(super) fn view(&self) -> ThrottleView {
        let now = self.0.now();
        self.0.lock().budget.view(now)
    }
}

/// The right to send one request. The right ends when the permit is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    shared: Arc<SharedBudget>,
    sent: Sent,
    progress: Sending,
}

#[derive(Debug, PartialEq, Eq)]
enum Sending {
    Here,
    Sent,
    Answered,
}

impl Permit {
    /// Records that the request leaves now. From now on the server may count it.
    pub(super) fn leaves(&mut self) {
        self.progress = Sending::Sent;
    }

    /// Takes the status and the rate headers of the answer.
    pub(super) fn answered(&mut self, headers: RateHeaders, status: u16) {
        let now = self.shared.now();
        let mut room = self.shared.lock();
        room.budget.answer(self.sent, now, headers, status);
        self.progress = Sending::Answered;
        room.stir(now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut room = self.shared.lock();
        match self.progress {
            Sending::Here => room.budget.unsend(self.sent),
            Sending::Sent => room.budget.lose(self.sent),
            Sending::Answered => {}
        }
        room.budget.finish();
        room.stir(now);
    }
}

impl SharedBudget {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        // No code in this file panics between two changes that belong together.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Wakes every waiter that may leave, and returns when to serve again.
    fn serve(&mut self, now: Duration) -> Option<Duration> {
        let (grants, wake_at) = self.budget.serve(now);
        for grant in grants {
            if self.timekeeper == Some(grant.ticket) {
                self.timekeeper = None;
            }
            if let Some(waiter) = self.waiters.get_mut(&grant.ticket) {
                waiter.sent = Some(grant.sent);
                waiter.wake.notify_one();
            }
        }
        wake_at
    }

    /// Serves after a change, and wakes the timekeeper so that it computes its sleep again.
    fn stir(&mut self, now: Duration) {
        self.serve(now);
        if self.timekeeper.is_none() {
            let waits = |(_, waiter): &(&Ticket, &Waiter)| waiter.sent.is_none();
            self.timekeeper = self.waiters.iter().find(waits).map(|(ticket, _)| *ticket);
        }
        if let Some(keeper) = self.timekeeper.and_then(|keeper| self.waiters.get(&keeper)) {
            keeper.wake.notify_one();
        }
    }
}

/// A place in a lane. Dropping the seat leaves the lane.
struct Seat {
    shared: Arc<SharedBudget>,
    lane: Lane,
    owner: Owner,
    ticket: Ticket,
    wake: Arc<Notify>,
}

impl Seat {
    fn take(shared: Arc<SharedBudget>, lane: Lane, owner: Owner) -> Self {
        let now = shared.now();
        let wake = Arc::new(Notify::new());
        let waiter = Waiter {
            wake: Arc::clone(&wake),
            sent: None,
        };
        let mut room = shared.lock();
        let ticket = room.budget.join(lane, owner.clone(), now);
        room.waiters.insert(ticket, waiter);
        drop(room);
        Self {
            shared,
            lane,
            owner,
            ticket,
            wake,
        }
    }

    /// Returns the permit when it is this seat's turn. Otherwise returns when to look again, if this seat is the
    /// timekeeper.
    fn look(&self) -> Result<Permit, Option<Instant>> {
        let now = self.shared.now();
        let mut room = self.shared.lock();
        let wake_at = room.serve(now);
        let sent = room
            .waiters
            .get_mut(&self.ticket)
            .and_then(|waiter| waiter.sent.take());
        if let Some(sent) = sent {
            room.waiters.remove(&self.ticket);
            room.stir(now);
            return Ok(Permit {
                shared: Arc::clone(&self.shared),
                sent,
                progress: Sending::Here,
            });
        }
        let keeper = *room.timekeeper.get_or_insert(self.ticket);
        let mine = (keeper == self.ticket).then_some(wake_at).flatten();
        Err(mine.map(|at| self.shared.started + at))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut room = self.shared.lock();
        let Some(waiter) = room.waiters.remove(&self.ticket) else {
            return;
        };
        if let Some(sent) = waiter.sent {
            room.budget.unsend(sent);
            room.budget.finish();
        } else {
            room.budget.leave(self.lane, &self.owner, self.ticket);
        }
        if room.timekeeper == Some(self.ticket) {
            room.timekeeper = None;
        }
        room.stir(now);
    }
}

/// Keeps to the configured rate, whatever the server would allow.
#[derive(Debug)]
struct Pacer {
    clock: PassedTime,
    /// Lets one request pass at a time. A full burst together with its refill would be twice the limit within one
    /// window.
    steady: Limiter,
    /// Lets missed requests be made up. Used only while the ledger counts a fixed window.
    making_up: Limiter,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, PassedTime, NoOpMiddleware<Duration>>;

impl Pacer {
    fn new(requests: NonZeroU32, window: Duration) -> Self {
        let clock = PassedTime::default();
        let period = (window / requests.get()).max(Duration::from_nanos(1));
        let quota = |period| Quota::with_period(period).expect("a period is at least a nanosecond");
        let burst = NonZeroU32::new(requests.get() / MAKE_UP_SHARE).unwrap_or(NonZeroU32::MIN);
        let steady = quota(period * STEADY_PERCENT / 100);
        let making_up = quota(period).allow_burst(burst);
        Self {
            steady: Limiter::direct_with_clock(steady, clock.clone()),
            making_up: Limiter::direct_with_clock(making_up, clock.clone()),
            clock,
        }
    }

    /// Counts a request that leaves now. Returns the earliest allowed instant when the request must not leave yet.
    fn pass(&self, now: Duration, fixed_window: bool) -> Result<(), Duration> {
        self.clock.set(now);
        let check = |limiter: &Limiter| {
            limiter
                .check()
                .map_err(|denied| now + denied.wait_time_from(now))
        };
        if !fixed_window {
            check(&self.steady)?;
        }
        // This limiter always counts, so switching between the two limiters never adds their rates.
        check(&self.making_up)
    }
}

/// The clock of `governor`, set to the instant that the state machine is given. The caller passes Tokio's time, which
/// tests can pause.
#[derive(Clone, Debug, Default)]
struct PassedTime(Arc<AtomicU64>);

impl PassedTime {
    fn set(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl governor::clock::Clock for PassedTime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
