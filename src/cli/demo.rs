//! `demo`: a fake customer base travels from a Kombo API into a lake on this machine. No key, no network.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

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
use crate::backfill::{BackfillMode, BackfillSettings};
use crate::catalog::Catalog;
use crate::company::World;
use crate::config::{Config, Overrides};
use crate::twin::{SharedWorld, Twin, TwinSettings};

/// One integration of each category.
const INTEGRATIONS: u32 = 4;

/// Runs the demo and returns its report and the lines that query what landed.
pub(super) async fn run(
    args: &DemoArgs,
    catalog: &Catalog,
    quiet: bool,
) -> Result<(Report, String), Failure> {
    let settings = twin_settings(args);
    let world = World::with_catalog(settings.world(), catalog);
    let integrations = world
        .integrations()
        .iter()
        .map(|known| known.id().to_string())
        .collect();
    let no_twin = |error: std::io::Error| {
        let message = format!("the demo's twin cannot be served: {error}");
        Failure::new(FAILED, message, "free a port of the loopback address")
    };
    let listener = Twin::bind(&settings).await.map_err(no_twin)?;
    let address = listener.local_addr().map_err(no_twin)?;
    eprintln!(
        "A stand-in for Kombo serves {INTEGRATIONS} made-up customers at http://{address}/v1"
    );
    // Dropping the sender ends the twin, dropping the set ends it at once.
    let (_stop, stopped) = oneshot::channel::<()>();
    let mut twin = JoinSet::new();
    let latency = settings.latency();
    twin.spawn(Twin::serve_world(
        listener,
        SharedWorld::new(world),
        latency,
        async {
            drop(stopped.await);
        },
    ));
    let overrides = Overrides {
        integrations,
        lake_url: Some(args.lake.display().to_string()),
        api_url: Some(format!("http://{address}/v1")),
        no_rate_limit: true,
        ..Overrides::default()
    };
    let session = Session::new(Config::from_overrides(overrides)?, catalog)?;
    let api = Arc::new(session.api_with(&ApiKey::new(&settings.api_key)?)?);
    let order = BackfillSettings {
        mode: BackfillMode::Full,
        skip_newer_than: None,
        confirm: false,
        concurrency: session.concurrency(),
        limits: session.limits(),
    };
    let progress = |tables, api: &_| Progress::new(tables, quiet, wait_view(api));
    let report = backfill(&session, api, order, progress).await?;
    Ok((report, what_next(&args.lake)))
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

/// Returns the lines that query what landed, ready to paste.
fn what_next(lake: &Path) -> String {
    // Without a working directory there is no other name for it than the one given.
    let lake = std::path::absolute(lake).unwrap_or_else(|_| lake.to_owned());
    let lake = lake.display().to_string();
    let mut text = String::from("\nRead it, the latest version of each row:\n");
    for (engine, lines) in snippets(
        &lake,
        "ats_applications",
        &["id", "outcome", "candidate", "changed_at"],
    ) {
        writeln!(text, "\n-- {engine}\n{lines}").expect("a string takes all text");
    }
    text
}
