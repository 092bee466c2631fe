//! `run`: the service, until a signal ends it.
//!
//! The first SIGTERM or Ctrl-C lets running fetches end, within a limit. The second one ends the process at once, which is as
//! safe and only wastes requests. SIGHUP reads the configuration again, and keeps the old one when the new one is wrong.

mod own_process;
mod signals;
mod start_line;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::cli_error::{CONFIG, CliError, FAILED};
use super::key;
use super::logs::LogLimit;
use super::no_integrations::NoIntegration;
use super::session::Session;
use crate::build_info::BUILD_INFO;
use crate::config::Config;
use crate::lake::{FolderRisk, FullInterval, Lake};
use crate::listener::{Report, Telemetry};
use crate::metrics::{ErrorStage, ErrorType, Metrics};
use crate::service::{Control, LeaseView, MakeChores, Secrets, SourceContext, SourceError, Vitals};
use crate::time::Uptime;
use crate::words::{seconds, with_causes};

use signals::{OperatorRequest, Signals};
use start_line::StartLine;

/// How often the numbers of suppressed log lines are logged.
const SUPPRESSED_EVERY: Duration = Duration::from_mins(1);

/// The exit code that shells expect of a process that a signal ended.
const LEFT_AT_ONCE: u8 = 130;

/// Runs the service and returns the exit code. `open` reads the configuration again on each call.
pub(super) async fn run(
    drain_limit: Duration,
    open: impl Fn() -> Result<Session, CliError>,
    limit: &LogLimit,
) -> Result<u8, CliError> {
    let signals = Signals::new().map_err(|error| {
        let message = format!("signals cannot be received: {error}");
        let advice = "start it from a shell or a service manager";
        CliError::new(FAILED, message, advice)
    })?;
    let session = open()?;
    let secrets = secrets(&session)?;
    let lake = session.lake().await?;
    warn_of_risks(&session);
    without_integrations(&session, &lake).await?;
    let (source, sink) = (&session.config.source, &session.config.sink);
    let metrics = Metrics::new(&source.name, &sink.name, &BUILD_INFO);
    let full_interval = FullInterval::new(source.schedule.full_interval);
    let (stop, stopped) = oneshot::channel::<()>();
    let context = SourceContext {
        chores: chores_of(&session, &lake, &full_interval),
        lease: Some(lake.lease()),
        sink: lake,
        catalog: session.catalog.clone(),
        clock: Arc::clone(&session.clock),
        uptime: Uptime::of_machine(),
        metrics: metrics.clone(),
        data_dir: session.config.data_dir.clone(),
        shutdown: Box::pin(async { drop(stopped.await) }),
        drain_limit,
    };
    let built = session.source().build(secrets.clone(), context).await?;
    let (mut beside, mut running) = (JoinSet::new(), JoinSet::new());
    let reported = Reported {
        vitals: built.vitals.clone(),
        lease: built.lease,
        metrics: metrics.clone(),
    };
    let start = StartLine {
        telemetry: serve_telemetry(&session, reported, &mut beside).await?,
        session: &session,
        integrations: built.integrations,
        webhooks: built.webhook_address,
    };
    start.log();
    beside.spawn(log_suppressed(limit.clone()));
    running.spawn(built.source);
    let service = RunningService {
        open,
        config: session.config,
        control: built.control,
        metrics,
        stop: Some(stop),
        secrets,
        full_interval,
    };
    let ended = service.until_ended(running, signals).await;
    limit.tell_suppressed();
    ended
}

/// Says what the service waits for when no integration is known. Fails when it would wait for ever.
async fn without_integrations(session: &Session, lake: &Lake) -> Result<(), CliError> {
    if let Some(none) = NoIntegration::of(&session.config.source, Some(lake)).await {
        none.refusal().map_or(Ok(()), Err)?;
        warn!(advice = none.advice(), "{}", none.text());
    }
    Ok(())
}

