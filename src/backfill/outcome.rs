//! The result of each table, for people and for programs.

use std::time::Duration;

use super::targets::Target;
use crate::api::ApiError;
use crate::fetch::FetchMode;
use crate::ids::TableId;
use crate::ingest::{self, Done, IngestError};
use crate::plan::ModelOff;
use crate::stream::Verdicts;
use serde::Serialize;
use tracing::{info, warn};

/// The result of one table.
#[derive(Debug)]
pub struct TableOutcome {
    /// The table.
    pub table: TableId,
    /// The mode of its last fetch; `None` if nothing was fetched.
    pub mode: Option<FetchMode>,
    /// Rows of the last walk. A walk is one pass over all pages of a fetch.
    pub rows: u64,
    /// Pages of the last walk.
    pub pages: u64,
    /// Bytes of JSON of the last walk.
    pub json_bytes: u64,
    /// Details of the fetch; `None` if it failed.
    pub done: Option<Done>,
    /// Time from the first request to the answer of the sink, summed over all fetches of the table.
    pub elapsed: Duration,
    /// How the table ended.
    pub ending: TableEnding,
}

/// What a commit made visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Version of the Delta table.
    pub version: u64,
    /// Number of files that hold the rows.
    pub files: u64,
    /// Size of the files. If a file is shared with other tables, only this table's part counts.
    pub bytes: u64,
}

/// How a table ended.
#[derive(Debug)]
pub enum TableEnding {
    /// The rows are durable and visible.
    Committed(Commit),
    /// The delta found no row that the sink did not have already.
    Unchanged,
    /// Another writer committed the same table meanwhile, and its rows count.
    Superseded,
    /// The table was skipped, because its last snapshot is young enough.
    Skipped,
    /// The tool does not offer the model, or the model is switched off.
    LeftOut {
        /// Which of the two reasons applies.
        reason: ModelOff,
        /// What the operator can do.
        advice: &'static str,
    },
    /// The table was not tried, because the failure of another table applies to it as well.
    NotTried {
        /// The failure of the other table.
        reason: String,
    },
    /// The fetch failed, and nothing was committed.
    Failed(TableFailure),
}

impl TableEnding {
    pub(super) fn of(done: &Done) -> Self {
        match done.ending {
            ingest::FetchEnding::Committed {
                version,
                files,
                bytes,
            } => Self::Committed(Commit {
                version,
                files,
                bytes,
            }),
            ingest::FetchEnding::Empty => Self::Unchanged,
            ingest::FetchEnding::Superseded => Self::Superseded,
        }
    }

    /// Returns the name of the result in logs and summaries.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Committed(_) => "committed",
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
            Self::Skipped => "skipped",
            Self::LeftOut { .. } => "left out",
            Self::NotTried { .. } => "not tried",
            Self::Failed(_) => "failed",
        }
    }

    /// Returns whether the backfill did what it was asked to do for this table.
    #[must_use]
    pub fn is_success(&self) -> bool {
        !matches!(self, Self::NotTried { .. } | Self::Failed(_))
    }
}

/// Why a table failed, and what the operator can do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TableFailure {
    /// The error with its causes, on one line.
    pub message: String,
    /// One sentence that tells the operator what to do.
    pub advice: &'static str,
}

impl From<IngestError> for TableEnding {
    fn from(error: IngestError) -> Self {
        if let Some(said @ ApiError::SkipEndpoint { reason, .. }) = error.api() {
            return Self::LeftOut {
                reason: *reason,
                advice: said.advice(),
            };
        }
        Self::Failed(TableFailure {
            message: error.message(),
            advice: error.advice(),
        })
    }
}

impl TableOutcome {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            table: target.table.clone(),
            mode: None,
            rows: 0,
            pages: 0,
            json_bytes: 0,
            done: None,
            elapsed: Duration::ZERO,
            ending: TableEnding::NotTried {
                reason: String::new(),
            },
        }
    }

    pub(super) fn begin(&mut self, mode: FetchMode) {
        (self.mode, self.rows, self.pages, self.json_bytes, self.done) =
            (Some(mode), 0, 0, 0, None);
    }

    pub(super) fn count_page(&mut self, rows: u64, bytes: u64) {
        self.rows += rows;
        self.pages += 1;
        self.json_bytes += bytes;
    }

    /// Takes in the result of a complete fetch. A row that came several times counts once.
    pub(super) fn finish(&mut self, done: &Done) {
        let counts = &done.counts;
        self.rows = (counts.committed + counts.unchanged)
            .saturating_sub(done.closing_rows + done.missing.gone);
        self.done = Some(done.clone());
    }

    /// Logs the result. Call it once for each table.
    pub(super) fn log(&self) {
        let (table, rows, pages) = (&self.table, self.rows, self.pages);
        let elapsed_ms = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        match &self.ending {
            TableEnding::Failed(error) => {
                warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = %error, advice = error.advice, "fetching {table} failed");
            }
            ending => {
                let ending = ending.as_str();
                info!(integration.id = %table.integration, endpoint = %table.endpoint, rows, pages, elapsed_ms, "{table}: {ending}");
                if let Some(done) = &self.done {
                    done.log_missing(table);
                }
            }
        }
    }

    /// Returns the result as one row of the machine-readable summary.
    #[must_use]
    pub fn summary(&self) -> OutcomeSummary<'_> {
        let commit = match &self.ending {
            TableEnding::Committed(commit) => Some(commit),
            _ => None,
        };
        let (error, advice) = match &self.ending {
            TableEnding::Failed(failure) => (Some(failure.message.clone()), Some(failure.advice)),
            TableEnding::LeftOut { reason, advice } => (Some(reason.to_string()), Some(*advice)),
            TableEnding::NotTried { reason } => (Some(reason.clone()), None),
            _ => (None, None),
        };
        OutcomeSummary {
            integration: self.table.integration.as_str(),
            endpoint: self.table.endpoint.as_str(),
            outcome: self.ending.as_str(),
            mode: self.mode.map(FetchMode::as_str),
            rows: self.rows,
            pages: self.pages,
            quarantined: self.done.as_ref().map_or(0, |done| done.counts.quarantined),
            rest_values: self.done.as_ref().map_or(0, |done| done.rest_values),
            missing: (self.done.as_ref().map(|done| done.missing))
                .filter(|missing| *missing != Verdicts::default()),
            base: self
                .done
                .as_ref()
                .and_then(|done| done.base)
                .map(|base| base.to_string()),
            version: commit.map(|commit| commit.version),
            files: commit.map(|commit| commit.files),
            file_bytes: commit.map(|commit| commit.bytes),
            elapsed_ms: u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            error,
            advice,
        }
    }
}

/// One table in a machine-readable summary.
#[derive(Debug, Serialize)]
pub struct OutcomeSummary<'a> {
    integration: &'a str,
    endpoint: &'a str,
    outcome: &'static str,
    mode: Option<&'static str>,
    rows: u64,
    pages: u64,
    quarantined: u64,
    rest_values: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Verdicts>,
    base: Option<String>,
    version: Option<u64>,
    files: Option<u64>,
    file_bytes: Option<u64>,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}
