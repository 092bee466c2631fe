//! A simulation of walks against a server that counts requests, event by event, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::Duration;

use super::super::budget::Budget;
use super::super::lanes::Ticket;
use super::super::window::Sent;
use super::super::{RateHeaders, Told};
use crate::api::ApiSettings;
use crate::fetch::Lane;
use crate::ids::IntegrationId;

/// A server that answers requests.
pub(super) trait Server {
    fn answer(&mut self, now: Duration) -> (u16, RateHeaders);
}

/// How a server rounds the time left to whole seconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rounding {
    Floor,
    Nearest,
    Ceil,
}

/// A server with a fixed number of requests in each window. Another client on the key may take a part of them, evenly.
pub(super) struct FixedWindows {
    limit: u64,
    rounding: Rounding,
    pub(super) length_ms: u64,
    /// Whether a window begins with the first request after the previous window, and not with the minute.
    pub(super) begins_with_request: bool,
    pub(super) strangers_per_minute: u64,
    began_ms: u64,
    used: u64,
    by_stranger: u64,
}

impl FixedWindows {
    pub(super) fn new(limit: u64, rounding: Rounding) -> Self {
        Self {
            limit,
            rounding,
            length_ms: MINUTE_MS,
            begins_with_request: false,
            strangers_per_minute: 0,
            began_ms: 0,
            used: 0,
            by_stranger: 0,
        }
    }
}

const MINUTE_MS: u64 = 60_000;

impl Server for FixedWindows {
    fn answer(&mut self, now: Duration) -> (u16, RateHeaders) {
        let now_ms = u64::try_from(now.as_millis()).expect("a short run");
        if now_ms >= self.began_ms + self.length_ms {
            (self.used, self.by_stranger) = (0, 0);
            self.began_ms = if self.begins_with_request {
                now_ms
            } else {
                now_ms - now_ms % self.length_ms
            };
        }
        let elapsed_ms = now_ms - self.began_ms;
        let strangers = self.strangers_per_minute * elapsed_ms / MINUTE_MS;
        self.used = (self.used + strangers - self.by_stranger).min(self.limit);
        self.by_stranger = strangers;
        let left_ms = self.length_ms - elapsed_ms;
        let reset = match self.rounding {
            Rounding::Floor => left_ms / 1000,
            Rounding::Nearest => (left_ms + 500) / 1000,
            Rounding::Ceil => left_ms.div_ceil(1000),
        };
        let refused = self.used >= self.limit;
        if !refused {
            self.used += 1;
        }
        let headers = RateHeaders {
            limit: Some(self.limit),
            remaining: Some(self.limit - self.used),
            reset: Some(Told::of(Duration::from_secs(reset))),
            retry_after: None,
        };
        (if refused { 429 } else { 200 }, headers)
    }
}

/// A server with a bucket that refills all the time. `reset` is the time until the bucket is full.
pub(super) struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    pub(super) fn new(capacity: u32, per_second: f64) -> Self {
        Self {
            capacity: capacity.into(),
            per_second,
            level: capacity.into(),
            at: Duration::ZERO,
        }
    }
}

impl Server for Bucket {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive"
    )]
    fn answer(&mut self, now: Duration) -> (u16, RateHeaders) {
        let refill = now.saturating_sub(self.at).as_secs_f64() * self.per_second;
        self.level = (self.level + refill).min(self.capacity);
        self.at = now;
        let refused = self.level < 1.0;
        if !refused {
            self.level -= 1.0;
        }
        let until_full = (self.capacity - self.level) / self.per_second;
        let headers = RateHeaders {
            limit: Some(self.capacity as u64),
            remaining: Some(self.level as u64),
            reset: Some(Told::of(Duration::from_secs(until_full.ceil() as u64))),
            retry_after: None,
        };
        (if refused { 429 } else { 200 }, headers)
    }
}

/// A server that answers every request with a page and sends no rate headers.
pub(super) struct Silent;

