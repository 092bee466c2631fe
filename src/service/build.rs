//! Putting the parts together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::chores::Chores;
use super::config::{KomboSourceConfig, Secrets, SourceContext};
use super::control::{Command, Control};
use super::dispatch::Dispatch;
use super::door::{Door, door};
use super::gauges::gauge_traffic;
use super::held::Held;
use super::hints::Hints;
use super::questions::ApiQuestions;
use super::registrar::Registrar;
use super::run::Service;
use super::runner::Runner;
use super::slots::Slots;
use super::{Source, SourceError};
use crate::api::{HttpApi, KomboApi};
use crate::ingest::Ingest;
use crate::listener::{Bound, Listener, ListenerSettings, SharedVerifier};
use crate::metrics::Metrics;
use crate::sink::{Registry, Sink};

/// Configurations that may wait for the loop.
const COMMANDS: usize = 4;

/// How long the listener may take to answer what it has begun, once nothing is fetched any more.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A source that only needs to be polled.
pub struct Built<S> {
    /// Runs until the shutdown.
    pub source: Source,
    /// Changes it while it runs.
    pub control: Control<S>,
    /// Where webhooks are taken, with the port that was given.
    pub webhook_address: Option<SocketAddr>,
}

/// The loop with the ends of its channels.
pub(super) struct Assembled<A, S> {
    pub(super) service: Service<A, S>,
    pub(super) door: Door,
    pub(super) commands: mpsc::Sender<Command<A>>,
}

impl KomboSourceConfig {
    /// Checks the options, binds the listener, asks the sink what it holds, and returns what has to be polled.
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
        let listening = bound.zip(verifier);
        let (service, door, metrics) = (assembled.service, assembled.door, cx.metrics);
        let source = async move {
            // Dropping the sender ends the listener, dropping the set ends it at once.
            let (stop, stopped) = oneshot::channel::<()>();
            let mut listener = JoinSet::new();
            if let Some((bound, verifier)) = listening {
                let stopped = async { drop(stopped.await) };
                listener.spawn(bound.serve(verifier, Arc::new(door), metrics, stopped));
            }
            let ended = service.run(cx.shutdown).await;
            // Until here webhooks were answered that the service is going down.
            drop(stop);
            drop(timeout(LAST_ANSWERS, listener.join_all()).await);
            ended
        };
        Ok(Built {
            source: Box::pin(source),
            control,
            webhook_address,
        })
    }

    /// Puts the loop together over any implementation of the API.
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
        let hints = Hints::new(&cx.data_dir);
        dispatch.hint(&hints.read(&cx.catalog));
        let ingest = Ingest::new(
            Arc::clone(&api),
            cx.sink.clone(),
            self.settings.request.limits(),
            self.settings.ingest,
        );
        let (door, inbox) = door();
        let (commands, orders) = mpsc::channel(COMMANDS);
        let chores = Chores::begin(std::mem::take(&mut cx.chores), &mut dispatch, now);
        dispatch.time_notes(now);
        let concurrency = self.settings.request.concurrency.get() as usize;
        let service = Service {
            dispatch,
            runner: Runner::new(ingest, Slots::new(concurrency)),
            questions: ApiQuestions::new(api),
            clock: Arc::clone(&cx.clock),
            metrics: cx.metrics.clone(),
            hints,
            chores,
            inbox,
            commands: orders,
            drain_limit: cx.drain_limit,
            traffic,
            registrar,
            hinted: Vec::new(),
            last_flush: Instant::now(),
            flushing: false,
            hinting: false,
            noting: false,
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
