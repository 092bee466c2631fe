//! The twin as an implementation of [`KomboApi`]: no network, no waiting, and a clock that only the test moves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use url::form_urlencoded::Serializer;

use super::clock::WorldClock;
use super::shared_world::SharedWorld;
use crate::api::{
    ApiError, IntegrationInfo, KeyInfo, KomboApi, Page, PageRequest, PageReservation,
};
use crate::company::{TwinAnswer, TwinRequest, TwinWebhook, World};
use crate::ids::{EnvironmentId, IntegrationId};
use crate::time::{Base, Horizon, ServerClock, ServerNow, parse_http_date};

/// Answers from a world, in process.
#[derive(Clone, Debug)]
pub struct TwinApi {
    world: SharedWorld,
    clock: Arc<Mutex<ServerClock>>,
    /// The clock that moves the world; with `None` only the test moves it.
    time: Option<WorldClock>,
}

impl TwinApi {
    /// Returns an API that answers from a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self::of(SharedWorld::new(world))
    }

    /// Returns an API that answers from a shared world.
    #[must_use]
    pub fn of(world: SharedWorld) -> Self {
        Self {
            world,
            clock: Arc::default(),
            time: None,
        }
    }

    /// From now on the time of the world follows Tokio's clock, which may be paused. Due changes happen before each answer.
    #[must_use]
    pub fn keeping_time(mut self) -> Self {
        self.time = Some(WorldClock::start(self.world.clone()));
        self
    }

    /// Takes the webhooks that are due at the present time, as [`World::webhooks`] does.
    #[must_use]
    pub fn webhooks(&self, pause: Duration) -> Vec<TwinWebhook> {
        self.now().webhooks(pause)
    }

    /// Waits for the world and moves it to the present time.
    fn now(&self) -> MutexGuard<'_, World> {
        match &self.time {
            Some(time) => time.world(),
            None => self.world.lock(),
        }
    }

    /// Returns the world, so that a test can read it, change it, or let its time pass.
    #[must_use]
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// Returns the bounds of timestamps. The wall clock of the caller is that of the world.
    fn horizon(&self) -> Horizon {
        Horizon::at(self.world.lock().now())
    }

    /// Sends a request as the HTTP client does. Returns the answer and the time since the start of the world.
    fn ask(
        &self,
        path: &str,
        query: &str,
        integration: Option<&IntegrationId>,
        with_cursor: bool,
    ) -> Result<(TwinAnswer, Duration), ApiError> {
        let mut world = self.now();
        let key = world.settings().api_key.clone();
        let answer = world.answer(TwinRequest {
            path,
            query,
            bearer: Some(&key),
            integration: integration.map(IntegrationId::as_str),
        });
        if answer.status == 200 {
            return Ok((answer, world.now().since(world.settings().start)));
        }
        let body = answer.body.as_bytes();
        Err(ApiError::from_answer(answer.status, body, with_cursor))
    }
}

impl KomboApi for TwinApi {
    async fn page(&self, request: PageRequest<'_>) -> Result<Page, ApiError> {
        let query = query(&request);
        let (answer, since) = self.ask(
            &request.endpoint.path,
            &query,
            Some(request.integration),
            request.cursor.is_some(),
        )?;
        // The answer takes no time, and the wall clock of the caller is that of the world.
        let horizon = self.horizon();
        let date = answer.header("date").and_then(parse_http_date);
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let date = date.and_then(|date| clock.observe(date, since, horizon));
        Ok(Page {
            body: Bytes::from(answer.body),
            reserved: PageReservation::default(),
            base: date.map(|date| Base::from_first_page(date, Duration::ZERO)),
            observed_at: clock
                .at(since, horizon)
                .map_or(horizon.unstamped(), ServerNow::observed),
        })
    }

    async fn integration(&self, id: &IntegrationId) -> Result<IntegrationInfo, ApiError> {
        self.ask(&format!("/integrations/{id}"), "", None, false)?;
        let (described, now) = {
            let world = self.world.lock();
            (world.describe(id), world.now())
        };
        let described = described.ok_or_else(|| ApiError::from_answer(404, b"", false))?;
        Ok(IntegrationInfo {
            tool: described.tool,
            category: described.category,
            status: described.status.to_owned(),
            setup_status: Some(described.setup_status.to_owned()),
            data_expired_at: None,
            read_models: described.read_models,
            end_user: described.end_user,
            observed_at: now.into(),
        })
    }

    async fn check_key(&self) -> Result<KeyInfo, ApiError> {
        self.ask("/check-api-key", "", None, false)?;
        let environment_id = EnvironmentId::new(&self.world.lock().environment_id());
        Ok(KeyInfo {
            environment_id: environment_id.expect("the twin's ids are base58"),
        })
    }

    fn server_now(&self) -> Option<ServerNow> {
        let now = self.world.lock().now();
        Some(Horizon::at(now).server_now(now.as_micros()))
    }
}

/// Writes the query as the HTTP client does: the largest pages, deleted rows included, all filters on every page.
fn query(request: &PageRequest<'_>) -> String {
    let endpoint = request.endpoint;
    let mut query = Serializer::new(String::new());
    if let Some(size) = endpoint.page_size {
        query.append_pair("page_size", &size.max.to_string());
    }
    if endpoint.include_deleted {
        query.append_pair("include_deleted", "true");
    }
    if let Some(after) = request.updated_after {
        query.append_pair("updated_after", &after.to_string());
    }
    if !request.ids.is_empty() {
        query.append_pair("ids", &request.ids.join(","));
    }
    if let Some(cursor) = request.cursor {
        query.append_pair("cursor", cursor.as_str());
    }
    query.finish()
}
