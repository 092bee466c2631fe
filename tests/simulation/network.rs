//! What happens to a request on its way to Kombo and back, and what all requests share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clocks::{Clocks, shown};
use crate::dice::{Dice, mixed};
use crate::faults::{Enabled, Fault};
use crate::kombo::{Asked, Lies, Paging};
use crate::story::Story;
use crate::truth::{Standing, Truth};

/// Requests that Kombo allows in a window, in this world.
const LIMIT: usize = 300;

const WINDOW_MS: i64 = 60_000;

/// What a load balancer answers.
const UNAVAILABLE: &str = "<html><title>503 Service Temporarily Unavailable</title></html>";

/// A machine that lost the lease cannot have it again sooner: the other one would have to be silent for longer.
const LEAST_SILENCE_MS: i64 = 300_000;

/// All that requests of all processes share.
pub(crate) struct Network {
    /// What is true at Kombo.
    pub(crate) truth: Truth,
    /// The true time.
    pub(crate) clocks: Clocks,
    /// What happened.
    pub(crate) story: Story,
    seed: u64,
    with_lease: bool,
    state: Mutex<NetworkNow>,
}

struct NetworkNow {
    faults: Enabled,
    dice: Dice,
    /// When the requests of the last window left.
    sent_ms: VecDeque<i64>,
    key_is_refused: bool,
    /// Until when Kombo fails, and how many requests were sent meanwhile.
    outage: Option<(i64, u64)>,
    /// When each table was asked for last, by integration and path.
    asked_ms: HashMap<(String, String), i64>,
    /// Who sent last, and when each run of a machine sent last.
    sender: Option<Sender>,
    senders_ms: HashMap<Sender, i64>,
}

/// One run of the program on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sender {
    pub(crate) machine: usize,
    pub(crate) run: u64,
}

impl Network {
    /// Makes the network of a seed.
    pub(crate) fn new(
        seed: u64,
        faults: &Enabled,
        truth: Truth,
        clocks: Clocks,
        story: Story,
    ) -> Arc<Self> {
        Arc::new(Self {
            truth,
            clocks,
            story,
            seed,
            with_lease: !faults.has(Fault::WithoutLease),
            state: Mutex::new(NetworkNow {
                faults: faults.clone(),
                dice: Dice::of(seed, "network"),
                sent_ms: VecDeque::new(),
                key_is_refused: false,
                outage: None,
                asked_ms: HashMap::new(),
                sender: None,
                senders_ms: HashMap::new(),
            }),
        })
    }

    /// Ends all faults on the way.
    pub(crate) fn calm(&self) {
        self.with(|now| {
            now.faults = Enabled::only(&[]).expect("none");
            now.key_is_refused = false;
            now.outage = None;
        });
    }

    /// Lets Kombo fail for a while.
    pub(crate) fn fail_for(&self, time: Duration) {
        let until_ms = self.clocks.true_now() + millis(time);
        self.with(|now| now.outage = Some((until_ms, 0)));
    }

    /// Returns how many requests were sent while Kombo failed.
    pub(crate) fn outage_is_over(&self) -> u64 {
        self.with(|now| now.outage.take().map_or(0, |(_, requests)| requests))
    }

    /// Returns when a table was asked for last.
    pub(crate) fn asked_ms(&self, integration: &str, endpoint: &str) -> Option<i64> {
        let table = (integration.to_owned(), format!("/{endpoint}"));
        self.with(|now| now.asked_ms.get(&table).copied())
    }

    /// Lets Kombo refuse the key, or take it again.
    pub(crate) fn refuse_key(&self, is_refused: bool) {
        self.with(|now| now.key_is_refused = is_refused);
    }

