//! Result of the fetch of a table, and of every row that was received.

use tracing::{info, warn};

use crate::api::{ApiError, ErrorReach};
use crate::fetch::{Counts, FetchMode};
use crate::ids::TableId;
use crate::sink::{SinkError, WriteError};
use crate::stream::{FetchError, Verdicts};
use crate::time::Base;
use crate::words::{counted, with_causes};

/// Result of the fetch of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Mode of the fetch.
    pub mode: FetchMode,
    /// Instant up to which the table is covered now, for the tiers of the mode. `None` without a usable `Date` header.
    pub base: Option<Base>,
    /// Pages, and what happened to their rows.
    pub counts: Counts,
    /// Number of values that did not fit their column and are in `_rest`.
    pub rest_values: u64,
    /// Number of rows that changed while a snapshot was walked. They are committed to `deltas` before the snapshot.
    pub closing_rows: u64,
    /// Results for known rows that a snapshot lacked or showed as deleted. Rows that were found, and rows that are
    /// gone, were committed to `deltas`.
    pub missing: Verdicts,
    /// Outcome of the fetch.
    pub ending: FetchEnding,
    /// Number of rows that changed since the last fetch of this process; `None` when that is unknown.
    pub unannounced_rows: Option<u64>,
}

impl Done {
    /// Logs known rows that a snapshot lacks or shows as deleted: how many Kombo was asked about, and the results.
    pub fn log_missing(&self, table: &TableId) {
        let Verdicts {
            asked,
            found,
            gone,
            shown,
            unconfirmed,
            unasked,
        } = self.missing;
        if found > 0 {
            info!(integration.id = %table.integration, endpoint = %table.endpoint, asked, found, "the full fetch of {table} lacked {} that Kombo still has; the missing rows were fetched by id", counted(found, "row"));
        }
        if gone > shown {
            let gone = gone - shown;
            info!(integration.id = %table.integration, endpoint = %table.endpoint, asked, gone, "marked {} of {table} as absent: no longer at Kombo, and never sent with remote_deleted_at", counted(gone, "row"));
        }
        if shown > 0 {
            info!(integration.id = %table.integration, endpoint = %table.endpoint, shown, "the full fetch of {table} showed {} as deleted that no notification had announced", counted(shown, "row"));
        }
        if unconfirmed == 0 {
            return;
        }
        let why = if asked == 0 {
            "Kombo cannot be asked for rows of this endpoint by id"
        } else if unasked == 0 {
            "Kombo was asked for the rows by id, and no answer proved that they are gone"
        } else {
            "Kombo was asked for a sample of the missing rows only"
        };
        warn!(integration.id = %table.integration, endpoint = %table.endpoint, asked, found, gone, unconfirmed, unasked, "the full fetch of {table} lacks {} that Kombo has not confirmed to be gone: {why}; the rows are kept until Kombo confirms it, or until a full fetch that begins at least a day later lacks them, too", counted(unconfirmed, "row"));
    }
}

/// Outcome of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchEnding {
    /// The rows are durable and visible.
    Committed {
        /// Version of the Delta table.
        version: u64,
        /// Number of files with the rows.
        files: u64,
        /// Size of these files, in bytes; of a file that is shared with other tables, only this table's part.
        bytes: u64,
    },
    /// A delta brought no new rows. Its base is kept in memory.
    Empty,
    /// Another process committed to the table meanwhile, and its rows are kept. The table must be fetched again.
    Superseded,
}

impl FetchEnding {
    /// Returns the name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed { .. } => "committed",
            Self::Empty => "empty",
            Self::Superseded => "superseded",
        }
    }
}

/// Error of a fetch into the sink.
#[derive(Debug, thiserror::Error)]
#[error("fetching the table into the sink failed")]
pub struct IngestError {
    /// Counts of what was received before the failure.
    pub counts: Counts,
    /// Cause of the failure.
    #[source]
    pub source: WriteError,
}

impl IngestError {
    /// Creates the error for a sink that could not be asked for its coverage; nothing was fetched.
    #[must_use]
    pub fn unread(error: SinkError) -> Self {
        Self {
            counts: Counts::default(),
            source: WriteError::Store(error),
        }
    }

    /// Returns the error with its causes, on one line. Leaves out the outer messages, which only name the side that
    /// failed.
    #[must_use]
    pub fn message(&self) -> String {
        let source = std::error::Error::source(&self.source);
        source.map_or_else(|| self.to_string(), with_causes)
    }

    /// Returns the error of Kombo's API, if the API was the cause.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match &self.source {
            WriteError::Fetch(FetchError::Page { source, .. }) => Some(source),
            _ => None,
        }
    }

    /// Returns which other requests are certain to fail in the same way.
    #[must_use]
    pub fn reach(&self) -> ErrorReach {
        self.api().map_or(ErrorReach::Request, ApiError::reach)
    }

    /// Returns whether the same fetch may succeed later without any action.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.source {
            WriteError::Fetch(FetchError::Stopped { .. }) => true,
            WriteError::Fetch(error) => {
                error.restarts() || self.api().is_some_and(ApiError::is_retryable)
            }
            WriteError::Store(error) => error.is_retryable(),
        }
    }

    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.source.advice()
    }
}
