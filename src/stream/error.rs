//! Why a fetch stops before its end, sorted by what the caller can do about it.

use std::time::Duration;

use crate::api::ApiError;
use crate::decode::DecodeError;

/// Why a fetch did not reach its last page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Kombo did not send the page.
    #[error("fetching page {page} failed")]
    Page {
        /// Page number, counted from 1.
        page: u64,
        /// The cause.
        #[source]
        source: ApiError,
    },
    /// The page could not be read.
    #[error("decoding page {page} failed")]
    Decode {
        /// Page number, counted from 1.
        page: u64,
        /// The cause.
        #[source]
        source: DecodeError,
    },
    /// A cursor came a second time, so the walk would never end.
    #[error("the cursor of page {page} points back to an earlier page")]
    CursorLoop {
        /// Page number, counted from 1.
        page: u64,
    },
    /// Page after page came without a row that is new to the walk, each with a new cursor, so the walk would never end.
    #[error("the last {pages} pages up to page {page} brought no new row, and still no end")]
    NothingNew {
        /// Page number, counted from 1.
        page: u64,
        /// Number of pages in a row without a new row.
        pages: u64,
    },
    /// The walk took longer than its base may age.
    #[error("the fetch took longer than {} s and ended at page {page}", max_age.as_secs())]
    TooOld {
        /// Page number, counted from 1.
        page: u64,
        /// The greatest age of a walk.
        max_age: Duration,
    },
    /// The pages of a snapshot ended before all of its rows had come.
    #[error(
        "the full fetch ended after {rows} rows, but at least {found} more rows exist at Kombo"
    )]
    CutShort {
        /// Number of rows that the full fetch brought.
        rows: u64,
        /// Number of rows that the full fetch lacks and that Kombo sends when asked for them by id.
        found: u64,
    },
    /// A task of the fetch was stopped because the program is shutting down.
    #[error("the fetch was stopped at page {page}")]
    Stopped {
        /// Page number, counted from 1.
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
            // Each further walk would cost as many requests for nothing.
            Self::NothingNew { .. } | Self::Stopped { .. } => false,
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
                "check that the address is Kombo's and that no proxy answers in its place; if the address is right, report the endpoint to Kombo"
            }
            Self::CursorLoop { .. } => {
                "run the fetch again; if the error stays, report to Kombo that the paging of this endpoint does not end"
            }
            Self::NothingNew { .. } => {
                "nothing of the fetch was committed, and the rows of earlier fetches stay; run the fetch again later, and if the error stays, report to Kombo that the paging of this endpoint does not end"
            }
            Self::CutShort { .. } => {
                "run the full fetch again: the found rows are in deltas, and the previous full fetch stays in use; if the error stays, report to Kombo that the pages of this endpoint end before all rows have come"
            }
            Self::TooOld { .. } => {
                "fetch fewer tables at once, or raise request.rate_limit_num if Kombo allows more requests"
            }
            Self::Stopped { .. } => "run the command again: nothing of this fetch was committed",
        }
    }
}
