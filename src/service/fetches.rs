//! One fetch as a task: reads what the sink covers, runs the fetch, and reports its result.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::dispatch::Ended;
use super::fetching::{FailedFetch, Fetching};
use super::slots::FetchSlot;
use crate::api::KomboApi;
use crate::fetch::FetchMode;
use crate::ingest::{Done, FetchEnding, FetchStep, Ingest, IngestError, Watch};
use crate::metrics::{ErrorStage, ErrorType, FetchResult, Metrics};
use crate::plan::Kind;
use crate::sink::{Coverage, Sink, SinkError, WriteError};
use crate::words::{counted, seconds};

/// A fetch that is about to run.
pub(super) struct FetchTask<A, S> {
    pub(super) ingest: Ingest<A, S>,
    pub(super) metrics: Metrics,
    pub(super) fetching: Fetching,
}

/// A fetch that has ended, with its result.
pub(super) struct Carried {
    pub(super) fetching: Fetching,
    result: Result<Done, IngestError>,
    /// What the sink covers of the table, if the sink could be read. After a lost race, what the other writer has
    /// committed.
    pub(super) coverage: Option<Coverage>,
    elapsed_ms: u64,
}

impl<A, S> FetchTask<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Runs the fetch. The slot is given back once everything is uploaded.
    pub(super) async fn run(self, slot: Option<FetchSlot>) -> Carried {
        let started = Instant::now();
        let mut coverage = None;
        let result = self.carry(slot, &mut coverage).await;
        if matches!(&result, Ok(done) if done.ending == FetchEnding::Superseded) {
            // If the sink cannot be read here, the table is only fetched again a little sooner than necessary.
            coverage = self.fetching.covered(&self.ingest).await.ok().or(coverage);
        }
        Carried {
            fetching: self.fetching,
            result,
            coverage,
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn carry(
        &self,
        slot: Option<FetchSlot>,
        known: &mut Option<Coverage>,
    ) -> Result<Done, IngestError> {
        let coverage = self.fetching.covered(&self.ingest).await?;
        *known = Some(coverage);
        self.fetching.run(&self.ingest, coverage, slot, self).await
    }
}

impl<A: Send + Sync, S: Send + Sync> Watch for FetchTask<A, S> {
    fn step(&self, step: FetchStep<'_>) {
        match step {
            FetchStep::Restarted(_) => self
                .metrics
                .error(ErrorType::RequestFailed, ErrorStage::Receiving),
            FetchStep::Started(mode) => {
                debug!(table = %self.fetching.work.table, mode = mode.as_str(), "fetching");
            }
            FetchStep::Page { .. } | FetchStep::Fetched => {}
        }
    }
}

impl Carried {
    /// Returns the result in the form that the dispatcher takes.
    pub(super) fn into_ended(self) -> (Fetching, Ended) {
        let ended = match &self.result {
            Ok(done) => match done.ending {
                FetchEnding::Superseded => Ended::Overtaken(self.coverage.unwrap_or_default()),
                FetchEnding::Committed { .. } | FetchEnding::Empty => Ended::Covered {
                    snapshot: done.mode == FetchMode::Snapshot,
                    base: done.base,
                    changed_rows: done.unannounced_rows,
                    rest_values: done.rest_values,
                },
            },
            Err(error) => Ended::Failed(FailedFetch::of(error)),
        };
        (self.fetching, ended)
    }

    /// Returns how the sink did: a success after a commit, an error of the sink, or `None` when the sink was not asked.
    pub(super) fn sink_result(&self) -> Option<Result<&(), &SinkError>> {
        match &self.result {
            Ok(done) => matches!(done.ending, FetchEnding::Committed { .. }).then_some(Ok(&())),
            Err(error) => match &error.source {
                WriteError::Store(error) => Some(Err(error)),
                WriteError::Fetch(_) => None,
            },
        }
    }

    /// Counts the result in the metrics.
    pub(super) fn count(&self, metrics: &Metrics) {
        let (kind, result, counts) = match &self.result {
            Ok(done) => (kind_of(done.mode), result_of(done.ending), &done.counts),
            Err(error) => {
                let result = count_error(error, metrics);
                (self.fetching.work.kind, result, &error.counts)
            }
        };
        let endpoint = self.fetching.endpoint.name().table_name();
        metrics.fetched(&endpoint, kind, result, counts);
        if let Ok(Done {
            unannounced_rows: Some(rows),
            ..
        }) = &self.result
            && self.fetching.is_heartbeat()
        {
            metrics.unannounced_changes(*rows);
        }
    }

    /// Logs the result. Call it once for each fetch.
    pub(super) fn log(&self) {
        let (table, elapsed_ms) = (&self.fetching.work.table, self.elapsed_ms);
        match &self.result {
            Ok(done) => {
                self.log_done(done);
                done.log_missing(table);
            }
            Err(error) => {
                let (message, advice) = (error.message(), error.advice());
                warn!(integration.id = %table.integration, endpoint = %table.endpoint, elapsed_ms, error = message, advice, "fetching {table} failed after {}", seconds(Duration::from_millis(elapsed_ms)));
            }
        }
    }
}

impl Carried {
    /// Logs a fetch that ended without an error. An empty delta moved nothing, so only the summary of the minute counts it.
    fn log_done(&self, done: &Done) {
        let (table, elapsed_ms) = (&self.fetching.work.table, self.elapsed_ms);
        let (rows, pages) = (done.counts.committed, done.counts.pages);
        let (mode, result) = (done.mode.as_str(), done.ending.as_str());
        let took = seconds(Duration::from_millis(elapsed_ms));
        match done.ending {
            FetchEnding::Committed { .. } => {
                let (read, committed) = (counted(pages, "page"), counted(rows, "row"));
                info!(integration.id = %table.integration, endpoint = %table.endpoint, mode, result, rows, pages, elapsed_ms, "{mode} of {table}: committed {committed} of {read} in {took}");
            }
            FetchEnding::Empty => {
                debug!(integration.id = %table.integration, endpoint = %table.endpoint, mode, result, rows, pages, elapsed_ms, "{mode} of {table}: empty in {took}");
            }
            FetchEnding::Superseded => {
                info!(integration.id = %table.integration, endpoint = %table.endpoint, mode, result, rows, pages, elapsed_ms, "{mode} of {table}: superseded in {took}; another process committed first, and the table is fetched again");
            }
        }
    }
}

/// Counts an error by its type and stage, and returns the result of the fetch for the metrics.
fn count_error(error: &IngestError, metrics: &Metrics) -> FetchResult {
    let stored = matches!(error.source, WriteError::Store(_));
    let (error_type, stage) = match (stored, FailedFetch::of(error)) {
        (true, _) => (ErrorType::WriterFailed, ErrorStage::Sending),
        (_, FailedFetch::Off(_)) => return FetchResult::LeftOut,
        (_, FailedFetch::Integration(_)) => return FetchResult::Parked,
        (_, FailedFetch::Key(_)) => (ErrorType::AuthenticationFailed, ErrorStage::Receiving),
        (_, FailedFetch::Once(_)) => (ErrorType::RequestFailed, ErrorStage::Receiving),
    };
    metrics.error(error_type, stage);
    FetchResult::Failed
}

fn kind_of(mode: FetchMode) -> Kind {
    match mode {
        FetchMode::Delta { .. } => Kind::Delta,
        FetchMode::Snapshot => Kind::Snapshot,
    }
}

fn result_of(ending: FetchEnding) -> FetchResult {
    match ending {
        FetchEnding::Committed { .. } => FetchResult::Committed,
        FetchEnding::Empty => FetchResult::Empty,
        FetchEnding::Superseded => FetchResult::Superseded,
    }
}
