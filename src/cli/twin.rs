//! `twin`: the stand-in for Kombo, served until it is interrupted.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::args::TwinArgs;
use super::failure::{FAILED, Failure};
use crate::catalog::Catalog;
use crate::company::{ChangeRate, Oddities, World};
use crate::time::{Clock as _, SystemClock};
use crate::twin::{Deliveries, HeraldSettings, SharedWorld, Twin, TwinSettings, dump_world};

/// Serves until the shutdown comes. Says on standard output where, with which key, and whose data it has.
pub(super) async fn run(
    args: &TwinArgs,
    catalog: &Catalog,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let settings = settings(args);
    let listener = Twin::bind(&settings)
        .await
        .map_err(|error| cannot_listen(args.address, &error))?;
    let world = World::with_catalog(settings.world(), catalog);
    if let Some(folder) = &args.truth {
        dump_world(&world, folder).map_err(|error| {
            let message = format!(
                "writing the truth into {} failed: {error}",
                folder.display()
            );
            Failure::new(FAILED, message, "name a folder that can be written")
        })?;
    }
    announce(&listener, &settings, &world, args.address)?;
    let world = SharedWorld::new(world);
    Twin::serve(listener, world, &settings, Deliveries::default(), shutdown)
        .await
        .map_err(|error| cannot_listen(args.address, &error))
}

fn settings(args: &TwinArgs) -> TwinSettings {
    let life = &args.life;
    let webhooks = life.webhook_url.clone().map(|target| HeraldSettings {
        target,
        debounce: Duration::from_millis(life.debounce_ms),
        lost_percent: life.lose_webhooks,
    });
    let pace = life
        .changes_per_minute
        .map(|changes_per_minute| ChangeRate {
            changes_per_minute,
            turnover: life.turnover,
        });
    TwinSettings {
        webhooks,
        pace,
        control: life.control,
        start_ms: life
            .start
            .or_else(|| life.now.then(|| SystemClock.now().as_millis())),
        address: args.address,
        integrations: args.integrations.get(),
        rows: args.rows,
        seed: args.seed,
        rate_limit: (!args.no_rate_limit).then_some(args.rate_limit),
        latency_ms: args.latency_ms,
        oddities: if args.oddities {
            Oddities::ALL
        } else {
            Oddities::default()
        },
        ..TwinSettings::default()
    }
}

fn announce(
    listener: &TcpListener,
    settings: &TwinSettings,
    world: &World,
    asked: SocketAddr,
) -> Result<(), Failure> {
    let address = listener
        .local_addr()
        .map_err(|error| cannot_listen(asked, &error))?;
    println!("export KOMBO_API_URL=http://{address}/v1");
    println!("export KOMBO_API_KEY={}", settings.api_key);
    let ids: Vec<_> = world
        .integrations()
        .iter()
        .map(|integration| integration.id().as_str())
        .collect();
    println!("export KOMBO_INTEGRATIONS={}", ids.join(","));
    println!("export KOMBO_WEBHOOK_SECRET={}", settings.webhook_secret);
    println!("# serving; the lines above tell kombo-source where. Ctrl-C ends it");
    Ok(())
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let message = format!("cannot serve the twin at {address}: {error}");
    Failure::new(
        FAILED,
        message,
        "give another --address, such as 127.0.0.1:0 for any free port of loopback",
    )
}
