//! One simulated world: customers that change, webhooks, machines, faults, and the verdict at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kombo_source::lake::LakeSettings;
use kombo_source::service::{Entrance, SourceSettings};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::clocks::{Clocks, WallClock, wrong_by};
use crate::depot::Depot;
use crate::dice::Dice;
use crate::events::Event;
use crate::faults::{Enabled, Fault};
use crate::mishap::Mishap;
use crate::network::Network;
use crate::observer::Observer;
use crate::operator::{self, Verb};
use crate::process::Machine;
use crate::site::{Site, lake_settings, source_settings};
use crate::story::{Ending, Story};
use crate::truth::{Standing, Truth};

/// How long the world goes on without faults and changes, so that the lake can converge.
const CALM: Duration = Duration::from_hours(60);

/// Within this time after a webhook was taken, its table is asked for.
const PROMPT: Duration = Duration::from_mins(15);

/// What a run simulates.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) days: u64,
    pub(crate) faults: Enabled,
    pub(crate) prints: bool,
    /// What goes wrong in the first run of the program.
    pub(crate) mishap: Option<Mishap>,
}

/// What takes the webhooks of a machine, while its program runs.
pub(crate) type Mailbox = Arc<Mutex<Option<Arc<Entrance>>>>;

/// A world while it goes on.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) site: Site,
    pub(crate) clocks: Clocks,
    pub(crate) story: Story,
    pub(crate) truth: Truth,
    pub(crate) dice: Dice,
    pub(crate) walls: Vec<WallClock>,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) machines: JoinSet<()>,
    /// What the operator runs at present.
    pub(crate) verbs: JoinSet<()>,
    /// Webhooks on their way. Each returns what is sent again, or what is checked once it has been taken.
    pub(crate) delivering: JoinSet<Option<Event>>,
    /// Counts the planned events.
    pub(crate) number: u64,
    observer: Observer,
    queue: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    end: watch::Sender<bool>,
}

/// Runs a world from its beginning to the verdict.
pub(crate) async fn run(plan: Plan, folder: &Path) -> Ending {
    let busy = Duration::from_hours(24 * plan.days);
    let mut world = World::drawn(plan);
    world.start(folder);
    world.plan_first();
    world.live(busy, CALM).await
}

impl World {
    /// Draws the size and the settings of a world.
    fn drawn(plan: Plan) -> Self {
        let mut dice = Dice::of(plan.seed, "world");
        let customers = usize::try_from(dice.number(1..4)).unwrap_or(1);
        let most = *dice.one_of(&[6, 40, 160]);
        let mut sizes = Dice::of(plan.seed, "sizes");
        let clocks = Clocks::start();
        let start_ms = clocks.true_now();
        let truth = Truth::new(customers, || sizes.number(0..most), start_ms);
        let source = source_settings(&mut dice, &truth);
        let lake = lake_settings(&mut dice);
        Self::of(plan, clocks, truth, (source, lake))
    }

    /// Makes a world in which nothing is planned yet.
    pub(crate) fn of(
        plan: Plan,
        clocks: Clocks,
        truth: Truth,
        (source, lake): (SourceSettings, LakeSettings),
    ) -> Self {
        let story = Story::begin(clocks.clone(), plan.prints);
        let dice = Dice::of(plan.seed, "events");
        let (seed, faults) = (plan.seed, &plan.faults);
        let observer = Observer::new(truth.clone(), clocks.clone(), story.clone(), faults);
        let depot = Depot::new(
            seed,
            faults,
            clocks.clone(),
            story.clone(),
            observer.clone(),
        );
        let network = Network::new(seed, faults, truth.clone(), clocks.clone(), story.clone());
        let (end, is_over) = watch::channel(false);
        let site = Site {
            source,
            lake,
            network,
            depot,
            faults: faults.clone(),
            is_calm: Arc::new(AtomicBool::new(false)),
            is_over,
        };
        Self {
            plan,
            site,
            clocks,
            story,
            truth,
            dice,
            walls: Vec::new(),
            mailboxes: Vec::new(),
            machines: JoinSet::new(),
            verbs: JoinSet::new(),
            delivering: JoinSet::new(),
            number: 0,
            observer,
            queue: BinaryHeap::new(),
            end,
        }
    }

