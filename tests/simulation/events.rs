//! What happens in the world besides the program: each event plans the next one of its kind.

use std::time::Duration;

use crate::clocks::wrong_by;
use crate::dice::Dice;
use crate::operator::{self, Verb};
use crate::truth::{ENDPOINTS, Standing};
use crate::world::World;

/// Something that happens in the world at an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    pub(crate) fn happen(&mut self, event: Event) {
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
                self.site.depot.go_away(time);
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
                self.site.network.refuse_key(true);
                self.story.tell("key", "refused");
                let time = self
                    .dice
                    .time(Duration::from_mins(1)..Duration::from_hours(5));
                self.plan_in(time, Event::TakeKey);
                self.again(Event::RefuseKey);
            }
            Event::TakeKey => {
                self.site.network.refuse_key(false);
                self.story.tell("key", "accepted");
            }
            Event::Operate => {
                let verb = *self.dice.one_of(&Verb::ALL);
                let dice = Dice::of(self.plan.seed, ("operator", self.number));
                self.verbs
                    .spawn(operator::run(self.site.clone(), verb, dice));
                self.again(Event::Operate);
            }
            Event::MassDeletion => self.mass_deletion(),
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
}
