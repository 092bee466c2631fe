//! `demo --live`: rows change at the twin, and the demo shows the way of each change: webhook, delta, commit, row.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::super::args::DemoArgs;
use super::super::cli_error::{CliError, FAILED};
use super::super::output;
use super::super::queries::one_row;
use super::story::TrackedChange;
use super::watched::{Seen, Watched};
use super::{DemoStage, ServedTwin, absolute, twin_settings};
use crate::build_info::BUILD_INFO;
use crate::catalog::{Catalog, Endpoint};
use crate::ids::EndpointName;
use crate::lake::Lake;
use crate::listener::ListenerSettings;
use crate::metrics::Metrics;
use crate::service::{KomboSourceConfig, Secrets, SourceContext, SourceError};
use crate::time::Uptime;
use crate::twin::{Deliveries, HeraldSettings, TargetError, TwinSettings};
use crate::webhook::{Verifier, WebhookSecret};

/// Pause of the twin between two webhooks of an integration. Kombo's pause is 30 seconds.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(500);

/// How long the service may take to shut down.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Most steps that wait to be shown.
const STEPS: usize = 1_000;

/// A loaded lake, and a twin that is about to change.
pub(in super::super) struct Live {
    pub(super) stage: DemoStage,
    pub(super) folder: PathBuf,
    pub(super) changes: usize,
}

/// The running service and twin.
pub(super) struct RunningDemo {
    pub(super) lake: Lake,
    pub(super) seen: mpsc::Receiver<Seen>,
    pub(super) deliveries: Deliveries,
    pub(super) source: JoinSet<Result<(), SourceError>>,
    pub(super) twin: ServedTwin,
    /// Dropping the sender ends the service.
    pub(super) stop: oneshot::Sender<()>,
}

/// Loads everything into the lake once.
pub(in super::super) async fn prepare(
    args: &DemoArgs,
    catalog: &Catalog,
    quiet: bool,
) -> Result<Live, CliError> {
    let mut stage = DemoStage::set(args, twin_settings(args), catalog).await?;
    // On a terminal the progress bars disappear at the end. Elsewhere they would be a line for each table.
    let quiet = quiet || !std::io::stderr().is_terminal();
    let report = stage.first_load(quiet).await?;
    if !report.is_success() {
        output::put(report.text());
        let message = "the first load is not complete";
        return Err(CliError::new(FAILED, message, "the lines above say why"));
    }
    output::line(format_args!("First load: {}.", report.total()));
    stage.session.config.sink.lake.commit_window_secs = 0;
    Ok(Live {
        stage,
        folder: absolute(&args.lake),
        changes: args.changes.get() as usize,
    })
}

impl Live {
    /// Starts the service, and the twin that sends webhooks to it.
    pub(super) async fn start(&self, data_dir: PathBuf) -> Result<RunningDemo, CliError> {
        let DemoStage {
            session, settings, ..
        } = &self.stage;
        let mut source = session.config.source.clone();
        let door = ListenerSettings {
            address: ([127, 0, 0, 1], 0).into(),
            ..ListenerSettings::default()
        };
        let path = door.path.clone();
        let lake = session.lake().await?;
        let (tell, seen) = mpsc::channel(STEPS);
        let (stop, stopped) = oneshot::channel::<()>();
        let context = SourceContext {
            sink: Watched {
                lake: lake.clone(),
                tell,
            },
            chores: Box::new(Vec::new),
            lease: None,
            catalog: session.catalog.clone(),
            clock: Arc::clone(&session.clock),
            uptime: Uptime::of_machine(),
            metrics: Metrics::new(&source.name, "demo", &BUILD_INFO),
            data_dir,
            shutdown: Box::pin(async { drop(stopped.await) }),
            drain_limit: DRAIN_LIMIT,
        };
        let secrets = Secrets {
            api_key: self.stage.api_key()?,
            verifier: (WebhookSecret::new(&settings.webhook_secret).ok()).map(Verifier::new),
        };
        source.webhook = Some(door);
        let config = KomboSourceConfig::new(source, session.endpoints.clone());
        let built = config.build(secrets, context).await?;
        let address = built.webhook_address;
        let address = address.ok_or_else(|| no_webhooks("no port"))?;
        let settings = with_webhooks(settings, &format!("http://{address}{path}"))?;
        let deliveries = Deliveries::default();
        let twin = self.stage.serve(settings, deliveries.clone())?;
        let mut running = JoinSet::new();
        running.spawn(built.source);
        Ok(RunningDemo {
            lake,
            seen,
            deliveries,
            source: running,
            twin,
            stop,
        })
    }

    pub(super) fn endpoint(&self, name: &EndpointName) -> Option<&Arc<Endpoint>> {
        let mut all = self.stage.session.endpoints.iter();
        all.find(|endpoint| endpoint.name() == name)
    }

    /// Returns a query for the row that a change was about.
    pub(super) fn query(&self, told: &TrackedChange) -> Option<String> {
        let (table, id) = told.row()?;
        let lake = self.folder.display().to_string();
        Some(one_row(&lake, &table.endpoint.table_name(), id))
    }

    /// Returns how many requests the twin has had.
    pub(super) fn requests(&self) -> u64 {
        self.stage.world.lock().requests().total()
    }
}

fn with_webhooks(settings: &TwinSettings, url: &str) -> Result<TwinSettings, CliError> {
    let target = url.parse();
    let target = target.map_err(|error: TargetError| no_webhooks(&error.to_string()))?;
    Ok(TwinSettings {
        webhooks: Some(HeraldSettings {
            target,
            debounce: DEBOUNCE,
            lost_percent: 0,
        }),
        ..settings.clone()
    })
}

fn no_webhooks(reason: &str) -> CliError {
    let message = format!("the demo's webhooks have no address: {reason}");
    CliError::new(FAILED, message, "free a port of the loopback address")
}
