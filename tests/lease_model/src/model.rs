//! The rules of the lease under every order of events, by a model checker.
//!
//! Two or three services share a store. Each event may come at any time, so a service may pause anywhere: between the check
//! of its age and its request, between a listing and its claim, while a put is under way. A put may never take effect, or
//! only after its service has given it up or has crashed. Services crash, restart and give the lease back. Their clocks
//! run at different speeds.

use std::collections::BTreeSet;
use std::time::Duration;

use stateright::{Model, Property};

use crate::lease::{LeasePut, LeaseSign, LeaseTerms, LeaseWatch, Renewal, Tenure, WatchStep};

/// The name of the property that matters most.
pub const ONE_SENDS: &str = "at most one service may send";

const TAKEOVER: u64 = 60;

/// What every clock shows. Instants move into the past instead, so that a state does not depend on the date.
const NOW: Duration = Duration::from_secs(2 * TAKEOVER);

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    is_up: bool,
    /// What the node sends by. It may be over.
    tenure: Option<Tenure>,
    /// Whether the age was checked for a request that has not left yet.
    is_checked: bool,
    /// Requests that left after the age was over.
    late_requests: u8,
    task: Task,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    Watches {
        watch: LeaseWatch,
        asked: Option<Duration>,
    },
    Claims {
        watch: LeaseWatch,
        put: LeasePut,
    },
    Holds {
        renewing: Option<LeasePut>,
    },
}

/// The store, and all services.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    nodes: Vec<Node>,
    /// Objects on the store, with the node that put them.
    objects: BTreeSet<(Renewal, usize)>,
    released: BTreeSet<u64>,
    /// Puts under way.
    puts: BTreeSet<(Renewal, usize)>,
    crashes: u8,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// Time passes, for each node at the speed of its clock.
    Tick,
    Ask(usize),
    Answer(usize),
    Land(Renewal, usize),
    /// A node learns what became of its put, or gives it up.
    ReadBack(usize),
    Renew(usize),
    Check(usize),
    Send(usize),
    Crash(usize),
    Restart(usize),
    Release(usize),
}

/// How far the model is followed.
#[derive(Clone)]
pub struct Lease {
    /// How much each clock moves in one tick.
    pub speeds: Vec<u64>,
    /// Whether the first service holds the lease at the beginning.
    pub begins_held: bool,
    pub epochs: u64,
    pub renewals: u64,
    pub crashes: u8,
    /// Whether requests are modelled.
    pub with_requests: bool,
}

fn terms() -> LeaseTerms {
    LeaseTerms::new(Duration::from_secs(TAKEOVER))
}

impl Node {
    fn new() -> Self {
        let watch = LeaseWatch::begin(NOW, terms());
        Self {
            is_up: true,
            tenure: None,
            is_checked: false,
            late_requests: 0,
            task: Task::Watches { watch, asked: None },
        }
    }

    fn may_send(&self) -> bool {
        self.is_up && self.tenure.is_some_and(|tenure| tenure.may_send(NOW))
    }

    /// Lets time pass. An instant stays where its exact age no longer matters.
    fn ages(&mut self, by: Duration) {
        let ages = |instant: &mut Duration, most: Duration| {
            *instant = instant
                .saturating_sub(by)
                .max(NOW.checked_sub(most).expect("a longer clock"));
        };
        let sends_for = terms().sends_for();
        if let Some(tenure) = &mut self.tenure {
            ages(&mut tenure.from, sends_for);
        }
        match &mut self.task {
            Task::Watches { watch, asked: None } if watch.latest.is_some() => {
                ages(&mut watch.since, terms().takeover());
            }
            // While an answer is awaited only the time between both instants counts. An answer that changes nothing is
            // as if nobody had asked.
            Task::Watches { .. } | Task::Holds { renewing: None } => {}
            Task::Claims { put, .. }
            | Task::Holds {
                renewing: Some(put),
            } => {
                ages(&mut put.began, sends_for);
            }
        }
    }
}

impl World {
    fn latest(&self) -> Option<(Renewal, usize)> {
        self.objects.last().copied()
    }

