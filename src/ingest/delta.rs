//! What changed: walked until nothing new comes, without what the sink has already.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt, StreamExt};
use tracing::warn;

use super::done::{Done, Ending};
use super::memory::Reader;
use super::tally::Tally;
use super::{Ingest, Order, Progress, Watch, restarts};
use crate::api::KomboApi;
use crate::fetch::{Counts, Fetch, FetchMode};
use crate::sink::{
    Coverage, HashLookup, NewestHashes, Receipt, Sink, Staged, Watermarks, WriteError,
};
use crate::stream::{AskSink, SharedSieve, Sieve, fetch};
use crate::time::{Tier, UpdatedAfter};

/// What a delta asks for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Whose base it begins from.
    pub(super) tier: Tier,
    /// What is sent with every page.
    pub(super) updated_after: UpdatedAfter,
}

/// A delta whose last page is there.
struct Walked<S> {
    staged: S,
    tally: Tally,
    sieve: SharedSieve,
    reader: Reader,
    asked: Asked,
}

impl<A, S> Ingest<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Clone + 'static,
{
    pub(super) async fn delta(
        &self,
        order: &Order,
        asked: Asked,
        slot: impl Send,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Done, WriteError> {
        let mut walk = 1;
        let walked = loop {
            match self.walk_delta(order, asked, watch, counts).await {
                Ok(walked) => break walked,
                Err(error) if restarts(order, walk, &error, watch) => walk += 1,
                Err(error) => return Err(error),
            }
        };
        drop(slot);
        watch.step(Progress::Fetched);
        // What was left out, and the base that the walk began from, rest on the table as it was when the order was made.
        // Whoever commits to `deltas` from now on supersedes this fetch by the sink's own rule; a snapshot that another
        // process commits from now on shows in the watermarks before the next delta.
        match self.watermarks(order).await {
            Ok(watermarks) if watermarks == order.coverage.watermarks => {}
            Ok(_) => {
                walked.tally.abandon(counts);
                return Ok(walked.tally.done(walked.asked.mode(), Ending::Superseded));
            }
            Err(error) => {
                walked.tally.abandon(counts);
                return Err(error);
            }
        }
        if walked.tally.is_empty() {
            return Ok(self.nothing_new(order, &walked, counts));
        }
        self.commit_delta(order, walked, counts).await
    }

    async fn walk_delta(
        &self,
        order: &Order,
        asked: Asked,
        watch: &impl Watch,
        counts: &mut Counts,
    ) -> Result<Walked<S::Staged>, WriteError> {
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
        watch.step(Progress::Started(mode));
        let mut tally = Tally::default();
        let events = fetch(
            Arc::clone(&self.api),
            Arc::clone(&order.endpoint),
            request.clone(),
            options,
            Some(Arc::clone(&sieve)),
        );
        let events = events.inspect(|event| tally.see(event, watch));
        match self.sink.stage(&request, &order.endpoint, events).await {
            Ok(staged) => Ok(Walked {
                staged,
                tally,
                sieve,
                reader,
                asked,
            }),
            Err(error) => {
                tally.abandon(counts);
                Err(error)
            }
        }
    }

    /// Makes the question for rows that this process does not remember. What the sink cannot tell is kept.
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
                        // One batch is asked about at a time.
                        left.store(most.saturating_sub(bytes), Relaxed);
                        hashes
                    }
                    Err(error) => {
                        warn!(integration.id = %table.integration, endpoint = %table.endpoint, error = &error as &dyn std::error::Error, "the lake's rows of {table} could not be read, so rows that did not change may be written again");
                        HashMap::new()
                    }
                }
            };
            ask.boxed()
        })
    }

    /// Keeps the base in memory: an entry in the log for it alone can wait. What was staged is dropped.
    fn nothing_new(&self, order: &Order, walked: &Walked<S::Staged>, counts: &mut Counts) -> Done {
        let watermarks = order.coverage.watermarks;
        walked.tally.commit(0, Some(&walked.sieve), counts);
        let mut done = walked.tally.done(walked.asked.mode(), Ending::Empty);
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
        walked: Walked<S::Staged>,
        counts: &mut Counts,
    ) -> Result<Done, WriteError> {
        let (staged, walked) = walked.apart();
        let (tally, before) = (&walked.tally, order.coverage.watermarks);
        match staged.commit().await {
            Ok(Receipt::Committed {
                version,
                rows,
                files,
                bytes,
                seen,
            }) => {
                tally.commit(rows, Some(&walked.sieve), counts);
                let after = Watermarks {
                    deltas: Some(seen),
                    ..before
                };
                self.bases().moved(&order.table, before, after);
                let ending = Ending::Committed {
                    version,
                    files,
                    bytes,
                };
                let mut done = tally.done(walked.asked.mode(), ending);
                done.unannounced_rows = self.learn(&walked, after, rows);
                Ok(done)
            }
            Ok(Receipt::Superseded) => {
                tally.abandon(counts);
                Ok(tally.done(walked.asked.mode(), Ending::Superseded))
            }
            // It may be visible all the same. Then the watermarks have moved, and nothing that is remembered counts.
            Err(error) => {
                tally.abandon(counts);
                Err(WriteError::Store(error))
            }
        }
    }

    /// Remembers the rows of a delta, and says how many of them nobody had seen before.
    fn learn<T>(&self, walked: &Walked<T>, after: Watermarks, rows: u64) -> Option<u64> {
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

impl<S> Walked<S> {
    /// Takes out what is to be committed.
    fn apart(self) -> (S, Walked<()>) {
        let walked = Walked {
            staged: (),
            tally: self.tally,
            sieve: self.sieve,
            reader: self.reader,
            asked: self.asked,
        };
        (self.staged, walked)
    }
}

impl Asked {
    /// Begins early enough to say again what another process's snapshot may have set back. Its rows were observed from
    /// its base on; whatever we left out or covered since then may be older there.
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
