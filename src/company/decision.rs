//! Which value of an enum a record has: by weight, or because of its age and of the records around it.

use super::blueprint::DAY;
use super::choice::{Choice, Rule};
use super::customer::{Customer, Subject};
use super::hash::{at, below, mix, percent};

/// How often, in percent, an open enum has a value that Kombo passes through.
const FOREIGN: u64 = 2;

impl Customer {
    /// Chooses a value by its place; `None` for one that Kombo passes through.
    pub(super) fn pick(&self, choice: &Choice, subject: Subject, roll: u64) -> Option<usize> {
        let ruled = choice
            .rule
            .and_then(|rule| ruled(rule, self, subject, roll));
        let place = |value| choice.values.iter().position(|one| one == value);
        if let Some(place) = ruled.and_then(place) {
            return Some(place);
        }
        if !choice.foreign.is_empty() && percent(FOREIGN, mix(roll, 3)) {
            return None;
        }
        if choice.weights.is_empty() {
            return Some(at(choice.values.len(), roll));
        }
        let mut left = below(choice.weights.iter().sum(), roll);
        choice.weights.iter().position(|weight| {
            let is_chosen = left < *weight;
            left = left.saturating_sub(*weight);
            is_chosen
        })
    }
}

/// Returns the value that a rule asks for; `None` where the weights decide.
fn ruled(rule: Rule, customer: &Customer, subject: Subject, roll: u64) -> Option<&'static str> {
    let chance = mix(roll, 6);
    match rule {
        Rule::Outcome { offers } if customer.is_hired(offers, subject) => Some("HIRED"),
        Rule::Outcome { .. } => {
            let pending = match customer.age(subject).as_secs() / DAY.as_secs() {
                0..21 => 85,
                21..60 => 45,
                _ => 3,
            };
            let is_pending = percent(pending, chance);
            Some(if is_pending { "PENDING" } else { "DECLINED" })
        }
        Rule::Offer {
            application,
            offers,
        } => {
            let index = customer.one(application, subject)?;
            let to = customer.blueprint.ties[application].to;
            let application = customer.subject(to, index);
            let is_last =
                customer.many(offers, application).as_slice().last() == Some(&subject.index);
            if customer.is_hired(offers, application) {
                return Some(if is_last { "ACCEPTED" } else { "DECLINED" });
            }
            let is_settled = customer.age(subject) > 45 * DAY;
            let declined = if percent(60, chance) {
                "DECLINED"
            } else {
                "ABANDONED"
            };
            is_settled.then_some(declined)
        }
        Rule::Employment if customer.is_starting(subject) => Some("PENDING"),
        Rule::Employment => {
            let is_new = customer.lifespan(subject).length() < 30 * DAY;
            // A few managers are on leave or have left, and their people have no other manager yet.
            let manages = customer.is_manager(subject) && percent(80, chance);
            (is_new || manages).then_some("ACTIVE")
        }
    }
}
