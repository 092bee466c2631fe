//! One simulated world: customers that change, webhooks, machines, faults, and the verdict at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kombo_source::api::{ApiSettings, BaseUrl};
use kombo_source::lake::{FoldSettings, LakeSettings};
use kombo_source::listener::Intake;
use kombo_source::plan::Schedule;
use kombo_source::service::{Entrance, LeaseSettings, SourceSettings};
use kombo_source::webhook::{Signature, WebhookSecret, parse};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::carrier::Network;
use crate::clocks::{Clocks, WallClock};
use crate::dice::Dice;
use crate::faults::{Enabled, Fault};
use crate::observer::{Observer, folder_of, key_of};
use crate::process::{Machine, SECRET, Site, ids, verifier};
use crate::store::Depot;
use crate::story::{Ending, Story};
use crate::truth::{ENDPOINTS, Form, Listed, Standing, Truth};

/// From one full fetch of a table to the next, in this world.
const FULL_INTERVAL: Duration = Duration::from_hours(48);

/// How long the world goes on without faults and changes, so that the lake can converge.
const CALM: Duration = Duration::from_hours(60);

/// What a run simulates.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) days: u64,
    pub(crate) faults: Enabled,
    pub(crate) prints: bool,
}

/// Something that happens in the world at an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Change,
    Deliver {
        customer: usize,
        model: usize,
        tries: u32,
    },
    Forge {
        customer: usize,
    },
    StoreAway,
    ModelOff,
    ModelOn {
        customer: usize,
        model: usize,
    },
    Pause,
    Resume {
        customer: usize,
    },
    RefuseKey,
    TakeKey,
    SetClock,
}

struct World {
    plan: Plan,
    network: Arc<Network>,
    depot: Arc<Depot>,
    clocks: Clocks,
    story: Story,
    truth: Truth,
    walls: Vec<WallClock>,
    doors: Vec<Arc<Mutex<Option<Arc<Entrance>>>>>,
    dice: Dice,
    queue: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    number: u64,
    delivering: JoinSet<Undelivered>,
}

/// What is sent again, or `None` once it has been taken.
type Undelivered = Option<Event>;

/// Runs a world from its beginning to the verdict.
pub(crate) async fn run(plan: Plan, folder: &Path) -> Ending {
    let clocks = Clocks::start();
    let story = Story::begin(clocks.clone(), plan.prints);
    let mut dice = Dice::of(plan.seed, "world");
    let customers = usize::try_from(dice.number(1..4)).unwrap_or(1);
    let most = *dice.one_of(&[6, 40, 160]);
    let truth = Truth::new(customers, || dice.number(0..most), clocks.true_now());
    let observer = Observer::new(truth.clone(), clocks.clone(), story.clone(), &plan.faults);
    let depot = Depot::new(
        plan.seed,
        &plan.faults,
        clocks.clone(),
        story.clone(),
        observer.clone(),
    );
    let network = Network::new(
        plan.seed,
        &plan.faults,
        truth.clone(),
        clocks.clone(),
        story.clone(),
    );
    let (end, is_over) = watch::channel(false);
    let is_calm = Arc::new(AtomicBool::new(false));
    let site = Site {
        source: source_settings(&mut dice, &network),
        lake: lake_settings(&mut dice),
        network: Arc::clone(&network),
        depot: Arc::clone(&depot),
        faults: plan.faults.clone(),
        is_calm: Arc::clone(&is_calm),
        is_over,
    };
    let mut machines = JoinSet::new();
    let (mut walls, mut doors) = (Vec::new(), Vec::new());
    let several = plan.faults.has(Fault::TwoProcesses) || plan.faults.has(Fault::WithoutLease);
    for name in 0..=usize::from(several) {
        let machine = machine(&plan, &site, name, folder);
        walls.push(machine.clock.clone());
        doors.push(Arc::clone(&machine.door));
        machines.spawn(machine.run());
    }
    let days = plan.days;
    let mut world = World {
        plan,
        network,
        depot,
        clocks,
        story,
        truth,
        walls,
        doors,
        dice,
        queue: BinaryHeap::new(),
        number: 0,
        delivering: JoinSet::new(),
    };
    world.begin();
    world.until(Duration::from_hours(24 * days)).await;
    is_calm.store(true, Ordering::Relaxed);
    world.calm();
    world.until(Duration::from_hours(24 * days) + CALM).await;
    end.send_replace(true);
    while machines.join_next().await.is_some() {}
    world.judge(&observer);
    world.story.end()
}

