//! A batch of fetches: every chosen table once, then done.
//!
//! [`targets`] turns integrations and endpoint patterns into tables, [`Backfill`] asks for all of them at once
//! (`open_tables`) and has the service's own runner fetch them, one fetch after the other of one table (`table`), until
//! nothing waits and nothing runs; [`outcome`] says what became of each. The order of fetching is that of
//! [`Queue`](crate::plan::Queue).
//!
//! What the service decides after a fetch is when to fetch again: retries, heartbeats, looks, the registry. A backfill has
//! none of that, so the two share what runs (slots, tasks, a fetch, how far its failure reaches) and not what is due. A table whose fetch fails is not fetched again: a run ends. What is certain to fail is not tried: no table of an
//! integration that Kombo refuses, and none at all once it refuses the key.

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

use open_tables::OpenTables;
use outcome::TableOutcome;
use targets::Target;

/// How a backfill runs.
#[derive(Clone, Debug)]
pub struct BackfillSettings {
    /// A snapshot of every table, or a delta from the stored bases; a snapshot where there are none.
    pub want: Kind,
    /// Leaves tables alone whose last snapshot is younger, so that a killed backfill goes on where it stopped.
    pub skip_newer_than: Option<Duration>,
    /// Takes every snapshot twice: what the second one finds gone is gone.
    pub confirm: bool,
    /// Tables fetched at once.
    pub concurrency: usize,
    /// Bounds on what a page may hold.
    pub limits: DecodeLimits,
    /// How rows are brought in.
    pub ingest: IngestSettings,
}

/// Runs fetches from an API into a sink.
pub struct Backfill<A, S> {
    ingest: Ingest<A, S>,
    settings: BackfillSettings,
}

impl<A, S> Backfill<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    /// Joins the parts.
    pub fn new(api: Arc<A>, sink: S, settings: BackfillSettings) -> Self {
        Self {
            ingest: Ingest::new(api, sink, settings.limits, settings.ingest),
            settings,
        }
    }

    /// Fetches every target once and returns what became of each, in the order they ended; each is told to `ended` at once.
    /// What happens while a table is fetched is told to what `watch` makes for it.
    ///
    /// A table that fails does not stop the others; a rejected API key does. Cancelling is safe at any point: what was
    /// not committed is not visible.
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
            // All slots back means that every fetch is uploaded: nothing more will share a commit.
            let flush = runner.slots.are_free() && !tables.is_waiting();
            if let Some(fetched) = runner.step(flush).await {
                runner.ended(&fetched.fetching);
                tables.fetched(fetched);
            }
        }
        // Without them the next deltas ask for what these have found nothing in; no row depends on it.
        if let Err(error) = self.ingest.flush_bases(|_| false).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "bases of deltas that found nothing were not written"
            );
        }
        tables.into_outcomes()
    }
}
