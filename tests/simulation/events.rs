//! What happens in the world besides the program: each event plans the next one of its kind.

use std::time::Duration;

use crate::clocks::wrong_by;
use crate::dice::Dice;
use crate::faults::Fault;
use crate::operator::{self, Verb};
use crate::world::World;

/// Something that happens in the world at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
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
    Operate,
    MassDeletion,
    Outage,
    OutageOver {
        hours: u64,
    },
    /// A part of a mass deletion.
    PartialDeletion {
        customer: usize,
        model: usize,
        left: u32,
    },
    /// A webhook was taken some minutes ago.
    Prompt {
        customer: usize,
        model: usize,
        taken_ms: i64,
    },
    /// One change more, and no next one.
    One,
    /// A few changes, and no next ones.
    Once,
    /// One verb, and no next one.
    Run(Verb),
}

impl World {
    /// Plans the next event of a kind.
    pub(crate) fn again(&mut self, event: Event) {
        let mean = match event {
            Event::Change => Duration::from_mins(100),
            Event::StoreAway | Event::SetClock | Event::Forge { .. } => Duration::from_hours(70),
            Event::Operate => Duration::from_hours(30),
            _ => Duration::from_hours(120),
        };
        let wait = self.dice.until_next(mean);
        self.plan_in(wait, event);
    }

    /// Lets an event happen.
    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Change => self.change_some(),
            Event::Deliver {
                customer,
                model,
                tries,
            } => self.deliver(customer, model, tries),
            Event::Forge { .. } => self.forge(),
            Event::StoreAway => self.store_away(),
            Event::ModelOff => self.model_off(),
            Event::ModelOn { customer, model } => self.model_on(customer, model),
            Event::Pause => self.pause(),
            Event::Resume { customer } => self.resume(customer),
            Event::RefuseKey => self.refuse_key(),
            Event::TakeKey => {
                self.site.network.refuse_key(false);
                self.story.tell("key", "accepted");
            }
            Event::SetClock => self.set_clock(),
            Event::Operate => self.operate(),
            Event::MassDeletion => self.mass_deletion(),
            Event::PartialDeletion {
                customer,
                model,
                left,
            } => self.delete_part(customer, model, left),
            Event::Outage => self.outage(),
            Event::OutageOver { hours } => self.outage_is_over(hours),
            Event::Prompt {
                customer,
                model,
                taken_ms,
            } => self.must_be_prompt(customer, model, taken_ms),
            Event::One => self.change(),
            Event::Once => (0..3).for_each(|_| self.change()),
            Event::Run(verb) => self.run_verb(verb),
        }
    }

    fn store_away(&mut self) {
        let time = self.some_time(Duration::from_hours(3));
        let secs = time.as_secs();
        (self.story).tell("store", format_args!("out of reach for {secs} s"));
        self.site.depot.go_away(time);
        self.again(Event::StoreAway);
    }

    fn refuse_key(&mut self) {
        self.site.network.refuse_key(true);
        self.story.tell("key", "refused");
        let time = self.some_time(Duration::from_hours(5));
        self.plan_in(time, Event::TakeKey);
        self.again(Event::RefuseKey);
    }

    fn outage(&mut self) {
        let hours = self.dice.number(1..9);
        (self.story).tell("outage", format_args!("Kombo fails for {hours} h"));
        self.story.count(Fault::Outage.label());
        let time = Duration::from_hours(hours);
        self.site.network.fail_for(time);
        self.plan_in(time, Event::OutageOver { hours });
        self.again(Event::Outage);
    }

    /// Checks that the program did not storm a Kombo that fails.
    fn outage_is_over(&mut self, hours: u64) {
        let requests = self.site.network.outage_is_over();
        let machines = self.walls.len() as u64;
        if requests > machines * (100 + hours * 120) {
            let text = format_args!("{requests} requests while Kombo failed for {hours} h");
            self.story.violated("retries", text);
        }
    }

    fn set_clock(&mut self) {
        let ahead_ms = wrong_by(&mut self.dice);
        let nth = self.dice.place(self.walls.len());
        self.walls[nth].set_ahead(ahead_ms);
        (self.story).tell(
            "clock",
            format_args!("machine {nth} is ahead by {ahead_ms} ms"),
        );
        self.again(Event::SetClock);
    }

    fn operate(&mut self) {
        let verb = *self.dice.one_of(&Verb::ALL);
        self.run_verb(verb);
        self.again(Event::Operate);
    }

    fn run_verb(&mut self, verb: Verb) {
        let dice = Dice::of(self.plan.seed, ("operator", self.number));
        (self.verbs).spawn(operator::run(self.site.clone(), verb, dice));
    }

    /// Returns a time from a minute to a bound.
    pub(crate) fn some_time(&mut self, most: Duration) -> Duration {
        self.dice.time(Duration::from_mins(1)..most)
    }
}
