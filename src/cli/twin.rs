//! `twin`: serves the stand-in for Kombo until a signal ends it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::args::TwinArgs;
use super::cli_error::{CliError, FAILED};
use super::output;
use crate::catalog::Catalog;
use crate::company::{ChangeRate, Oddities, RateLimit, World};
use crate::time::{Clock as _, SystemClock};
use crate::twin::{Deliveries, HeraldSettings, SharedWorld, Twin, TwinSettings, dump_world};

/// Serves the twin until `shutdown` resolves. Prints the address, the key and the integrations as shell exports.
pub(super) async fn run(
    args: &TwinArgs,
    catalog: &Catalog,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), CliError> {
    let settings = settings(args);
    let cannot_listen = |error: io::Error| {
        let message = format!("cannot serve the twin at {}: {error}", args.address);
        let advice = "give another --address, such as 127.0.0.1:0 for any free port of loopback";
        CliError::new(FAILED, message, advice)
    };
    let listener = Twin::bind(&settings).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let world = World::with_catalog(settings.world.clone(), catalog);
    if let Some(folder) = &args.truth {
        dump_world(&world, folder).map_err(|error| {
            let folder = folder.display();
            let message = format!("writing the truth into {folder} failed: {error}");
            CliError::new(FAILED, message, "name a folder that can be written")
        })?;
    }
    announce(address, &settings, &world);
    let world = SharedWorld::new(world);
    let ended = Twin::serve(listener, world, &settings, Deliveries::default(), shutdown);
    ended.await.map_err(cannot_listen)
}

fn settings(args: &TwinArgs) -> TwinSettings {
    let life = &args.life;
    let webhooks = life.webhook_url.clone().map(|target| HeraldSettings {
        target,
        debounce: Duration::from_millis(life.debounce_ms),
        lost_percent: life.lose_webhooks,
    });
    let rate = life.changes_per_minute;
    let pace = rate.map(|changes_per_minute| ChangeRate {
        changes_per_minute,
        turnover: life.turnover,
    });
    let mut settings = TwinSettings {
        webhooks,
        pace,
        control: life.control,
        truth: args.truth.clone(),
        address: args.address,
        latency: Duration::from_millis(args.latency_ms),
        ..TwinSettings::default()
    };
    let world = &mut settings.world;
    (world.integrations, world.rows, world.seed) = (args.integrations.get(), args.rows, args.seed);
    world.rate_limit = (!args.no_rate_limit).then(|| RateLimit::per_minute(args.rate_limit));
    if let Some(start) = life.start.or_else(|| life.now.then(|| SystemClock.now())) {
        world.start = start;
    }
    if args.oddities {
        world.oddities = Oddities::ALL;
    }
    settings
}

fn announce(address: SocketAddr, settings: &TwinSettings, world: &World) {
    output::line(format_args!("export KOMBO_API_URL=http://{address}/v1"));
    output::line(format_args!(
        "export KOMBO_API_KEY={}",
        settings.world.api_key
    ));
    let all = world.integrations().iter();
    let ids: Vec<_> = all.map(|integration| integration.id().as_str()).collect();
    output::line(format_args!("export KOMBO_INTEGRATIONS={}", ids.join(",")));
    output::line(format_args!(
        "export KOMBO_WEBHOOK_SECRET={}",
        settings.webhook_secret
    ));
    output::line(
        "# The twin is serving. Run the lines above in another shell to use the twin. Ctrl-C ends the twin.",
    );
}