/// Makes the chores of the lake, each time that the service begins to work.
fn chores_of(session: &Session, lake: &Lake, full_interval: &FullInterval) -> MakeChores {
    let (lake, endpoints) = (lake.clone(), session.catalog.endpoints().to_vec());
    let full_interval = full_interval.clone();
    Box::new(move || lake.chores(&endpoints, &full_interval))
}

/// Logs every minute how many log lines were suppressed. Runs until it is dropped.
async fn log_suppressed(limit: LogLimit) {
    let mut ticks = interval(SUPPRESSED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        limit.tell_suppressed();
    }
}

/// The running service, as signals control it.
struct RunningService<O> {
    open: O,
    config: Config,
    control: Control<Lake>,
    metrics: Metrics,
    stop: Option<oneshot::Sender<()>>,
    secrets: Secrets,
    full_interval: FullInterval,
}

impl<O: Fn() -> Result<Session, CliError>> RunningService<O> {
    /// Handles signals until the source has ended. Returns the exit code.
    async fn until_ended(
        mut self,
        mut running: JoinSet<Result<(), SourceError>>,
        mut signals: Signals,
    ) -> Result<u8, CliError> {
        let (mut asked_before, mut stopping) = (None, None);
        loop {
            let asked = if let Some(asked) = asked_before.take() {
                asked
            } else {
                tokio::select! {
                    ended = running.join_next() => {
                        if let Some((signal, since)) = stopping {
                            tell_end(signal, since);
                        }
                        return exit_code(ended, &self.config);
                    }
                    asked = signals.next() => asked,
                }
            };
            match asked {
                // A store that hangs during a reload must not delay the next signal.
                OperatorRequest::Reload => tokio::select! {
                    () = self.reload() => {}
                    asked = signals.next() => asked_before = Some(asked),
                },
                OperatorRequest::Stop(signal) if !self.stop() => {
                    warn!(
                        signal,
                        "ended at once after a second signal, {signal}; running fetches are not committed"
                    );
                    return Ok(LEFT_AT_ONCE);
                }
                OperatorRequest::Stop(signal) => {
                    stopping = Some((signal, Instant::now()));
                    self.metrics.quit();
                }
            }
        }
    }

    /// Asks the service to end. Returns `false` when it was asked before.
    fn stop(&mut self) -> bool {
        self.stop.take().is_some()
    }

    /// Reads the configuration again, and logs what has changed. With a wrong configuration the service goes on unchanged.
    async fn reload(&mut self) {
        let mut changed = Vec::new();
        match self.try_reload(&mut changed).await {
            Ok(()) => {
                let changed = or_none(&changed);
                info!(changed, "configuration reloaded: {changed}");
            }
            Err(failure) => {
                self.metrics
                    .error(ErrorType::ConfigurationFailed, ErrorStage::Initializing);
                error!(
                    reason = failure.message(),
                    advice = failure.advice(),
                    changed = changed.join("; "),
                    "the configuration was not reloaded, and the service goes on with the previous one"
                );
            }
        }
    }

    /// Reads and applies the configuration. Adds to `changed` what differs from the configuration in use.
    async fn try_reload(&mut self, changed: &mut Vec<String>) -> Result<(), CliError> {
        let session = (self.open)()?;
        let (old, new) = (&self.config, &session.config);
        changed.extend(new.changes_from(old));
        let needs_restart = [
            ("sinks", old.sink != new.sink),
            ("data_dir", old.data_dir != new.data_dir),
            ("api", old.telemetry != new.telemetry),
        ];
        if let Some((option, _)) = needs_restart.into_iter().find(|(_, changed)| *changed) {
            let message = format!("{option} cannot change while the service runs");
            let advice = "restart the service, or set the option back to its old value";
            return Err(CliError::new(CONFIG, message, advice));
        }
        let secrets = secrets(&session)?;
        changed.extend(replaced(&self.secrets, &secrets));
        let reloaded = self.control.reload(session.source(), secrets.clone()).await;
        reloaded.map_err(|error| CliError::new(CONFIG, with_causes(&error), error.advice()))?;
        // The grace of upkeep follows from it.
        self.full_interval
            .set(session.config.source.schedule.full_interval);
        (self.config, self.secrets) = (session.config, secrets);
        Ok(())
    }
}

