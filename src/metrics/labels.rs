//! The values of labels. Each list is closed, so that a request from outside cannot create a series.

use crate::fetch::Lane;
use crate::webhook::{SignatureError, WebhookError};

/// The type of an error: Vector's values of the label `error_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorType {
    /// Kombo refuses the API key, or the connected tool refuses its credentials.
    AuthenticationFailed,
    /// Kombo refuses a request, or does not answer.
    RequestFailed,
    /// Rows did not reach the lake.
    WriterFailed,
    /// A new configuration was not taken.
    ConfigurationFailed,
}

impl ErrorType {
    /// Returns Vector's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthenticationFailed => "authentication_failed",
            Self::RequestFailed => "request_failed",
            Self::WriterFailed => "writer_failed",
            Self::ConfigurationFailed => "configuration_failed",
        }
    }
}

/// Where an error happened: Vector's values of the label `stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorStage {
    /// Before rows were requested.
    Initializing,
    /// Between Kombo and the source.
    Receiving,
    /// While rows were decoded, or requests planned.
    Processing,
    /// Between the source and the lake.
    Sending,
}

impl ErrorStage {
    /// Returns Vector's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Receiving => "receiving",
            Self::Processing => "processing",
            Self::Sending => "sending",
        }
    }
}

/// The outcome of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// Accepted: answered with 200.
    Accepted,
    /// Not taken for now: answered with 503 and `Retry-After`.
    Overloaded,
    /// Answered with 503 before the body was read: bodies of others took all of their memory.
    NoRoom,
    /// Answered with 429 before the body was read: the address sent too many unsigned requests.
    Limited,
    /// The signature is missing, malformed or wrong.
    Unsigned(SignatureError),
    /// Signed by Kombo, but not a webhook that can be parsed.
    NotUnderstood(WebhookError),
}

impl WebhookOutcome {
    /// Returns the value of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Overloaded => "overloaded",
            Self::NoRoom => "no_room",
            Self::Limited => "limited",
            Self::Unsigned(error) => error.as_str(),
            Self::NotUnderstood(error) => error.as_str(),
        }
    }
}

/// The result of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchResult {
    /// Rows of the fetch are in the lake.
    Committed,
    /// The fetch found nothing new.
    Empty,
    /// Another writer committed a newer fetch of the table first.
    Superseded,
    /// Kombo does not let the integration be read for now.
    Parked,
    /// Kombo does not let the table be read for now: its model is off.
    LeftOut,
    /// Failed, and will be tried again.
    Failed,
}

impl FetchResult {
    pub(super) const ALL: [Self; 6] = [
        Self::Committed,
        Self::Empty,
        Self::Superseded,
        Self::Parked,
        Self::LeftOut,
        Self::Failed,
    ];

    /// Returns the value of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Empty => "empty",
            Self::Superseded => "superseded",
            Self::Parked => "parked",
            Self::LeftOut => "left_out",
            Self::Failed => "failed",
        }
    }
}

/// The result of a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FoldResult {
    /// All changes are in `current`.
    Folded,
    /// The guard holds some changes back; all others are in `current`.
    Held,
    /// Failed, and will be tried again.
    Failed,
    /// No change was waiting.
    Nothing,
}

impl FoldResult {
    pub(super) const ALL: [Self; 4] = [Self::Folded, Self::Held, Self::Failed, Self::Nothing];

    /// Returns the value of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folded => "folded",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Nothing => "nothing",
        }
    }
}

/// Returns the value of the label `lane`.
pub(super) fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Notified => "notified",
        Lane::CatchUp => "catch_up",
        Lane::Snapshot => "snapshot",
        Lane::Backfill => "backfill",
    }
}

/// Returns the class of an HTTP status, because a series for each status would be too many.
pub(super) fn status_class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    }
}
