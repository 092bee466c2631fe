//! What can go wrong between us and Kombo, by what the caller can do about it.

/// A request that brought no answer to use.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// Placeholder.
    #[error("kombo answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
}

impl ApiError {
    /// Reads an error out of an answer that is no success.
    #[must_use]
    pub fn from_answer(status: u16, _body: &[u8], _with_cursor: bool) -> Self {
        Self::Status { status }
    }

    /// Returns whether the same request may succeed later without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Status { status } if *status >= 500)
    }
}