    /// Returns what a listing shows to a node.
    fn sign(&self, node: usize) -> Option<LeaseSign> {
        self.latest().map(|(renewal, owner)| LeaseSign {
            renewal,
            terms: terms(),
            is_free: owner == node || self.released.contains(&renewal.epoch),
        })
    }

    fn land(&mut self, renewal: Renewal, owner: usize) {
        self.puts.remove(&(renewal, owner));
        if !self.objects.iter().any(|(there, _)| *there == renewal) {
            self.objects.insert((renewal, owner));
        }
    }

    fn answer(&mut self, node: usize) {
        let sign = self.sign(node);
        let Task::Watches { watch, asked } = &mut self.nodes[node].task else {
            return;
        };
        let Some(asked) = asked.take() else { return };
        let mut watch = *watch;
        if let WatchStep::Claim(epoch) = watch.saw(sign, asked, NOW) {
            let renewal = Renewal::claim(epoch);
            let put = LeasePut {
                renewal,
                began: NOW,
            };
            self.puts.insert((put.renewal, node));
            self.nodes[node].task = Task::Claims { watch, put };
        } else {
            self.nodes[node].task = Task::Watches { watch, asked: None };
        }
    }

    fn read_back(&mut self, node: usize) {
        let newest = self.latest();
        match self.nodes[node].task.clone() {
            Task::Claims { watch, put } => {
                if newest == Some((put.renewal, node)) {
                    self.nodes[node].tenure = Some(Tenure::begin(put, terms()));
                    self.nodes[node].late_requests = 0;
                    self.nodes[node].task = Task::Holds { renewing: None };
                    let epoch = put.renewal.epoch;
                    self.objects.retain(|(one, _)| one.epoch >= epoch);
                    self.released.retain(|one| *one >= epoch);
                } else {
                    self.nodes[node].task = Task::Watches { watch, asked: None };
                }
            }
            Task::Holds {
                renewing: Some(put),
            } => {
                self.nodes[node].task = Task::Holds { renewing: None };
                let is_there = self.objects.contains(&(put.renewal, node));
                if newest.is_some_and(|(one, _)| one.epoch > put.renewal.epoch) {
                    self.watch_again(node);
                } else if is_there && let Some(tenure) = &mut self.nodes[node].tenure {
                    tenure.renewed(put);
                    let of_mine = |one: &Renewal| one.epoch == put.renewal.epoch;
                    let is_kept = |one: &Renewal| one.number == 0 || *one >= put.renewal;
                    self.objects
                        .retain(|(one, _)| !of_mine(one) || is_kept(one));
                }
            }
            _ => {}
        }
    }

    /// A holder whose lease is over watches, and keeps what is left of its time.
    fn watch_again(&mut self, node: usize) {
        let watch = LeaseWatch::begin(NOW, terms());
        self.nodes[node].task = Task::Watches { watch, asked: None };
    }

    fn renew(&mut self, node: usize) {
        let next = (self.nodes[node].tenure.as_mut()).and_then(|tenure| tenure.next(NOW));
        if let Some(put) = next {
            self.puts.insert((put.renewal, node));
            self.nodes[node].task = Task::Holds {
                renewing: Some(put),
            };
        } else {
            self.watch_again(node);
        }
    }

    fn send(&mut self, node: usize) {
        let is_late = !self.nodes[node].may_send();
        let node = &mut self.nodes[node];
        node.is_checked = false;
        node.late_requests += u8::from(is_late);
    }

    /// Lets every node run without faults for a while, and returns whether somebody holds then.
    fn somebody_will_hold(mut self) -> bool {
        let landing: Vec<_> = self.puts.iter().copied().collect();
        for (renewal, owner) in landing {
            self.land(renewal, owner);
        }
        for _ in 0..20 {
            for node in (0..self.nodes.len())
                .filter(|node| self.nodes[*node].is_up)
                .collect::<Vec<_>>()
            {
                self.work(node);
            }
            if self.nodes.iter().any(Node::may_send) {
                return true;
            }
            self.nodes
                .iter_mut()
                .for_each(|node| node.ages(Duration::from_secs(10)));
        }
        self.nodes.iter().all(|node| !node.is_up)
    }

