//! The loop of the service. Webhooks, ended fetches, signals and timers come in; fetches, questions to Kombo and the
//! sink's chores go out.
//!
//! Everything that waits runs in one `JoinSet`. Every channel has a bound. The loop itself never waits for the network
//! or the disk. Cancelling is safe at any `.await`: rows that are not committed are not visible, and every table is
//! dirty again after a start.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing::{debug, warn};

use super::SourceError;
use super::candidate_writes::{CandidateWrites, KeptCandidates, Recalled};
use super::chores::{ChoreRun, Chores};
use super::control::Command;
use super::dispatch::{Ask, Dispatch, Reaction};
use super::door::{Received, overloaded};
use super::fetches::{Carried, FetchTask};
use super::fetching::Fetching;
use super::hints::Hints;
use super::issue_writes::{IssueWrites, KeptIssues};
use super::looks::{
    CandidateLook, FirstKey, KeyLook, Look, LookOrder, look_at, look_at_candidate, try_key,
};
use super::minute_summary::MinuteSummary;
use super::news;
use super::questions::ApiQuestions;
use super::registrar::{Registrar, RegistryRead, Saved};
use super::runner::Runner;
use super::vitals::Vitals;
use super::walks::Walks;
use super::witness::Witness;
use crate::api::{KomboApi, WaitReason};
use crate::ids::TableId;
use crate::metrics::{ErrorStage, ErrorType, Metrics};
use crate::plan::{Begun, Kind};
use crate::sink::{Registry, Sink, SinkError};
use crate::time::{Clock, Moment, ServerNow};
use crate::words::with_causes;

/// How often gauges and the hint file are updated. With very many tables those that walk over all tables are updated
/// less often ([`Walks`]).
pub(super) const TICK: Duration = Duration::from_secs(5);

/// How often the bases that empty deltas moved are written to the sink.
const FLUSH_EVERY: Duration = Duration::from_hours(1);

/// The running service.
pub(super) struct Service<A, S> {
    pub(super) dispatch: Dispatch,
    pub(super) runner: Runner<A, S, TaskReport>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) hints: Hints,
    pub(super) chores: Chores,
    pub(super) questions: ApiQuestions<A>,
    pub(super) inbox: mpsc::Receiver<Received>,
    pub(super) commands: mpsc::Receiver<Command<A>>,
    pub(super) drain_limit: Duration,
    /// Copies the request totals of the API client into the metrics.
    pub(super) traffic: fn(&A, &Metrics),
    pub(super) registrar: Registrar,
    pub(super) candidate_writes: CandidateWrites,
    pub(super) issue_writes: IssueWrites,
    pub(super) hinted: Vec<TableId>,
    pub(super) last_flush: Instant,
    pub(super) flushing: bool,
    pub(super) hinting: bool,
    pub(super) noting: bool,
    /// What all requests wait for, according to the notes.
    pub(super) noted_wait: Option<WaitReason>,
    pub(super) first_key: FirstKey,
    pub(super) witness: Witness,
    pub(super) vitals: Vitals,
    pub(super) summary: MinuteSummary,
    pub(super) walks: Walks,
}

