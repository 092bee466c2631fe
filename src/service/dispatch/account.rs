//! One integration, as the dispatcher knows it.

use crate::ids::{Category, EnvironmentId, IntegrationId};
use crate::plan::{Doubt, Rhythm, Standing, Suspicion};
use crate::sink::Registration;
use crate::time::Moment;

/// What is known of an integration.
#[derive(Debug, Default)]
pub(in crate::service) struct Account {
    /// `None` until Kombo was asked.
    pub(in crate::service) category: Option<Category>,
    pub(in crate::service) standing: Standing,
    /// Since when, on Kombo's clock.
    pub(in crate::service) since: Moment,
    /// How it became known: `configuration`, `webhook`.
    origin: &'static str,
    /// When it became known.
    known: Moment,
    /// Looks at it in a row that found it no better.
    pub(in crate::service) tries: u32,
    /// Whether Kombo is being asked for it.
    pub(super) look: LookState,
    /// When Kombo was last asked for it, or refused its rows.
    pub(super) asked: Option<Moment>,
    /// A webhook asks for the next look.
    pub(super) announced: bool,
    /// When the first look began that did not find it, with no readable answer since.
    pub(super) not_found_since: Option<Moment>,
    /// Why that Kombo does not find it counts for nothing.
    pub(super) doubt: Option<Doubt>,
    /// Kombo does not find the others of its environment either.
    pub(super) among_many: bool,
    /// The environment that it was read in last.
    pub(super) environment: Option<EnvironmentId>,
    /// The registry has it: its webhooks may be acknowledged.
    pub(in crate::service) registered: bool,
    /// Why the registry does not take it.
    pub(in crate::service) refused: Option<String>,
    pub(in crate::service) rhythm: Rhythm,
    /// Why its notifications are suspected not to come.
    pub(in crate::service) suspicion: Option<Suspicion>,
}

/// How an integration became known: the configuration names it.
pub(super) const CONFIGURATION: &str = "configuration";

/// How an integration became known: a webhook named it.
pub(super) const WEBHOOK: &str = "webhook";

/// Whether Kombo is being asked for an integration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LookState {
    #[default]
    No,
    /// Others are asked for first.
    Waiting,
    UnderWay,
}

impl Account {
    pub(super) fn new(category: Option<Category>, origin: &'static str, now: Moment) -> Self {
        Self {
            category,
            origin,
            since: now,
            known: now,
            ..Self::default()
        }
    }

    /// Takes over what the registry says of an integration.
    pub(super) fn stored(registration: &Registration, now: Moment) -> Self {
        let is_told = registration.origin == WEBHOOK;
        let origin = if is_told { WEBHOOK } else { CONFIGURATION };
        Self {
            // A word of a newer build: what it means is found out by fetching.
            standing: Standing::from_name(&registration.state).unwrap_or(Standing::Active),
            registered: true,
            known: Moment::from_millis(registration.since_ms),
            since: registration.state_since_ms.map_or(now, Moment::from_millis),
            not_found_since: registration.not_found_since_ms.map(Moment::from_millis),
            environment: registration.environment.clone(),
            ..Self::new(Some(registration.category), origin, now)
        }
    }

    /// Returns whether its tables are fetched.
    pub(in crate::service) fn is_fetched(&self) -> bool {
        self.category.is_some() && self.standing.is_fetched() && self.refused.is_none()
    }

    /// Returns the row for the registry; `None` while its category is not known.
    pub(super) fn registration(&self, id: &IntegrationId) -> Option<Registration> {
        Some(Registration {
            integration: id.clone(),
            category: self.category?,
            origin: self.origin.to_owned(),
            state: self.standing.as_str().to_owned(),
            since_ms: self.known.as_millis(),
            state_since_ms: Some(self.since.as_millis()),
            not_found_since_ms: self.not_found_since.map(Moment::as_millis),
            environment: self.environment.clone(),
        })
    }
}
