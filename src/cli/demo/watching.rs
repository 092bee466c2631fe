//! The loop of the live demo: makes changes, and shows each step of their way into the lake.

use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::super::cli_error::{CliError, FAILED};
use super::super::output;
use super::changes::change;
use super::folded::folded;
use super::lines::query_lines;
use super::live::{DEBOUNCE, DRAIN_LIMIT, Live, RunningDemo};
use super::story::{Story, TrackedChange};
use super::watched::{LakeStep, Seen};
use super::{duckdb, no_twin};
use crate::lake::Lake;
use crate::service::SourceError;
use crate::words::counted;

/// Time between two changes. Three customers take turns, so none has two changes within ten seconds. The service fetches a
/// table at most once in ten seconds.
const EVERY: Duration = Duration::from_millis(3_500);

/// The service has caught up after so long without a request or a commit.
const QUIET: Duration = Duration::from_secs(1);

/// How long the service may take to catch up at its start.
const START_LIMIT: Duration = Duration::from_mins(1);

/// How long the last change may take to arrive.
const LAST_WAIT: Duration = Duration::from_secs(30);

/// Shows changes until all are made or the user ends the demo. Returns whether each change arrived and was merged.
pub(in super::super) async fn run(
    live: Live,
    enough: impl Future<Output = ()>,
) -> Result<bool, CliError> {
    let folder = format!("kombo-source-demo-{}", std::process::id());
    let data_dir = std::env::temp_dir().join(folder);
    let mut watching = Watching {
        running: live.start(data_dir.clone()).await?,
        live: &live,
        story: Story::default(),
        started: Instant::now(),
        heard: 0,
        tried: 0,
    };
    let complete = watching.watch(enough).await;
    let (lake, story) = watching.end().await;
    // The folder holds only hints for a restart.
    drop(std::fs::remove_file(data_dir.join("announced.json")));
    drop(std::fs::remove_dir(&data_dir));
    let complete = complete?;
    let (is_folded, text) = folded(&live, &lake, &story).await;
    output::put(text);
    Ok(complete && is_folded)
}

/// The state of the live demo.
struct Watching<'a> {
    live: &'a Live,
    running: RunningDemo,
    story: Story,
    started: Instant,
    /// Number of deliveries that were shown.
    heard: usize,
    /// Number of changes that were tried.
    tried: usize,
}

