//! `demo`: made-up customers travel from a stand-in for Kombo into a lake on this machine. It needs no key and no network.

mod changes;
mod duckdb;
mod folded;
mod landed;
mod lines;
pub(super) mod live;
mod story;
mod watched;
pub(super) mod watching;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::args::DemoArgs;
use super::backfill::{backfill, everything};
use super::backfill_report::BackfillReport;
use super::cli_error::{CliError, FAILED};
use super::session::Session;
use crate::api::ApiKey;
use crate::catalog::Catalog;
use crate::company::{World, WorldSettings};
use crate::config::{Config, Overrides};
use crate::time::{Clock as _, Moment, SystemClock};
use crate::twin::{Deliveries, SharedWorld, Twin, TwinSettings};

/// One integration of each category.
const INTEGRATIONS: u32 = 4;

/// Runs the demo. Returns whether everything was loaded, and the report with the next steps.
pub(super) async fn run(
    args: &DemoArgs,
    catalog: &Catalog,
    quiet: bool,
) -> Result<(bool, String), CliError> {
    let stage = DemoStage::set(args, twin_settings(args), catalog).await?;
    // On a terminal the progress bars disappear at the end. Elsewhere they would be a line for each table.
    let quiet = quiet || !io::stderr().is_terminal();
    let report = stage.first_load(quiet).await?;
    let text = landed::landed(&report, INTEGRATIONS, &args.lake);
    Ok((report.is_success(), text))
}

/// A world of customers, the address at which it is served, and the session that loads it into a lake.
struct DemoStage {
    settings: TwinSettings,
    world: SharedWorld,
    /// Stays bound, so that the twin can be served again at the same address.
    listener: std::net::TcpListener,
    session: Session,
}

impl DemoStage {
    async fn set(
        args: &DemoArgs,
        settings: TwinSettings,
        catalog: &Catalog,
    ) -> Result<Self, CliError> {
        let mut world = World::with_catalog(settings.world.clone(), catalog);
        if args.start.is_none() {
            world.advance_to(SystemClock.now().since(settings.world.start));
        }
        let customers = world.integrations().iter();
        let integrations = customers.map(|known| known.id().to_string()).collect();
        let listener = Twin::bind(&settings).await.map_err(no_twin)?;
        let address = listener.local_addr().map_err(no_twin)?;
        eprintln!(
            "A stand-in for Kombo serves {INTEGRATIONS} made-up customers at http://{address}/v1"
        );
        let overrides = Overrides {
            integrations,
            lake_url: Some(args.lake.display().to_string()),
            api_url: Some(format!("http://{address}/v1")),
            no_rate_limit: true,
            ..Overrides::default()
        };
        Ok(Self {
            settings,
            world: SharedWorld::new(world),
            listener: listener.into_std().map_err(no_twin)?,
            session: Session::new(Config::from_overrides(&overrides)?, catalog)?,
        })
    }

    /// Serves the twin until the returned value is dropped.
    fn serve(&self, settings: TwinSettings, noted: Deliveries) -> Result<ServedTwin, CliError> {
        let another = self.listener.try_clone().map_err(no_twin)?;
        let listener = TcpListener::from_std(another).map_err(no_twin)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (world, mut task) = (self.world.clone(), JoinSet::new());
        task.spawn(async move {
            let stopped = async { drop(stopped.await) };
            Twin::serve(listener, world, &settings, noted, stopped).await
        });
        Ok(ServedTwin { task, _stop: stop })
    }

    fn api_key(&self) -> Result<ApiKey, CliError> {
        Ok(ApiKey::new(&self.settings.world.api_key)?)
    }

    /// Serves the twin, which stands still, while a backfill loads everything into the lake.
    async fn first_load(&self, quiet: bool) -> Result<BackfillReport, CliError> {
        let _twin = self.serve(TwinSettings::default(), Deliveries::default())?;
        let api = Arc::new(self.session.api_with(&self.api_key()?)?);
        let order = everything(&self.session);
        backfill(&self.session, api, order, true, quiet).await
    }
}

/// A served twin. Dropping the sender ends it after running requests, dropping the set ends it at once.
struct ServedTwin {
    task: JoinSet<io::Result<()>>,
    _stop: oneshot::Sender<()>,
}

fn twin_settings(args: &DemoArgs) -> TwinSettings {
    TwinSettings {
        address: ([127, 0, 0, 1], 0).into(),
        world: WorldSettings {
            integrations: INTEGRATIONS,
            rows: args.rows,
            seed: args.seed,
            start: args.start.unwrap_or_else(midnight),
            ..WorldSettings::default()
        },
        ..TwinSettings::default()
    }
}

/// Returns when the day began, in UTC: the records of one day are the same each time.
fn midnight() -> Moment {
    const DAY_MS: i64 = 86_400_000;
    let days = SystemClock.now().as_millis().div_euclid(DAY_MS);
    Moment::from_millis(days * DAY_MS)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` passes the error by value"
)]
fn no_twin(error: io::Error) -> CliError {
    let message = format!("the demo's twin cannot be served: {error}");
    CliError::new(FAILED, message, "free a port of the loopback address")
}

/// Returns the absolute path of a folder, or the given path where the working directory is unknown.
fn absolute(lake: &Path) -> PathBuf {
    std::path::absolute(lake).unwrap_or_else(|_| lake.to_owned())
}
