//! One connected customer: the data, and the refusals that are answered instead of the data.

use std::sync::Arc;

use super::blueprint::{Blueprint, Listing};
use super::customer::Customer;
use super::hash::{below, choose, mix, salt};
use super::history::History;
use super::identity;
use super::refusal::Refusal;
use super::settings::WorldSettings;
use crate::catalog::Endpoint;
use crate::ids::{Category, EndpointName, IntegrationId};

/// Tools of each category that the twin connects.
#[rustfmt::skip]
const TOOLS: [&[&str]; 4] = [
    &["greenhouse", "lever", "ashby", "smartrecruiters", "workable"],
    &["personio", "bamboohr", "hibob", "workday", "sapling"],
    &["docebo", "cornerstone", "talentlms"],
    &["icims", "teamtailor", "recruitee"],
];

/// How often another record is drawn when the drawn one is deleted.
const DRAWS: u64 = 16;

/// One connected customer.
#[derive(Debug)]
pub struct Integration {
    /// Id of the integration.
    pub(super) id: IntegrationId,
    pub(super) customer: Customer,
    /// Refusals that are answered instead of rows: at all endpoints (`None`) or at one.
    pub(super) refusals: Vec<(Option<EndpointName>, Refusal)>,
}

impl Integration {
    /// Returns the id of the integration.
    #[must_use]
    pub fn id(&self) -> &IntegrationId {
        &self.id
    }

    /// Returns the category.
    #[must_use]
    pub fn category(&self) -> Category {
        self.customer.blueprint.category
    }

    /// Returns the endpoints, each with its number of records, deleted records included.
    pub fn endpoints(&self) -> impl Iterator<Item = (&Arc<Endpoint>, u64)> {
        self.customer.blueprint.listings.iter().map(|listing| {
            let count = self.customer.count(listing.model);
            (&listing.endpoint, count)
        })
    }

    /// Makes the n-th integration. The categories take turns.
    pub(super) fn nth(
        nth: u32,
        blueprints: &[Arc<Blueprint>; 4],
        settings: &WorldSettings,
    ) -> Self {
        let seed = mix(mix(settings.seed, salt("integration")), u64::from(nth));
        let mut turns = blueprints.iter().zip(TOOLS).cycle();
        let turn = turns.nth(nth as usize % TOOLS.len());
        let (blueprint, tools) = turn.expect("it never ends");
        let (tool, own) = (choose(tools, seed), identity::id(seed, u64::from(nth)));
        let id = IntegrationId::new(&format!("{tool}:{own}"));
        Self {
            id: id.expect("a slug, a colon and base58"),
            customer: Customer {
                blueprint: Arc::clone(blueprint),
                seed,
                start: settings.start,
                anonymises: settings.oddities.anonymised_rows,
                history: History::default(),
            },
            refusals: Vec::new(),
        }
    }

    /// Returns whether the complete integration is refused.
    pub(super) fn is_refused(&self) -> bool {
        self.refusals.iter().any(|(of, _)| of.is_none())
    }

    /// Returns whether the API answers as if there were no such integration.
    pub(super) fn is_lost(&self) -> bool {
        let lost = Some("PLATFORM.INTEGRATION_NOT_FOUND");
        let mut whole = self.refusals.iter().filter(|(of, _)| of.is_none());
        whole.any(|(_, refusal)| refusal.code == lost)
    }

    /// Ends a refusal of the complete integration. Returns whether there was one.
    pub(super) fn lift(&mut self, code: &str) -> bool {
        let before = self.refusals.len();
        self.refusals
            .retain(|(of, refusal)| of.is_some() || refusal.code != Some(code));
        self.refusals.len() < before
    }

    /// Returns the endpoints that show a model.
    pub(super) fn endpoints_of(&self, model: usize) -> impl Iterator<Item = &Arc<Endpoint>> {
        let listings = self.customer.blueprint.listings.iter();
        let shown = listings.filter(move |listing| listing.model == model);
        shown.map(|listing| &listing.endpoint)
    }

    /// Returns the names that webhooks have for a model: the first of each endpoint that shows it.
    pub(super) fn models_of(&self, model: usize) -> Vec<String> {
        let shown = self.endpoints_of(model);
        let mut names: Vec<_> = shown
            .filter_map(|endpoint| endpoint.models.first())
            .map(|own| own.name.clone())
            .collect();
        names.dedup();
        names
    }

    /// Returns the endpoints whose rows change in a living world: their models are named in webhooks, and the customer
    /// lets them be read. Of two endpoints that show the same records, only the first is returned.
    pub(super) fn changing(&self) -> Vec<&Listing> {
        let mut chosen: Vec<&Listing> = Vec::new();
        for listing in &self.customer.blueprint.listings {
            let is_shown = chosen.iter().any(|other| other.model == listing.model);
            if !is_shown && !listing.endpoint.models.is_empty() && !self.is_off(listing) {
                chosen.push(listing);
            }
        }
        chosen
    }

    /// Returns the first endpoint that the customer does not let be read.
    pub(super) fn closed(&self) -> Option<&Listing> {
        let mut listings = self.customer.blueprint.listings.iter();
        listings.find(|listing| self.is_off(listing))
    }

    fn is_off(&self, listing: &Listing) -> bool {
        self.customer.history.off_since(listing.model).is_some()
    }

    /// Draws a record that is not deleted.
    pub(super) fn some_record(&self, listing: &Listing, roll: u64) -> Option<u64> {
        let count = self.customer.count(listing.model);
        let mut drawn = (0..DRAWS).map(|nth| below(count, mix(roll, nth)));
        drawn.find(|index| {
            let subject = self.customer.subject(listing.model, *index);
            *index < count && self.customer.deleted(subject).is_none()
        })
    }
}
