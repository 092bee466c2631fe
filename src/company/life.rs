//! What happens by itself as the world's time passes: changes at a pace, and what follows from them later.
//!
//! Everything happens at an instant of its own on the world's clock, so it makes no difference in how many steps a test
//! lets time pass, and the same seed and pace give the same changes.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::blueprint::Listing;
use super::changes::SCOPE_GRACE_MS;
use super::customer::ANONYMISED_AFTER_MS;
use super::hash::{at, below, mix, percent, salt};
use super::journal::{ChangeKind, Journal};
use super::news::News;
use super::world::{Integration, World};
use crate::ids::{EndpointName, IntegrationId};

/// A new integration can be read after this long.
const SETUP_MS: i64 = 60_000;

/// How often a record is drawn anew that is not there any more.
const DRAWS: u64 = 16;

/// How much happens in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Changes in the whole world per minute of its time.
    pub changes_per_minute: NonZeroU32,
    /// Two percent of the changes are no rows: integrations come, go and pause, models are switched off and on.
    pub turnover: bool,
}

/// What a world does by itself.
#[derive(Debug, Default)]
pub(super) struct Life {
    pace: Option<(Pace, i64)>,
    /// Changes since the pace was set.
    lived: u64,
    /// Changes since the start, so that no two roll the same.
    rolled: u64,
    due: BTreeMap<(i64, u64), Due>,
    planned: u64,
    pub journal: Journal,
    pub news: News,
}

/// What follows from a change.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// A deleted record loses its values.
    Anonymise(IntegrationId, EndpointName, u64),
    /// A model whose scope was switched off at this instant is refused.
    Refuse(IntegrationId, EndpointName, i64),
    /// The first sync of an integration is done.
    Ready(IntegrationId),
}

impl Life {
    /// Plans what follows from a change.
    pub(super) fn plan(&mut self, at_ms: i64, due: Due) {
        self.planned += 1;
        self.due.insert((at_ms, self.planned), due);
    }

    /// Plans that a record deleted now loses its values.
    pub(super) fn anonymise_later(
        &mut self,
        now_ms: i64,
        id: &IntegrationId,
        of: &EndpointName,
        index: u64,
    ) {
        let due = Due::Anonymise(id.clone(), of.clone(), index);
        self.plan(now_ms.saturating_add(ANONYMISED_AFTER_MS), due);
    }

    /// Plans that a model switched off now is refused.
    pub(super) fn refuse_later(&mut self, now_ms: i64, id: &IntegrationId, of: &EndpointName) {
        let due = Due::Refuse(id.clone(), of.clone(), now_ms);
        self.plan(now_ms.saturating_add(SCOPE_GRACE_MS), due);
    }

    /// Plans that an integration made now can be read.
    pub(super) fn ready_later(&mut self, now_ms: i64, id: &IntegrationId) {
        self.plan(now_ms.saturating_add(SETUP_MS), Due::Ready(id.clone()));
    }

    /// Returns when the next change by itself is due. Each has a slot of its own and a place in it by chance.
    fn next_change_ms(&self, seed: u64) -> Option<i64> {
        let (pace, since_ms) = self.pace?;
        let roll = mix(mix(seed, salt("beat")), self.rolled);
        let beats = u128::from(self.lived) * 60_000 + u128::from(below(60_000, roll));
        let after = beats / u128::from(pace.changes_per_minute.get());
        i64::try_from(after).ok()?.checked_add(since_ms)
    }
}

impl World {
    /// From now on things change as time passes.
    pub fn live(&mut self, pace: Pace) {
        self.life.pace = Some((pace, self.now_ms()));
        self.life.lived = 0;
    }

    /// From now on nothing changes by itself, except for what follows from earlier changes.
    pub fn rest(&mut self) {
        self.life.pace = None;
    }

    /// Returns at which pace things change.
    #[must_use]
    pub fn pace(&self) -> Option<Pace> {
        self.life.pace.map(|(pace, _)| pace)
    }

    /// Lets everything happen that is due until an instant, each at its own.
    pub(super) fn live_until(&mut self, then_ms: i64) {
        loop {
            let change = self.life.next_change_ms(self.settings().seed);
            let change = change.filter(|at| *at <= then_ms);
            let due = self.life.due.first_key_value().map(|(key, _)| *key);
            let due = due.filter(|(at, _)| *at <= then_ms);
            match (due, change) {
                (Some((at, nth)), change) if change.is_none_or(|change| at <= change) => {
                    self.set_now(at);
                    if let Some(due) = self.life.due.remove(&(at, nth)) {
                        self.follow(due);
                    }
                }
                (_, Some(at)) => {
                    self.set_now(at);
                    self.change_something();
                }
                _ => break,
            }
        }
        self.set_now(then_ms);
    }

