//! All customers of one API key, the clock, and the contract: one request gets one answer.

use std::sync::Arc;

use super::account::{self, Description, Event};
use super::blueprint::Blueprint;
use super::integration::Integration;
use super::life::Life;
use super::listing;
use super::refusal::Refusal;
use super::render::Writer;
use super::request::{ListQuery, TwinAnswer, TwinRequest};
use super::request_window::{Allowance, RequestWindow};
use super::requests::Requests;
use super::settings::WorldSettings;
use crate::catalog::{Catalog, Endpoint};
use crate::ids::{Category, EndpointName, IntegrationId};
use crate::time::Moment;

/// Everything behind one API key.
#[derive(Debug)]
pub struct World {
    settings: WorldSettings,
    now: Moment,
    integrations: Vec<Integration>,
    window: Option<RequestWindow>,
    blueprints: [Arc<Blueprint>; 4],
    /// Number of integrations so far, deleted ones included.
    made: u32,
    requests: Requests,
    pub(super) life: Life,
}

impl World {
    /// Makes a world of the endpoints that ship with the crate.
    #[must_use]
    pub fn new(settings: WorldSettings) -> Self {
        Self::with_catalog(settings, Catalog::embedded())
    }

    /// Makes a world of other endpoints: an API newer or older than this build.
    #[must_use]
    pub fn with_catalog(settings: WorldSettings, catalog: &Catalog) -> Self {
        let blueprints = Category::ALL
            .map(|category| Arc::new(Blueprint::new(catalog, category, settings.rows)));
        let integrations = (0..settings.integrations)
            .map(|nth| Integration::nth(nth, &blueprints, &settings))
            .collect();
        Self {
            now: settings.start,
            window: settings.rate_limit.map(RequestWindow::new),
            blueprints,
            made: settings.integrations,
            settings,
            integrations,
            requests: Requests::default(),
            life: Life::default(),
        }
    }

    /// Returns the settings of the world.
    #[must_use]
    pub fn settings(&self) -> &WorldSettings {
        &self.settings
    }

    /// Returns the customers.
    #[must_use]
    pub fn integrations(&self) -> &[Integration] {
        &self.integrations
    }

    /// Returns the time of the world.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Returns the counts of the requests so far.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// From now on answers this refusal instead of rows, at one endpoint or at all endpoints of an integration. Without a
    /// refusal, rows are answered again. Returns whether there is such an integration.
    pub fn refuse(
        &mut self,
        integration: &IntegrationId,
        endpoint: Option<&EndpointName>,
        refusal: Option<Refusal>,
    ) -> bool {
        let refuse = |found: &mut Integration| {
            found.refusals.retain(|(of, _)| of.as_ref() != endpoint);
            let refused = refusal.map(|refusal| (endpoint.cloned(), refusal));
            found.refusals.extend(refused);
        };
        self.with(integration, refuse).is_some()
    }

