//! Builds a service from its options, its secrets and its context.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::candidate_writes::CandidateWrites;
use super::chores::Chores;
use super::config::{KomboSourceConfig, Secrets, SourceContext};
use super::control::{Command, Control};
use super::dispatch::Dispatch;
use super::door::{Door, door};
use super::gauges::gauge_traffic;
use super::held::Held;
use super::hints::Hints;
use super::instance::instance;
use super::issue_writes::IssueWrites;
use super::looks::FirstKey;
use super::minute_summary::MinuteSummary;
use super::questions::ApiQuestions;
use super::registrar::Registrar;
use super::run::Service;
use super::runner::Runner;
use super::slots::Slots;
use super::vitals::Vitals;
use super::witness::Witness;
use super::{Source, SourceError};
use crate::api::{HttpApi, KomboApi};
use crate::ingest::Ingest;
use crate::listener::{Bound, Listener, ListenerSettings, SharedVerifier};
use crate::metrics::Metrics;
use crate::sink::{Registry, Sink};

/// The most reloads that may wait for the loop.
const COMMANDS: usize = 4;

/// How long the listener may take to answer open requests after the loop has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A built source. Nothing runs until `source` is polled.
pub struct Built<S> {
    /// Runs the service until its shutdown signal.
    pub source: Source,
    /// Changes the configuration while the service runs.
    pub control: Control<S>,
    /// Whether the service lives, takes webhooks and is well.
    pub vitals: Vitals,
    /// The address of the webhook listener, with the real port if port 0 was configured. `None` without a listener.
    pub webhook_address: Option<SocketAddr>,
    /// Number of integrations that are known at the start.
    pub integrations: usize,
}

/// The service with the sending ends of its channels.
pub(super) struct Assembled<A, S> {
    pub(super) service: Service<A, S>,
    pub(super) door: Door,
    pub(super) commands: mpsc::Sender<Command<A>>,
}

impl KomboSourceConfig {
    /// Checks the options, binds the listener, reads what the sink holds, and returns the source.
    ///
    /// # Errors
    ///
    /// Fails if the client for Kombo cannot be built or the address cannot be bound. A sink that cannot be read is no
    /// error: its tables are tried again later.
    pub async fn build<S>(
        &self,
        secrets: Secrets,
        mut cx: SourceContext<S>,
    ) -> Result<Built<S>, SourceError>
    where
        S: Sink + Registry + Clone + 'static,
    {
        let settings = &self.settings;
        let clock = Arc::clone(&cx.clock);
        let api = HttpApi::new(
            settings.api_url(),
            &secrets.api_key,
            &settings.request,
            clock,
        );
        let api = Arc::new(api.map_err(SourceError::Setup)?);
        let bound = bind(settings.webhook.as_ref()).await?;
        let assembled = self.assemble(api, &mut cx, gauge_traffic).await?;
        let verifier = secrets.verifier.clone().map(SharedVerifier::new);
        let control = Control {
            config: self.clone(),
            secrets,
            catalog: cx.catalog,
            sink: cx.sink,
            clock: cx.clock,
            commands: assembled.commands,
            verifier: verifier.clone(),
            tls: bound.as_ref().and_then(Bound::tls),
        };
        let webhook_address = bound.as_ref().map(Bound::local_addr);
        let integrations = assembled.service.dispatch.accounts.len();
        let listening = bound.zip(verifier);
        let (service, door, metrics) = (assembled.service, assembled.door, cx.metrics);
        let vitals = service.vitals.clone();
        let source = async move {
            // Dropping `stop` lets the listener end after its open requests. Dropping the set ends it at once.
            let (stop, stopped) = oneshot::channel::<()>();
            let mut listener = JoinSet::new();
            if let Some((bound, verifier)) = listening {
                let stopped = async { drop(stopped.await) };
                listener.spawn(bound.serve(verifier, Arc::new(door), metrics, stopped));
            }
            let ended = service.run(cx.shutdown).await;
            // Until here the listener has answered webhooks with 503, because the loop had closed its inbox.
            drop(stop);
            drop(timeout(LAST_ANSWERS, listener.join_all()).await);
            ended
        };
        Ok(Built {
            vitals,
            source: Box::pin(source),
            control,
            webhook_address,
            integrations,
        })
    }

    /// Puts the loop together over any implementation of the API. Tests pass a twin.
    pub(super) async fn assemble<A, S>(
        &self,
        api: Arc<A>,
        cx: &mut SourceContext<S>,
        traffic: fn(&A, &Metrics),
    ) -> Result<Assembled<A, S>, SourceError>
    where
        A: KomboApi + 'static,
        S: Sink + Registry + Clone + 'static,
    {
        let (registrar, registered) = Registrar::begin(cx.sink.registered().await);
        let held = Held::read(&cx.sink, self.endpoints.clone()).await;
        let rules = self.rules(&cx.catalog);
        let now = cx.clock.now();
        let mut dispatch = Dispatch::new(rules, &registered, |table| held.of(table), now);
        let candidates = cx.sink.candidates().await;
        let candidate_writes = CandidateWrites::begin(candidates, &mut dispatch, now);
        let hints = Hints::new(&cx.data_dir);
        dispatch.hint(&hints.read(&cx.catalog));
        let request = &self.settings.request;
        let (asked, sink) = (Arc::clone(&api), cx.sink.clone());
        let ingest = Ingest::new(asked, sink, request.limits(), self.settings.ingest);
        let vitals = Vitals::begin(instance(&cx.data_dir), now);
        let (door, inbox) = door(vitals.troubles().webhooks());
        let (commands, orders) = mpsc::channel(COMMANDS);
        // At once: `status` says that no service runs where there are no notes.
        dispatch.time_notes(Duration::ZERO, now);
        let service = Service {
            chores: Chores::begin(std::mem::take(&mut cx.chores), &mut dispatch, now),
            dispatch,
            runner: Runner::new(ingest, Slots::new(request.concurrency.get() as usize)),
            questions: ApiQuestions::new(api),
            clock: Arc::clone(&cx.clock),
            metrics: cx.metrics.clone(),
            hints,
            inbox,
            commands: orders,
            drain_limit: cx.drain_limit,
            traffic,
            registrar,
            candidate_writes,
            issue_writes: IssueWrites::default(),
            hinted: Vec::new(),
            last_flush: Instant::now(),
            flushing: false,
            hinting: false,
            noting: false,
            noted_wait: None,
            first_key: FirstKey::Asked,
            witness: Witness::default(),
            vitals,
            summary: MinuteSummary::begin(),
        };
        Ok(Assembled {
            service,
            door,
            commands,
        })
    }
}

async fn bind(webhook: Option<&ListenerSettings>) -> Result<Option<Bound>, SourceError> {
    let Some(webhook) = webhook else {
        return Ok(None);
    };
    let bound = Listener::bind(webhook.clone()).await;
    bound.map(Some).map_err(SourceError::Listen)
}
