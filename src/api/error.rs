//! Errors of the API, sorted by what the caller can do about them.
//!
//! Kombo's `code` decides, as Kombo's documentation asks. The HTTP status decides only when there is no code or an
//! unknown code. Kombo's `title` and `message` may hold names of people, so they are never kept.

mod advice;
mod codes;
mod standing;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use codes::Meaning;

use crate::json;
use crate::plan::{ModelOff, Standing};
use crate::trust::TrustFault;

/// The greatest length of a code that is kept, in bytes. Kombo's longest code has 41 characters.
const MAX_CODE_BYTES: usize = 64;

/// A request without a usable answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The integration cannot be read for now. The caller parks the integration and asks again after an interval, or
    /// when a webhook reports a change.
    #[error("the integration cannot be read for now: {}", why_parked(standing))]
    Parked {
        /// The state of the integration. It says what the integration waits for.
        standing: Standing,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The integration has no rows at this endpoint. Other endpoints of the integration may work, and no row counts as
    /// deleted.
    #[error("the endpoint cannot be read for this integration: {reason}")]
    SkipEndpoint {
        /// The reason.
        reason: ModelOff,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The integration was deleted, or belongs to another environment or region.
    #[error("Kombo does not know the integration")]
    IntegrationGone {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The customer must connect the tool again.
    #[error("the connected tool refuses the credentials of the integration")]
    IntegrationUnauthorized {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The customer must grant a permission.
    #[error("the connected account lacks a permission to read these rows")]
    PermissionMissing {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Kombo refuses the key, so no request with this key works.
    #[error("Kombo refuses the API key")]
    KeyRejected {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The key is limited to other network addresses, so no request from this machine works.
    #[error("the API key may not be used from this machine's address")]
    AddressRejected {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Kombo calls a request with a cursor invalid. The walk can start again at its first page.
    #[error("Kombo no longer accepts the cursor")]
    CursorDied {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The request itself is wrong, or Kombo does not accept a filter. The same request never works.
    #[error("Kombo calls the request invalid (status {status})")]
    InvalidRequest {
        /// The HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Kombo finds no such thing: an unknown id, or a path that the server does not have.
    #[error("Kombo finds nothing at the requested address (status {status})")]
    NotFound {
        /// The HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The request budget of the key is used up, and so are all allowed retries.
    #[error("Kombo's rate limit was reached, and all retries are used up")]
    RateLimited {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Kombo or its load balancer has a fault, and all allowed retries are used up.
    #[error("Kombo answers with a server error (status {status}), and all retries are used up")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// No complete answer arrived, and all allowed retries are used up.
    #[error("no complete answer came from Kombo: {reason}")]
    Unreachable {
        /// Where the answer was lost.
        reason: LostAnswer,
        /// The error of the network. Holds no address with a query and no content.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The answer has a code or status without a rule here.
    #[error("Kombo refuses the request (status {status}{})", after_comma(code.as_ref()))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The server redirects to another address. The key is sent only to the configured address, so redirects are not
    /// followed.
    #[error("the server redirects to another address (status {status})")]
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// The page is larger than allowed.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Largest allowed page in bytes, after decompression.
        limit_bytes: u64,
    },
    /// The answer has the status of a success but is not a JSON object.
    #[error("the answer is not JSON")]
    NotJson,
    /// The answer is JSON, but lacks what an answer to this request must have.
    #[error("the answer does not describe {expected}")]
    Unexpected {
        /// The expected answer.
        expected: &'static str,
    },
}

/// Where an answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostAnswer {
    /// No connection was established.
    Connect,
    /// No encrypted connection was established.
    Trust(TrustFault),
    /// Nothing arrived for too long.
    TimedOut,
    /// The connection broke before the headers.
    BeforeHeaders,
    /// The connection broke within the body, or the body was damaged.
    WithinBody,
}

impl fmt::Display for LostAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trust(fault) => return fault.fmt(f),
            Self::Connect => "the connection failed",
            Self::TimedOut => "the answer took too long",
            Self::BeforeHeaders => "the connection broke before an answer",
            Self::WithinBody => "the answer broke off or was damaged",
        })
    }
}

/// How far an error reaches: which other requests are certain to fail, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorReach {
    /// Only this request.
    Request,
    /// Every request to this endpoint of this integration.
    Table,
    /// Every request for this integration.
    Integration,
    /// Every request with this key.
    Key,
}

/// Kombo's error code, such as `PLATFORM.INPUT_INVALID`. A text of another shape is dropped, because it could be a row
/// value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ErrorCode(Arc<str>);

impl ErrorCode {
    /// Returns the code, or `None` when the text does not have the shape of a code.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        let (area, name) = text.split_once('.')?;
        (text.len() <= MAX_CODE_BYTES && word(area) && word(name)).then(|| Self(text.into()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ApiError {
    /// Classifies an unsuccessful answer. `with_cursor` says whether the request carried a cursor.
    #[must_use]
    pub fn from_answer(status: u16, body: &[u8], with_cursor: bool) -> Self {
        let code = code_in(body);
        let meaning = code
            .as_ref()
            .and_then(|code| Meaning::of_code(code.as_str()))
            .unwrap_or_else(|| Meaning::of_status(status));
        match meaning {
            Meaning::Park(Standing::Unstated) => Self::Parked {
                // Kombo may add codes. The unknown code tells the operator more than "unknown" would.
                standing: (code.as_ref())
                    .map_or(Standing::Unstated, |code| Standing::other(&code.0)),
                code,
            },
            Meaning::Park(standing) => Self::Parked { standing, code },
            Meaning::Skip(reason) => Self::SkipEndpoint { reason, code },
            Meaning::Gone => Self::IntegrationGone { code },
            Meaning::Unauthorized => Self::IntegrationUnauthorized { code },
            Meaning::Permission => Self::PermissionMissing { code },
            Meaning::Key => Self::KeyRejected { code },
            Meaning::Address => Self::AddressRejected { code },
            Meaning::Invalid if with_cursor => Self::CursorDied { code },
            Meaning::Invalid => Self::InvalidRequest { status, code },
            Meaning::NotFound => Self::NotFound { status, code },
            Meaning::RateLimited => Self::RateLimited { code },
            Meaning::Retry => Self::Unavailable { status, code },
            Meaning::Redirect => Self::Redirected { status },
            Meaning::Refused => Self::Refused { status, code },
        }
    }

    /// Classifies an answer with a successful status whose body is Kombo's error envelope. Returns `None` for any other
    /// body.
    #[must_use]
    pub fn from_error_envelope(status: u16, body: &[u8], with_cursor: bool) -> Option<Self> {
        let envelope: ErrorEnvelope = json::from_slice(body).ok()?;
        (envelope.status.as_deref() == Some("error"))
            .then(|| Self::from_answer(status, body, with_cursor))
    }

    /// Returns whether the same request may succeed soon without any change by the operator.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Unreachable { .. }
        )
    }

    /// Returns whether the same request may succeed within a minute. A certificate that is not trusted now is not trusted
    /// then.
    #[must_use]
    pub(super) fn is_momentary(&self) -> bool {
        let is_trust = matches!(
            self,
            Self::Unreachable {
                reason: LostAnswer::Trust(_),
                ..
            }
        );
        self.is_retryable() && !is_trust
    }

    /// Returns whether only the cursor failed, so that the walk can start again at its first page.
    #[must_use]
    pub fn is_dead_cursor(&self) -> bool {
        matches!(self, Self::CursorDied { .. })
    }

    /// Returns which other requests are certain to fail in the same way.
    #[must_use]
    pub fn reach(&self) -> ErrorReach {
        match self {
            Self::KeyRejected { .. } | Self::AddressRejected { .. } | Self::Redirected { .. } => {
                ErrorReach::Key
            }
            Self::Parked { .. }
            | Self::IntegrationGone { .. }
            | Self::IntegrationUnauthorized { .. } => ErrorReach::Integration,
            Self::SkipEndpoint { .. } | Self::PermissionMissing { .. } => ErrorReach::Table,
            _ => ErrorReach::Request,
        }
    }

    /// Returns Kombo's code, if the answer had one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Parked { code, .. }
            | Self::SkipEndpoint { code, .. }
            | Self::IntegrationGone { code }
            | Self::IntegrationUnauthorized { code }
            | Self::PermissionMissing { code }
            | Self::KeyRejected { code }
            | Self::AddressRejected { code }
            | Self::CursorDied { code }
            | Self::InvalidRequest { code, .. }
            | Self::NotFound { code, .. }
            | Self::RateLimited { code }
            | Self::Unavailable { code, .. }
            | Self::Refused { code, .. } => code.as_ref().map(ErrorCode::as_str),
            Self::Unreachable { .. }
            | Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::NotJson
            | Self::Unexpected { .. } => None,
        }
    }
}

/// The parts of Kombo's error envelope that are kept.
#[derive(Deserialize)]
struct ErrorEnvelope {
    status: Option<String>,
    error: Option<ErrorMember>,
}

#[derive(Deserialize)]
struct ErrorMember {
    code: Option<String>,
}

fn code_in(body: &[u8]) -> Option<ErrorCode> {
    let envelope: ErrorEnvelope = json::from_slice(body).ok()?;
    ErrorCode::new(&envelope.error?.code?)
}

fn why_parked(standing: &Standing) -> &'static str {
    match standing {
        Standing::SetupPending => "Kombo's first sync of the integration is not finished",
        Standing::SetupIncomplete => "the setup of the integration is not finished",
        Standing::QaFailed => "the integration failed Kombo's quality check",
        Standing::Inactive => "the integration is switched off",
        _ => "Kombo reports a conflict",
    }
}

fn after_comma(code: Option<&ErrorCode>) -> String {
    code.map(|code| format!(", {code}")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