/// Returns which secrets a reload replaced. Shows none.
fn replaced(old: &Secrets, new: &Secrets) -> Vec<String> {
    let secrets = [
        ("the API key: replaced", old.api_key != new.api_key),
        (
            "the webhook secrets: replaced",
            old.verifier != new.verifier,
        ),
    ];
    let replaced = secrets.into_iter().filter(|(_, is_new)| *is_new);
    replaced.map(|(text, _)| text.to_owned()).collect()
}

/// Returns the changes as one text.
fn or_none(changed: &[String]) -> String {
    match changed {
        [] => "no setting has changed".to_owned(),
        changed => changed.join("; "),
    }
}

/// Logs the end of the service: which signal ended it, and how long that took.
fn tell_end(signal: &str, since: Instant) {
    let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let took = seconds(Duration::from_millis(elapsed_ms));
    info!(signal, elapsed_ms, "ended {took} after {signal}");
}

/// Says at the start who else can read the secrets or the rows. A folder that was made just now is private.
fn warn_of_risks(session: &Session) {
    let data_dir = FolderRisk::of(&session.config.data_dir);
    let data_dir = data_dir.iter().map(ToString::to_string);
    for risk in session.risks().into_iter().chain(data_dir) {
        warn!("{risk}");
    }
}

/// Returns the exit code of a service that has ended.
fn exit_code(
    ended: Option<Result<Result<(), SourceError>, tokio::task::JoinError>>,
    config: &Config,
) -> Result<u8, CliError> {
    match ended {
        Some(Ok(Ok(()))) | None => Ok(0),
        Some(Ok(Err(SourceError::KeyRefused(error)))) => Err(key::refused(config, &error)),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Some(Err(_)) => Ok(FAILED),
    }
}

fn secrets(session: &Session) -> Result<Secrets, CliError> {
    let (api_key, warning) = session.config.api_key()?;
    let mut warnings: Vec<_> = warning.into_iter().collect();
    let verifier = session.config.webhook_verifier()?.map(|(verifier, more)| {
        warnings.extend(more);
        verifier
    });
    warnings.extend(session.config.check_tls_files()?);
    warnings.extend(session.config.check_store_files()?);
    for warning in warnings {
        warn!("{warning}");
    }
    Ok(Secrets { api_key, verifier })
}

async fn serve_telemetry(
    session: &Session,
    reported: Reported,
    tasks: &mut JoinSet<()>,
) -> Result<Option<SocketAddr>, CliError> {
    let telemetry = &session.config.telemetry;
    if !telemetry.enabled {
        return Ok(None);
    }
    let bound = Telemetry::bind(telemetry).await;
    let bound =
        bound.map_err(|error| CliError::new(FAILED, with_causes(&error), error.advice()))?;
    let address = bound.local_addr();
    tasks.spawn(bound.serve(reported, std::future::pending()));
    Ok(Some(address))
}

/// What the telemetry address answers.
struct Reported {
    vitals: Vitals,
    lease: LeaseView,
    metrics: Metrics,
}

impl Report for Reported {
    fn is_live(&self) -> bool {
        self.vitals.is_live()
    }

    fn is_ready(&self) -> bool {
        self.vitals.is_ready() && self.lease.is_held()
    }

    fn health(&self) -> (bool, String) {
        let health = self.vitals.health();
        let document = serde_json::to_string(&health).expect("strings, numbers and lists");
        (health.ok, document)
    }

    fn metrics(&self) -> String {
        self.metrics.process(own_process::own_use());
        self.metrics.encode()
    }
}
