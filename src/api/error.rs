//! What can go wrong between us and Kombo, by what the caller can do about it.
//!
//! Kombo's `code` decides, as its documentation asks; the HTTP status decides only where there is no code we know.
//! Kombo's `title` and `message` may name people, so they are never kept.

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

/// The longest code kept. Kombo's longest has 41 characters.
const MAX_CODE_BYTES: usize = 64;

/// A request that brought no answer to use.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The integration cannot be read for now. Look again slowly, or when a webhook says that it changed.
    #[error("the integration cannot be read for now: {}", why_parked(standing))]
    Parked {
        /// How it stands, and so what it waits for.
        standing: Standing,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The integration has no such rows to read. Its other endpoints may be fine, and nothing counts as deleted.
    #[error("the endpoint cannot be read for this integration: {reason}")]
    SkipEndpoint {
        /// Why.
        reason: ModelOff,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Deleted, or of another environment or region.
    #[error("kombo knows no such integration")]
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
    /// Nothing works with this key.
    #[error("kombo refuses the api key")]
    KeyRejected {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The key is limited to other addresses, so nothing works from here.
    #[error("the api key may not be used from this machine's address")]
    AddressRejected {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// A page with a cursor was called invalid. The walk can start again at its first page.
    #[error("kombo no longer accepts the cursor")]
    CursorDied {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Our mistake, or a filter Kombo does not take. The same request never works.
    #[error("kombo calls the request invalid, with status {status}")]
    InvalidRequest {
        /// HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Something asked for is not there: an id, or a path that this server does not have.
    #[error("kombo finds nothing there, with status {status}")]
    NotFound {
        /// HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// The budget of the key is spent, after all the retries allowed.
    #[error("kombo's rate limit was hit, and the retries allowed are used up")]
    RateLimited {
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Kombo or its load balancer is in trouble, after all the retries allowed.
    #[error("kombo is in trouble, with status {status}, and the retries allowed are used up")]
    Unavailable {
        /// HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// No whole answer arrived, after all the retries allowed.
    #[error("no whole answer came from kombo: {reason}")]
    Unreachable {
        /// Where it stopped.
        reason: LostAnswer,
        /// What the network said; holds no address with a query and no content.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// An answer that no rule here knows.
    #[error("kombo refuses the request, with status {status}{}", in_brackets(code.as_ref()))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Kombo's code.
        code: Option<ErrorCode>,
    },
    /// Sent elsewhere. The key goes nowhere but to the configured address.
    #[error("the server redirects elsewhere, with status {status}")]
    Redirected {
        /// HTTP status.
        status: u16,
    },
    /// A page above the size allowed.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The size allowed, decompressed.
        limit_bytes: u64,
    },
    /// The answer says that it succeeded and is no JSON object.
    #[error("the answer is not JSON")]
    NotJson,
    /// JSON, but not what this request is answered with.
    #[error("the answer lacks what {expected} must have")]
    Unexpected {
        /// What was asked for.
        expected: &'static str,
    },
}

/// Where an answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostAnswer {
    /// No connection came about.
    Connect,
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
            Self::Connect => "the connection failed",
            Self::TimedOut => "it took too long",
            Self::BeforeHeaders => "the connection broke before an answer",
            Self::WithinBody => "the answer broke off or was damaged",
        })
    }
}

/// How far an error reaches: what else is certain to fail with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorReach {
    /// This request.
    Request,
    /// Every request to this endpoint of this integration.
    Table,
    /// Every request for this integration.
    Integration,
    /// Every request with this key.
    Key,
}

/// Kombo's error code, such as `PLATFORM.INPUT_INVALID`. Anything not shaped like one is dropped: it could be a value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ErrorCode(Arc<str>);

impl ErrorCode {
    /// Takes a text that has the shape of a code.
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
    /// Classifies an answer that is not a success. `with_cursor` says whether the request carried a cursor.
    #[must_use]
    pub fn from_answer(status: u16, body: &[u8], with_cursor: bool) -> Self {
        let code = code_in(body);
        let meaning = code
            .as_ref()
            .and_then(|code| Meaning::of_code(code.as_str()))
            .unwrap_or_else(|| Meaning::of_status(status));
        match meaning {
            Meaning::Park(Standing::Unstated) => Self::Parked {
                // Kombo has invented one: its code says more than that it is unknown here.
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

    /// Classifies a success status whose body is Kombo's error envelope all the same; `None` for any other body.
    #[must_use]
    pub fn from_error_envelope(status: u16, body: &[u8], with_cursor: bool) -> Option<Self> {
        let envelope: ErrorEnvelope = json::from_slice(body).ok()?;
        (envelope.status.as_deref() == Some("error"))
            .then(|| Self::from_answer(status, body, with_cursor))
    }

    /// Returns whether the same request may succeed soon without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Unreachable { .. }
        )
    }

    /// Returns whether only the cursor failed, so that the walk can start again at its first page.
    #[must_use]
    pub fn is_dead_cursor(&self) -> bool {
        matches!(self, Self::CursorDied { .. })
    }

    /// Returns what else is certain to fail in the same way.
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

    /// Returns Kombo's code, where the answer had one.
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
        Standing::SetupPending => "kombo is still fetching it for the first time",
        Standing::SetupIncomplete => "its setup is not finished",
        Standing::QaFailed => "it failed kombo's quality check",
        Standing::Inactive => "it is switched off",
        _ => "kombo reports a conflict",
    }
}

fn in_brackets(code: Option<&ErrorCode>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
