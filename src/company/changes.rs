//! Everything that can change in a world, by a caller or by the life of the world. The journal has every change; the
//! pending webhooks have the changes that Kombo notifies of.

use std::time::Duration;

use super::account::Event;
use super::customer::{ANONYMISED_AFTER, RecordState};
use super::hash::mix;
use super::history::Scope;
use super::identity;
use super::integration::Integration;
use super::journal::{Change, ChangeKind};
use super::life::{SCOPE_GRACE, SETUP, Sequel};
use super::pending_webhooks::TwinWebhook;
use super::refusal::Refusal;
use super::world::World;
use crate::catalog::Endpoint;
use crate::ids::{EndpointName, IntegrationId};
use crate::time::Moment;

const INACTIVE: &str = "INTEGRATION.INACTIVE";
const MODEL_DISABLED: &str = "INTEGRATION.MODEL_DISABLED";
const SYNC_PENDING: &str = "INTEGRATION.SETUP_SYNC_PENDING";

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
    /// The state is reached already, or the change happens by itself only.
    #[error("this cannot happen now")]
    NotNow,
}

impl World {
    /// Makes a change at the present time of the world, and returns the new entries of the journal.
    ///
    /// A record that the caller does not name is drawn by chance. A new record may bring new parents. A new integration
    /// is of the category that is next in turn.
    ///
    /// # Errors
    /// Returns what is missing. Nothing is changed in that case.
    pub fn change(
        &mut self,
        kind: ChangeKind,
        integration: &IntegrationId,
        endpoint: Option<&EndpointName>,
        index: Option<u64>,
    ) -> Result<Vec<Change>, ChangeError> {
        let written = self.life.journal.written;
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

    /// Gives one record new values at the present time. Returns whether there is such a record.
    pub fn edit(&mut self, integration: &IntegrationId, endpoint: &Endpoint, index: u64) -> bool {
        let (kind, name) = (ChangeKind::Edit, Some(endpoint.name()));
        self.change(kind, integration, name, Some(index)).is_ok()
    }

    /// Marks one record deleted at the present time. Returns whether there is such a record.
    pub fn delete(&mut self, integration: &IntegrationId, endpoint: &Endpoint, index: u64) -> bool {
        let (kind, name) = (ChangeKind::Delete, Some(endpoint.name()));
        self.change(kind, integration, name, Some(index)).is_ok()
    }

    /// Returns the latest changes, the oldest first.
    #[must_use]
    pub fn journal(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.life.journal.entries.iter()
    }

    /// Takes the webhooks that are due. The first change of an integration after a pause of this length is sent at once.
    /// Changes that follow faster are sent together.
    pub fn webhooks(&mut self, pause: Duration) -> Vec<TwinWebhook> {
        let (seed, now) = (self.settings().seed, self.now());
        self.life.webhooks.take(pause, seed, now)
    }

    /// Makes a planned change happen.
    pub(super) fn follow(&mut self, due: Sequel) {
        match due {
            Sequel::Anonymise(id, endpoint, index) => {
                let Some((found, model)) = self.model(&id, &endpoint) else {
                    return;
                };
                let customer = &found.customer;
                let subject = customer.subject(model, index);
                if customer.state(subject, self.now()) == RecordState::Anonymised {
                    self.write(ChangeKind::Anonymise, &id, Some(&endpoint), Some(index));
                }
            }
            Sequel::Refuse(id, endpoint, since) => self.refuse_model(&id, &endpoint, since),
            Sequel::Ready(id) => {
                let ready = |found: &mut Integration| found.lift(SYNC_PENDING);
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
        let now = self.now();
        let (found, model) = self.model(id, endpoint).ok_or_else(|| self.unknown(id))?;
        if found.customer.history.off_since(model).is_some() {
            return Err(ChangeError::NotNow);
        }
        let made = if kind == ChangeKind::Hire {
            self.with(id, |found| found.customer.hire(model, now))
                .unwrap_or_default()
        } else {
            let roll = mix(self.settings().seed, self.life.journal.written);
            let listing = found.customer.blueprint.listing_of(endpoint);
            let index = index.or_else(|| found.some_record(listing?, roll));
            let index = index.filter(|index| *index < found.customer.count(model));
            let index = index.ok_or(ChangeError::UnknownRecord)?;
            self.with(id, |found| {
                let past = found.customer.history.happen(model, index, now);
                match kind {
                    ChangeKind::Edit => past.edition += 1,
                    ChangeKind::Rename => past.names += 1,
                    _ => past.deleted = Some(now),
                }
            });
            vec![(model, index)]
        };
        for record in made {
            self.note(kind, id, record, endpoint);
        }
        Ok(())
    }

    /// Writes the change of a record into the journal: under the given endpoint, or for a parent under its own endpoint.
    fn note(
        &mut self,
        kind: ChangeKind,
        id: &IntegrationId,
        (model, index): (usize, u64),
        endpoint: &EndpointName,
    ) {
        let asked = self.model(id, endpoint);
        let endpoint = match asked {
            Some((_, asked)) if asked == model => Some(endpoint.clone()),
            _ => asked.and_then(|(found, _)| {
                let own = found.endpoints_of(model).next()?;
                Some(own.name().clone())
            }),
        };
        self.write(kind, id, endpoint.as_ref(), Some(index));
        if let (ChangeKind::Delete, Some(endpoint)) = (kind, endpoint) {
            let due = Sequel::Anonymise(id.clone(), endpoint, index);
            self.life.plan(self.now() + ANONYMISED_AFTER, due);
        }
    }

    /// Switches the reading of a model off or on.
    fn switch(
        &mut self,
        kind: ChangeKind,
        id: &IntegrationId,
        endpoint: &EndpointName,
    ) -> Result<(), ChangeError> {
        let since = self.now();
        let (found, model) = self.model(id, endpoint).ok_or_else(|| self.unknown(id))?;
        let is_off = kind == ChangeKind::ScopeOff;
        if found.customer.history.off_since(model).is_some() == is_off {
            return Err(ChangeError::NotNow);
        }
        self.with(id, |found| {
            let scope = Scope { is_off, since };
            found.customer.history.scopes.insert(model, scope);
            if !is_off {
                let mut refusals = std::mem::take(&mut found.refusals);
                refusals.retain(|(of, refusal)| {
                    let mut shown = found.endpoints_of(model).map(|endpoint| endpoint.name());
                    refusal.code != Some(MODEL_DISABLED)
                        || of.as_ref().is_none_or(|of| !shown.any(|name| name == of))
                });
                found.refusals = refusals;
            }
        });
        self.write(kind, id, Some(endpoint), None);
        if is_off {
            let due = Sequel::Refuse(id.clone(), endpoint.clone(), since);
            self.life.plan(since + SCOPE_GRACE, due);
        }
        Ok(())
    }

    fn refuse_model(&mut self, id: &IntegrationId, endpoint: &EndpointName, since: Moment) {
        let Some((found, model)) = self.model(id, endpoint) else {
            return;
        };
        if found.customer.history.off_since(model) != Some(since) {
            return;
        }
        let shown = found.endpoints_of(model);
        let shown: Vec<_> = shown.map(|endpoint| endpoint.name().clone()).collect();
        for endpoint in &shown {
            self.refuse(id, Some(endpoint), Refusal::with_code(MODEL_DISABLED));
        }
        self.write(ChangeKind::ScopeRefused, id, Some(endpoint), None);
    }

    fn pause(&mut self, kind: ChangeKind, id: &IntegrationId) -> Result<(), ChangeError> {
        let done = self.with(id, |found| {
            if kind == ChangeKind::IntegrationWoken {
                return found.lift(INACTIVE);
            }
            let is_open = !found.is_refused();
            let refusal = Refusal::with_code(INACTIVE).filter(|_| is_open);
            found
                .refusals
                .extend(refusal.map(|refusal| (None, refusal)));
            is_open
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

    /// Connects another customer of the category that is next in turn. The rows of the customer cannot be read for a
    /// minute.
    pub fn connect(&mut self) -> IntegrationId {
        let id = self.another(Refusal::with_code(SYNC_PENDING));
        self.life
            .plan(self.now() + SETUP, Sequel::Ready(id.clone()));
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
        self.write(kind, id, None, None);
        self.announce(event, id);
    }

    /// Writes a change into the journal, and its models into the next webhook.
    fn write(
        &mut self,
        kind: ChangeKind,
        id: &IntegrationId,
        endpoint: Option<&EndpointName>,
        index: Option<u64>,
    ) {
        let found = endpoint.and_then(|endpoint| self.model(id, endpoint));
        let models = match kind {
            // Kombo sends no webhook for these two.
            ChangeKind::Anonymise | ChangeKind::ScopeRefused => None,
            _ => found.map(|(found, model)| found.models_of(model)),
        };
        let record = found.zip(index);
        let record =
            record.map(|((found, model), at)| identity::id(found.customer.id_space(model), at));
        let change = Change {
            at: self.now(),
            integration: id.clone(),
            endpoint: endpoint.cloned(),
            models: models.unwrap_or_default(),
            record,
            index,
            kind,
        };
        self.life.webhooks.changed(id, &change.models);
        self.life.journal.push(change);
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