    /// Returns every record of an endpoint, one line of JSON each: the rows of a full fetch with `include_deleted`.
    pub fn truth<'a>(
        &'a self,
        integration: &IntegrationId,
        endpoint: &Endpoint,
    ) -> impl Iterator<Item = String> + 'a {
        let found = self.find(integration.as_str()).and_then(|found| {
            let listing = found.customer.blueprint.listing(&endpoint.path)?;
            Some(listing::all(self.writer(found), listing))
        });
        found.into_iter().flatten()
    }

    /// Describes an integration as `GET /integrations/{id}` does.
    #[must_use]
    pub fn describe(&self, integration: &IntegrationId) -> Option<Description> {
        self.find(integration.as_str()).map(account::describe)
    }

    /// Returns the environment that the key belongs to.
    #[must_use]
    pub fn environment_id(&self) -> String {
        account::environment_id(self.settings.seed)
    }

    /// Answers a request at the present time of the world.
    pub fn answer(&mut self, request: TwinRequest<'_>) -> TwinAnswer {
        let answer = self.answer_uncounted(request);
        let mut blueprints = self.blueprints.iter();
        let is_list = blueprints.any(|blueprint| blueprint.listing(request.path).is_some());
        self.requests.count(request, is_list, answer.status);
        answer
    }

    fn answer_uncounted(&mut self, request: TwinRequest<'_>) -> TwinAnswer {
        if request.bearer != Some(self.settings.api_key.as_str()) {
            let refusal = Refusal::known("PLATFORM.AUTHENTICATION_INVALID");
            return self.finish(Err(refusal), None);
        }
        let now = self.now;
        let allowance = self.window.as_mut().map(|window| window.take(now));
        let result = if allowance.is_some_and(|allowance| !allowance.granted) {
            Err(Refusal::known("PLATFORM.RATE_LIMIT_EXCEEDED"))
        } else {
            self.route(request)
        };
        self.finish(result, allowance)
    }

    fn route(&self, request: TwinRequest<'_>) -> Result<String, Refusal> {
        if request.path == "/check-api-key" {
            return Ok(account::key(self.settings.seed));
        }
        if let Some(rest) = request.path.strip_prefix("/integrations/") {
            return self.account(rest, request.query);
        }
        let is_below = |category: Category| request.path.starts_with(&format!("/{category}/"));
        if !Category::ALL.into_iter().any(is_below) {
            return Err(Refusal::no_such_path());
        }
        let id = request
            .integration
            .ok_or_else(|| Refusal::input_invalid("The header X-Integration-Id is missing."))?;
        let integration = self.find(id).ok_or_else(not_found)?;
        let Some(listing) = integration.customer.blueprint.listing(request.path) else {
            return Err(self.not_here(request.path));
        };
        let query = ListQuery::parse(request.query)?;
        let refused = integration
            .refusals
            .iter()
            .find(|(of, _)| of.as_ref().is_none_or(|of| of == listing.endpoint.name()));
        if let Some((_, refusal)) = refused {
            return Err(refusal.clone());
        }
        let writer = self.writer(integration);
        listing::page(&writer, listing, &query, self.settings.unknown_ids_fail)
    }

    fn account(&self, rest: &str, query: &str) -> Result<String, Refusal> {
        let (id, part) = rest.split_once('/').unwrap_or((rest, ""));
        let id = id.replace("%3A", ":").replace("%3a", ":");
        let integration = self.find(&id).ok_or_else(not_found)?;
        if integration.is_lost() {
            return Err(not_found());
        }
        let custom = match part {
            "" => return Ok(account::details(integration)),
            "integration-fields" => false,
            "custom-fields" => true,
            _ => return Err(Refusal::no_such_path()),
        };
        account::fields(integration, custom, &ListQuery::parse(query)?)
    }

    /// Returns the refusal of a path that the integration does not have.
    fn not_here(&self, path: &str) -> Refusal {
        let mut others = self.integrations.iter();
        if others.any(|other| other.customer.blueprint.listing(path).is_some()) {
            return Refusal::known("INTEGRATION.MODEL_NOT_AVAILABLE");
        }
        Refusal::no_such_path()
    }

    fn finish(&self, result: Result<String, Refusal>, allowance: Option<Allowance>) -> TwinAnswer {
        let (status, content_type, body) = match result {
            Ok(body) => (200, Some("application/json"), body),
            Err(refusal) => (refusal.status, refusal.content_type, refusal.body),
        };
        let mut headers = vec![("date", http_date(self.now))];
        headers.extend(content_type.map(|value| ("content-type", value.to_owned())));
        if let Some(allowance) = allowance {
            headers.extend([
                ("ratelimit-limit", allowance.limit.to_string()),
                ("ratelimit-remaining", allowance.remaining.to_string()),
                ("ratelimit-reset", allowance.reset_secs.to_string()),
            ]);
        }
        TwinAnswer {
            status,
            headers,
            body,
        }
    }

    /// Finds an integration.
    pub(super) fn integration(&self, id: &IntegrationId) -> Option<&Integration> {
        self.find(id.as_str())
    }

    /// Works on an integration, where there is one.
    pub(super) fn with<T>(
        &mut self,
        id: &IntegrationId,
        work: impl FnOnce(&mut Integration) -> T,
    ) -> Option<T> {
        let mut all = self.integrations.iter_mut();
        all.find(|known| known.id == *id).map(work)
    }

    /// Makes the next integration.
    pub(super) fn another(&mut self, refusal: Option<Refusal>) -> IntegrationId {
        let mut made = Integration::nth(self.made, &self.blueprints, &self.settings);
        made.refusals.extend(refusal.map(|refusal| (None, refusal)));
        self.made += 1;
        let id = made.id.clone();
        self.integrations.push(made);
        id
    }

    /// Forgets an integration.
    pub(super) fn remove(&mut self, id: &IntegrationId) {
        self.integrations.retain(|known| known.id != *id);
    }

    /// Adds an event of an integration to the pending webhooks.
    pub(super) fn announce(&mut self, event: Event, id: &IntegrationId) {
        let mut all = self.integrations.iter();
        if let Some(found) = all.find(|known| known.id == *id) {
            let webhooks = &mut self.life.webhooks;
            webhooks.happened(event, found, self.settings.seed, self.now);
        }
    }

    /// Moves the clock forward.
    pub(super) fn set_now(&mut self, now: Moment) {
        self.now = self.now.max(now);
    }

    fn find(&self, id: &str) -> Option<&Integration> {
        let mut all = self.integrations.iter();
        all.find(|integration| integration.id.as_str() == id)
    }

    fn writer<'a>(&self, integration: &'a Integration) -> Writer<'a> {
        Writer {
            customer: &integration.customer,
            now: self.now,
            oddities: self.settings.oddities,
        }
    }
}

fn not_found() -> Refusal {
    Refusal::known("PLATFORM.INTEGRATION_NOT_FOUND")
}

/// Writes an instant in the form of the header `Date`: seconds, rounded down.
fn http_date(now: Moment) -> String {
    chrono::DateTime::from_timestamp_millis(now.as_millis())
        .unwrap_or_default()
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}
