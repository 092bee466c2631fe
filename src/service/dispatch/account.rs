//! One integration, as the dispatcher knows it.

use crate::customer::EndUser;
use crate::ids::{Category, EnvironmentId, IntegrationId};
use crate::plan::{Doubt, Rhythm, Standing, Suspicion};
use crate::sink::{Candidate, Registration};
use crate::time::Moment;

/// What is known of an integration.
#[derive(Debug, Default)]
pub(in crate::service) struct Account {
    /// API category; `None` until Kombo was asked.
    pub(in crate::service) category: Option<Category>,
    pub(in crate::service) standing: Standing,
    /// Since when the integration is in this state, on Kombo's clock.
    pub(in crate::service) since: Moment,
    /// How the integration became known: `configuration` or `webhook`.
    origin: &'static str,
    /// When the integration became known.
    known: Moment,
    /// Number of checks in a row that found the integration not readable.
    pub(in crate::service) tries: u32,
    /// Whether Kombo is being asked for the integration.
    pub(super) look: LookState,
    /// When Kombo was last asked for the integration, or last refused its rows.
    pub(super) asked: Option<Moment>,
    /// Whether a webhook asked for the next check.
    pub(super) announced: bool,
    /// When the first check began that did not find the integration, with no readable answer since.
    pub(super) not_found_since: Option<Moment>,
    /// Why the answer that Kombo does not find the integration is no proof.
    pub(super) doubt: Option<Doubt>,
    /// Whether Kombo does not find the other integrations of the environment either.
    pub(super) among_many: bool,
    /// The environment in which the integration was last read.
    pub(super) environment: Option<EnvironmentId>,
    /// Where a start after a crash would find the integration.
    pub(super) stored: StoredIn,
    /// Why the registry refuses the integration; `None` if it does not.
    pub(in crate::service) refused: Option<String>,
    pub(in crate::service) rhythm: Rhythm,
    /// Why webhooks of the integration are suspected not to arrive.
    pub(in crate::service) suspicion: Option<Suspicion>,
}

/// How an integration became known: the configuration names it.
pub(super) const CONFIGURATION: &str = "configuration";

/// How an integration became known: a webhook named it.
const WEBHOOK: &str = "webhook";

/// Where an integration is stored. Its webhooks may be acknowledged once it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum StoredIn {
    #[default]
    Nowhere,
    /// Among the candidates, while the registry does not have it yet.
    Candidates,
    Registry,
}

/// Whether Kombo is being asked for an integration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LookState {
    #[default]
    No,
    /// The check waits until fewer checks are under way.
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

    /// Returns an integration as the registry describes it.
    pub(super) fn stored(registration: &Registration, now: Moment) -> Self {
        let is_told = registration.origin == WEBHOOK;
        let origin = if is_told { WEBHOOK } else { CONFIGURATION };
        Self {
            // The name may be from a newer version. Fetching finds out what the state is.
            standing: Standing::from_name(&registration.state).unwrap_or(Standing::Active),
            stored: StoredIn::Registry,
            known: Moment::from_millis(registration.since_ms),
            since: registration.state_since_ms.map_or(now, Moment::from_millis),
            not_found_since: registration.not_found_since_ms.map(Moment::from_millis),
            environment: registration.environment.clone(),
            ..Self::new(Some(registration.category), origin, now)
        }
    }

    /// Returns a candidate that Kombo has confirmed.
    pub(super) fn confirmed(
        category: Category,
        standing: Standing,
        (known, stored): (Moment, StoredIn),
        now: Moment,
    ) -> Self {
        Self {
            tries: u32::from(!standing.is_fetched()),
            standing,
            known,
            stored,
            asked: Some(now),
            ..Self::new(Some(category), WEBHOOK, now)
        }
    }

    /// Takes in that the clock was replaced, and shows an earlier time now. What the previous clock showed has happened,
    /// so it is not later than `now`. The first check that did not find the integration keeps its instant: an earlier
    /// one would make a deletion certain sooner.
    pub(super) fn set_back(&mut self, now: Moment) {
        self.asked = None;
        self.since = self.since.min(now);
        self.known = self.known.min(now);
        self.rhythm.set_back(now);
    }

    /// Returns whether the registry has the integration.
    pub(super) fn is_registered(&self) -> bool {
        self.stored == StoredIn::Registry
    }

    /// Returns whether a start after a crash would know the integration.
    pub(super) fn is_durable(&self) -> bool {
        self.stored != StoredIn::Nowhere
    }

    /// Returns the integration as a candidate, while the registry does not have it and has not refused it.
    pub(super) fn as_candidate(&self, id: &IntegrationId) -> Option<Candidate> {
        let waits = !self.is_registered() && self.refused.is_none() && self.origin == WEBHOOK;
        waits.then(|| Candidate {
            integration: id.clone(),
            category: self.category,
            since_ms: self.known.as_millis(),
        })
    }

    /// Returns whether the tables of the integration are fetched.
    pub(in crate::service) fn is_fetched(&self) -> bool {
        self.category.is_some() && self.standing.is_fetched() && self.refused.is_none()
    }

    /// Returns the row for the registry; `None` while the category is unknown.
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
            // The chore that describes customers writes it. What is stored stays.
            end_user: EndUser::default(),
        })
    }
}
