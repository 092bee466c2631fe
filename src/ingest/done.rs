//! What became of a table, and of every row that was received for it.

use tracing::{info, warn};

use crate::api::{ApiError, ErrorReach};
use crate::fetch::{Counts, FetchMode};
use crate::ids::TableId;
use crate::sink::{SinkError, WriteError};
use crate::stream::{FetchError, Verdicts};
use crate::time::Base;
use crate::words::with_causes;

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// How it was fetched.
    pub mode: FetchMode,
    /// Up to which instant it is covered now, for the tiers of its mode. `None` without a usable `Date`.
    pub base: Option<Base>,
    /// Pages, and what became of their rows.
    pub counts: Counts,
    /// Values that did not fit their column and are in `_rest`.
    pub rest_values: u64,
    /// Rows that changed while a snapshot was walked: committed to `deltas` before it.
    pub closing_rows: u64,
    /// What became of rows that were known and that a snapshot lacked or showed as deleted. Those that were found and those
    /// that are gone were committed to `deltas`.
    pub missing: Verdicts,
    /// How it ended.
    pub ending: FetchEnding,
    /// Rows that are really new since the last fetch of this process; `None` when it cannot tell.
    pub unannounced_rows: Option<u64>,
}

impl Done {
    /// Logs rows that were known and that a snapshot lacks or shows as deleted: how many Kombo was asked for, and with what
    /// result.
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
            info!(integration.id = %table.integration, endpoint = %table.endpoint, asked, found, "the full fetch of {table} lacked {found} rows that exist at Kombo; they were asked for by their ids and fetched");
        }
        if gone > shown {
            let gone = gone - shown;
            info!(integration.id = %table.integration, endpoint = %table.endpoint, asked, gone, "{gone} rows of {table} are gone without a trace");
        }
        if shown > 0 {
            info!(integration.id = %table.integration, endpoint = %table.endpoint, shown, "the full fetch of {table} showed {shown} rows as deleted that nobody had announced");
        }
        if unconfirmed == 0 {
            return;
        }
        let why = if asked == 0 {
            "this endpoint's rows cannot be asked for by their ids"
        } else if unasked == 0 {
            "Kombo was asked for them by their ids, and no answer proved that they are gone"
        } else {
            "Kombo was asked for a sample of the missing rows only"
        };
        warn!(integration.id = %table.integration, endpoint = %table.endpoint, asked, found, gone, unconfirmed, unasked, "the full fetch of {table} lacks {unconfirmed} rows that are not confirmed to be gone: {why}; they are kept until Kombo's answers prove it, or until a full fetch that begins a day or more after this one lacks them, too");
    }
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchEnding {
    /// Its rows are durable and visible.
    Committed {
        /// The version of the Delta table.
        version: u64,
        /// Files the rows are in.
        files: u64,
        /// The size of those files; of one shared with other tables, this table's part.
        bytes: u64,
    },
    /// A delta brought nothing that the sink does not have. Its base is kept in memory.
    Empty,
    /// Somebody else committed to the table meanwhile; those rows stand. To be fetched again.
    Superseded,
}

impl FetchEnding {
    /// Returns the word for it in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed { .. } => "committed",
            Self::Empty => "empty",
            Self::Superseded => "superseded",
        }
    }
}

/// Why a table could not be brought in.
#[derive(Debug, thiserror::Error)]
#[error("the table could not be brought in")]
pub struct IngestError {
    /// What was received all the same.
    pub counts: Counts,
    /// Why.
    #[source]
    pub source: WriteError,
}

impl IngestError {
    /// Takes that the sink could not be asked what it holds: nothing was fetched.
    #[must_use]
    pub fn unread(error: SinkError) -> Self {
        Self {
            counts: Counts::default(),
            source: WriteError::Store(error),
        }
    }

    /// Returns the error with its causes, on one line. The outer sentences say only which side failed; the causes say the
    /// rest.
    #[must_use]
    pub fn message(&self) -> String {
        let source = std::error::Error::source(&self.source);
        source.map_or_else(|| self.to_string(), with_causes)
    }

    /// Returns what Kombo's API said, when that was the reason.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match &self.source {
            WriteError::Fetch(FetchError::Page { source, .. }) => Some(source),
            _ => None,
        }
    }

    /// Returns what else is certain to fail in the same way.
    #[must_use]
    pub fn reach(&self) -> ErrorReach {
        self.api().map_or(ErrorReach::Request, ApiError::reach)
    }

    /// Returns whether the same fetch may succeed later without anyone doing anything.
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
