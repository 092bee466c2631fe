//! Why a fetch was not stored: either the fetch or the store failed.

use crate::sink::SinkError;
use crate::stream::FetchError;

/// Why a fetch was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The fetch did not reach its last page.
    #[error("the fetch did not reach its last page")]
    Fetch(#[source] FetchError),
    /// The rows could not be stored.
    #[error("the rows could not be stored")]
    Store(#[from] SinkError),
}

impl WriteError {
    /// Returns whether a snapshot is known to have ended before all of its rows came.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::CutShort { .. }))
    }

    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.advice(),
            Self::Store(error) => error.advice(),
        }
    }
}
