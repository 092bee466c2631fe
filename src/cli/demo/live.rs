//! `demo --live`: rows change at the twin, and each is watched on its way: webhook, delta, commit, row.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::super::args::DemoArgs;
use super::super::failure::{FAILED, Failure};
use super::super::queries::one_row;
use super::story::Told;
use super::watched::{Seen, Watched};
use super::watching::Watching;
use super::{Stage, absolute, twin_settings};
use crate::catalog::{Catalog, Endpoint};
use crate::company::WorldSettings;
use crate::ids::EndpointName;
use crate::lake::Lake;
use crate::listener::ListenerSettings;
use crate::metrics::Metrics;
use crate::service::{KomboSourceConfig, Secrets, SourceContext, SourceError};
use crate::time::{Clock as _, SystemClock};
use crate::twin::{Deliveries, HeraldSettings, Twin, TwinSettings};
use crate::webhook::{Verifier, WebhookSecret};

/// The twin's pause between two webhooks of an integration. Kombo's is 30 seconds.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(500);

/// How long the service may take to end.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Steps that may wait to be shown.
const STEPS: usize = 1_000;

/// A lake that holds everything, and a twin that is about to change.
pub(in super::super) struct Live {
    pub(super) stage: Stage,
    catalog: Catalog,
    folder: PathBuf,
    pub(super) changes: usize,
}
/// The service and the twin at work.
pub(super) struct Running {
    pub(super) lake: Lake,
    pub(super) seen: mpsc::Receiver<Seen>,
    pub(super) deliveries: Deliveries,
    pub(super) source: JoinSet<Result<(), SourceError>>,
    pub(super) twin: JoinSet<std::io::Result<()>>,
    /// Dropping it ends the service.
    pub(super) stop: oneshot::Sender<()>,
    /// Dropping it ends the twin.
    _stop_twin: oneshot::Sender<()>,
}

/// Brings everything into the lake once.
pub(in super::super) async fn prepare(
    args: &DemoArgs,
    catalog: &Catalog,
    quiet: bool,
) -> Result<Live, Failure> {
    let settings = twin_settings(args);
    // Records change from now on, so that their times are those on the wall, and later than whatever the lake holds.
    let world = WorldSettings {
        start_ms: SystemClock.now().as_millis(),
        ..settings.world()
    };
    let mut stage = Stage::set(args, settings, world, catalog).await?;
    // On a terminal the bars go away at the end; a line for each table would not.
    let quiet = quiet || !std::io::stderr().is_terminal();
    let report = stage.first_load(quiet).await?;
    if !report.is_success() {
        print!("{}", report.text());
        let message = "the first load is not complete";
        return Err(Failure::new(FAILED, message, "the lines above say why"));
    }
    println!("First load: {}.", report.total());
    stage.session.config.sink.lake.commit_window_secs = 0;
    Ok(Live {
        stage,
        catalog: catalog.clone(),
        folder: absolute(&args.lake),
        changes: args.changes.get() as usize,
    })
}

impl Live {
    /// Shows changes until there were enough, or the person has seen enough. Returns whether each arrived.
    pub(in super::super) async fn run(
        self,
        enough: impl Future<Output = ()>,
    ) -> Result<bool, Failure> {
        let folder = format!("kombo-source-demo-{}", std::process::id());
        let data_dir = std::env::temp_dir().join(folder);
        let running = self.start(data_dir.clone()).await?;
        let mut watching = Watching::new(&self, running);
        let told = watching.watch(enough).await;
        watching.end().await;
        // Only hints were in it.
        drop(std::fs::remove_dir_all(&data_dir));
        told
    }

    /// Starts the service, and the twin that tells it of changes.
    async fn start(&self, data_dir: PathBuf) -> Result<Running, Failure> {
        let Stage {
            session, settings, ..
        } = &self.stage;
        let mut source = session.config.source.clone();
        let door = ListenerSettings {
            address: ([127, 0, 0, 1], 0).into(),
            ..ListenerSettings::default()
        };
        let path = door.path.clone();
        source.webhook = Some(door);
        let lake = session.lake().await?;
        let (tell, seen) = mpsc::channel(STEPS);
        let (stop, stopped) = oneshot::channel::<()>();
        let context = SourceContext {
            sink: Watched {
                lake: lake.clone(),
                tell,
            },
            chores: Vec::new(),
            catalog: self.catalog.clone(),
            clock: Arc::clone(&session.clock),
            metrics: Metrics::new(&source.name, "demo", env!("CARGO_PKG_VERSION")),
            data_dir,
            shutdown: Box::pin(async { drop(stopped.await) }),
            drain_limit: DRAIN_LIMIT,
        };
        let secrets = Secrets {
            api_key: self.stage.api_key()?,
            verifier: (WebhookSecret::new(&settings.webhook_secret).ok()).map(Verifier::new),
        };
        let config = KomboSourceConfig::new(source, session.endpoints.clone());
        let built = config.build(secrets, context).await?;
        let address = built
            .webhook_address
            .ok_or_else(|| no_webhooks("no port"))?;
        let settings = with_webhooks(settings, &format!("http://{address}{path}"))?;
        let deliveries = Deliveries::default();
        let (stop_twin, twin_stopped) = oneshot::channel::<()>();
        let (listener, world) = (self.stage.listener()?, self.stage.world.clone());
        let (noted, mut twin) = (deliveries.clone(), JoinSet::new());
        twin.spawn(async move {
            let stopped = async { drop(twin_stopped.await) };
            Twin::serve(listener, world, &settings, noted, stopped).await
        });
        let mut running = JoinSet::new();
        running.spawn(built.source);
        Ok(Running {
            lake,
            seen,
            deliveries,
            source: running,
            twin,
            stop,
            _stop_twin: stop_twin,
        })
    }

    pub(super) fn endpoint(&self, name: &EndpointName) -> Option<&Arc<Endpoint>> {
        let mut all = self.stage.session.endpoints.iter();
        all.find(|endpoint| endpoint.name() == name)
    }

    /// Returns a query for the row that a change was about.
    pub(super) fn query(&self, told: &Told) -> Option<String> {
        let (table, id) = told.row()?;
        let lake = self.folder.display().to_string();
        Some(one_row(&lake, &table.endpoint.table_name(), id))
    }

    /// Returns how many requests the twin has had.
    pub(super) fn requests(&self) -> u64 {
        self.stage.world.lock().requests().total()
    }
}

fn with_webhooks(settings: &TwinSettings, url: &str) -> Result<TwinSettings, Failure> {
    let target = url
        .parse()
        .map_err(|error| no_webhooks(&format!("{error}")))?;
    Ok(TwinSettings {
        webhooks: Some(HeraldSettings {
            target,
            debounce: DEBOUNCE,
            lost_percent: 0,
        }),
        ..settings.clone()
    })
}

fn no_webhooks(reason: &str) -> Failure {
    let message = format!("the demo's webhooks have no address: {reason}");
    Failure::new(FAILED, message, "free a port of the loopback address")
}
