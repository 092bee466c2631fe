//! The values of an enum, and what decides which one a record has.

use super::likelihood;
use super::text::quoted;
use super::ties::Names;
use super::words::{self, Words};

/// The values of an enum, and how one is chosen.
#[derive(Debug)]
pub(super) struct Choice {
    /// The values as names.
    pub values: Vec<String>,
    /// The values as JSON.
    texts: Vec<String>,
    /// How often each value is chosen. All are as common as each other when the list is empty.
    pub weights: Vec<u64>,
    /// Values of the connected tool that Kombo passes through.
    pub foreign: Words,
    /// What decides before the weights.
    pub rule: Option<Rule>,
}

/// What decides a value before the weights do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// The outcome of an application: hired where there is an accepted offer, pending while it is young.
    Outcome { offers: usize },
    /// The status of an offer: accepted where its application says hired, open while it is young.
    Offer { application: usize, offers: usize },
    /// Whether a person works: most managers do, and who has just been hired does not yet.
    Employment,
}

impl Choice {
    /// Returns the choice of a field among its values. Kombo passes other values through where the enum is open.
    pub(super) fn of(scope: &str, name: &str, values: &[String], is_open: bool) -> Self {
        Self {
            texts: values.iter().map(|value| quoted(value)).collect(),
            values: values.to_vec(),
            weights: likelihood::weights(scope, name, values),
            foreign: if is_open { words::foreign(name) } else { &[] },
            rule: None,
        }
    }

    /// Lets the records around it decide, where the field has a rule.
    pub(super) fn ruled(mut self, scope: &str, name: &str, names: &Names) -> Self {
        let tie = |other| names.tie(scope, other);
        self.rule = match (scope, name) {
            ("ats/applications", "outcome") => tie("offers").map(|offers| Rule::Outcome { offers }),
            ("ats/offers", "status") => tie("application")
                .zip(names.tie("ats/applications", "offers"))
                .map(|(application, offers)| Rule::Offer {
                    application,
                    offers,
                }),
            ("hris/employees", "employment_status") => Some(Rule::Employment),
            _ => None,
        };
        self
    }

    /// Returns a value as JSON.
    pub(super) fn text(&self, place: usize) -> &str {
        &self.texts[place]
    }
}