fn machine(plan: &Plan, site: &Site, name: usize, folder: &Path) -> Machine {
    let mut dice = Dice::of(plan.seed, ("machine", name));
    let ahead_ms = if plan.faults.has(Fault::WallClock) {
        wrong_by(&mut dice)
    } else {
        0
    };
    Machine {
        clock: WallClock::new(&site.network.clocks, ahead_ms),
        data_dir: folder.join(format!("machine-{name}")),
        door: Arc::default(),
        site: site.clone(),
        name,
        dice,
    }
}

/// Returns by how much a wall clock is wrong: seconds, minutes, hours, or a day.
fn wrong_by(dice: &mut Dice) -> i64 {
    let most = *dice.one_of(&[5_000, 400_000, 7_200_000, 86_400_000]);
    i64::try_from(dice.number(0..2 * most)).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
}

fn source_settings(dice: &mut Dice, network: &Network) -> SourceSettings {
    let page_size = u32::try_from(dice.number(3..60)).unwrap_or(3);
    SourceSettings {
        name: "kombo".to_owned(),
        endpoint: Some(BaseUrl::parse("https://kombo.invalid/v1").expect("an address")),
        integrations: ids(network),
        endpoints: ENDPOINTS
            .iter()
            .map(|listed| listed.name.to_owned())
            .collect(),
        schedule: Schedule {
            full_interval: FULL_INTERVAL,
            ..Schedule::DEFAULT
        },
        lease: LeaseSettings {
            takeover_secs: NonZeroU64::new(600).expect("not zero"),
            ..LeaseSettings::default()
        },
        request: ApiSettings {
            page_size: NonZeroU32::new(page_size).expect("not zero"),
            ..ApiSettings::default()
        },
        ..SourceSettings::default()
    }
}

fn lake_settings(dice: &mut Dice) -> LakeSettings {
    LakeSettings {
        url: "memory:".to_owned(),
        commit_window_secs: *dice.one_of(&[0, 5, 30]),
        checkpoint_interval: NonZeroU64::new(*dice.one_of(&[5, 20, 100])).expect("not zero"),
        fold: FoldSettings {
            max_age: Duration::from_secs(*dice.one_of(&[60, 300, 3_600])),
            ..FoldSettings::default()
        },
        ..LakeSettings::default()
    }
}

impl World {
    /// Plans the first event of each kind. Each event plans the next one of its kind.
    fn begin(&mut self) {
        self.again(Event::Change);
        let kinds = [
            (Fault::StoreAway, Event::StoreAway),
            (Fault::ModelOff, Event::ModelOff),
            (Fault::Paused, Event::Pause),
            (Fault::KeyRefused, Event::RefuseKey),
            (Fault::WallClock, Event::SetClock),
            (Fault::WebhookForged, Event::Forge { customer: 0 }),
        ];
        for (fault, event) in kinds {
            if self.plan.faults.has(fault) {
                self.again(event);
            }
        }
    }

    /// Plans the next event of a kind.
    fn again(&mut self, event: Event) {
        let mean = match event {
            Event::Change => Duration::from_mins(100),
            Event::StoreAway | Event::SetClock | Event::Forge { .. } => Duration::from_hours(70),
            _ => Duration::from_hours(120),
        };
        let wait = self.dice.until_next(mean);
        self.plan_in(wait, event);
    }

