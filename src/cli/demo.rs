//! `demo`: a fake customer base travels from a Kombo API into a lake on this machine. No key, no network.

mod changes;
mod duckdb;
mod lines;
pub(super) mod live;
mod story;
mod watched;
mod watching;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::args::DemoArgs;
use super::backfill::backfill;
use super::failure::{FAILED, Failure};
use super::progress::{Progress, wait_view};
use super::queries::snippets;
use super::report::Report;
use super::session::Session;
use crate::api::ApiKey;
use crate::backfill::BackfillSettings;
use crate::catalog::Catalog;
use crate::company::{World, WorldSettings};
use crate::config::{Config, Overrides};
use crate::plan::Kind;
use crate::twin::{Deliveries, SharedWorld, Twin, TwinSettings};

/// One integration of each category.
const INTEGRATIONS: u32 = 4;

/// Runs the demo and returns its report and the lines that query what landed.
pub(super) async fn run(
    args: &DemoArgs,
    catalog: &Catalog,
    quiet: bool,
) -> Result<(Report, String), Failure> {
    let settings = twin_settings(args);
    let world = settings.world();
    let stage = Stage::set(args, settings, world, catalog).await?;
    let report = stage.first_load(quiet).await?;
    Ok((report, what_next(&args.lake)))
}

/// A world, where it is served, and a lake to bring it into.
struct Stage {
    settings: TwinSettings,
    world: SharedWorld,
    /// Stays bound, so that the twin can be served once more at the same address.
    listener: std::net::TcpListener,
    session: Session,
}

impl Stage {
    async fn set(
        args: &DemoArgs,
        settings: TwinSettings,
        world: WorldSettings,
        catalog: &Catalog,
    ) -> Result<Self, Failure> {
        let world = World::with_catalog(world, catalog);
        let integrations = world
            .integrations()
            .iter()
            .map(|known| known.id().to_string())
            .collect();
        let listener = Twin::bind(&settings)
            .await
            .map_err(|error| no_twin(&error))?;
        let address = listener.local_addr().map_err(|error| no_twin(&error))?;
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
            listener: listener.into_std().map_err(|error| no_twin(&error))?,
            session: Session::new(Config::from_overrides(&overrides)?, catalog)?,
        })
    }

    /// Returns the twin's door for one more server.
    fn listener(&self) -> Result<TcpListener, Failure> {
        let another = self.listener.try_clone().map_err(|error| no_twin(&error))?;
        TcpListener::from_std(another).map_err(|error| no_twin(&error))
    }

    fn api_key(&self) -> Result<ApiKey, Failure> {
        Ok(ApiKey::new(&self.settings.api_key)?)
    }

    /// Serves the twin for as long as it takes to bring everything into the lake.
    async fn first_load(&self, quiet: bool) -> Result<Report, Failure> {
        // Dropping the sender ends the twin, dropping the set ends it at once.
        let (_stop, stopped) = oneshot::channel::<()>();
        let mut twin = JoinSet::new();
        // It stands still meanwhile.
        let settings = TwinSettings {
            latency_ms: self.settings.latency_ms,
            ..TwinSettings::default()
        };
        let (listener, world) = (self.listener()?, self.world.clone());
        twin.spawn(async move {
            let stopped = async { drop(stopped.await) };
            Twin::serve(listener, world, &settings, Deliveries::default(), stopped).await
        });
        let api = Arc::new(self.session.api_with(&self.api_key()?)?);
        let order = BackfillSettings {
            want: Kind::Snapshot,
            skip_newer_than: None,
            confirm: false,
            concurrency: self.session.concurrency(),
            limits: self.session.limits(),
            ingest: self.session.config.source.ingest,
        };
        let progress = |tables, api: &_| Progress::new(tables, quiet, wait_view(api));
        backfill(&self.session, api, order, true, progress).await
    }
}

fn twin_settings(args: &DemoArgs) -> TwinSettings {
    TwinSettings {
        address: ([127, 0, 0, 1], 0).into(),
        integrations: INTEGRATIONS,
        rows: args.rows,
        seed: args.seed,
        rate_limit: None,
        ..TwinSettings::default()
    }
}

fn no_twin(error: &io::Error) -> Failure {
    let message = format!("the demo's twin cannot be served: {error}");
    Failure::new(FAILED, message, "free a port of the loopback address")
}

/// Returns the lines that query what landed, ready to paste.
fn what_next(lake: &Path) -> String {
    let lake = absolute(lake).display().to_string();
    let mut text = format!(
        "\nMore to ask of it, in nine engines (live, as of a time, what changed, who left):
  kombo-source sql --engine duckdb --lake-url {lake}

Read it:\n"
    );
    for (engine, lines) in snippets(
        &lake,
        "ats_applications",
        &["id", "outcome", "candidate", "changed_at"],
    ) {
        writeln!(text, "\n-- {engine}\n{lines}").expect("a string takes all text");
    }
    text
}

/// Without a working directory there is no other name for it than the one given.
fn absolute(lake: &Path) -> PathBuf {
    std::path::absolute(lake).unwrap_or_else(|_| lake.to_owned())
}
