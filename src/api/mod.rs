//! Kombo's API: pages of rows, the state of an integration, and the check of a key. Reads only.
//!
//! [`KomboApi`] is the seam. The HTTP client [`HttpApi`] is one implementation, the twin served in-process is another.
//!
//! [`HttpApi`] waits for [`throttle`], sends the request by a [`Transport`], and reads the answer within limits. The
//! transport of a program that runs for its user is [`HttpTransport`]. [`retry`] decides about
//! another attempt. [`error`] says what an unsuccessful answer means for the caller. No other file may send a request
//! to Kombo or repeat one. Neither the key nor an address with its query may reach a log or an error. Kombo's answers
//! own the truth about the request budget.

mod answers;
mod error;
mod http;
mod look;
mod page_budget;
mod query;
mod retry;
mod sending;
mod server_time;
mod settings;
mod throttle;
mod traffic;
mod transport;
mod waits;

pub use error::{ApiError, ErrorCode, ErrorReach, LostAnswer};
pub use http::{HttpApi, HttpTransport};
pub use look::{Looked, look};
pub use page_budget::PageReservation;
pub use sending::SendingRight;
pub use settings::{ApiKey, ApiSettings, BaseUrl, Region, SetupError};
pub use throttle::ThrottleView;
pub use traffic::Traffic;
pub use transport::{Connect, Incoming, Outgoing, Transport};
pub use waits::{LongWaits, Wait, WaitReason};

use std::time::Duration;

use bytes::Bytes;

use crate::catalog::Endpoint;
use crate::customer::{CustomerInfo, EndUser, ModelAccess};
use crate::fetch::Lane;
use crate::ids::{Cursor, EnvironmentId, IntegrationId};
use crate::time::{Base, ObservedAt, ServerNow, UpdatedAfter};

/// The questions that the program asks Kombo. All of them are reads.
///
/// # Ordering
/// Calls may run at the same time and may be answered in any order. The pages of one walk come one after the other,
/// because each request needs the cursor of the page before.
///
/// # Duplicates
/// A call may send its request several times, since it retries errors that may pass. Kombo's answers may repeat a
/// record on a later page. Both are harmless, because nothing is written at Kombo.
///
/// # Cancellation and crashes
/// Each future may be dropped at any `.await`. A dropped call gives back its place in the request budget. Nothing
/// remains of a dropped call or after a crash.
///
/// # Errors
/// An [`ApiError`] says how far the failure reaches ([`ApiError::reach`]) and what the operator can do
/// ([`ApiError::advice`]). A retryable error is returned only after all allowed retries.
pub trait KomboApi: Send + Sync {
    /// Returns one page. Waits for the request budget and retries errors that may pass.
    fn page(&self, request: PageRequest<'_>)
    -> impl Future<Output = Result<Page, ApiError>> + Send;

    /// Returns what Kombo tells about an integration and the models that can be read (`GET /integrations/{id}`).
    fn integration(
        &self,
        id: &IntegrationId,
    ) -> impl Future<Output = Result<IntegrationInfo, ApiError>> + Send;

    /// Asks the same when nothing waits for the answer. The request gives way to every other request.
    fn integration_at_leisure(
        &self,
        id: &IntegrationId,
    ) -> impl Future<Output = Result<IntegrationInfo, ApiError>> + Send {
        self.integration(id)
    }

    /// Returns the environment that the key belongs to (`GET /check-api-key`).
    fn check_key(&self) -> impl Future<Output = Result<KeyInfo, ApiError>> + Send;

    /// Returns the server's current time, estimated from the answers so far. Returns `None` before the first answer
    /// with a usable `Date` header.
    fn server_now(&self) -> Option<ServerNow>;

    /// Returns what keeps all requests from leaving. Returns `None` while nothing does, or when nothing is known.
    fn waits(&self) -> Option<Wait> {
        None
    }

    /// Returns for how long Kombo has not answered, or has answered with errors of its own only. `None` when the last
    /// request was answered, or when nothing is known.
    fn unreachable_for(&self) -> Option<Duration> {
        None
    }
}

/// The request for one page. Each request repeats all filters, because Kombo's cursor does not carry filters.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// The integration whose rows are wanted.
    pub integration: &'a IntegrationId,
    /// The endpoint whose rows are wanted.
    pub endpoint: &'a Endpoint,
    /// Asks only for rows that changed after this instant.
    pub updated_after: Option<UpdatedAfter>,
    /// Asks only for rows with these ids. Empty for all rows.
    pub ids: &'a [String],
    /// The cursor of the wanted page. `None` for the first page.
    pub cursor: Option<&'a Cursor>,
    /// The lane whose share of the request budget pays.
    pub lane: Lane,
}

/// The body of one page, not parsed yet, and the instants that the answer brought.
pub struct Page {
    /// The JSON text, decompressed.
    pub body: Bytes,
    /// The bytes that the page holds of the client's memory budget. Kept until the rows of the page are handed on, and
    /// dropped before the next page is waited for.
    pub reserved: PageReservation,
    /// The server-clock instant up to which a fetch that began with this page covers its table. `None` without a usable
    /// `Date` header.
    pub base: Option<Base>,
    /// The server's estimated time when it answered.
    pub observed_at: ObservedAt,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({} bytes, base {:?})", self.body.len(), self.base)
    }
}

/// What `GET /integrations/{id}` tells. Holds only the parts that the program uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationInfo {
    /// The connected tool's slug.
    pub tool: String,
    /// The category in upper case, as Kombo writes it: `HRIS`.
    pub category: String,
    /// The state of the integration: `ACTIVE`, `INVALID` or `INACTIVE`.
    pub status: String,
    /// The state of the setup: `COMPLETED` once rows can be read.
    pub setup_status: Option<String>,
    /// Set when scopes or filters changed. The data is then stale until Kombo's next sync.
    pub data_expired_at: Option<String>,
    /// The models of the integration, each with whether the model and its fields can be read.
    pub read_models: Vec<ModelAccess>,
    /// Who the customer is.
    pub end_user: EndUser,
    /// The server's estimated time when it answered.
    pub observed_at: ObservedAt,
}

impl IntegrationInfo {
    /// Returns the parts that describe the customer.
    #[must_use]
    pub fn customer(&self, integration: &IntegrationId) -> CustomerInfo {
        CustomerInfo {
            integration: integration.clone(),
            end_user: self.end_user.clone(),
            models: self.read_models.clone(),
        }
    }
}

/// What `GET /check-api-key` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The environment that the key belongs to.
    pub environment_id: EnvironmentId,
}
