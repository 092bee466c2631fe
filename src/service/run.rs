//! The loop: webhooks, ended fetches, signals and time in; fetches, questions and the sink's chores out.
//!
//! Everything that waits runs in one `JoinSet`, every channel has a bound, and the loop itself never waits for the network
//! or the disk. Cancelling is safe at any `.await`: what is not committed is not visible, and what was announced is dirty
//! again after a start.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing::{debug, error, info, warn};

use super::SourceError;
use super::beside::{ChoreRun, Chores};
use super::control::{Command, Parts};
use super::dispatch::{Ask, Dispatch, Fetching, Reaction};
use super::fetches::{Carried, FetchTask};
use super::hints::Hints;
use super::intake::{Received, overloaded};
use super::looks::{KeyLook, Look, LookOrder, look_at, try_key};
use super::news;
use super::questions::ApiQuestions;
use super::registrar::{Registered, Registrar, Saved};
use super::slots::Slots;
use crate::api::KomboApi;
use crate::ids::TableId;
use crate::ingest::Ingest;
use crate::metrics::{ErrorType, Metrics, Stage};
use crate::plan::{Begun, Kind};
use crate::sink::{Registry, Sink, SinkError};
use crate::time::{Clock, ServerNow};

/// Fetches that run or wait for their commit; more would only hold memory.
const MAX_RUNNING: usize = 1_000;

/// How often gauges and hints are brought up to date.
pub(super) const TICK: Duration = Duration::from_secs(5);

/// How often bases that empty deltas moved are written down.
const FLUSH_EVERY: Duration = Duration::from_hours(1);

/// The running service.
pub(super) struct Service<A, S> {
    pub(super) dispatch: Dispatch,
    pub(super) ingest: Ingest<A, S>,
    pub(super) api: Arc<A>,
    pub(super) sink: S,
    pub(super) slots: Slots,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) hints: Hints,
    pub(super) chores: Chores,
    pub(super) questions: ApiQuestions<A>,
    pub(super) inbox: mpsc::Receiver<Received>,
    pub(super) commands: mpsc::Receiver<Command<A>>,
    pub(super) drain_limit: Duration,
    /// Says what the client has sent.
    pub(super) traffic: fn(&A, &Metrics),
    pub(super) registrar: Registrar,
    pub(super) tasks: JoinSet<Report>,
    pub(super) running: HashSet<(TableId, Kind)>,
    pub(super) hinted: Vec<TableId>,
    pub(super) last_flush: Instant,
    pub(super) flushing: bool,
    pub(super) hinting: bool,
    /// Which key is in use, counted from the start.
    pub(super) key: u32,
}

