//! Kombo over HTTP.
//!
//! A request waits for the throttle, is sent, and its answer is read to the end within limits. Only this file repeats a
//! request. Neither the key nor an address with its query reaches an error or a log.

mod answer_body;
mod http_transport;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;
use url::Url;

use super::answers::{KeyAnswer, read_answer};
use super::page_budget::{BYTES_IN_FLIGHT, PageBudget};
use super::retry::Retries;
use super::server_time::ServerTime;
use super::throttle::{Permit, RateHeaders, Throttle, Told};
use super::traffic::{Outage, RequestCounts};
use super::transport::{Connect, Incoming, Outgoing, Transport};
use super::waits::WaitLog;
use super::{
    ApiError, ApiKey, ApiSettings, BaseUrl, IntegrationInfo, KeyInfo, KomboApi, Page, PageRequest,
    SendingRight, SetupError, ThrottleView, Traffic, Wait, WaitReason,
};
use crate::fetch::Lane;
use crate::ids::{EnvironmentId, IntegrationId};
use crate::time::{Clock, ServerNow};
use answer_body::{IncomingBody, check_body, timed_out};
pub use http_transport::HttpTransport;

/// Kombo's API for one key. Clones share the connections, the request budget and the clock.
pub struct HttpApi<T = HttpTransport>(Arc<HttpShared<T>>);

struct HttpShared<T> {
    transport: T,
    base_url: BaseUrl,
    page_size: NonZeroU32,
    max_page_bytes: u64,
    /// Most time that one attempt may take, without the waits for memory.
    timeout: Duration,
    pages: PageBudget,
    throttle: Throttle,
    retries: Retries,
    counters: RequestCounts,
    outage: Outage,
    time: ServerTime,
    clock: Arc<dyn Clock>,
    waits: Arc<WaitLog>,
    right: SendingRight,
}

/// One question to Kombo, with all attempts that it takes.
struct Call<'a> {
    url: Url,
    integration: Option<&'a IntegrationId>,
    /// Whether the integration is named in the header that data endpoints demand.
    names_integration: bool,
    lane: Lane,
    with_cursor: bool,
}

impl Call<'_> {
    /// Makes a question that does not concern the rows of an integration.
    fn plain(url: Url, lane: Lane) -> Self {
        Self {
            url,
            integration: None,
            names_integration: false,
            lane,
            with_cursor: false,
        }
    }
}

/// Why an attempt failed, and how long the server asks the client to wait.
struct Failed {
    error: ApiError,
    asked: Option<Duration>,
    /// Whether the throttle already holds all requests of the key.
    held: bool,
}

impl HttpApi {
    /// Makes a client for one key.
    pub fn new(
        base_url: BaseUrl,
        key: &ApiKey,
        settings: &ApiSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        Self::over(&HttpTransport::new, base_url, key, settings, clock)
    }
}

impl<T: Transport> HttpApi<T> {
    /// Makes a client for one key over a transport.
    pub fn over(
        connect: &Connect<T>,
        base_url: BaseUrl,
        key: &ApiKey,
        settings: &ApiSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        settings.check().map_err(SetupError::Setting)?;
        let waits = Arc::new(WaitLog::new(Arc::clone(&clock)));
        Ok(Self(Arc::new(HttpShared {
            transport: connect(&base_url, key, settings)?,
            base_url,
            page_size: settings.page_size,
            max_page_bytes: settings.max_page_bytes.get(),
            timeout: Duration::from_secs(settings.timeout_secs.get()),
            pages: PageBudget::new(BYTES_IN_FLIGHT),
            throttle: Throttle::new(settings, Arc::clone(&waits)),
            retries: Retries::new(settings),
            counters: RequestCounts::default(),
            outage: Outage::default(),
            time: ServerTime::new(Arc::clone(&clock)),
            clock,
            waits,
            right: SendingRight::unlimited(),
        })))
    }