    fn change_something(&mut self) {
        let roll = mix(mix(self.settings().seed, salt("life")), self.life.rolled);
        self.life.rolled += 1;
        self.life.lived += 1;
        let turnover = self.pace().is_some_and(|pace| pace.turnover) && percent(2, mix(roll, 1));
        let wish = if turnover {
            self.turn(roll)
        } else {
            self.draw(roll)
        };
        let Some((kind, integration, endpoint, index)) = wish else {
            return;
        };
        // What cannot happen now does not; another change comes soon.
        self.change(kind, &integration, endpoint.as_ref(), index)
            .unwrap_or_default();
    }

    /// Draws a change of one record, in an integration that can be read.
    fn draw(&self, roll: u64) -> Option<Wish> {
        let all = self.integrations().iter();
        let open = all.filter(|one| !one.is_refused());
        let open: Vec<_> = open.map(|one| (one, one.changing())).collect();
        // Assessments have no models: nothing would tell that their rows changed.
        let open: Vec<_> = open.iter().filter(|(_, of)| !of.is_empty()).collect();
        let (integration, listings) = open.get(at(open.len(), mix(roll, 2)))?;
        let listing = *listings.get(at(listings.len(), mix(roll, 3)))?;
        let kind = match below(100, mix(roll, 4)) {
            0..25 => ChangeKind::Hire,
            25..35 => ChangeKind::Rename,
            35..45 if listing.endpoint.include_deleted => ChangeKind::Delete,
            _ => ChangeKind::Edit,
        };
        let index = match kind {
            ChangeKind::Hire => None,
            _ => integration.some_record(listing, mix(roll, 5)),
        };
        // Where no record is left, one appears.
        let kind = if index.is_some() {
            kind
        } else {
            ChangeKind::Hire
        };
        let endpoint = listing.endpoint.name().clone();
        Some((kind, integration.id.clone(), Some(endpoint), index))
    }

    /// Draws a change of an integration or of one of its models.
    fn turn(&self, roll: u64) -> Option<Wish> {
        let all = self.integrations();
        let integration = all.get(at(all.len(), mix(roll, 6)))?;
        let whole = |kind| Some((kind, integration.id.clone(), None, None));
        if integration.is_refused() {
            return whole(ChangeKind::IntegrationWoken);
        }
        match below(5, mix(roll, 7)) {
            0 => whole(ChangeKind::IntegrationPaused),
            1 => whole(ChangeKind::IntegrationCreated),
            2 => whole(ChangeKind::IntegrationDeleted),
            _ => {
                let open = integration.changing();
                let closed = integration.closed().into_iter().next();
                let (kind, listing) = if let Some(listing) = closed {
                    (ChangeKind::ScopeOn, listing)
                } else {
                    let nth = at(open.len(), mix(roll, 8));
                    (ChangeKind::ScopeOff, *open.get(nth)?)
                };
                let endpoint = listing.endpoint.name().clone();
                Some((kind, integration.id.clone(), Some(endpoint), None))
            }
        }
    }
}

/// What is to change, whose, where, and which record.
type Wish = (ChangeKind, IntegrationId, Option<EndpointName>, Option<u64>);

impl Integration {
    /// Returns the endpoints whose rows change by themselves: those whose models webhooks name and the customer lets
    /// be read, once where two show the same records.
    fn changing(&self) -> Vec<&Listing> {
        let mut chosen: Vec<&Listing> = Vec::new();
        for listing in &self.customer.blueprint.listings {
            let is_shown = chosen.iter().any(|other| other.model == listing.model);
            if !is_shown
                && !listing.endpoint.models.is_empty()
                && !self.customer.is_off(listing.model)
            {
                chosen.push(listing);
            }
        }
        chosen
    }

    fn closed(&self) -> Vec<&Listing> {
        let listings = self.customer.blueprint.listings.iter();
        listings
            .filter(|listing| self.customer.is_off(listing.model))
            .collect()
    }

    /// Draws a record that is not deleted.
    pub(super) fn some_record(&self, listing: &Listing, roll: u64) -> Option<u64> {
        let count = self.customer.count(listing.model);
        let mut drawn = (0..DRAWS).map(|nth| below(count, mix(roll, nth)));
        drawn.find(|index| {
            let subject = self.customer.subject(listing.model, *index);
            *index < count && self.customer.deleted_ms(subject).is_none()
        })
    }
}