/// What a task brings back.
pub(super) enum Report {
    Fetched(Box<Carried>),
    Looked(Look),
    KeyTried(KeyLook),
    Registered(Registered),
    Saved(Saved),
    Flushed(Result<(), SinkError>),
    Hinted(std::io::Result<()>),
    Chore(ChoreRun),
    Noted(Result<(), SinkError>),
}

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Runs until the shutdown comes, and then until what is under way has ended, within a limit.
    pub(super) async fn run(
        mut self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), SourceError> {
        let mut shutdown = Box::pin(shutdown);
        let mut ticks = ticks();
        info!(tables = self.dispatch.table_count(), "started");
        self.ask_for_key();
        loop {
            self.pass();
            let next_due = self.next_due();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(command) = self.commands.recv() => self.command(command),
                Some(report) = self.tasks.join_next() => self.report(report),
                Some(received) = self.inbox.recv() => self.receive(received),
                () = self.slots.freed() => {}
                () = sleep_until(next_due) => {}
                _ = ticks.tick() => self.tick(),
            }
        }
        self.drain().await;
        Ok(())
    }

    /// Does what is due and starts what there is room for.
    fn pass(&mut self) {
        let now_ms = self.now_ms();
        for question in self.dispatch.pass(now_ms) {
            let api = Arc::clone(&self.api);
            match question {
                Ask::Integration { id, is_new } => {
                    let endpoints = self.dispatch.endpoints();
                    let order = LookOrder {
                        is_deleted: self.dispatch.is_deleted(&id),
                        begun: Begun::by(now_ms, self.clock.wall_ms()),
                        id,
                        is_new,
                    };
                    let look = look_at(api, self.sink.clone(), endpoints, order);
                    self.tasks.spawn(async move { Report::Looked(look.await) });
                }
                Ask::Key => self.ask_for_key(),
                Ask::Chore(name) => self.begin_chore(name),
                Ask::Notes => self.put_notes(now_ms),
            }
        }
        while self.running.len() < MAX_RUNNING {
            let slots = self.slots.clone();
            let Some(fetching) = self.dispatch.next(now_ms, |lane| slots.has_room(lane)) else {
                break;
            };
            self.start(fetching, now_ms);
        }
        self.save();
    }

    fn ask_for_key(&mut self) {
        let (api, nth) = (Arc::clone(&self.api), self.key);
        self.tasks
            .spawn(async move { Report::KeyTried(try_key(api, nth).await) });
    }

    fn start(&mut self, fetching: Fetching, now_ms: i64) {
        let slot = self.slots.take(fetching.work.lane);
        let work = &fetching.work;
        self.running.insert((work.table.clone(), work.kind));
        let task = FetchTask {
            ingest: self.ingest.clone(),
            metrics: self.metrics.clone(),
            fetching,
            now_ms,
        };
        self.tasks
            .spawn(async move { Report::Fetched(Box::new(task.run(slot).await)) });
    }

    /// Has the registry write what it lacks, one entry for all; reads it first where that failed at the start.
    pub(super) fn save(&mut self) {
        if !self.registrar.is_free() {
            return;
        }
        if self.registrar.is_unread() {
            let endpoints = self.dispatch.endpoints();
            let read = self.registrar.read(self.sink.clone(), endpoints);
            self.tasks
                .spawn(async move { Report::Registered(read.await) });
            return;
        }
        let unsaved = self.dispatch.unsaved();
        if unsaved.is_empty() {
            return;
        }
        let save = self.registrar.save(self.sink.clone(), unsaved);
        self.tasks.spawn(async move { Report::Saved(save.await) });
    }

    fn receive(&mut self, received: Received) {
        let Received { webhook, answer } = received;
        match self.dispatch.webhook(&webhook, self.now_ms()) {
            Reaction::Acknowledge(outcome) => {
                debug!(kind = webhook.label(), outcome, "webhook");
                Received::reply(answer, Ok(()));
            }
            Reaction::Refuse => {
                debug!(kind = webhook.label(), "webhook of a refused integration");
                Received::reply(answer, Err(overloaded()));
            }
            Reaction::Register(id) => {
                if let Err(answer) = self.registrar.wait(id, answer) {
                    Received::reply(answer, Err(overloaded()));
                }
            }
        }
    }

    pub(super) fn report(&mut self, report: Result<Report, JoinError>) {
        let now_ms = self.now_ms();
        match report {
            Ok(Report::Fetched(carried)) => self.fetched(*carried, now_ms),
            Ok(Report::Looked(look)) => look.tell(&mut self.dispatch, now_ms),
            Ok(Report::KeyTried(look)) => look.tell(&mut self.dispatch, self.key, now_ms),
            Ok(Report::Registered(read)) => {
                self.registrar.registered(read, &mut self.dispatch, now_ms);
            }
            Ok(Report::Saved(saved)) => {
                for _ in 0..self.registrar.saved(saved, &mut self.dispatch, now_ms) {
                    self.metrics
                        .error(ErrorType::WriterFailed, Stage::Processing);
                }
            }
            Ok(Report::Flushed(result)) => {
                self.flushing = false;
                if let Err(error) = result {
                    let error: &dyn std::error::Error = &error;
                    warn!(
                        error,
                        "bases of empty deltas were not written down; the next try is in an hour"
                    );
                }
            }
            Ok(Report::Hinted(result)) => {
                self.hinting = false;
                // Best effort: without hints every table is dirty at a start all the same.
                if let Err(error) = result {
                    warn!(%error, "the hint file cannot be written; set data_dir to a folder that can");
                }
            }
            Ok(Report::Chore(run)) => self.chore_ended(run, now_ms),
            Ok(Report::Noted(result)) => self.noted(result),
            // A bug must not go on as if nothing had happened: what it left behind nobody knows.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    fn fetched(&mut self, carried: Carried, now_ms: i64) {
        self.running.remove(&carried.what());
        carried.count(&self.metrics);
        carried.log();
        if let Some(coverage) = carried.held() {
            self.dispatch.read(&carried.what().0, coverage);
        }
        let (fetching, ended) = carried.into_ended();
        let was_refused = self.dispatch.is_key_refused();
        let answered = self.dispatch.ended(&fetching, ended, now_ms);
        if self.dispatch.is_key_refused() && !was_refused {
            error!(
                "kombo refuses the api key: nothing is fetched until it is taken; put the right one in place and send SIGHUP"
            );
        }
        if let Some(latency_ms) = answered {
            let latency = Duration::from_millis(u64::try_from(latency_ms).unwrap_or(0));
            self.metrics.notification_committed(latency);
        }
    }

    fn command(&mut self, command: Command<A>) {
        let Command { rules, held, parts } = command;
        if let Some(Parts {
            api,
            limits,
            ingest,
            concurrency,
        }) = parts
        {
            // What the old one remembers goes with it: a little is fetched twice.
            self.api = Arc::clone(&api);
            self.questions.swap(Arc::clone(&api));
            self.ingest = Ingest::new(api, self.sink.clone(), limits, ingest);
            self.slots = Slots::new(concurrency);
            self.key = self.key.wrapping_add(1);
            self.dispatch.key_changed();
            self.ask_for_key();
        }
        let now_ms = self.now_ms();
        // It may be another key.
        self.dispatch.key_tried(true, now_ms);
        self.dispatch.adopt(rules, |table| held.of(table), now_ms);
        self.metrics.reloaded();
        info!(
            tables = self.dispatch.table_count(),
            "configuration reloaded"
        );
    }

    fn tick(&mut self) {
        let now_ms = self.now_ms();
        self.gauge(now_ms);
        self.tell_alarms();
        self.write_hints();
        if !self.flushing && self.last_flush.elapsed() >= FLUSH_EVERY {
            (self.flushing, self.last_flush) = (true, Instant::now());
            let (ingest, running) = (self.ingest.clone(), self.running.clone());
            self.tasks.spawn(async move {
                // A fetch under way would be overtaken by its own table's base.
                let flushed = ingest
                    .flush_bases(|table| running.contains(&(table.clone(), Kind::Delta)))
                    .await;
                Report::Flushed(flushed)
            });
        }
    }

    fn gauge(&self, now_ms: i64) {
        self.dispatch.gauge(&self.metrics, now_ms);
        self.metrics.running_fetches(self.running.len());
        (self.traffic)(&self.api, &self.metrics);
    }

    fn tell_alarms(&mut self) {
        for news in self.dispatch.take_news() {
            news::tell(&news, &self.metrics);
        }
        for (id, before, is) in self.dispatch.take_alarms() {
            news::tell_alarm(&id, before, is);
        }
    }

    fn write_hints(&mut self) {
        let hinted = self.dispatch.announced();
        if hinted == self.hinted || self.hinting {
            return;
        }
        self.hinting = true;
        let (hints, tables) = (self.hints.clone(), hinted.clone());
        self.hinted = hinted;
        self.tasks
            .spawn_blocking(move || Report::Hinted(hints.write(&tables)));
    }

    fn next_due(&mut self) -> Instant {
        let now = Instant::now();
        let wait_ms = (self.dispatch.next_due()).map_or(i64::MAX, |due| due - self.now_ms());
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)).min(TICK);
        now + wait
    }

    /// Returns the time on Kombo's clock; before its first answer, on ours.
    pub(super) fn now_ms(&self) -> i64 {
        let server = self.api.server_now().map(ServerNow::as_millis);
        server.unwrap_or_else(|| self.clock.wall_ms())
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