    fn with<T>(&self, work: impl FnOnce(&mut NetworkNow) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks that each table that can be read was asked for since an instant.
    pub(crate) fn must_have_asked(&self, rule: &'static str, since_ms: i64) {
        let mut missing = Vec::new();
        for customer in self.truth.lock().iter() {
            let can_be_read = customer.standing == Standing::Active;
            for (endpoint, table) in &customer.tables {
                let asked_ms = self.asked_ms(&customer.id, endpoint);
                let is_late = asked_ms.is_none_or(|at| at < since_ms);
                if can_be_read && !table.is_off && is_late {
                    missing.push(format!("{endpoint} of {}", customer.id));
                }
            }
        }
        for table in missing {
            let since = shown(since_ms);
            (self.story).violated(
                rule,
                format_args!("{table} was not asked for since {since}"),
            );
        }
    }

    /// Decides what happens to a request.
    pub(crate) fn journey(&self, asked: &Asked, sender: Option<Sender>) -> Journey {
        self.with(|now| {
            now.sent(self, asked);
            if let Some(sender) = sender {
                now.sent_by(sender, self);
            }
            let ms = Duration::from_millis;
            Journey {
                fate: now.fate(asked, self),
                paging: self.paging(asked, &now.faults),
                way: now.dice.time(ms(5)..ms(200)),
                work: now.work(),
                back: now.dice.time(ms(5)..ms(300)),
                date: now.date(self),
            }
        })
    }

    /// Returns how a table is paged. Follows from the seed and the table alone: a real API does not change it either.
    fn paging(&self, asked: &Asked, faults: &Enabled) -> Paging {
        let ways = [
            (Paging::Offsets, Fault::OffsetPages),
            (Paging::Changes, Fault::ChangedPages),
        ];
        let mut possible = vec![Paging::Ids];
        possible.extend(
            ways.iter()
                .filter(|(_, fault)| faults.has(*fault))
                .map(|(way, _)| *way),
        );
        let choice = mixed(self.seed, (&asked.integration, &asked.path));
        possible[usize::try_from(choice).unwrap_or(0) % possible.len()]
    }
}

/// The way of one request, and of its answer.
pub(crate) struct Journey {
    pub(crate) fate: Fate,
    pub(crate) paging: Paging,
    /// How long the request travels.
    pub(crate) way: Duration,
    /// How long Kombo takes from reading its data to answering.
    pub(crate) work: Duration,
    /// How long the answer travels.
    pub(crate) back: Duration,
    pub(crate) date: ToldDate,
}

/// What happens to one request.
pub(crate) enum Fate {
    Answered(Lies),
    Refused(u16, &'static str, Vec<(&'static str, String)>),
    Bare(u16, &'static str),
    NeverConnects,
    BreaksBefore,
    BreaksWithin,
    NoAnswer,
}

impl NetworkNow {
    /// Notes a request, and checks that the program keeps the rate.
    fn sent(&mut self, network: &Network, asked: &Asked) {
        let now_ms = network.clocks.true_now();
        if let Some(integration) = &asked.integration {
            let table = (integration.clone(), asked.path.clone());
            self.asked_ms.insert(table, now_ms);
        }
        self.sent_ms.push_back(now_ms);
        while self
            .sent_ms
            .front()
            .is_some_and(|at| *at <= now_ms - WINDOW_MS)
        {
            self.sent_ms.pop_front();
        }
        // Each process keeps the rate for itself, and a process that starts again knows nothing of the window before.
        if self.sent_ms.len() > 2 * LIMIT {
            network.story.violated(
                "rate",
                format_args!("{} requests in a minute", self.sent_ms.len()),
            );
        }
    }

    /// Checks that of two machines with a lease one sends.
    fn sent_by(&mut self, sender: Sender, network: &Network) {
        let now_ms = network.clocks.true_now();
        let before = self.senders_ms.insert(sender, now_ms);
        let was_other = self
            .sender
            .replace(sender)
            .is_some_and(|last| last != sender);
        let is_back_soon = before.is_some_and(|at| now_ms - at < LEAST_SILENCE_MS);
        if network.with_lease && was_other && is_back_soon {
            let machine = sender.machine;
            (network.story).violated(
                "lease",
                format_args!("machine {machine} sends beside another one"),
            );
        }
    }