    /// Sends only while `right` holds. To be called before the client is cloned.
    #[must_use]
    pub fn sending_by(mut self, right: SendingRight) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.0) {
            shared.right = right;
        }
        self
    }

    /// Returns the state of the request budget.
    #[must_use]
    pub fn throttle_view(&self) -> ThrottleView {
        self.0.throttle.view()
    }

    /// Returns the counts of requests and answers.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.0.counters.traffic(self.0.retries.made())
    }

    /// Returns how far the server's clock is ahead of this machine's clock, in milliseconds. A negative number means
    /// that the server's clock is behind. Returns `None` before the first answer.
    ///
    /// `Date` has whole seconds, so a difference of up to 1,000 ms means nothing.
    #[must_use]
    pub fn skew(&self) -> Option<i64> {
        self.0.time.skew_ms()
    }

    async fn look(&self, id: &IntegrationId, lane: Lane) -> Result<IntegrationInfo, ApiError> {
        let url = self.0.base_url.join(["integrations", id.as_str()]);
        let call = Call {
            integration: Some(id),
            ..Call::plain(url, lane)
        };
        let answer = self.call(&call).await?;
        let mut info: IntegrationInfo = read_answer(&answer.body, "an integration")?;
        info.observed_at = answer.observed_at;
        Ok(info)
    }

    async fn call(&self, call: &Call<'_>) -> Result<Page, ApiError> {
        let retries = &self.0.retries;
        retries.earn();
        let mut failed = 0;
        loop {
            if let Some(until) = self.0.outage.pause() {
                self.wait(
                    WaitReason::Outage,
                    until.saturating_duration_since(Instant::now()),
                )
                .await;
            }
            let Failed { error, asked, held } = match self.attempt(call).await {
                Ok(answer) => {
                    self.0.outage.answered();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            self.0.outage.learn(&error);
            self.0.counters.failed(&error);
            failed += 1;
            if !error.is_momentary() || !retries.spend(failed) {
                return Err(error);
            }
            debug!(
                error = error.label(),
                code = error.code(),
                failed,
                "sending a request again after an error"
            );
            if !held {
                let backoff = retries.backoff(failed, asked);
                self.wait(WaitReason::ServerBusy, backoff).await;
            }
        }
    }

    /// Waits before an attempt, and logs a long wait.
    async fn wait(&self, reason: WaitReason, left: Duration) {
        self.0.waits.tell(Wait { reason, left });
        sleep(left).await;
    }

    /// Waits until a request may leave. The right is checked last: whoever waited for the rate may have lost it meanwhile.
    async fn permit(&self, call: &Call<'_>) -> Permit {
        let Self(shared) = self;
        loop {
            shared.right.wait().await;
            let permit = shared.throttle.admit(call.lane, call.integration).await;
            if shared.right.holds() {
                return permit;
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Page, Failed> {
        let shared = &self.0;
        let request = Outgoing {
            url: &call.url,
            integration: call.integration.filter(|_| call.names_integration),
        };
        let mut permit = self.permit(call).await;
        let sent = Instant::now();
        permit.leaves();
        shared.counters.sent();
        let deadline = sent + shared.timeout;
        let answer = timeout_at(deadline, shared.transport.send(request)).await;
        let answer = answer.map_err(timed_out)??;
        let received = Instant::now();
        let status = answer.status();
        let rate = RateHeaders::read(|name| answer.header(name), shared.clock.now());
        permit.answered(rate, status);
        shared.counters.answered(status);
        let (base, observed_at) = shared.time.answered(answer.header("date"), sent, received);
        let body = IncomingBody { answer, deadline };
        if status != 200 {
            let body = body.read_error().await;
            return Err(Failed {
                error: ApiError::from_answer(status, &body, call.with_cursor),
                asked: rate.retry_after.and_then(Told::wait),
                held: status == 429,
            });
        }
        let (body, reserved) = body.read(shared.max_page_bytes, &shared.pages).await?;
        drop(permit);
        check_body(&body, call.with_cursor)?;
        Ok(Page {
            body,
            reserved,
            base,
            observed_at,
        })
    }
}

impl<T: Transport> KomboApi for HttpApi<T> {
    async fn page(&self, request: PageRequest<'_>) -> Result<Page, ApiError> {
        let call = Call {
            url: request.url(&self.0.base_url, self.0.page_size),
            integration: Some(request.integration),
            names_integration: true,
            lane: request.lane,
            with_cursor: request.cursor.is_some(),
        };
        self.call(&call).await
    }

    async fn integration(&self, id: &IntegrationId) -> Result<IntegrationInfo, ApiError> {
        // One request, for which a new customer waits: it does not stand behind the catch-up of a start.
        self.look(id, Lane::Notified).await
    }

    async fn integration_at_leisure(
        &self,
        id: &IntegrationId,
    ) -> Result<IntegrationInfo, ApiError> {
        self.look(id, Lane::Backfill).await
    }

    async fn check_key(&self) -> Result<KeyInfo, ApiError> {
        let call = Call::plain(self.0.base_url.join(["check-api-key"]), Lane::Notified);
        let answer = self.call(&call).await?;
        let KeyAnswer { environment_id } = read_answer(&answer.body, "an API key")?;
        let unexpected = || ApiError::Unexpected {
            expected: "an API key",
        };
        let environment_id = EnvironmentId::new(&environment_id).ok_or_else(unexpected)?;
        Ok(KeyInfo { environment_id })
    }

    fn server_now(&self) -> Option<ServerNow> {
        self.0.time.now()
    }

    fn waits(&self) -> Option<Wait> {
        let outage = self.0.outage.pause().map(|until| Wait {
            reason: WaitReason::Outage,
            left: until.saturating_duration_since(Instant::now()),
        });
        let view = self.throttle_view();
        let throttled = view.wait.filter(|_| view.waiting > 0);
        let waits = outage.into_iter().chain(throttled);
        let longest = waits.max_by_key(|wait| wait.left);
        longest.filter(|wait| !wait.left.is_zero())
    }

    fn unreachable_for(&self) -> Option<Duration> {
        self.0.outage.lasts()
    }
}

impl<T> Clone for HttpApi<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for HttpApi<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpApi({})", self.0.base_url)
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            asked: None,
            held: false,
        }
    }
}

#[cfg(test)]
mod tests;
