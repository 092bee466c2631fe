//! The transport of a real client: connections with trusted certificates, fixed headers and timeouts. The only file with
//! `reqwest`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};

use crate::api::error::LostAnswer;
use crate::api::transport::{Incoming, Outgoing, Transport};
use crate::api::{ApiError, ApiKey, ApiSettings, BaseUrl, SetupError};
use crate::trust::TrustFault;

const INTEGRATION_HEADER: HeaderName = HeaderName::from_static("x-integration-id");

/// The connections that all requests of a key share.
#[derive(Clone)]
pub struct HttpTransport(reqwest::Client);

impl HttpTransport {
    /// Prepares connections. Opens none.
    pub fn new(
        base_url: &BaseUrl,
        key: &ApiKey,
        settings: &ApiSettings,
    ) -> Result<Self, SetupError> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .expect("keys are visible ASCII");
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
            .connect_timeout(seconds(settings.connect_timeout_secs))
            .read_timeout(seconds(settings.read_timeout_secs))
            .tcp_keepalive(Duration::from_mins(1));
        if base_url.is_loopback() {
            builder = builder.no_proxy();
        }
        if !base_url.is_encrypted() {
            // Without encryption the machine's certificates are not needed, so a missing certificate store is no error.
            builder = builder.tls_certs_only([]);
        }
        let refused = |error: reqwest::Error| match TrustFault::of(&error) {
            Some(fault) => SetupError::Trust { fault },
            None => SetupError::Client {
                reason: innermost(&error),
            },
        };
        builder.build().map(Self).map_err(refused)
    }
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's own text shows its default headers.
        f.write_str("HttpTransport")
    }
}

impl Transport for HttpTransport {
    type Incoming = reqwest::Response;

    async fn send(&self, request: Outgoing<'_>) -> Result<Self::Incoming, ApiError> {
        let mut sent = self.0.get(request.url.clone());
        if let Some(id) = request.integration {
            let value = HeaderValue::from_str(id.as_str()).expect("ids are visible ASCII");
            sent = sent.header(INTEGRATION_HEADER, value);
        }
        sent.send().await.map_err(lost_before_headers)
    }
}

impl Incoming for reqwest::Response {
    fn status(&self) -> u16 {
        Self::status(self).as_u16()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    fn content_length(&self) -> Option<u64> {
        Self::content_length(self)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        Self::chunk(self).await.map_err(lost_within_body)
    }
}

/// Classifies a request without an answer by how far the request came.
fn lost_before_headers(error: reqwest::Error) -> ApiError {
    let reason = if let Some(fault) = TrustFault::of(&error) {
        LostAnswer::Trust(fault)
    } else if error.is_timeout() && !error.is_connect() {
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
        // The address is removed, because its query holds ids and cursors.
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
