//! Fetches a delta: walks the changed rows until a walk brings nothing new, and drops rows that the sink already has.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt, StreamExt};
use tracing::warn;

use super::done::{Done, FetchEnding};
use super::fetch_run::FetchRun;
use super::memory::Reader;
use super::tally::Tally;
use super::{FetchPlace, FetchStep, Ingest, Order, Watch};
use crate::api::KomboApi;
use crate::fetch::{Counts, Fetch, FetchMode};
use crate::sink::{
    Coverage, HashLookup, NewestHashes, Receipt, Sink, Staged, Watermarks, WriteError,
};
use crate::stream::{AskSink, SharedSieve, Sieve, fetch};
use crate::time::{Tier, UpdatedAfter};
use crate::words::with_causes;

/// Range of a delta.
#[derive(Clone, Copy)]
pub(super) struct DeltaRange {
    /// Overlap tier that gives the base.
    pub(super) tier: Tier,
    /// The `updated_after` of every page request.
    pub(super) updated_after: UpdatedAfter,
}

/// A delta with its last page received.
struct WalkedDelta<S> {
    staged: S,
    walk: DeltaWalk,
}

/// The walk of a delta.
struct DeltaWalk {
    tally: Tally,
    sieve: SharedSieve,
    reader: Reader,
    asked: DeltaRange,
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    pub(super) async fn delta(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        asked: DeltaRange,
        mut slot: impl FetchPlace,
    ) -> Result<Done, WriteError> {
        let (order, mut walk) = (run.order, 1);
        let walked = loop {
            match self.walk_delta(run, asked, &mut slot).await {
                Ok(walked) => break walked,
                Err(error) if run.restarts(&mut walk, &error) => {}
                Err(error) => return Err(error),
            }
        };
        drop(slot);
        run.watch.step(FetchStep::Fetched);
        // The dropped rows and the base of the walk are valid for the table at the time of the order. A commit of
        // another process to `deltas` from now on supersedes this fetch by the sink's own rule. A snapshot that another
        // process commits from now on shows in the watermarks before the next delta.
        let (walk, counts) = (&walked.walk, &mut run.counts);
        let tally = &walk.tally;
        let watermarks = self.watermarks(order).await;
        if watermarks.inspect_err(|_| tally.abandon(counts))? != order.coverage.watermarks {
            let ending = tally.settle(&Receipt::Superseded, None, counts);
            return Ok(tally.done(walk.asked.mode(), ending));
        }
        if tally.is_empty() {
            return Ok(self.nothing_new(order, walk, counts));
        }
        self.commit_delta(order, walked, counts).await
    }

    async fn walk_delta(
        &self,
        run: &mut FetchRun<'_, impl Watch>,
        asked: DeltaRange,
        slot: &mut impl FetchPlace,
    ) -> Result<WalkedDelta<S::Staged>, WriteError> {
        let (order, watch) = (run.order, run.watch);
        let reader = self.memory().read(&order.table, order.coverage.watermarks);
        let asked = asked.reaching_back(&order.coverage, reader.overtaken);
        let mode = asked.mode();
        let (options, request) = (self.options(order), Fetch::new(order.table.clone(), mode));
        let (memory, reading) = (Arc::clone(&self.memory), reader.clone());
        let known = move |row| {
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.known(&reading, row)
        };
        let mut sieve = Sieve::new(options.remembered_rows, Box::new(known));
        if !reader.reaches(asked.updated_after) {
            sieve = sieve.asking(self.lookup(order, asked.updated_after));
        }
        let sieve = Arc::new(Mutex::new(sieve));
        watch.step(FetchStep::Started(mode));
        let mut tally = Tally::default();
        let events = fetch(
            Arc::clone(&self.api),
            Arc::clone(&order.endpoint),
            request.clone(),
            options,
            Some(Arc::clone(&sieve)),
        );
        let events = events.inspect(|event| {
            tally.see(event, watch);
            tally.free(slot);
        });
        let staged = self.sink.stage(&request, &order.endpoint, events).await;
        let staged = staged.inspect_err(|_| tally.abandon(&mut run.counts))?;
        let walk = DeltaWalk {
            tally,
            sieve,
            reader,
            asked,
        };
        Ok(WalkedDelta { staged, walk })
    }