    fn work(&mut self, node: usize) {
        match &mut self.nodes[node].task {
            Task::Watches { asked, .. } => {
                *asked = Some(NOW);
                self.answer(node);
            }
            Task::Holds { renewing: None } => self.renew(node),
            _ => {}
        }
        let landing: Vec<_> = self.puts.iter().copied().collect();
        for (renewal, owner) in landing {
            self.land(renewal, owner);
        }
        self.read_back(node);
    }
}

impl Lease {
    fn node_events(&self, world: &World, at: usize, events: &mut Vec<Event>) {
        let node = &world.nodes[at];
        if !node.is_up {
            return events.push(Event::Restart(at));
        }
        match &node.task {
            Task::Watches { asked: None, .. } => events.push(Event::Ask(at)),
            Task::Watches { .. } => events.push(Event::Answer(at)),
            Task::Holds { renewing: None } => events.extend([Event::Renew(at), Event::Release(at)]),
            Task::Holds { .. } | Task::Claims { .. } => events.push(Event::ReadBack(at)),
        }
        if world.crashes < self.crashes {
            events.push(Event::Crash(at));
        }
        if self.with_requests && !node.is_checked && node.may_send() {
            events.push(Event::Check(at));
        }
        if node.is_checked {
            events.push(Event::Send(at));
        }
    }
}

impl Model for Lease {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            nodes: self.speeds.iter().map(|_| Node::new()).collect(),
            objects: BTreeSet::new(),
            released: BTreeSet::new(),
            puts: BTreeSet::new(),
            crashes: 0,
        };
        if self.begins_held {
            world.work(0);
        }
        vec![world]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        events.push(Event::Tick);
        for at in 0..world.nodes.len() {
            self.node_events(world, at, events);
        }
        for (renewal, owner) in &world.puts {
            events.push(Event::Land(*renewal, *owner));
        }
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut world = world.clone();
        match event {
            Event::Tick => {
                for (node, speed) in world.nodes.iter_mut().zip(&self.speeds) {
                    node.ages(Duration::from_secs(*speed));
                }
            }
            Event::Ask(at) => {
                if let Task::Watches { asked, .. } = &mut world.nodes[at].task {
                    *asked = Some(NOW);
                }
            }
            Event::Answer(at) => world.answer(at),
            Event::Land(renewal, owner) => world.land(renewal, owner),
            Event::ReadBack(at) => world.read_back(at),
            Event::Renew(at) => world.renew(at),
            Event::Check(at) => world.nodes[at].is_checked = true,
            Event::Send(at) => world.send(at),
            Event::Crash(at) => {
                world.crashes += 1;
                world.nodes[at] = Node::new();
                world.nodes[at].is_up = false;
            }
            Event::Restart(at) => world.nodes[at] = Node::new(),
            Event::Release(at) => {
                let epoch = world.nodes[at].tenure.map_or(0, |tenure| tenure.epoch);
                world.released.insert(epoch);
                world.nodes[at] = Node::new();
                world.nodes[at].is_up = false;
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_SENDS, |_, world: &World| {
                world.nodes.iter().filter(|node| node.may_send()).count() <= 1
            }),
            Property::always(
                "after its age a service sends what it had checked",
                |_, world: &World| world.nodes.iter().all(|node| node.late_requests <= 1),
            ),
            Property::always("somebody holds in the end", |_, world: &World| {
                world.clone().somebody_will_hold()
            }),
            Property::sometimes("a silent holder is replaced", |_, world: &World| {
                let holder = world.nodes.iter().position(Node::may_send);
                holder.is_some_and(|at| {
                    let epoch = world.nodes[at].tenure.map(|tenure| tenure.epoch);
                    let others = world.nodes.iter().enumerate().filter(|(one, _)| *one != at);
                    let mut others = others.filter_map(|(_, node)| node.tenure);
                    others.any(|other| Some(other.epoch) < epoch && !other.may_send(NOW))
                })
            }),
        ]
    }

    fn within_boundary(&self, world: &World) -> bool {
        let mut names = world.objects.iter().chain(&world.puts);
        let mut tenures = world.nodes.iter().filter_map(|node| node.tenure);
        names.all(|(one, _)| one.epoch <= self.epochs)
            && tenures.all(|tenure| tenure.used <= self.renewals)
    }
}
