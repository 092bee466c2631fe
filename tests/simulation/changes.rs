//! What customers do: their records change, they switch models off, they are paused.

use std::time::Duration;

use crate::events::Event;
use crate::faults::Fault;
use crate::truth::{ENDPOINTS, Form, Listed, Record, Standing};
use crate::world::World;

impl World {
    /// Changes one record. Often a few more follow within a minute, as a sync of Kombo writes them: while the first ones
    /// are fetched.
    pub(crate) fn change_some(&mut self) {
        self.change();
        if self.dice.per_mille(300) {
            let more = self.dice.number(2..10);
            for _ in 0..more {
                let wait = self.dice.time(Duration::ZERO..Duration::from_mins(1));
                self.plan_in(wait, Event::One);
            }
        }
        self.again(Event::Change);
    }

    /// Switches a model on again.
    pub(crate) fn model_on(&mut self, customer: usize, model: usize) {
        let endpoint = ENDPOINTS[model].name;
        let mut customers = self.truth.lock();
        let table = customers[customer].tables.get_mut(endpoint);
        table.expect("its own").is_off = false;
        drop(customers);
        (self.story).tell("model", format_args!("{endpoint} on for {customer}"));
        self.announce(customer, model);
    }

    /// Lets a customer be active again.
    pub(crate) fn resume(&mut self, customer: usize) {
        self.truth.lock()[customer].standing = Standing::Active;
        (self.story).tell("customer", format_args!("{customer} is active again"));
    }

    pub(crate) fn some_customer(&mut self) -> usize {
        let customers = self.truth.lock().len();
        self.dice.place(customers)
    }

    /// Returns a random endpoint of a customer, by its place in [`ENDPOINTS`].
    pub(crate) fn some_model(&mut self, customer: usize) -> usize {
        let category = self.truth.lock()[customer].category;
        let own = |(nth, listed): (usize, &Listed)| (listed.category == category).then_some(nth);
        let own: Vec<usize> = ENDPOINTS.iter().enumerate().filter_map(own).collect();
        *self.dice.one_of(&own)
    }

    /// Changes one record, and has Kombo announce it.
    pub(crate) fn change(&mut self) {
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

    /// Deletes all records of a table, at once or in parts, as a scope that was narrowed does.
    pub(crate) fn mass_deletion(&mut self) {
        let customer = self.some_customer();
        let model = self.some_model(customer);
        let left = if self.dice.per_mille(500) { 0 } else { 3 };
        self.delete_part(customer, model, left);
        self.again(Event::MassDeletion);
    }

    /// Deletes one part of the records of a table. `left` parts follow.
    pub(crate) fn delete_part(&mut self, customer: usize, model: usize, left: u32) {
        let endpoint = ENDPOINTS[model].name;
        let now_ms = self.clocks.true_now();
        let mut customers = self.truth.lock();
        let table = customers[customer].tables.get_mut(endpoint);
        let records = &mut table.expect("its own").records;
        let is_live =
            |record: &&mut Record| record.versions.last().map(|it| it.form) == Some(Form::Live);
        let live: Vec<&mut Record> = records.iter_mut().filter(is_live).collect();
        let part = live.len() / (left as usize + 1);
        for record in live.into_iter().take(part) {
            record.change(now_ms, now_ms, Form::Deleted(now_ms));
        }
        drop(customers);
        let text = format!("{part} records of {endpoint} of {customer}");
        self.story.tell(Fault::MassDeletion.label(), text);
        self.announce(customer, model);
        if left > 0 {
            let wait = self.some_time(Duration::from_hours(3));
            let next = Event::PartialDeletion {
                customer,
                model,
                left: left - 1,
            };
            self.plan_in(wait, next);
        }
    }

    pub(crate) fn model_off(&mut self) {
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

    pub(crate) fn pause(&mut self) {
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
}
