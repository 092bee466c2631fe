//! Everything that can be changed in a world, by hand or by its own life. Each change is in the journal, and those that
//! Kombo tells of are in the news.

use std::time::Duration;

use super::account::Event;
use super::customer::State;
use super::history::{Past, Scope};
use super::identity;
use super::integration::Integration;
use super::journal::{Change, ChangeKind};
use super::life::Sequel;
use super::news::TwinWebhook;
use super::refusal::Refusal;
use super::world::World;
use crate::catalog::Endpoint;
use crate::ids::{EndpointName, IntegrationId};

/// Why something did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// No such integration, or no longer.
    #[error("there is no such integration")]
    UnknownIntegration,
    /// The integration has no such endpoint.
    #[error("the integration has no such endpoint")]
    UnknownEndpoint,
    /// The kind of change concerns an endpoint.
    #[error("this kind of change needs an endpoint")]
    NeedsEndpoint,
    /// No record has this position, or none is left.
    #[error("there is no such record")]
    UnknownRecord,
    /// It is so already, or it comes by itself.
    #[error("this cannot happen now")]
    NotNow,
}

impl World {
    /// Changes something, now, and returns what is new in the journal. A record that is not named is drawn. The parents
    /// of a new record may be new, too. A new integration is of the same category as the one named, or of the next.
    ///
    /// # Errors
    /// Says what is missing; nothing is changed then.
    pub fn change(
        &mut self,
        kind: ChangeKind,
        integration: &IntegrationId,
        endpoint: Option<&EndpointName>,
        index: Option<u64>,
    ) -> Result<Vec<Change>, ChangeError> {
        let written = self.life.journal.written();
        match kind {
            ChangeKind::Hire | ChangeKind::Edit | ChangeKind::Rename | ChangeKind::Delete => {
                let endpoint = endpoint.ok_or(ChangeError::NeedsEndpoint)?;
                self.change_record(kind, integration, endpoint, index)?;
            }
            ChangeKind::ScopeOff | ChangeKind::ScopeOn => {
                let endpoint = endpoint.ok_or(ChangeError::NeedsEndpoint)?;
                self.switch(kind, integration, endpoint)?;
            }
            ChangeKind::IntegrationPaused | ChangeKind::IntegrationWoken => {
                self.pause(kind, integration)?;
            }
            ChangeKind::IntegrationCreated => {
                self.connect();
            }
            ChangeKind::IntegrationDeleted => self.disconnect(integration)?,
            ChangeKind::Anonymise | ChangeKind::ScopeRefused | ChangeKind::IntegrationReady => {
                return Err(ChangeError::NotNow);
            }
        }
        Ok(self.life.journal.since(written))
    }

    /// Gives one record new values, now. Returns whether there is such a record.
    pub fn edit(&mut self, integration: &IntegrationId, endpoint: &Endpoint, index: u64) -> bool {
        let name = Some(endpoint.name());
        self.change(ChangeKind::Edit, integration, name, Some(index))
            .is_ok()
    }

    /// Marks one record deleted, now. Returns whether there is such a record.
    pub fn delete(&mut self, integration: &IntegrationId, endpoint: &Endpoint, index: u64) -> bool {
        let name = Some(endpoint.name());
        self.change(ChangeKind::Delete, integration, name, Some(index))
            .is_ok()
    }

    /// Returns the latest changes, the oldest first.
    #[must_use]
    pub fn journal(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.life.journal.iter()
    }

    /// Takes the webhooks that are due. Changes of an integration are told at once after a quiet time of this length,
    /// and together when they follow faster.
    pub fn webhooks(&mut self, pause: Duration) -> Vec<TwinWebhook> {
        let (seed, now_ms) = (self.settings().seed, self.now_ms());
        self.life.news.take(pause, seed, now_ms)
    }