/// The result of a background task.
pub(super) enum TaskReport {
    Fetched(Box<Carried>),
    Looked(Look),
    CandidateLooked(CandidateLook),
    IssuesKept(KeptIssues),
    Recalled(Recalled),
    Kept(KeptCandidates),
    KeyTried(KeyLook),
    Registered(RegistryRead),
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
    /// Runs until the shutdown signal comes. Then waits for the running fetches, within the drain limit.
    pub(super) async fn run(
        mut self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), SourceError> {
        let mut shutdown = Box::pin(shutdown);
        let mut ticks = ticks();
        debug!(tables = self.dispatch.tables.len(), "service started");
        self.ask_for_key();
        self.vitals.opened();
        loop {
            self.vitals.turns();
            self.pass();
            let next_due = self.next_due();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(command) = self.commands.recv() => self.command(command),
                // A step without a report means that a fetch gave its slot back.
                report = self.runner.step(false) => report.into_iter().for_each(|it| self.report(it)),
                Some(received) = self.inbox.recv() => self.receive(received),
                () = sleep_until(next_due) => {}
                _ = ticks.tick() => self.tick(),
            }
            if let FirstKey::Refused(error) = self.first_key {
                self.first_key = FirstKey::Over;
                self.drain().await;
                return Err(SourceError::KeyRefused(error));
            }
        }
        self.drain().await;
        Ok(())
    }

    /// Handles what is due, and starts fetches while slots are free.
    fn pass(&mut self) {
        let now = self.now();
        for question in self.dispatch.pass(now) {
            let api = Arc::clone(self.api());
            match question {
                Ask::Integration { id, is_new } => {
                    let endpoints = self.dispatch.rules.endpoints.clone();
                    let order = LookOrder {
                        is_deleted: self.dispatch.is_deleted(&id),
                        begun: Begun::by(now, self.clock.now()),
                        id,
                        is_new,
                    };
                    let look = look_at(api, self.sink().clone(), endpoints, order);
                    self.runner.beside(look, TaskReport::Looked);
                }
                Ask::Candidate(id) => {
                    let look = look_at_candidate(api, id);
                    self.runner.beside(look, TaskReport::CandidateLooked);
                }
                Ask::Key => self.ask_for_key(),
                Ask::Chore(name) => {
                    let (kombo, metrics) = (self.questions.clone(), self.metrics.clone());
                    let troubles = self.vitals.troubles().clone();
                    if let Some(run) = self.chores.run(name, kombo, metrics, troubles) {
                        self.runner.beside(run, TaskReport::Chore);
                    }
                }
                Ask::Notes => self.put_notes(now),
            }
        }
        while let Some(fetching) = (self.dispatch).next(now, |lane| self.runner.has_room(lane)) {
            self.start(fetching);
        }
        self.keep(now);
        self.save();
    }

    pub(super) fn ask_for_key(&mut self) {
        let key = try_key(Arc::clone(self.api()), self.dispatch.used_key.number);
        self.runner.beside(key, TaskReport::KeyTried);
    }

    fn start(&mut self, fetching: Fetching) {
        let metrics = self.metrics.clone();
        self.runner
            .begin(fetching, |fetching, ingest, slot| async move {
                let task = FetchTask {
                    ingest,
                    metrics,
                    fetching,
                };
                TaskReport::Fetched(Box::new(task.run(slot).await))
            });
    }

    fn receive(&mut self, received: Received) {
        let Received { webhook, answer } = received;
        match self.dispatch.webhook(&webhook, self.now()) {
            Reaction::Acknowledge(outcome) => {
                debug!(kind = webhook.label(), outcome, "webhook acknowledged");
                Received::reply(answer, Ok(()));
            }
            Reaction::Refuse => {
                debug!(
                    kind = webhook.label(),
                    "webhook answered 503: the registry refuses the integration"
                );
                Received::reply(answer, Err(overloaded()));
            }
            Reaction::Full => {
                self.metrics.candidate_refused("full");
                Received::reply(answer, Err(overloaded()));
            }
            Reaction::Keep(id) => {
                if let Err(answer) = self.candidate_writes.wait(id, answer) {
                    Received::reply(answer, Err(overloaded()));
                }
            }
            Reaction::Store(issue) => self.issue_writes.wait(*issue, answer),
            Reaction::Register(id) => {
                if let Err(answer) = self.registrar.wait(id, answer) {
                    Received::reply(answer, Err(overloaded()));
                }
            }
        }
    }

    pub(super) fn report(&mut self, report: TaskReport) {
        let now = self.now();
        match report {
            TaskReport::Fetched(carried) => self.fetched(*carried, now),
            TaskReport::Looked(look) => self.looked(look, now),
            TaskReport::CandidateLooked(look) => self.candidate_looked(look, now),
            TaskReport::IssuesKept(kept) => self.issue_writes.kept(kept),
            TaskReport::Recalled(read) => {
                self.candidate_writes
                    .recalled(read, &mut self.dispatch, now);
            }
            TaskReport::Kept(kept) => self.candidate_writes.kept(kept, &mut self.dispatch),
            TaskReport::KeyTried(look) => self.key_tried(look, now),
            TaskReport::Registered(read) => {
                self.registrar.registered(read, &mut self.dispatch, now);
            }
            TaskReport::Saved(saved) => {
                for _ in 0..self.registrar.saved(saved, &mut self.dispatch, now) {
                    self.metrics
                        .error(ErrorType::WriterFailed, ErrorStage::Processing);
                }
            }
            TaskReport::Flushed(result) => {
                self.flushing = false;
                self.witness.sink("the bases", result.as_ref(), now);
                if let Err(error) = result {
                    let error = with_causes(&error);
                    warn!(
                        error,
                        "the bases of empty deltas were not written; the next try is in one hour"
                    );
                }
            }
            TaskReport::Hinted(result) => {
                self.hinting = false;
                // The hint file is best effort: without it every table is dirty after a start as well.
                if let Err(error) = result {
                    warn!(%error, "the restart hints cannot be written into data_dir: after a restart changed tables are not fetched first; set data_dir to a writable folder");
                }
            }
            TaskReport::Chore(run) => self.chores.ended(run, &mut self.dispatch, now),
            TaskReport::Noted(result) => {
                self.noting = false;
                self.witness.sink("the notes", result.as_ref(), now);
                if let Err(error) = result {
                    let error = with_causes(&error);
                    warn!(
                        error,
                        "the service's notes were not written to the lake: `kombo-source status` shows the previous ones"
                    );
                }
            }
        }
    }

    fn key_tried(&mut self, look: KeyLook, now: Moment) {
        let before = std::mem::replace(&mut self.first_key, FirstKey::Over);
        match look.refusal() {
            // The caller tells the error, so it is not logged here.
            Some(error) if matches!(before, FirstKey::Asked) => {
                self.first_key = FirstKey::Refused(error.clone());
            }
            _ => look.tell(&mut self.dispatch, now),
        }
    }

    fn fetched(&mut self, carried: Carried, now: Moment) {
        self.runner.ended(&carried.fetching);
        carried.count(&self.metrics);
        carried.log();
        if let Some(coverage) = &carried.coverage {
            self.dispatch.read(&carried.fetching.work.table, coverage);
        }
        if let Some(result) = carried.sink_result() {
            let table = carried.fetching.work.table.to_string();
            self.witness.sink(&table, result, now);
        }
        let (fetching, ended) = carried.into_ended();
        let answered = self.dispatch.ended(&fetching, ended, now);
        if let Some(latency) = answered {
            self.metrics.notification_committed(latency);
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        if self.walks.is_due(self.dispatch.tables.len()) {
            self.dispatch.gauge(&self.metrics, now);
            self.see_troubles(now);
            self.write_hints();
        }
        self.gauge_requests();
        self.tell_minute();
        self.tell_alarms();
        self.note_wait(now);
        if !self.flushing && self.last_flush.elapsed() >= FLUSH_EVERY {
            (self.flushing, self.last_flush) = (true, Instant::now());
            let (ingest, running) = (self.runner.ingest.clone(), self.runner.running().clone());
            let flush = async move {
                // Bases of tables with a running delta stay out of the flush: the flush would move the base under that
                // fetch, and its commit would count as overtaken.
                let is_under_way =
                    |table: &TableId| running.contains(&(table.clone(), Kind::Delta));
                ingest.flush_bases(is_under_way).await
            };
            self.runner.beside(flush, TaskReport::Flushed);
        }
    }

    pub(super) fn gauge(&self, now: Moment) {
        self.dispatch.gauge(&self.metrics, now);
        self.gauge_requests();
    }

    fn gauge_requests(&self) {
        self.metrics.running_fetches(self.runner.running().len());
        (self.traffic)(self.api(), &self.metrics);
    }

    fn tell_alarms(&mut self) {
        for news in std::mem::take(&mut self.dispatch.news) {
            news::tell(&news, &self.metrics);
        }
        for (id, before, is) in std::mem::take(&mut self.dispatch.alarms) {
            news::tell_alarm(&id, before, is);
        }
    }

    pub(super) fn api(&self) -> &Arc<A> {
        self.runner.ingest.api()
    }

    pub(super) fn sink(&self) -> &S {
        self.runner.ingest.sink()
    }

    fn next_due(&self) -> Instant {
        let due = self.dispatch.next_due().unwrap_or(Moment::NEVER);
        Instant::now() + due.since(self.now()).min(TICK)
    }

    /// Returns the current time on Kombo's clock. Uses the local clock before Kombo's first answer.
    pub(super) fn now(&self) -> Moment {
        let server = self.api().server_now().map(ServerNow::moment);
        server.unwrap_or_else(|| self.clock.now())
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