    /// Lets the world go on, with a calm at its end, and judges what became of the lake.
    pub(crate) async fn live(mut self, busy: Duration, calm: Duration) -> Ending {
        self.until(busy).await;
        self.calm();
        self.until(busy + calm).await;
        self.must_have_heartbeats(calm);
        self.end.send_replace(true);
        while self.machines.join_next().await.is_some() {}
        while self.verbs.join_next().await.is_some() {}
        self.judge(&self.observer, "converged");
        self.look_for_damage().await;
        // `current` can be made again from the rows that are kept.
        operator::run(self.site.clone(), Verb::Rebuild, Dice::of(0, "rebuild")).await;
        self.judge(&self.observer, "rebuilt");
        self.story.end()
    }

    /// Starts the machines.
    pub(crate) fn start(&mut self, folder: &Path) {
        let faults = &self.plan.faults;
        let several = faults.has(Fault::TwoProcesses) || faults.has(Fault::WithoutLease);
        for name in 0..=usize::from(several) {
            let mut dice = Dice::of(self.plan.seed, ("machine", name));
            let is_wrong = self.plan.faults.has(Fault::WallClock);
            let ahead_ms = if is_wrong { wrong_by(&mut dice) } else { 0 };
            let machine = Machine {
                clock: WallClock::new(&self.clocks, ahead_ms),
                data_dir: folder.join(format!("machine-{name}")),
                mailbox: Mailbox::default(),
                site: self.site.clone(),
                name,
                dice,
                runs: 0,
                mishap: self.plan.mishap,
            };
            self.walls.push(machine.clock.clone());
            self.mailboxes.push(Arc::clone(&machine.mailbox));
            self.machines.spawn(machine.run());
        }
    }

    /// Returns what takes the webhooks of a machine at present.
    pub(crate) fn entrance(&self, machine: usize) -> Option<Arc<Entrance>> {
        let mailbox = self.mailboxes[machine].lock();
        mailbox.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Plans the first event of each kind. Each event plans the next one of its kind.
    fn plan_first(&mut self) {
        self.again(Event::Change);
        let kinds = [
            (Fault::StoreAway, Event::StoreAway),
            (Fault::ModelOff, Event::ModelOff),
            (Fault::Paused, Event::Pause),
            (Fault::KeyRefused, Event::RefuseKey),
            (Fault::WallClock, Event::SetClock),
            (Fault::WebhookForged, Event::Forge { customer: 0 }),
            (Fault::Operator, Event::Operate),
            (Fault::MassDeletion, Event::MassDeletion),
            (Fault::Outage, Event::Outage),
        ];
        for (fault, event) in kinds {
            if self.plan.faults.has(fault) {
                self.again(event);
            }
        }
    }

    /// Plans an event after some time.
    pub(crate) fn plan_in(&mut self, wait: Duration, event: Event) {
        self.number += 1;
        self.queue
            .push(Reverse((Instant::now() + wait, self.number, event)));
    }

    /// Lets the world go on until so much time has passed since its beginning.
    async fn until(&mut self, end: Duration) {
        let end = Instant::now() + end.saturating_sub(self.clocks.passed());
        loop {
            let next = self
                .queue
                .peek()
                .map_or(end, |Reverse((at, ..))| *at)
                .min(end);
            tokio::select! {
                biased;
                Some(delivered) = self.delivering.join_next(), if !self.delivering.is_empty() => {
                    if let Some(next) = delivered.expect("no panic") {
                        let wait = match next {
                            Event::Prompt { .. } => PROMPT,
                            _ => self.dice.time(Duration::from_secs(5)..Duration::from_mins(10)),
                        };
                        self.plan_in(wait, next);
                    }
                }
                () = sleep_until(next) => {
                    if next == end {
                        return;
                    }
                    if let Some(Reverse((.., event))) = self.queue.pop() {
                        self.happen(event);
                    }
                }
            }
        }
    }

    /// Ends all faults and changes.
    fn calm(&mut self) {
        self.site.is_calm.store(true, Ordering::Relaxed);
        self.queue.clear();
        self.site.network.calm();
        self.site.depot.calm();
        for customer in self.truth.lock().iter_mut() {
            customer.standing = Standing::Active;
            customer
                .tables
                .values_mut()
                .for_each(|table| table.is_off = false);
        }
        for wall in &self.walls {
            wall.set_ahead(0);
        }
        self.story.tell("calm", "no more faults and changes");
    }
}
