//! What carries a request to Kombo and brings back the answer.
//!
//! Above this seam are the rules: rate, retries, the pause of an outage, limits, Kombo's clock. Below it are connections
//! and nothing else. So a program that brings its own transport, such as a simulator, runs all the rules.

use bytes::Bytes;
use url::Url;

use super::{ApiError, ApiKey, ApiSettings, BaseUrl, SetupError};
use crate::ids::IntegrationId;

/// A request to Kombo. All requests are `GET`.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The address with its query.
    pub url: &'a Url,
    /// The integration that the header `X-Integration-Id` names, where the endpoint demands it.
    pub integration: Option<&'a IntegrationId>,
}

impl std::fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query holds ids and cursors.
        write!(f, "Outgoing({})", self.url.path())
    }
}

/// Carries requests that bear the API key. Never sends a request twice by itself, and follows no redirect.
///
/// # Cancellation
/// A dropped future leaves nothing behind but a request that Kombo may have counted.
pub trait Transport: Send + Sync + 'static {
    /// What an answer is until its body has been read.
    type Incoming: Incoming;

    /// Sends a request. Returns once the headers of the answer are here.
    fn send(
        &self,
        request: Outgoing<'_>,
    ) -> impl Future<Output = Result<Self::Incoming, ApiError>> + Send;
}

/// An answer whose body is still on its way.
pub trait Incoming: Send {
    /// Returns the HTTP status.
    fn status(&self) -> u16;

    /// Returns the value of a header. The name is in lower case.
    fn header(&self, name: &str) -> Option<&str>;

    /// Returns how many bytes the whole body has, where the headers say it.
    fn content_length(&self) -> Option<u64>;

    /// Returns the next bytes of the body, decompressed. `None` after the last ones.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, ApiError>> + Send;
}

/// Makes the transport of a key. Called again when the key or the settings change.
pub type Connect<T> =
    dyn Fn(&BaseUrl, &ApiKey, &ApiSettings) -> Result<T, SetupError> + Send + Sync;