    fn plan_in(&mut self, wait: Duration, event: Event) {
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
                    if let Some(again) = delivered.expect("no panic") {
                        let wait = self.dice.time(Duration::from_secs(5)..Duration::from_mins(10));
                        self.plan_in(wait, again);
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

    fn happen(&mut self, event: Event) {
        match event {
            Event::Change => {
                let burst = if self.dice.per_mille(100) { 12 } else { 1 };
                for _ in 0..burst {
                    self.change();
                }
                self.again(Event::Change);
            }
            Event::Deliver {
                customer,
                model,
                tries,
            } => self.deliver(customer, model, tries),
            Event::Forge { .. } => {
                let customer = self.some_customer();
                self.forge(customer);
                self.again(event);
            }
            Event::StoreAway => {
                let time = self
                    .dice
                    .time(Duration::from_mins(1)..Duration::from_hours(3));
                self.story.tell(
                    "store",
                    format_args!("out of reach for {} s", time.as_secs()),
                );
                self.depot.go_away(time);
                self.again(Event::StoreAway);
            }
            Event::ModelOff => self.model_off(),
            Event::ModelOn { customer, model } => {
                self.truth.lock()[customer]
                    .tables
                    .get_mut(ENDPOINTS[model].name)
                    .expect("its own")
                    .is_off = false;
                self.story.tell(
                    "model",
                    format_args!("{} on for {customer}", ENDPOINTS[model].name),
                );
                self.announce(customer, model);
            }
            Event::Pause => self.pause(),
            Event::Resume { customer } => {
                self.truth.lock()[customer].standing = Standing::Active;
                self.story
                    .tell("customer", format_args!("{customer} is active again"));
            }
            Event::RefuseKey => {
                self.network.refuse_key(true);
                self.story.tell("key", "refused");
                let time = self
                    .dice
                    .time(Duration::from_mins(1)..Duration::from_hours(5));
                self.plan_in(time, Event::TakeKey);
                self.again(Event::RefuseKey);
            }
            Event::TakeKey => {
                self.network.refuse_key(false);
                self.story.tell("key", "accepted");
            }
            Event::SetClock => {
                let ahead_ms = wrong_by(&mut self.dice);
                let nth =
                    usize::try_from(self.dice.number(0..self.walls.len() as u64)).unwrap_or(0);
                self.walls[nth].set_ahead(ahead_ms);
                self.story.tell(
                    "clock",
                    format_args!("machine {nth} is ahead by {ahead_ms} ms"),
                );
                self.again(Event::SetClock);
            }
        }
    }

    fn some_customer(&mut self) -> usize {
        let customers = self.truth.lock().len() as u64;
        usize::try_from(self.dice.number(0..customers)).unwrap_or(0)
    }

    /// Returns a random endpoint of a customer, by its place in [`ENDPOINTS`].
    fn some_model(&mut self, customer: usize) -> usize {
        let category = self.truth.lock()[customer].category;
        let own = |(nth, listed): (usize, &Listed)| (listed.category == category).then_some(nth);
        let own: Vec<usize> = ENDPOINTS.iter().enumerate().filter_map(own).collect();
        *self.dice.one_of(&own)
    }

    /// Changes one record, and has Kombo announce it.
    fn change(&mut self) {
        let customer = self.some_customer();
        let model = self.some_model(customer);
        let endpoint = ENDPOINTS[model].name;
        let now_ms = self.clocks.true_now();
        let faults = &self.plan.faults;
        let lag_ms = if faults.has(Fault::CommitLag) && self.dice.per_mille(200) {
            let most = *self.dice.one_of(&[60_000, 240_000, 3_000_000, 50_000_000]);
            i64::try_from(self.dice.number(0..most)).unwrap_or(0)
        } else {
            0
        };
        let is_silent = faults.has(Fault::SilentChange) && self.dice.per_mille(80);
        let vanishes = faults.has(Fault::Vanishes) && self.dice.per_mille(60);
        let comes_back = faults.has(Fault::ComesBack);
        let kind = self.dice.number(0..100);
        let mut customers = self.truth.lock();
        let table = customers[customer]
            .tables
            .get_mut(endpoint)
            .expect("its own");
        let visible_ms = now_ms + lag_ms;
        let mut possible: Vec<usize> = (0..table.records.len()).collect();
        possible.retain(
            |nth| match table.records[*nth].versions.last().map(|last| last.form) {
                Some(Form::Live) => true,
                _ => comes_back,
            },
        );
        if kind < 25 || possible.is_empty() {
            let id = table.create(customer, endpoint, now_ms, visible_ms);
            drop(customers);
            self.story.tell("created", id);
        } else {
            let nth = *self.dice.one_of(&possible);
            let record = &mut table.records[nth];
            let last = *record.versions.last().expect("each has one");
            let form = match last.form {
                Form::Live if vanishes => Form::Vanished,
                Form::Live if kind >= 85 => Form::Deleted(now_ms),
                _ => Form::Live,
            };
            let changed_ms = if is_silent { last.changed_ms } else { now_ms };
            record.change(changed_ms, visible_ms, form);
            let text = format!("{} v{} {form:?}", record.id, last.number + 1);
            drop(customers);
            self.story.tell("changed", text);
        }
        self.announce(customer, model);
    }

    fn announce(&mut self, customer: usize, model: usize) {
        if self.fails(Fault::WebhookLost, 200) {
            return;
        }
        let deliver = Event::Deliver {
            customer,
            model,
            tries: 0,
        };
        let soon = if self.fails(Fault::WebhookLate, 100) {
            self.dice
                .time(Duration::from_mins(10)..Duration::from_hours(9))
        } else {
            self.dice
                .time(Duration::from_millis(200)..Duration::from_secs(20))
        };
        if self.fails(Fault::WebhookTwice, 200) {
            let late = self
                .dice
                .time(Duration::from_millis(1)..Duration::from_hours(3));
            self.plan_in(soon + late, deliver.clone());
        }
        self.plan_in(soon, deliver);
    }

    fn fails(&mut self, fault: Fault, per_mille: u32) -> bool {
        let fails = self.plan.faults.has(fault) && self.dice.per_mille(per_mille);
        if fails {
            self.story.count(fault.label());
        }
        fails
    }

    fn deliver(&mut self, customer: usize, model: usize, tries: u32) {
        let (id, category) = {
            let customers = self.truth.lock();
            (customers[customer].id.clone(), customers[customer].category)
        };
        let body = json!({
            "id": format!("event-{}", self.number), "type": "data-changed",
            "data": {
                "integration_id": id, "integration_category": category,
                "integration_tool": id.split(':').next(),
                "changed_models": [{"name": ENDPOINTS[model].model}],
            },
        });
        let again = (tries < 5).then_some(Event::Deliver {
            customer,
            model,
            tries: tries + 1,
        });
        self.post(&body.to_string(), again);
    }

    /// Sends Kombo's own word that an integration is deleted, which it is not.
    fn forge(&mut self, customer: usize) {
        let (id, category) = {
            let customers = self.truth.lock();
            (customers[customer].id.clone(), customers[customer].category)
        };
        self.story.tell(Fault::WebhookForged.label(), &id);
        let body = json!({
            "id": format!("event-{}", self.number), "type": "integration-deleted",
            "data": {
                "id": id, "tool": id.split(':').next(), "category": category,
                "end_user": {"organization_name": "A customer"},
                "deleted_at": self.clocks.shown(self.clocks.true_now()),
            },
        });
        self.post(&body.to_string(), None);
    }

    /// Sends a signed webhook to one of the machines. What is not taken may be sent again.
    fn post(&mut self, body: &str, again: Option<Event>) {
        let nth = usize::try_from(self.dice.number(0..self.doors.len() as u64)).unwrap_or(0);
        let door = self.doors[nth]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let signature = WebhookSecret::new(SECRET)
            .expect("a secret")
            .sign(body.as_bytes());
        let (verifier, story) = (verifier(), self.story.clone());
        let signature = Signature::parse(&signature).expect("a signature");
        let verified = verifier
            .verify(body.as_bytes(), &signature)
            .expect("signed");
        let webhook = parse(verified).expect("a webhook");
        let Some(door) = door else {
            story.tell("webhook", format_args!("no answer of machine {nth}"));
            self.delivering.spawn(std::future::ready(again));
            return;
        };
        self.delivering.spawn(async move {
            let taken = timeout(Duration::from_secs(10), door.take(webhook)).await;
            let is_taken = matches!(taken, Ok(Ok(())));
            story.tell(
                "webhook",
                format_args!(
                    "machine {nth} {}",
                    if is_taken {
                        "took it"
                    } else {
                        "did not take it"
                    }
                ),
            );
            if is_taken { None } else { again }
        });
    }

    fn model_off(&mut self) {
        let customer = self.some_customer();
        let model = self.some_model(customer);
        self.truth.lock()[customer]
            .tables
            .get_mut(ENDPOINTS[model].name)
            .expect("its own")
            .is_off = true;
        self.story.tell(
            "model",
            format_args!("{} off for {customer}", ENDPOINTS[model].name),
        );
        let time = self
            .dice
            .time(Duration::from_mins(5)..Duration::from_hours(60));
        self.plan_in(time, Event::ModelOn { customer, model });
        self.again(Event::ModelOff);
    }

    fn pause(&mut self) {
        let customer = self.some_customer();
        let standing = *self
            .dice
            .one_of(&[Standing::Inactive, Standing::LoginRefused]);
        self.truth.lock()[customer].standing = standing;
        self.story
            .tell("customer", format_args!("{customer} is {standing:?}"));
        let time = self
            .dice
            .time(Duration::from_mins(5)..Duration::from_hours(60));
        self.plan_in(time, Event::Resume { customer });
        self.again(Event::Pause);
    }

    /// Ends all faults and changes.
    fn calm(&mut self) {
        self.queue.clear();
        self.network.calm();
        self.depot.calm();
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

    /// Compares what readers of `current` see with what is true.
    fn judge(&self, observer: &Observer) {
        let now_ms = self.clocks.true_now();
        for listed in ENDPOINTS {
            let table = format!("{}/current", folder_of(listed.name));
            let mut found = observer.rows(&table, &self.depot.objects);
            found.sort();
            let mut wanted = Vec::new();
            for customer in self.truth.lock().iter() {
                let records = customer
                    .tables
                    .get(listed.name)
                    .map_or(&[][..], |own| &own.records);
                let rows = records.iter().filter_map(|record| record.row(now_ms));
                let live = rows.filter(|row| !row.is_deleted());
                wanted.extend(live.map(|row| {
                    (
                        key_of(&customer.id),
                        row.record.id.clone(),
                        row.version.number,
                    )
                }));
            }
            wanted.sort();
            let found = found
                .into_iter()
                .map(|row| (row.key, row.id, row.version.unwrap_or(0)));
            let found: Vec<_> = found.collect();
            self.story.count("tables-compared");
            for row in wanted.iter().filter(|row| !found.contains(row)) {
                self.story.violated(
                    "converged",
                    format_args!("{table} lacks {} v{}", row.1, row.2),
                );
            }
            for row in found.iter().filter(|row| !wanted.contains(row)) {
                self.story.violated(
                    "converged",
                    format_args!("{table} has {} v{}", row.1, row.2),
                );
            }
            if found.len() > wanted.len() && found.windows(2).any(|two| two[0] == two[1]) {
                self.story
                    .violated("converged", format_args!("{table} has a row twice"));
            }
        }
    }
}
