//! Runs the service inside a program of your own: webhooks, deltas and scheduled full fetches into a lake.
//!
//! ```console
//! $ export KOMBO_API_KEY=... KOMBO_WEBHOOK_SECRET=...
//! $ cargo run --example embedded_service -- ./lake personio:CBNMt7dSNCzBdnRTx87dev4E
//! ```
//!
//! `KOMBO_API_URL` replaces the address of the European region, for example by the address that `kombo-source twin` prints.
//! Ctrl-C ends the service: fetches under way are committed first.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kombo_source::api::{ApiKey, BaseUrl};
use kombo_source::build_info::BUILD_INFO;
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::ids::IntegrationId;
use kombo_source::lake::{FullInterval, Lake, LakeSettings};
use kombo_source::listener::ListenerSettings;
use kombo_source::metrics::Metrics;
use kombo_source::service::{KomboSourceConfig, Secrets, SourceContext, SourceSettings};
use kombo_source::time::{Clock, SystemClock, Uptime};
use kombo_source::webhook::{Verifier, WebhookSecret};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let lake_url = args.next().ok_or("the lake's folder or URL is missing")?;
    let integrations = args.map(|id| IntegrationId::new(&id));

    // Every option has a default. The options of the configuration file are the fields of these structs.
    let settings = SourceSettings {
        endpoint: env::var("KOMBO_API_URL")
            .ok()
            .map(|url| BaseUrl::parse(&url))
            .transpose()?,
        integrations: integrations.collect::<Result<_, _>>()?,
        // Port 0 lets the system choose a free port: `Built::webhook_address` says which one.
        webhook: Some(ListenerSettings {
            address: "127.0.0.1:0".parse()?,
            ..ListenerSettings::default()
        }),
        ..SourceSettings::default()
    };
    let secrets = Secrets {
        api_key: ApiKey::new(&env::var("KOMBO_API_KEY")?)?,
        verifier: Some(Verifier::new(WebhookSecret::new(&env::var(
            "KOMBO_WEBHOOK_SECRET",
        )?)?)),
    };

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let catalog = Catalog::embedded().clone();
    let wanted = |endpoint: &&Arc<Endpoint>| !endpoint.deprecated;
    let endpoints: Vec<_> = catalog.endpoints().iter().filter(wanted).cloned().collect();
    let lake_settings = LakeSettings {
        url: lake_url,
        ..LakeSettings::default()
    };
    let lake = Lake::open(&lake_settings, Arc::clone(&clock)).await?;

    let context = SourceContext {
        // Folding into `current` and the daily upkeep run beside the fetches.
        chores: {
            let (lake, endpoints) = (lake.clone(), endpoints.clone());
            let full_interval = FullInterval::new(settings.schedule.full_interval);
            Box::new(move || lake.chores(&endpoints, &full_interval))
        },
        // A second service on this lake stands by.
        lease: Some(lake.lease()),
        // Any type that implements `Sink` and `Registry` can stand here.
        sink: lake,
        catalog,
        clock,
        uptime: Uptime::of_machine(),
        metrics: Metrics::new("kombo", "lake", &BUILD_INFO),
        data_dir: PathBuf::from("./kombo-data"),
        shutdown: Box::pin(async { drop(tokio::signal::ctrl_c().await) }),
        drain_limit: Duration::from_mins(1),
    };
    let built = KomboSourceConfig::new(settings, endpoints)
        .build(secrets, context)
        .await?;
    if let Some(address) = built.webhook_address {
        println!("webhooks are received at http://{address}");
    }
    // `built.control` changes the rules while the service runs.
    built.source.await?;
    println!("the service has ended");
    Ok(())
}
