//! Kombo's API: pages of rows, what an integration can read, whether a key works.
//!
//! [`KomboApi`] is the seam: the HTTP client is one implementation, the twin served in-process another.
//!
//! [`HttpApi`] asks [`throttle`] for leave, sends, reads the answer within bounds, and has [`retry`] decide about another
//! attempt. [`error`] says what an answer that is no success means for the caller.

mod answers;
mod error;
mod http;
mod look;
mod query;
mod retry;
mod server_time;
mod settings;
mod throttle;
mod traffic;

pub use error::{ApiError, ErrorCode, ErrorReach, LostAnswer};
pub use http::HttpApi;
pub use look::{Looked, look};
pub use settings::{ApiKey, ApiSettings, BaseUrl, Region, SetupError};
pub use throttle::ThrottleView;
pub use traffic::Traffic;

use bytes::Bytes;

use crate::catalog::Endpoint;
use crate::fetch::Lane;
use crate::ids::{Cursor, EnvironmentId, IntegrationId};
use crate::time::{Base, ObservedAt, ServerNow, UpdatedAfter};

/// What the rest of the program asks of Kombo.
pub trait KomboApi: Send + Sync {
    /// Asks for one page. Waits for the throttle; retries what is worth retrying.
    fn page(&self, request: PageRequest<'_>)
    -> impl Future<Output = Result<Page, ApiError>> + Send;

    /// Asks what an integration is and which models it can read (`GET /integrations/{id}`).
    fn integration(
        &self,
        id: &IntegrationId,
    ) -> impl Future<Output = Result<IntegrationInfo, ApiError>> + Send;

    /// Asks which environment the key belongs to (`GET /check-api-key`).
    fn check_key(&self) -> impl Future<Output = Result<KeyInfo, ApiError>> + Send;

    /// Returns the server's time now, by the answers so far; `None` before the first that bore a usable `Date`.
    fn server_now(&self) -> Option<ServerNow>;
}

/// One page to ask for. Filters are repeated on every page: the cursor does not carry them.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// Whose rows.
    pub integration: &'a IntegrationId,
    /// Which rows.
    pub endpoint: &'a Endpoint,
    /// Only rows changed after this instant.
    pub updated_after: Option<UpdatedAfter>,
    /// Only these ids; empty for all.
    pub ids: &'a [String],
    /// Where to go on; `None` for the first page.
    pub cursor: Option<&'a Cursor>,
    /// Which share of the budget pays.
    pub lane: Lane,
}

/// The body of one page, not parsed yet, and the instants that came with it.
#[derive(Clone)]
pub struct Page {
    /// Decompressed JSON.
    pub body: Bytes,
    /// The instant up to which a fetch that began with this page covers its table. `None` without a usable `Date`.
    pub base: Option<Base>,
    /// The server's time when the page was answered, by the best estimate.
    pub observed_at: ObservedAt,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({} bytes, base {:?})", self.body.len(), self.base)
    }
}

/// What `GET /integrations/{id}` tells, as far as we read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationInfo {
    /// The connected tool's slug.
    pub tool: String,
    /// Upper-case category as Kombo writes it: `HRIS`.
    pub category: String,
    /// `ACTIVE`, `INVALID` or `INACTIVE`.
    pub status: String,
    /// `COMPLETED` once rows can be read.
    pub setup_status: Option<String>,
    /// When set, scopes or filters changed and the data is stale until Kombo has fetched it again.
    pub data_expired_at: Option<String>,
    /// Models and whether they can be read.
    pub read_models: Vec<ReadModel>,
    /// The server's time when it answered, by the best estimate.
    pub observed_at: ObservedAt,
}

/// One model of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadModel {
    /// Model name, as in `data-changed`.
    pub id: String,
    /// The tool offers it and nobody switched it off.
    pub is_available: bool,
}

/// What `GET /check-api-key` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The environment the key belongs to.
    pub environment_id: EnvironmentId,
}