impl Server for Silent {
    fn answer(&mut self, _: Duration) -> (u16, RateHeaders) {
        (200, RateHeaders::default())
    }
}

/// A walk that asks for its next page as soon as it has the current one.
struct Walk {
    lane: Lane,
    owner: IntegrationId,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Look,
    Arrive,
    Answered,
    Lost,
    Finished,
}

struct Flight {
    walk: usize,
    sent: Sent,
    answer: (u16, RateHeaders),
}

/// A run of several walks through one budget.
pub(super) struct Simulation<S> {
    server: S,
    budget: Budget,
    random: fastrand::Rng,
    pub(super) lose_percent: u32,
    walks: Vec<Walk>,
    waiting: HashMap<Ticket, usize>,
    flights: Vec<Flight>,
    events: BinaryHeap<Reverse<(Duration, Event, usize)>>,
    /// When the budget wants to be served again.
    look_at: Option<Duration>,
    outcome: Outcome,
}

/// What was observed in a run.
#[derive(Default)]
pub(super) struct Outcome {
    /// The departures of requests: the instant, the lane, and the owner of the walk.
    departures: Vec<(Duration, Lane, IntegrationId)>,
    /// The arrivals of requests that the server answered with a page.
    accepted: Vec<Duration>,
    /// The instants at which refusals reached the client.
    refusals: Vec<Duration>,
    at_once: usize,
    most_at_once: usize,
}

