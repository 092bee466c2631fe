//! Builds the HTTP client: trusted certificates, fixed headers, timeouts.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderValue};

use crate::api::{ApiKey, ApiSettings, BaseUrl, SetupError};
use crate::trust::TrustFault;

/// Makes the client that all requests of a key share.
pub(super) fn client(
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
        .connect_timeout(seconds(settings.connect_timeout_secs))
        .read_timeout(seconds(settings.read_timeout_secs))
        .tcp_keepalive(Duration::from_mins(1));
    if base_url.is_loopback() {
        builder = builder.no_proxy();
    }
    if !base_url.is_encrypted() {
        // Without encryption the machine's certificates are not needed, so a missing certificate store is not an error.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| match TrustFault::of(&error) {
            Some(fault) => SetupError::Trust { fault },
            None => SetupError::Client {
                reason: innermost(&error),
            },
        })
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
