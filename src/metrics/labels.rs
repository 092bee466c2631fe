//! The words that may stand in labels. Each list is closed, so nothing that a stranger sends can make a series.

use crate::fetch::Lane;
use crate::webhook::{SignatureError, WebhookError};

/// What went wrong, in Vector's words for `error_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorType {
    /// A key or a connection that Kombo refuses.
    AuthenticationFailed,
    /// A request that Kombo refuses.
    RequestFailed,
    /// Rows that did not reach the lake.
    WriterFailed,
    /// A configuration that was not taken.
    ConfigurationFailed,
}

impl ErrorType {
    /// Returns Vector's word.
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

/// Where it went wrong, in Vector's words for `stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorStage {
    /// Before anything was received.
    Initializing,
    /// Between Kombo and us.
    Receiving,
    /// In decoding and planning.
    Processing,
    /// Between us and the lake.
    Sending,
}

impl ErrorStage {
    /// Returns Vector's word.
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

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// Answered with 200.
    Accepted,
    /// Answered with 503: come again.
    Overloaded,
    /// Not from Kombo.
    Unsigned(SignatureError),
    /// From Kombo, and not understood.
    NotUnderstood(WebhookError),
}

impl WebhookOutcome {
    /// Returns a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Overloaded => "overloaded",
            Self::Unsigned(error) => error.as_str(),
            Self::NotUnderstood(error) => error.as_str(),
        }
    }
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchResult {
    /// Its rows are in the lake.
    Committed,
    /// It brought nothing new.
    Empty,
    /// Another writer was there first.
    Superseded,
    /// The integration cannot be read now.
    Parked,
    /// The table cannot be read now: its model is off.
    LeftOut,
    /// It will be tried again.
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

    /// Returns a label.
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

/// How a fold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FoldResult {
    /// Everything due is in `current`.
    Folded,
    /// Some of it is held back; the rest is in `current`.
    Held,
    /// It will be tried again.
    Failed,
    /// Nothing was due.
    Nothing,
}

impl FoldResult {
    pub(super) const ALL: [Self; 4] = [Self::Folded, Self::Held, Self::Failed, Self::Nothing];

    /// Returns a label.
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

/// Returns the label of a lane.
pub(super) fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Notified => "notified",
        Lane::CatchUp => "catch_up",
        Lane::Snapshot => "snapshot",
        Lane::Backfill => "backfill",
    }
}

/// Returns the class of a status: there are too many statuses for a series each.
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
