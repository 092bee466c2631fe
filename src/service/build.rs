//! Builds a service from its options, its secrets and its context.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::candidate_writes::CandidateWrites;
use super::chores::Chores;
use super::config::{KomboSourceConfig, Secrets, SourceContext};
use super::control::{Command, Control, InUse};
use super::dispatch::Dispatch;
use super::door::{Door, Entrance, door};
use super::held::Held;
use super::hints::Hints;
use super::host_lock::HostLock;
use super::instance::instance;
use super::issue_writes::IssueWrites;
use super::lease::{LeaseKeeper, LeaseView};
use super::looks::FirstKey;
use super::minute_summary::MinuteSummary;
use super::questions::ApiQuestions;
use super::registrar::Registrar;
use super::run::Service;
use super::runner::Runner;
use super::slots::Slots;
use super::standby::{LeasedService, LeasedWork};
use super::vitals::Vitals;
use super::walks::Walks;
use super::witness::Witness;
use super::{Source, SourceError};
use crate::api::{Connect, HttpTransport, KomboApi, Transport};
use crate::ingest::Ingest;
use crate::listener::{Bound, Listener, ListenerSettings, SharedVerifier};
use crate::metrics::Metrics;
use crate::sink::{Registry, Sink};

/// The most reloads that may wait for the loop.
const COMMANDS: usize = 4;

/// How long the listener may take to answer open requests after the loop has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A built source. Nothing runs until `source` is polled.
pub struct Built<S, T = HttpTransport> {
    /// Runs the service until its shutdown signal.
    pub source: Source,
    /// Changes the configuration while the service runs.
    pub control: Control<S, T>,
    /// Whether the service lives, takes webhooks and is well.
    pub vitals: Vitals,
    /// Takes verified webhooks from a server of the program's own
    /// ([`with_own_listener`](KomboSourceConfig::with_own_listener)).
    pub webhooks: Arc<Entrance>,
    /// The address of the webhook listener, with the real port if port 0 was configured. `None` without a listener.
    pub webhook_address: Option<SocketAddr>,
    /// Number of integrations that are known at the start.
    pub integrations: usize,
    /// Whether the service works or stands by.
    pub lease: LeaseView,
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
        cx: SourceContext<S>,
    ) -> Result<Built<S>, SourceError>
    where
        S: Sink + Registry + Clone + 'static,
    {
        let connect = Arc::new(HttpTransport::new);
        self.build_over(secrets, cx, connect).await
    }

    /// Builds the source over another transport to Kombo.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub async fn build_over<S, T>(
        &self,
        secrets: Secrets,
        mut cx: SourceContext<S>,
        connect: Arc<Connect<T>>,
    ) -> Result<Built<S, T>, SourceError>
    where
        S: Sink + Registry + Clone + 'static,
        T: Transport,
    {
        let (settings, key) = (&self.settings, &secrets.api_key);
        // Made again when the work begins. What cannot be made is reported here.
        connect(&settings.api_url(), key, &settings.request).map_err(SourceError::Setup)?;
        let bound = bind(settings.webhook.as_ref()).await?;
        let keeper = self.keeper(&mut cx);
        let lease = (keeper.as_ref()).map_or_else(LeaseView::without, LeaseKeeper::view);
        let verifier = secrets.verifier.clone().map(SharedVerifier::new);
        let in_use = InUse {
            config: self.clone(),
            secrets,
            connect,
            commands: None,
        };
        let vitals = Vitals::begin(instance(&cx.data_dir), cx.clock.now());
        let counts = vitals.troubles().webhooks();
        let mut leased = LeasedService {
            in_use: Arc::new(Mutex::new(in_use)),
            entrance: Arc::new(Entrance::closed(lease.right(), counts)),
            vitals: vitals.clone(),
            cx,
        };
        let work = leased.begin(keeper).await?;
        let control = Control {
            in_use: Arc::clone(&leased.in_use),
            catalog: leased.cx.catalog.clone(),
            sink: leased.cx.sink.clone(),
            clock: Arc::clone(&leased.cx.clock),
            metrics: leased.cx.metrics.clone(),
            right: lease.right(),
            verifier: verifier.clone(),
            tls: bound.as_ref().and_then(Bound::tls),
        };
        let webhook_address = bound.as_ref().map(Bound::local_addr);
        let integrations = (work.integrations()).unwrap_or(self.settings.integrations.len());
        let webhooks = Arc::clone(&leased.entrance);
        let source = serve(work, leased, bound.zip(verifier));
        Ok(Built {
            vitals,
            source: Box::pin(source),
            control,
            webhook_address,
            integrations,
            lease,
            webhooks,
        })
    }

    /// Returns what takes the lease, if the service takes one.
    fn keeper<S>(&self, cx: &mut SourceContext<S>) -> Option<LeaseKeeper> {
        let settings = &self.settings.lease;
        let objects = cx.lease.take().filter(|_| settings.enabled)?;
        let lock = HostLock::new(&cx.data_dir);
        Some(LeaseKeeper::new(
            objects,
            settings.terms(),
            lock,
            cx.uptime.clone(),
        ))
    }

    /// Puts the loop together over any implementation of the API. Tests pass a twin.
    pub(super) async fn assemble<A, S>(
        &self,
        api: Arc<A>,
        cx: &mut SourceContext<S>,
        vitals: &Vitals,
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
        let (door, inbox) = door(vitals.troubles().webhooks());
        let (commands, orders) = mpsc::channel(COMMANDS);
        // At once: `status` says that no service runs where there are no notes.
        dispatch.time_notes(Duration::ZERO, now);
        let service = Service {
            chores: Chores::begin((cx.chores)(), &mut dispatch, now),
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
            vitals: vitals.clone(),
            summary: MinuteSummary::begin(),
            walks: Walks::default(),
        };
        Ok(Assembled {
            service,
            door,
            commands,
        })
    }
}

/// Runs the listener and the work, until the shutdown signal.
async fn serve<S, T>(
    work: LeasedWork<S, T>,
    leased: LeasedService<S, T>,
    listening: Option<(Bound, SharedVerifier)>,
) -> Result<(), SourceError>
where
    S: Sink + Registry + Clone + 'static,
    T: Transport,
{
    // Dropping `stop` lets the listener end after its open requests. Dropping the set ends it at once.
    let (stop, stopped) = oneshot::channel::<()>();
    let mut listener = JoinSet::new();
    if let Some((bound, verifier)) = listening {
        let stopped = async { drop(stopped.await) };
        let (entrance, metrics) = (Arc::clone(&leased.entrance), leased.cx.metrics.clone());
        listener.spawn(bound.serve(verifier, entrance, metrics, stopped));
    }
    let ended = leased.run(work).await;
    // Until here the listener has answered webhooks with 503, because the loop had closed its inbox.
    drop(stop);
    drop(timeout(LAST_ANSWERS, listener.join_all()).await);
    ended
}

async fn bind(webhook: Option<&ListenerSettings>) -> Result<Option<Bound>, SourceError> {
    let Some(webhook) = webhook else {
        return Ok(None);
    };
    let bound = Listener::bind(webhook.clone()).await;
    bound.map(Some).map_err(SourceError::Listen)
}