    /// Draws how long Kombo takes: some seconds at most, now and then longer.
    fn work(&mut self) -> Duration {
        let most = if self.dice.per_mille(30) {
            40_000
        } else {
            2_000
        };
        Duration::from_millis(self.dice.number(0..most))
    }

    fn fate(&mut self, asked: &Asked, network: &Network) -> Fate {
        let story = &network.story;
        if let Some((until_ms, requests)) = &mut self.outage
            && network.clocks.true_now() < *until_ms
        {
            *requests += 1;
            return Fate::Bare(503, UNAVAILABLE);
        }
        if self.key_is_refused {
            story.count(Fault::KeyRefused.label());
            return Fate::Refused(401, "PLATFORM.AUTHENTICATION_INVALID", Vec::new());
        }
        if self.happens(Fault::RateLimited, 15, story) {
            let shapes: [&[(&'static str, &str)]; 6] = [
                &[],
                &[
                    ("ratelimit-limit", "300"),
                    ("ratelimit-remaining", "0"),
                    ("ratelimit-reset", "57"),
                ],
                &[("retry-after", "12")],
                &[("retry-after", "99999999")],
                &[("ratelimit-reset", "-3"), ("ratelimit-remaining", "x")],
                &[("retry-after-ms", "1500")],
            ];
            let headers = self.dice.one_of(&shapes).iter();
            let headers = headers.map(|(name, value)| (*name, (*value).to_owned()));
            return Fate::Refused(429, "PLATFORM.RATE_LIMIT_EXCEEDED", headers.collect());
        }
        if self.happens(Fault::ServerErrors, 20, story) {
            return match self.dice.number(0..4) {
                0 => Fate::Bare(503, UNAVAILABLE),
                1 => Fate::Bare(502, ""),
                2 => Fate::Bare(
                    200,
                    r#"{"status":"error","error":{"code":null,"message":"x"}}"#,
                ),
                _ => Fate::Refused(500, "PLATFORM.UNKNOWN_ERROR", Vec::new()),
            };
        }
        if self.happens(Fault::LostAnswers, 20, story) {
            return match self.dice.number(0..4) {
                0 => Fate::NeverConnects,
                1 => Fate::BreaksBefore,
                2 => Fate::BreaksWithin,
                _ => Fate::NoAnswer,
            };
        }
        let lies = Lies {
            ids: !asked.ids.is_empty() && self.happens(Fault::IdsLie, 300, story),
            is_last: asked.is_list() && self.happens(Fault::WalkCutShort, 20, story),
        };
        Fate::Answered(lies)
    }

    fn date(&mut self, network: &Network) -> ToldDate {
        if !self.happens(Fault::WrongDate, 60, &network.story) {
            return ToldDate::Ahead(0);
        }
        match self.dice.number(0..6) {
            0 => ToldDate::Missing,
            1 => ToldDate::Is("Fri, 31 Dec 9999 23:59:59 GMT"),
            2 => ToldDate::Is("Thu, 01 Jan 1970 00:00:00 GMT"),
            3 => ToldDate::Ahead(3_600_000),
            4 => ToldDate::Ahead(-3_600_000),
            _ => ToldDate::Is("noon"),
        }
    }

    fn happens(&mut self, fault: Fault, per_mille: u32, story: &Story) -> bool {
        let happens = self.faults.has(fault) && self.dice.per_mille(per_mille);
        if happens {
            story.count(fault.label());
        }
        happens
    }
}

/// What the header `Date` tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ToldDate {
    Missing,
    Is(&'static str),
    /// The true time and so many milliseconds.
    Ahead(i64),
}

impl ToldDate {
    /// Returns the header at an instant.
    pub(crate) fn at(&self, now_ms: i64) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Is(text) => Some((*text).to_owned()),
            Self::Ahead(ms) => {
                let at = chrono::DateTime::from_timestamp_millis(now_ms + ms)?;
                Some(at.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
        }
    }
}

/// Returns a time in milliseconds.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
