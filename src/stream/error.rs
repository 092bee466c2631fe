//! Why a fetch stops short, by what the caller can do about it.

use std::time::Duration;

use crate::api::ApiError;
use crate::decode::DecodeError;

/// Why a fetch did not reach its last page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Kombo did not give the page.
    #[error("fetching page {page} failed")]
    Page {
        /// Counted from 1.
        page: u64,
        /// Why.
        #[source]
        source: ApiError,
    },
    /// The page could not be read.
    #[error("decoding page {page} failed")]
    Decode {
        /// Counted from 1.
        page: u64,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A cursor came a second time, so the walk would never end.
    #[error("page {page} points back to a page this walk has already seen")]
    CursorLoop {
        /// Counted from 1.
        page: u64,
    },
    /// The walk took too long for its base.
    #[error("the walk is older than {} s at page {page}", max_age.as_secs())]
    TooOld {
        /// Counted from 1.
        page: u64,
        /// The bound.
        max_age: Duration,
    },
    /// The pages of a snapshot ended before its rows did.
    #[error(
        "the full fetch ended after {rows} rows, and at least {found} rows that it lacks exist at Kombo"
    )]
    CutShort {
        /// Rows that it brought.
        rows: u64,
        /// Rows that it lacks and that Kombo has when it is asked for just them.
        found: u64,
    },
    /// A task of the fetch was stopped: the program is shutting down.
    #[error("the fetch was stopped at page {page}")]
    Stopped {
        /// Counted from 1.
        page: u64,
    },
}

impl FetchError {
    /// Returns whether a fresh walk from the first page may succeed at once.
    #[must_use]
    pub fn restarts(&self) -> bool {
        match self {
            Self::Page { page, source } => {
                matches!(source, ApiError::NotJson) || (*page > 1 && source.is_dead_cursor())
            }
            Self::Decode { source, .. } => source.is_retryable(),
            Self::CursorLoop { .. } | Self::TooOld { .. } | Self::CutShort { .. } => true,
            Self::Stopped { .. } => false,
        }
    }

    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Page { source, .. } => source.advice(),
            Self::Decode {
                source: DecodeError::PageTooBig { .. },
                ..
            } => "raise request.max_page_bytes, or lower request.page_size",
            Self::Decode { .. } => {
                "check that the address is Kombo's and no proxy answers for it; if it is, report the endpoint to Kombo"
            }
            Self::CursorLoop { .. } => {
                "run it again; if it stays, report the endpoint to Kombo: its paging does not end"
            }
            Self::CutShort { .. } => {
                "run it again: the rows that were found are in deltas, and the full fetch before stays; if it stays, report the endpoint to Kombo: its pages end before its rows do"
            }
            Self::TooOld { .. } => "raise the rate limit or fetch fewer tables at once",
            Self::Stopped { .. } => "run it again: nothing of this fetch was committed",
        }
    }
}