    /// Returns the question to the sink for rows that this process does not remember. Rows that the sink cannot answer
    /// for are kept.
    fn lookup(&self, order: &Order, changed_after: UpdatedAfter) -> AskSink {
        let left = Arc::new(AtomicU64::new(self.settings.lookup_bytes));
        let (sink, endpoint) = (self.sink.clone(), Arc::clone(&order.endpoint));
        let table = order.table.clone();
        Box::new(move |ids| {
            let (sink, endpoint, table) = (sink.clone(), Arc::clone(&endpoint), table.clone());
            let left = Arc::clone(&left);
            let ask = async move {
                let rows = HashLookup { ids, changed_after };
                let most = left.load(Relaxed);
                let asked = sink.newest_hashes(&endpoint, &table.integration, &rows, most);
                match asked.await {
                    Ok(NewestHashes { hashes, bytes }) => {
                        // Only one batch is asked for at a time.
                        left.store(most.saturating_sub(bytes), Relaxed);
                        hashes
                    }
                    Err(error) => {
                        warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = with_causes(&error), "the lake's rows of {table} could not be read; unchanged rows may be written again");
                        HashMap::new()
                    }
                }
            };
            ask.boxed()
        })
    }

    /// Keeps the base in memory, because a log entry for a base alone can wait. Discards what was staged.
    fn nothing_new(&self, order: &Order, walked: &DeltaWalk, counts: &mut Counts) -> Done {
        let watermarks = order.coverage.watermarks;
        walked.tally.commit(0, Some(&walked.sieve), counts);
        let mut done = walked.tally.done(walked.asked.mode(), FetchEnding::Empty);
        if let Some(base) = done.base {
            let tiers = walked.asked.mode().moves();
            self.bases()
                .reach(&order.table, &order.endpoint, watermarks, tiers, base);
        }
        done.unannounced_rows = self.learn(walked, watermarks, 0);
        done
    }

    async fn commit_delta(
        &self,
        order: &Order,
        walked: WalkedDelta<S::Staged>,
        counts: &mut Counts,
    ) -> Result<Done, WriteError> {
        let WalkedDelta { staged, walk } = walked;
        let (tally, before) = (&walk.tally, order.coverage.watermarks);
        // After an error the commit may still be visible. Then the watermarks have moved, and the memory is not used.
        let receipt = staged.commit().await;
        let receipt = receipt.inspect_err(|_| tally.abandon(counts))?;
        let ending = tally.settle(&receipt, Some(&walk.sieve), counts);
        let mut done = tally.done(walk.asked.mode(), ending);
        if let Receipt::Committed { rows, seen, .. } = receipt {
            let after = Watermarks {
                deltas: Some(seen),
                ..before
            };
            self.bases().moved(&order.table, before, after);
            done.unannounced_rows = self.learn(&walk, after, rows);
        }
        Ok(done)
    }

    /// Remembers the rows of a delta. Returns how many of them are new, if that is known.
    fn learn(&self, walked: &DeltaWalk, after: Watermarks, rows: u64) -> Option<u64> {
        let met = walked
            .sieve
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_rows();
        let learned = self
            .memory()
            .learn(&walked.reader, after, walked.asked.updated_after, met);
        let complete = walked.reader.reaches(walked.asked.updated_after);
        (learned && complete).then_some(rows)
    }

    pub(super) async fn watermarks(&self, order: &Order) -> Result<Watermarks, WriteError> {
        let covered = self.sink.covered(&order.endpoint, &order.table.integration);
        let coverage = covered.await?;
        Ok(coverage.watermarks)
    }
}

impl DeltaRange {
    /// Begins early enough to fetch again the rows that another process's snapshot may have set back. That snapshot's
    /// rows were observed from its base on, so rows that this process dropped or covered since then may be older there.
    fn reaching_back(self, coverage: &Coverage, overtaken: bool) -> Self {
        let base = coverage.snapshot_base.filter(|_| overtaken);
        let updated_after = base.map_or(self.updated_after, |base| {
            self.updated_after.min(base.updated_after(Tier::Ordinary))
        });
        Self {
            updated_after,
            ..self
        }
    }

    fn mode(self) -> FetchMode {
        FetchMode::Delta {
            tier: self.tier,
            updated_after: self.updated_after,
        }
    }
}
