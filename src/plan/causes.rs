//! Decides which tables a notification affects, and why each request is made or saved.
//!
//! For every endpoint the catalog lists the models that affect the endpoint, and whether `updated_after` reports their
//! changes. No delta is sent when the delta is known to return nothing. Then the rows keep a stale nested copy until
//! the next snapshot. A table is fetched whenever there is a doubt.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::mode::PlanMode;
use crate::catalog::{Catalog, Endpoint};
use crate::webhook::{ModelName, Notification};

/// Works out what a notification causes.
#[derive(Clone, Debug)]
pub struct Planner {
    configured: Vec<Arc<Endpoint>>,
    known: HashSet<String>,
    mode: PlanMode,
}

impl Planner {
    /// Takes the catalog, which knows the models, and the endpoints that are fetched.
    #[must_use]
    pub fn new(catalog: &Catalog, configured: Vec<Arc<Endpoint>>, mode: PlanMode) -> Self {
        let links = catalog.endpoints().iter().flat_map(|e| &e.models);
        Self {
            configured,
            known: links.map(|link| link.name.clone()).collect(),
            mode,
        }
    }

    /// Returns the step for each configured endpoint of the integration's category.
    ///
    /// This build may not know the category. Then the prefixes of the changed models name the categories.
    #[must_use]
    pub fn plan(&self, notification: &Notification) -> Plan {
        let own = |endpoint: &&Arc<Endpoint>| match notification.category {
            Some(category) => endpoint.category == category,
            None => notification
                .models
                .iter()
                .any(|model| model.category() == Some(endpoint.category)),
        };
        let steps = self.configured.iter().filter(own);
        Plan {
            steps: steps.map(|e| self.step(e, notification)).collect(),
        }
    }

    fn step(&self, endpoint: &Arc<Endpoint>, notification: &Notification) -> PlanStep {
        let (mut causes, mut stale) = (Vec::new(), Vec::new());
        if self.mode == PlanMode::All {
            causes.push(Cause::PlanAll);
        }
        if notification.models.is_empty() {
            causes.push(Cause::NotSaid);
        }
        for model in &notification.models {
            match self.effect(endpoint, model) {
                Effect::Fetch(cause) => causes.push(cause),
                Effect::Stale => stale.push(model.clone()),
                Effect::None => {}
            }
        }
        let action = match (causes.is_empty(), endpoint.updated_after) {
            (true, _) => Action::Save,
            (false, true) => Action::Delta,
            (false, false) => Action::Snapshot,
        };
        PlanStep {
            endpoint: Arc::clone(endpoint),
            action,
            causes,
            stale,
        }
    }

    fn effect(&self, endpoint: &Endpoint, model: &ModelName) -> Effect {
        if !self.known.contains(model.as_str()) {
            let foreign = model.category().is_some_and(|c| c != endpoint.category);
            return if foreign {
                Effect::None
            } else {
                Effect::Fetch(Cause::Unknown(model.clone()))
            };
        }
        let link = endpoint.models.iter().find(|l| l.name == model.as_str());
        match link.map(|link| link.surfaced) {
            None => Effect::None,
            // A snapshot brings every row, whether `updated_after` reports the change or not.
            Some(_) if !endpoint.updated_after => Effect::Fetch(Cause::Listed(model.clone())),
            Some(Some(true)) => Effect::Fetch(Cause::Surfaced(model.clone())),
            Some(None) => Effect::Fetch(Cause::NotStated(model.clone())),
            Some(Some(false)) => Effect::Stale,
        }
    }
}

/// The effect of one changed model on one endpoint.
enum Effect {
    Fetch(Cause),
    Stale,
    None,
}

/// What a notification causes, endpoint by endpoint, in the catalog's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// One step for each configured endpoint of the integration's category.
    pub steps: Vec<PlanStep>,
}

impl Plan {
    /// Returns the steps that send a request to Kombo.
    pub fn fetched(&self) -> impl Iterator<Item = &PlanStep> {
        self.steps.iter().filter(|step| step.action != Action::Save)
    }
}

/// What happens to one endpoint, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanStep {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// What happens to the endpoint.
    pub action: Action,
    /// Why the endpoint is fetched. Empty when it is not fetched.
    pub causes: Vec<Cause>,
    /// Changed models whose changes `updated_after` does not report at this endpoint. Nested copies of these models are
    /// stale from now on.
    pub stale: Vec<ModelName>,
}

impl PlanStep {
    /// Returns the reason for the action as one phrase.
    #[must_use]
    pub fn reason(&self) -> String {
        let list = |models: &[ModelName]| {
            let names: Vec<_> = models.iter().map(ModelName::as_str).collect();
            names.join(", ")
        };
        let mut reasons: Vec<_> = self.causes.iter().map(ToString::to_string).collect();
        if !self.stale.is_empty() {
            let models = list(&self.stale);
            reasons.push(format!(
                "updated_after does not report changes of {models}: nested copies are stale until the next snapshot"
            ));
        }
        if reasons.is_empty() {
            return "the endpoint holds none of the changed models".to_owned();
        }
        reasons.join("; ")
    }
}

/// What happens to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A delta is fetched.
    Delta,
    /// A snapshot is fetched, because the endpoint has no `updated_after`. At most one every six hours.
    Snapshot,
    /// Nothing is fetched, because a request would return nothing.
    Save,
}

impl Action {
    /// Returns `delta`, `snapshot` or `saved`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Snapshot => "snapshot",
            Self::Save => "saved",
        }
    }
}

/// Why an endpoint is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `updated_after` returns the rows that a change of the model affects.
    Surfaced(ModelName),
    /// Kombo does not state whether `updated_after` reports a change of the model.
    NotStated(ModelName),
    /// No endpoint of the catalog names the model.
    Unknown(ModelName),
    /// The model affects an endpoint that does not support `updated_after`.
    Listed(ModelName),
    /// The webhook does not say which models changed.
    NotSaid,
    /// The configuration says `plan: all`.
    PlanAll,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Surfaced(model) => write!(f, "updated_after reports changes of {model}"),
            Self::NotStated(model) => {
                write!(
                    f,
                    "Kombo does not state whether updated_after reports changes of {model}"
                )
            }
            Self::Unknown(model) => write!(
                f,
                "{model} is not in the catalog, so any endpoint may hold it"
            ),
            Self::Listed(model) => {
                write!(
                    f,
                    "{model} changed and the endpoint has no updated_after: a snapshot, at most every 6 h"
                )
            }
            Self::NotSaid => f.write_str("the webhook does not say which models changed"),
            Self::PlanAll => f.write_str("plan: all fetches every configured endpoint"),
        }
    }
}

#[cfg(test)]
mod tests;