    /// Lets happen what was planned.
    pub(super) fn follow(&mut self, due: Sequel) {
        match due {
            Sequel::Anonymise(id, endpoint, index) => {
                let Some((found, model)) = self.model(&id, &endpoint) else {
                    return;
                };
                let customer = &found.customer;
                let subject = customer.subject(model, index);
                if let State::Anonymised(_) = customer.state(subject, self.now_ms()) {
                    let change =
                        self.entry(ChangeKind::Anonymise, &id, Some(&endpoint), Some(index));
                    self.life.journal.push(change);
                }
            }
            Sequel::Refuse(id, endpoint, since_ms) => self.refuse_model(&id, &endpoint, since_ms),
            Sequel::Ready(id) => {
                let ready = |found: &mut Integration| found.lift("INTEGRATION.SETUP_SYNC_PENDING");
                if self.with(&id, ready).unwrap_or(false) {
                    self.tell(ChangeKind::IntegrationReady, &id, Event::StateChanged);
                }
            }
        }
    }

    fn change_record(
        &mut self,
        kind: ChangeKind,
        id: &IntegrationId,
        endpoint: &EndpointName,
        index: Option<u64>,
    ) -> Result<(), ChangeError> {
        let now_ms = self.now_ms();
        let (found, model) = self.model(id, endpoint).ok_or_else(|| self.unknown(id))?;
        if found.customer.is_off(model) {
            return Err(ChangeError::NotNow);
        }
        let made = if kind == ChangeKind::Hire {
            self.with(id, |found| found.customer.hire(model, now_ms))
                .unwrap_or_default()
        } else {
            let roll = super::hash::mix(self.settings().seed, self.life.journal.written());
            let listing = found.customer.blueprint.listing_of(endpoint);
            let index = index.or_else(|| found.some_record(listing?, roll));
            let index = index.filter(|index| *index < found.customer.count(model));
            vec![(model, index.ok_or(ChangeError::UnknownRecord)?)]
        };
        for (model, index) in made {
            let happen = |past: &mut Past| match kind {
                ChangeKind::Edit => past.edition += 1,
                ChangeKind::Rename => past.names += 1,
                _ => past.deleted_ms = Some(now_ms),
            };
            if kind != ChangeKind::Hire {
                let history = |found: &mut Integration| {
                    found.customer.history.happen(model, index, now_ms, happen);
                };
                self.with(id, history);
            }
            self.note(kind, id, (model, index), endpoint);
        }
        Ok(())
    }

    /// Writes a change of a record down, under the endpoint asked for or, for a parent, its own.
    fn note(
        &mut self,
        kind: ChangeKind,
        id: &IntegrationId,
        (model, index): (usize, u64),
        endpoint: &EndpointName,
    ) {
        let own = self
            .model(id, endpoint)
            .is_some_and(|(_, asked)| asked == model);
        let endpoint = if own {
            Some(endpoint.clone())
        } else {
            self.integration(id)
                .and_then(|found| found.endpoint_of(model))
        };
        let change = self.entry(kind, id, endpoint.as_ref(), Some(index));
        self.life.news.changed(id, &change.models);
        self.life.journal.push(change);
        if let (ChangeKind::Delete, Some(endpoint)) = (kind, endpoint) {
            let now_ms = self.now_ms();
            self.life.anonymise_later(now_ms, id, &endpoint, index);
        }
    }

    /// Switches a model off or on.
    fn switch(
        &mut self,
        kind: ChangeKind,
        id: &IntegrationId,
        endpoint: &EndpointName,
    ) -> Result<(), ChangeError> {
        let now_ms = self.now_ms();
        let (found, model) = self.model(id, endpoint).ok_or_else(|| self.unknown(id))?;
        let off = kind == ChangeKind::ScopeOff;
        if found.customer.is_off(model) == off {
            return Err(ChangeError::NotNow);
        }
        let scope = if off {
            Scope::Off(now_ms)
        } else {
            Scope::On(now_ms)
        };
        self.with(id, |found| {
            found.customer.history.switch(model, scope);
            if !off {
                let shown = found.endpoints_of(model);
                found.refusals.retain(|(of, refusal)| {
                    refusal.code != Some("INTEGRATION.MODEL_DISABLED")
                        || of.as_ref().is_none_or(|of| !shown.contains(of))
                });
            }
        });
        let change = self.entry(kind, id, Some(endpoint), None);
        self.life.news.changed(id, &change.models);
        self.life.journal.push(change);
        if off {
            self.life.refuse_later(now_ms, id, endpoint);
        }
        Ok(())
    }

