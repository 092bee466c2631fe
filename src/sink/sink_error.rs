//! Why a sink failed, sorted by what the caller can do about the failure.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a sink did not do what it was asked. Wraps the sink's own error and shows that error's text and causes. The text
/// never quotes the value of a row.
#[derive(Clone, Debug)]
pub struct SinkError {
    error: Arc<dyn Error + Send + Sync>,
    advice: &'static str,
    is_retryable: bool,
    is_configuration: bool,
    cause: SinkCause,
}

/// Where the cause of an error is, as far as the caller can act on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkCause {
    /// Somewhere else: in the rows, in a rule of the sink, in the configuration.
    #[default]
    Other,
    /// The store did not do what it was asked: other tables fail as well.
    Store,
    /// A part of what is stored is damaged: other tables may be whole.
    Damage,
}

impl SinkError {
    /// Wraps an error that stays until the operator follows `advice`, one sentence that says what to do.
    pub fn new(error: impl Error + Send + Sync + 'static, advice: &'static str) -> Self {
        Self {
            error: Arc::new(error),
            advice,
            is_retryable: false,
            is_configuration: false,
            cause: SinkCause::Other,
        }
    }

    /// Sets whether the same work may succeed later without any change by the operator.
    #[must_use]
    pub fn retryable(self, is_retryable: bool) -> Self {
        Self {
            is_retryable,
            ..self
        }
    }

    /// Sets whether nothing works until the configuration changes.
    #[must_use]
    pub fn configuration(self, is_configuration: bool) -> Self {
        Self {
            is_configuration,
            ..self
        }
    }

    /// Sets where the cause is.
    #[must_use]
    pub fn caused_by(self, cause: SinkCause) -> Self {
        Self { cause, ..self }
    }

    /// Returns where the cause is.
    #[must_use]
    pub fn cause(&self) -> SinkCause {
        self.cause
    }

    /// Returns whether the same work may succeed later without any change by the operator.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_retryable
    }

    /// Returns whether nothing works until the configuration changes. The program then exits with code 78.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        self.is_configuration
    }

    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.advice
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for SinkError {
    /// `Display` already shows the wrapped error, so the chain goes on with the cause of the wrapped error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
