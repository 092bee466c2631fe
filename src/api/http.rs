//! Kombo over HTTP. The only file that knows reqwest.
//!
//! A request waits for the throttle, leaves, and is read to its end within bounds; what is worth retrying is tried
//! again here and nowhere else. Neither the key nor an address with its query reaches an error or a log.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, DATE, HeaderMap, HeaderName, HeaderValue,
};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;
use url::Url;

use super::answers::{KeyAnswer, read_answer};
use super::error::LostAnswer;
use super::retry::Retries;
use super::throttle::{RateHeaders, Throttle};
use super::traffic::{Counters, Outage};
use super::{
    ApiError, ApiKey, ApiSettings, BaseUrl, IntegrationInfo, KeyInfo, KomboApi, Page, PageRequest,
    SetupError, ThrottleView, Traffic,
};
use crate::fetch::Lane;
use crate::ids::IntegrationId;
use crate::time::{Base, Clock, ObservedAt, ServerClock, parse_http_date};

const INTEGRATION_HEADER: HeaderName = HeaderName::from_static("x-integration-id");

/// Error envelopes have a few hundred bytes. A longer one is cut, and then its status decides.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// A success below this size may be an error envelope in disguise.
const MAX_DISGUISED_BYTES: usize = 16 << 10;

/// Kombo's API behind one key. Clones share connections, budget and clock.
#[derive(Clone)]
pub struct HttpApi(Arc<Shared>);

struct Shared {
    client: reqwest::Client,
    base_url: BaseUrl,
    page_size: NonZeroU32,
    max_page_bytes: u64,
    throttle: Throttle,
    retries: Retries,
    counters: Counters,
    outage: Outage,
    clock: Arc<dyn Clock>,
    server_clock: Mutex<ServerClock>,
    started: Instant,
}

/// One thing to ask for, however often it takes.
struct Call<'a> {
    url: Url,
    integration: Option<&'a IntegrationId>,
    /// In the header that data endpoints want.
    names_integration: bool,
    lane: Lane,
    with_cursor: bool,
}

/// A whole answer, and when it was given.
struct Answer {
    body: Bytes,
    base: Option<Base>,
    observed_at: ObservedAt,
}

