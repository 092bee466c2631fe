//! A batch of fetches: every chosen table once, then done.
//!
//! [`targets`] turns integrations and endpoint patterns into tables, [`Backfill`] asks for all of them at once and runs what
//! the dispatcher's own queue says is next (`open_tables`), one fetch after the other of one table (`table`), until nothing
//! waits; [`outcome`] says what became of each. The order of fetching is [`Queue`](crate::plan::Queue)'s and the slots are
//! the service's: a fetch holds its slot until all of it is uploaded, so waiting for a group commit keeps nobody from
//! fetching.
//!
//! A table whose fetch fails is not fetched again: a run ends. What is certain to fail is not tried: no table of an
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

use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::warn;

use crate::api::KomboApi;
use crate::decode::DecodeLimits;
use crate::fetch::Lane;
use crate::ids::TableId;
use crate::ingest::{Ingest, IngestSettings, Watch};
use crate::plan::Kind;
use crate::service::Slots;
use crate::sink::Sink;

use open_tables::OpenTables;
use outcome::Outcome;
use targets::Target;

/// Tables whose fetch has ended and that wait for their commit; more would only hold memory.
const MAX_WAITING: usize = 1_000;

/// How often the sink is told again that nothing is left to wait for.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

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

impl<A, S: Clone> Clone for Backfill<A, S> {
    fn clone(&self) -> Self {
        Self {
            ingest: self.ingest.clone(),
            settings: self.settings.clone(),
        }
    }
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
        ended: impl Fn(&Outcome),
    ) -> Vec<Outcome> {
        let slots = Slots::without_deltas(self.settings.concurrency);
        let mut open_tables = OpenTables::new(targets, &self.settings, ended);
        let mut tables = JoinSet::new();
        loop {
            while tables.len() < MAX_WAITING + self.settings.concurrency
                && slots.has_room(Lane::Backfill)
                && let Some((work, open)) = open_tables.next()
            {
                let slot = slots.take(work.lane);
                let (backfill, watch) = (self.clone(), watch(&work.table));
                tables.spawn(async move { backfill.fetch(work, open, slot, watch).await });
            }
            // All slots back means that every fetch is uploaded: nothing more will share a commit. A table may reach its
            // commit after one flush, so there are more until the last has answered.
            let all_wait = slots.are_free() && !open_tables.is_waiting();
            if all_wait {
                self.ingest.sink().flush();
            }
            tokio::select! {
                // What a fetch has found out counts before the next one begins in its slot.
                biased;
                fetched = tables.join_next() => match fetched {
                    Some(Ok(fetched)) => open_tables.fetched(fetched),
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    None => break,
                },
                () = slots.freed() => {}
                () = sleep(FLUSH_EVERY), if all_wait => {}
            }
        }
        // Without them the next deltas ask for what these have found nothing in; no row depends on it.
        if let Err(error) = self.ingest.flush_bases(|_| false).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "bases of deltas that found nothing were not written"
            );
        }
        open_tables.into_outcomes()
    }
}