    fn refuse_model(&mut self, id: &IntegrationId, endpoint: &EndpointName, since_ms: i64) {
        let Some((found, model)) = self.model(id, endpoint) else {
            return;
        };
        if found.customer.history.scope(model) != Some(Scope::Off(since_ms)) {
            return;
        }
        let shown = found.endpoints_of(model);
        for endpoint in &shown {
            self.refuse(
                id,
                Some(endpoint),
                Refusal::with_code("INTEGRATION.MODEL_DISABLED"),
            );
        }
        let change = self.entry(ChangeKind::ScopeRefused, id, Some(endpoint), None);
        self.life.journal.push(change);
    }

    fn pause(&mut self, kind: ChangeKind, id: &IntegrationId) -> Result<(), ChangeError> {
        const INACTIVE: &str = "INTEGRATION.INACTIVE";
        let done = self.with(id, |found| {
            if kind == ChangeKind::IntegrationWoken {
                return found.lift(INACTIVE);
            }
            let refusal = Refusal::with_code(INACTIVE).filter(|_| !found.is_refused());
            found
                .refusals
                .extend(refusal.clone().map(|refusal| (None, refusal)));
            refusal.is_some()
        });
        match done {
            None => Err(ChangeError::UnknownIntegration),
            Some(false) => Err(ChangeError::NotNow),
            Some(true) => {
                self.tell(kind, id, Event::StateChanged);
                Ok(())
            }
        }
    }

    /// Connects another customer, whose category is the next in turn. Its rows cannot be read for a minute.
    pub fn connect(&mut self) -> IntegrationId {
        let pending = Refusal::with_code("INTEGRATION.SETUP_SYNC_PENDING");
        let id = self.another(pending);
        let now_ms = self.now_ms();
        self.life.ready_later(now_ms, &id);
        self.tell(ChangeKind::IntegrationCreated, &id, Event::Created);
        id
    }

    fn disconnect(&mut self, id: &IntegrationId) -> Result<(), ChangeError> {
        if self.integration(id).is_none() {
            return Err(ChangeError::UnknownIntegration);
        }
        self.tell(ChangeKind::IntegrationDeleted, id, Event::Deleted);
        self.remove(id);
        Ok(())
    }

    fn tell(&mut self, kind: ChangeKind, id: &IntegrationId, event: Event) {
        let change = self.entry(kind, id, None, None);
        self.life.journal.push(change);
        self.announce(event, id);
    }

    fn entry(
        &self,
        kind: ChangeKind,
        id: &IntegrationId,
        endpoint: Option<&EndpointName>,
        index: Option<u64>,
    ) -> Change {
        let found = endpoint.and_then(|endpoint| self.model(id, endpoint));
        let named = |(found, model): (&Integration, usize)| found.models_of(model);
        let record = found.zip(index);
        let record =
            record.map(|((found, model), at)| identity::id(found.customer.id_space(model), at));
        Change {
            at_ms: self.now_ms(),
            integration: id.clone(),
            endpoint: endpoint.cloned(),
            // Nobody is told of these two.
            models: match kind {
                ChangeKind::Anonymise | ChangeKind::ScopeRefused => Vec::new(),
                _ => found.map(named).unwrap_or_default(),
            },
            record,
            index,
            kind,
        }
    }

    /// Finds an integration's model by the endpoint that shows it.
    fn model(&self, id: &IntegrationId, endpoint: &EndpointName) -> Option<(&Integration, usize)> {
        let found = self.integration(id)?;
        let listing = found.customer.blueprint.listing_of(endpoint)?;
        Some((found, listing.model))
    }

    fn unknown(&self, id: &IntegrationId) -> ChangeError {
        match self.integration(id) {
            Some(_) => ChangeError::UnknownEndpoint,
            None => ChangeError::UnknownIntegration,
        }
    }
}