/// Why an attempt failed, and how long the server asks to wait.
struct Failed {
    error: ApiError,
    asked: Option<Duration>,
    /// The throttle holds everybody already.
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
        settings.check()?;
        Ok(Self(Arc::new(Shared {
            client: client(&base_url, key, settings)?,
            base_url,
            page_size: settings.page_size,
            max_page_bytes: settings.max_page_bytes.get(),
            throttle: Throttle::new(settings),
            retries: Retries::new(settings),
            counters: Counters::default(),
            outage: Outage::default(),
            clock,
            server_clock: Mutex::default(),
            started: Instant::now(),
        })))
    }

    /// Returns the state of the request budget.
    #[must_use]
    pub fn throttle_view(&self) -> ThrottleView {
        self.0.throttle.view()
    }

    /// Returns what was sent.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.0.counters.traffic(self.0.retries.made())
    }

    async fn call(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        let retries = &self.0.retries;
        retries.earn();
        let mut failed = 0;
        loop {
            if let Some(until) = self.0.outage.pause() {
                sleep_until(until).await;
            }
            let Failed { error, asked, held } = match self.attempt(call).await {
                Ok(answer) => {
                    self.0.outage.answered();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            self.0.outage.learn(&error);
            failed += 1;
            if !error.is_retryable() || !retries.spend(failed) {
                return Err(error);
            }
            debug!(
                error = error.label(),
                code = error.code(),
                failed,
                "trying a request again"
            );
            if !held {
                sleep(retries.backoff(failed, asked)).await;
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, Failed> {
        let shared = &self.0;
        let mut request = shared.client.get(call.url.clone());
        if let Some(id) = call.integration.filter(|_| call.names_integration) {
            let value = HeaderValue::from_str(id.as_str()).expect("ids are visible ASCII");
            request = request.header(INTEGRATION_HEADER, value);
        }
        let mut permit = shared.throttle.admit(call.lane, call.integration).await;
        let sent = Instant::now();
        permit.leaves();
        shared.counters.sent();
        let mut response = request.send().await.map_err(lost_before_headers)?;
        let received = Instant::now();
        let status = response.status().as_u16();
        let headers = response.headers();
        let rate = RateHeaders::read(|name| headers.get(name)?.to_str().ok());
        permit.answered(rate, status);
        shared.counters.answered(status);
        let (base, observed_at) = self.instants(headers, sent, received);
        if status != 200 {
            let body = read_error(&mut response).await;
            return Err(Failed {
                error: ApiError::from_answer(status, &body, call.with_cursor),
                asked: rate.retry_after,
                held: status == 429,
            });
        }
        let body = read_body(&mut response, shared.max_page_bytes).await?;
        drop(permit);
        check_body(&body, call.with_cursor)?;
        Ok(Answer {
            body,
            base,
            observed_at,
        })
    }

    /// Derives the instants of an answer from its `Date`.
    fn instants(
        &self,
        headers: &HeaderMap,
        sent: Instant,
        received: Instant,
    ) -> (Option<Base>, ObservedAt) {
        let shared = &self.0;
        let date_ms = headers
            .get(DATE)
            .and_then(|date| parse_http_date(date.to_str().ok()?));
        let local_ms = shared.clock.wall_ms();
        let headers_at = received - shared.started;
        let mut server_clock = shared
            .server_clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(date_ms) = date_ms {
            server_clock.observe(date_ms, headers_at);
        }
        let observed_at = server_clock
            .at(headers_at)
            .unwrap_or_else(|| ObservedAt::from_micros(local_ms.saturating_mul(1000)));
        let base = date_ms.map(|date_ms| Base::from_first_page(date_ms, received - sent, local_ms));
        (base, observed_at)
    }
}

impl KomboApi for HttpApi {
    async fn page(&self, request: PageRequest<'_>) -> Result<Page, ApiError> {
        let call = Call {
            url: request.url(&self.0.base_url, self.0.page_size),
            integration: Some(request.integration),
            names_integration: true,
            lane: request.lane,
            with_cursor: request.cursor.is_some(),
        };
        let Answer {
            body,
            base,
            observed_at,
        } = self.call(&call).await?;
        Ok(Page {
            body,
            base,
            observed_at,
        })
    }

    async fn integration(&self, id: &IntegrationId) -> Result<IntegrationInfo, ApiError> {
        let call = Call {
            url: self.0.base_url.join(["integrations", id.as_str()]),
            integration: Some(id),
            names_integration: false,
            lane: Lane::Notified,
            with_cursor: false,
        };
        let answer = self.call(&call).await?;
        let mut info: IntegrationInfo = read_answer(&answer.body, "an integration")?;
        info.observed_at = answer.observed_at;
        Ok(info)
    }

    async fn check_key(&self) -> Result<KeyInfo, ApiError> {
        let call = Call {
            url: self.0.base_url.join(["check-api-key"]),
            integration: None,
            names_integration: false,
            lane: Lane::Notified,
            with_cursor: false,
        };
        let answer = self.call(&call).await?;
        let KeyAnswer { environment_id } = read_answer(&answer.body, "a checked key")?;
        Ok(KeyInfo { environment_id })
    }
}

impl std::fmt::Debug for HttpApi {
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

fn client(
    base_url: &BaseUrl,
    key: &ApiKey,
    settings: &ApiSettings,
) -> Result<reqwest::Client, SetupError> {
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {}", key.expose())).expect("keys are visible ASCII");
    bearer.set_sensitive(true);
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (ACCEPT, HeaderValue::from_static("application/json")),
        // A page from a cache would be older than its `Date`.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    let seconds = |setting: std::num::NonZeroU64| Duration::from_secs(setting.get());
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("kombo-source/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .https_only(base_url.is_encrypted())
        .timeout(seconds(settings.timeout_secs))
        .connect_timeout(seconds(settings.connect_timeout_secs))
        .read_timeout(seconds(settings.read_timeout_secs))
        .tcp_keepalive(Duration::from_mins(1));
    if base_url.is_loopback() {
        builder = builder.no_proxy();
    }
    if !base_url.is_encrypted() {
        // Without encryption the machine's certificates are not needed, so a missing store is no fault.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| SetupError::Client {
        reason: innermost(&error),
    })
}

/// Reads a body to its end. The bound is on what comes out of decompression: a few kilobytes may unpack to gigabytes.
async fn read_body(response: &mut reqwest::Response, limit: u64) -> Result<Bytes, ApiError> {
    let too_large = ApiError::TooLarge { limit_bytes: limit };
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_large);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let announced = response.content_length().unwrap_or(0);
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0).min(limit));
    while let Some(chunk) = response.chunk().await.map_err(lost_within_body)? {
        if chunk.len() > limit - body.len() {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads the body of an error as far as it is of use. A broken one leaves the status to decide.
async fn read_error(response: &mut reqwest::Response) -> Bytes {
    read_body(response, MAX_ERROR_BYTES)
        .await
        .unwrap_or_default()
}

/// Sees that a success holds a JSON object that is no error in disguise. The decoder reads the rest.
fn check_body(body: &[u8], with_cursor: bool) -> Result<(), ApiError> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::NotJson);
    }
    if body.len() <= MAX_DISGUISED_BYTES
        && let Some(error) = ApiError::from_error_envelope(200, body, with_cursor)
    {
        return Err(error);
    }
    Ok(())
}

fn lost_before_headers(error: reqwest::Error) -> ApiError {
    let reason = if error.is_timeout() && !error.is_connect() {
        LostAnswer::TimedOut
    } else if error.is_connect() {
        LostAnswer::Connect
    } else {
        LostAnswer::BeforeHeaders
    };
    lost(reason, error)
}

fn lost_within_body(error: reqwest::Error) -> ApiError {
    let reason = if error.is_timeout() {
        LostAnswer::TimedOut
    } else {
        LostAnswer::WithinBody
    };
    lost(reason, error)
}

fn lost(reason: LostAnswer, error: reqwest::Error) -> ApiError {
    ApiError::Unreachable {
        reason,
        // The address holds ids and cursors.
        source: Arc::new(error.without_url()),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests;