impl<S: Server> Simulation<S> {
    pub(super) fn new(server: S, settings: &ApiSettings, seed: u64) -> Self {
        Self {
            server,
            budget: Budget::new(settings),
            random: fastrand::Rng::with_seed(seed),
            lose_percent: 0,
            walks: Vec::new(),
            waiting: HashMap::new(),
            flights: Vec::new(),
            events: BinaryHeap::new(),
            look_at: None,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn add_walk(&mut self, lane: Lane, owner: &str) {
        let owner = IntegrationId::new(owner).expect("an id");
        self.walks.push(Walk { lane, owner });
    }

    pub(super) fn run(mut self, length: Duration) -> Outcome {
        // The walks start at a random point within the server's first window.
        let start = Duration::from_millis(self.random.u64(0..MINUTE_MS));
        for walk in 0..self.walks.len() {
            self.join(walk, start);
        }
        self.schedule(start, Event::Look, 0);
        while let Some(Reverse((now, event, flight))) = self.events.pop()
            && now < start + length
        {
            if event == Event::Look && self.look_at.is_some_and(|at| now < at) {
                continue;
            }
            self.step(now, event, flight);
            self.depart(now);
        }
        self.outcome
    }

    fn step(&mut self, now: Duration, event: Event, flight: usize) {
        match event {
            Event::Look => {}
            Event::Arrive => {
                let answer = self.server.answer(now);
                if answer.0 == 200 {
                    self.outcome.accepted.push(now);
                }
                self.flights[flight].answer = answer;
                let lost = self.random.u32(0..100) < self.lose_percent;
                let next = if lost { Event::Lost } else { Event::Answered };
                let delay = self.delay(20, 150);
                self.schedule(now + delay, next, flight);
            }
            Event::Answered => {
                let Flight { sent, answer, .. } = self.flights[flight];
                let (status, headers) = answer;
                if status == 429 {
                    self.outcome.refusals.push(now);
                }
                self.budget.answer(sent, now, headers, status);
                let delay = self.delay(0, 100);
                self.schedule(now + delay, Event::Finished, flight);
            }
            Event::Lost => {
                self.budget.lose(self.flights[flight].sent);
                self.schedule(now, Event::Finished, flight);
            }
            Event::Finished => {
                self.budget.finish();
                self.outcome.at_once -= 1;
                self.join(self.flights[flight].walk, now);
            }
        }
    }

    fn depart(&mut self, now: Duration) {
        let (grants, wake_at) = self.budget.serve(now);
        for grant in grants {
            let walk = self.waiting.remove(&grant.ticket).expect("it waits");
            let Walk { lane, owner } = &self.walks[walk];
            self.outcome.departures.push((now, *lane, owner.clone()));
            self.outcome.at_once += 1;
            self.outcome.most_at_once = self.outcome.most_at_once.max(self.outcome.at_once);
            self.flights.push(Flight {
                walk,
                sent: grant.sent,
                answer: (0, RateHeaders::default()),
            });
            let delay = self.delay(20, 150);
            self.schedule(now + delay, Event::Arrive, self.flights.len() - 1);
        }
        if let Some(at) = wake_at
            && self.look_at != Some(at)
        {
            assert!(at > now, "it would spin");
            self.schedule(at, Event::Look, 0);
        }
        self.look_at = wake_at;
    }

    fn join(&mut self, walk: usize, now: Duration) {
        let Walk { lane, owner } = &self.walks[walk];
        let ticket = self.budget.join(*lane, Some(owner.clone()), now);
        self.waiting.insert(ticket, walk);
    }

    fn delay(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_micros(self.random.u64(least_ms * 1000..=most_ms * 1000))
    }

    fn schedule(&mut self, at: Duration, event: Event, flight: usize) {
        self.events.push(Reverse((at, event, flight)));
    }
}

impl Outcome {
    pub(super) fn sent(&self) -> usize {
        self.departures.len()
    }

    pub(super) fn refused(&self) -> usize {
        self.refusals.len()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once
    }

    /// Returns the number of pages that the server sent in each of its windows.
    pub(super) fn per_window(&self, window: Duration) -> Vec<usize> {
        let mut counts = BTreeMap::new();
        for at in &self.accepted {
            *counts.entry(at.as_nanos() / window.as_nanos()).or_insert(0) += 1;
        }
        counts.into_values().collect()
    }

    /// Returns the most departures within any span of this length.
    pub(super) fn most_within(&self, span: Duration) -> usize {
        let mut from = 0;
        let mut most = 0;
        for (index, (at, ..)) in self.departures.iter().enumerate() {
            while self.departures[from].0 + span <= *at {
                from += 1;
            }
            most = most.max(index + 1 - from);
        }
        most
    }

    /// Returns the longest time between two departures, of one lane or of all lanes.
    pub(super) fn longest_pause(&self, lane: Option<Lane>) -> Duration {
        let counts = |of: Lane| lane.is_none_or(|lane| lane == of);
        let of_lane = self.departures.iter().filter(|(_, of, _)| counts(*of));
        let instants: Vec<_> = of_lane.map(|(at, ..)| *at).collect();
        let pauses = instants
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]));
        pauses.max().expect("two departures")
    }

    pub(super) fn share_of(&self, lane: Lane) -> f64 {
        let of_lane = self.departures.iter().filter(|(_, of, _)| *of == lane);
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let share = of_lane.count() as f64 / self.departures.len() as f64;
        share
    }

    pub(super) fn served_by_owner(&self, lane: Lane) -> Vec<usize> {
        let mut counts = BTreeMap::new();
        for (_, of, owner) in &self.departures {
            if *of == lane {
                *counts.entry(owner).or_insert(0) += 1;
            }
        }
        counts.into_values().collect()
    }

    /// Returns the shortest time from a refusal to the next departure.
    pub(super) fn shortest_pause_after_refusal(&self) -> Duration {
        let pause = |refusal: &Duration| {
            let next = self.departures.iter().find(|(at, ..)| at >= refusal);
            next.map(|(at, ..)| at.saturating_sub(*refusal))
        };
        let shortest = self.refusals.iter().filter_map(pause).min();
        shortest.expect("a refusal with a departure after it")
    }

    /// Returns whether no request left between a refusal and the end of the window of that refusal.
    pub(super) fn none_left_while_refused(&self) -> bool {
        let minute = |at: &Duration| at.as_secs() / 60;
        self.refusals.iter().all(|refusal| {
            !self
                .departures
                .iter()
                .any(|(at, ..)| at >= refusal && minute(at) == minute(refusal))
        })
    }
}