impl Watching<'_> {
    /// Shows changes until all are made or `enough` resolves. Returns whether each change arrived.
    async fn watch(&mut self, enough: impl Future<Output = ()>) -> Result<bool, CliError> {
        let mut enough = pin!(enough);
        let before = self.live.requests();
        tokio::select! {
            () = &mut enough => return Ok(true),
            settled = self.settle(before) => settled?,
        }
        let at_start = self.live.requests();
        let mut beat = interval(EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut left_at, mut told_at) = (None, None);
        self.started = Instant::now();
        let complete = loop {
            let all_made = self.tried == self.live.changes;
            let told = all_made && self.story.is_told();
            if told && told_at.is_none() {
                // Other fetches that the last webhook caused are shown as well.
                told_at = Some(Instant::now() + QUIET);
            }
            let until = told_at.or(left_at);
            let until = until.unwrap_or_else(|| Instant::now() + LAST_WAIT);
            tokio::select! {
                biased;
                () = &mut enough => break true,
                Some(ended) = self.running.source.join_next() => return Err(failed(ended)),
                Some(ended) = self.running.twin.task.join_next() => return Err(twin_ended(ended)),
                () = self.running.deliveries.noted() => self.hear(),
                Some(seen) = self.running.seen.recv() => self.see(seen).await?,
                _ = beat.tick(), if !all_made => {
                    self.change();
                    left_at = Some(Instant::now() + LAST_WAIT);
                }
                () = sleep_until(until), if all_made => break told,
            }
        };
        self.conclude(self.live.requests() - at_start).await;
        Ok(complete)
    }

    /// Waits until the service has caught up. `before` is the number of requests to the twin until its start.
    async fn settle(&mut self, before: u64) -> Result<(), CliError> {
        let until = Instant::now() + START_LIMIT;
        let (mut requests, mut since) = (self.live.requests(), Instant::now());
        while since.elapsed() < QUIET && Instant::now() < until {
            tokio::select! {
                Some(ended) = self.running.source.join_next() => return Err(failed(ended)),
                Some(_) = self.running.seen.recv() => since = Instant::now(),
                () = sleep(QUIET / 10) => {}
            }
            let now = self.live.requests();
            if now != requests {
                (requests, since) = (now, Instant::now());
            }
        }
        self.introduce(requests - before);
        Ok(())
    }

    fn introduce(&self, requests: u64) {
        let requests = counted(requests, "request");
        let changes = counted(self.live.changes as u64, "change");
        let (every, pause) = (EVERY.as_secs_f64(), DEBOUNCE.as_secs_f64());
        output::line(format_args!(
            "The service has started and asked for what has changed meanwhile: {requests}.\n\n\
             Now {changes}, one every {every} s. Ctrl-C ends it sooner. The second time in a\n\
             line is the time since the change. Kombo waits 30 s between two webhooks of an\n\
             integration, this stand-in {pause} s. The service commits a table every 30 s by\n\
             default, here at once.\n\
             Before the first query in DuckDB: INSTALL delta; LOAD delta;\n"
        ));
    }

    fn change(&mut self) {
        let nth = self.tried;
        self.tried += 1;
        let made = change(&mut self.live.stage.world.lock(), nth);
        if let Some((made, others)) = made {
            let line = self.story.changed(made, others, self.started.elapsed());
            if nth > 0 {
                output::line("");
            }
            output::line(line);
        }
    }

    /// Shows the deliveries that have ended.
    fn hear(&mut self) {
        let at = self.started.elapsed();
        let all = self.running.deliveries.all();
        for delivery in all.into_iter().skip(self.heard) {
            self.heard += 1;
            let endpoints = {
                let world = self.live.stage.world.lock();
                let mut all = world.integrations().iter();
                let found = all.find(|one| one.id().as_str() == delivery.integration);
                found.map_or(0, |one| one.endpoints().count() as u64)
            };
            output::line(self.story.delivered(&delivery, endpoints, at));
        }
    }

    /// Shows a step, and reads back the rows that a commit may have brought.
    async fn see(&mut self, seen: Seen) -> Result<(), CliError> {
        self.hear();
        let Seen { at, table, step } = seen;
        let at = at.saturating_duration_since(self.started);
        output::line(self.story.step(&table, &step, at));
        let (LakeStep::Committed { .. }, Some(endpoint)) =
            (step, self.live.endpoint(&table.endpoint))
        else {
            return Ok(());
        };
        for place in self.story.awaited(&table) {
            let Some((_, id)) = self.story.told(place).and_then(TrackedChange::row) else {
                continue;
            };
            let found = self.running.lake.newest(endpoint, &table.integration, id);
            let Some(sighting) = found.await? else {
                continue;
            };
            let at = self.started.elapsed();
            if let Some(line) = self.story.sighted(place, &sighting, at) {
                output::line(line);
                self.show_query(place);
            }
        }
        Ok(())
    }

    fn show_query(&self, place: usize) {
        let told = self.story.told(place);
        if let Some(query) = told.and_then(|told| self.live.query(told)) {
            output::line(query_lines(&query));
        }
    }

    async fn conclude(&self, requests: u64) {
        output::put(format_args!("\n{}", self.story.totals(requests)));
        let Some(told) = self.story.last_visible() else {
            return;
        };
        if let Some(query) = self.live.query(told)
            && let Some(answer) = duckdb::ask(&format!("INSTALL delta; LOAD delta; {query}")).await
        {
            output::line(format_args!(
                "\nThe last row, as the duckdb on this machine reads it:\n{answer}"
            ));
        }
    }

    /// Ends the service as SIGTERM would. Returns the lake and the story.
    async fn end(self) -> (Lake, Story) {
        let mut running = self.running;
        running.seen.close();
        drop(running.stop);
        let ended = timeout(DRAIN_LIMIT * 2, running.source.join_next());
        drop(ended.await);
        (running.lake, self.story)
    }
}

fn failed(ended: Result<Result<(), SourceError>, JoinError>) -> CliError {
    match ended {
        Ok(Err(error)) => error.into(),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Ok(Ok(())) | Err(_) => CliError::new(FAILED, "the service ended", "run it again with -v"),
    }
}

fn twin_ended(ended: Result<std::io::Result<()>, JoinError>) -> CliError {
    match ended {
        Ok(Err(error)) => no_twin(error),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Ok(Ok(())) | Err(_) => no_twin(std::io::Error::other("it ended")),
    }
}
