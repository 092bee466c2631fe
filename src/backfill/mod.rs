//! A backfill: fetches every chosen table once, then ends.
//!
//! How the parts join: [`targets`] turns integrations and endpoint patterns into tables. `open_tables` holds the tables
//! that wait, in the order of [`Queue`](crate::plan::Queue), and decides what an ended fetch means. `table` is one
//! table and its fetches, one after the other. [`outcome`] describes the result of each table, [`plan`] estimates the
//! cost, and [`missing`] tells the registry about integrations that Kombo does not find.
//!
//! The service and a backfill share how fetches run: slots, tasks, one fetch, how far a failure reaches. They do not
//! share what is due: a backfill has no retries, no heartbeats and no checks of integrations.
//!
//! What may never happen: a failed table is reported as fetched; a run goes on after its key was refused. A table whose
//! fetch fails is not fetched again in the same run. A table that is certain to fail is not tried: no further table of
//! an integration that Kombo refuses, and no table at all once Kombo refuses the key.
//!
//! Who owns the truth: the sink. What was not committed is not visible, so a killed backfill is run again.

pub mod missing;
mod open_tables;
pub mod outcome;
pub mod plan;
mod table;
pub mod targets;

pub use open_tables::in_turns;

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::api::KomboApi;
use crate::decode::DecodeLimits;
use crate::fetch::Lane;
use crate::ids::TableId;
use crate::ingest::{Ingest, IngestSettings, Watch};
use crate::plan::Kind;
use crate::service::{Runner, Slots};
use crate::sink::Sink;
use crate::words::with_causes;

use open_tables::OpenTables;
use outcome::TableOutcome;
use targets::Target;

/// Settings of one backfill.
#[derive(Clone, Debug)]
pub struct BackfillSettings {
    /// What to fetch: a snapshot of every table, or a delta from the stored bases (a snapshot if a table has no bases).
    pub want: Kind,
    /// Skips tables whose last snapshot is younger than this, so that a rerun goes on where a killed backfill stopped.
    pub skip_newer_than: Option<Duration>,
    /// Takes every snapshot twice. The second snapshot finds rows that moved between the pages of the first one.
    pub confirm: bool,
    /// Number of tables fetched at once.
    pub concurrency: usize,
    /// Limits on the content of a page.
    pub limits: DecodeLimits,
    /// Settings for bringing rows into the sink.
    pub ingest: IngestSettings,
}

/// Fetches tables from an API into a sink.
pub struct Backfill<A, S> {
    ingest: Ingest<A, S>,
    settings: BackfillSettings,
}

impl<A, S> Backfill<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Returns a backfill over this API and this sink.
    pub fn new(api: Arc<A>, sink: S, settings: BackfillSettings) -> Self {
        Self {
            ingest: Ingest::new(api, sink, settings.limits, settings.ingest),
            settings,
        }
    }

    /// Fetches every target once. Returns the result of each table, in the order in which the tables ended. Calls
    /// `ended` as soon as a table has ended, and reports the steps of a fetch to the value that `watch` returns for its
    /// table.
    ///
    /// A table that fails does not stop the others. A refused API key stops all tables that have not begun. Cancelling
    /// is safe at any point: rows that are not committed are not visible.
    pub async fn run<W: Watch + 'static>(
        &self,
        targets: Vec<Target>,
        watch: impl Fn(&TableId) -> W,
        ended: impl Fn(&TableOutcome),
    ) -> Vec<TableOutcome> {
        let slots = Slots::without_deltas(self.settings.concurrency);
        let mut runner = Runner::new(self.ingest.clone(), slots);
        let mut tables = OpenTables::new(targets, &self.settings, ended);
        let newer_than = self.settings.skip_newer_than;
        loop {
            while runner.has_room(Lane::Backfill)
                && let Some((fetching, open)) = tables.next(self.ingest.api().server_now())
            {
                let watch = watch(&fetching.work.table);
                runner.begin(fetching, |fetching, ingest, slot| {
                    open.fetch(fetching, ingest, slot, newer_than, watch)
                });
            }
            if runner.running().is_empty() {
                break;
            }
            // All slots are free: every fetch is uploaded, so nothing more can share a commit.
            let flush = runner.slots.are_free() && !tables.is_waiting();
            if let Some(fetched) = runner.step(flush).await {
                runner.ended(&fetched.fetching);
                tables.fetched(fetched);
            }
        }
        // Without these bases the next deltas ask again for a period without changes. No row depends on it.
        if let Err(error) = self.ingest.flush_bases(|_| false).await {
            warn!(
                error = with_causes(&error),
                "the bases of empty deltas were not written: the next deltas ask Kombo for a longer period"
            );
        }
        tables.into_outcomes()
    }
}
