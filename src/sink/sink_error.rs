//! Why a sink failed, by what its caller can do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a sink did not do what it was asked. It stands for the error of the sink's own: its text and its causes are those
/// of that error. Never quotes the value of a row.
#[derive(Clone, Debug)]
pub struct SinkError {
    error: Arc<dyn Error + Send + Sync>,
    advice: &'static str,
    is_retryable: bool,
    is_configuration: bool,
}

impl SinkError {
    /// Takes an error that stays until somebody does what `advice` says, in one sentence for the operator.
    pub fn new(error: impl Error + Send + Sync + 'static, advice: &'static str) -> Self {
        Self {
            error: Arc::new(error),
            advice,
            is_retryable: false,
            is_configuration: false,
        }
    }

    /// Says whether the same work may succeed later without anyone doing anything.
    #[must_use]
    pub fn retryable(self, is_retryable: bool) -> Self {
        Self {
            is_retryable,
            ..self
        }
    }

    /// Says whether the configuration has to change before anything works.
    #[must_use]
    pub fn configuration(self, is_configuration: bool) -> Self {
        Self {
            is_configuration,
            ..self
        }
    }

    /// Returns whether the same work may succeed later without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_retryable
    }

    /// Returns whether the configuration has to change before anything works: exit code 78.
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
    /// The error stands in this one's place, so its cause is the next in the chain.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
