//! A person who runs verbs of the program beside the service, at bad times. Each verb is a process of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kombo_source::api::{ApiKey, HttpApi, KomboApi};
use kombo_source::backfill::targets::Target;
use kombo_source::backfill::{Backfill, BackfillSettings};
use kombo_source::decode::DecodeLimits;
use kombo_source::ids::TableId;
use kombo_source::ingest::{FetchStep, IngestSettings, Watch};
use kombo_source::lake::{FoldSettings, Lake, LintSettings, RepairSettings, UpkeepSettings};
use kombo_source::plan::Kind;
use kombo_source::time::Clock;
use tokio::select;
use tokio::time::{Instant, timeout};

use crate::carrier::Carrier;
use crate::clocks::WallClock;
use crate::dice::Dice;
use crate::faults::Fault;
use crate::life::Alive;
use crate::mishap::{Mischief, Mishap};
use crate::process::{endpoints, ids, lake_over};
use crate::site::Site;
use crate::store::Way;

/// After this time the person gives up.
const PATIENCE: Duration = Duration::from_hours(3);

/// What the operator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Fold,
    Rebuild,
    Upkeep,
    Backfill,
    ConfirmedBackfill,
    Delta,
    Lint,
    DryRepair,
}

impl Verb {
    /// All verbs.
    pub(crate) const ALL: [Self; 8] = [
        Self::Fold,
        Self::Rebuild,
        Self::Upkeep,
        Self::Backfill,
        Self::ConfirmedBackfill,
        Self::Delta,
        Self::Lint,
        Self::DryRepair,
    ];
}

/// Runs a verb to its end, to its crash, or until the person gives up.
pub(crate) async fn run(site: Site, verb: Verb, mut dice: Dice) {
    let alive = Alive::default();
    let story = site.network.story.clone();
    let crashes = site.faults.has(Fault::CrashAtEffect) && !site.is_calm.load(Ordering::Relaxed);
    let crash = (crashes && dice.per_mille(300)).then(|| Mishap {
        at: dice.number(0..150),
        what: *dice.one_of(&[Mischief::CrashBefore, Mischief::CrashAfter]),
    });
    story.tell("operator", format_args!("{verb:?} begins"));
    let work = timeout(PATIENCE, work(&site, verb, &alive, crash));
    let end = select! {
        biased;
        () = alive.ended() => "crashed".to_owned(),
        ended = work => match ended {
            Err(_) => "took too long".to_owned(),
            Ok(Err(error)) => error,
            Ok(Ok(())) => "done".to_owned(),
        },
    };
    story.tell("operator", format_args!("{verb:?}: {end}"));
}

async fn work(site: &Site, verb: Verb, alive: &Alive, crash: Option<Mishap>) -> Result<(), String> {
    let clock: Arc<dyn Clock> = Arc::new(WallClock::new(&site.network.clocks, 0));
    let way = Way::new(&site.depot, alive, crash);
    let lake = lake_over(way, &site.lake, &clock).await;
    let lake = lake.map_err(|error| error.to_string())?;
    let endpoints = endpoints();
    let done = match verb {
        Verb::Fold | Verb::Rebuild => {
            let settings = FoldSettings {
                rebuild: verb == Verb::Rebuild,
                ..site.lake.fold
            };
            for endpoint in &endpoints {
                let folded = lake.fold(endpoint, None, &settings).await;
                folded.map_err(|error| error.to_string())?;
            }
            return Ok(());
        }
        Verb::Upkeep => {
            let settings = UpkeepSettings::default();
            let settings = settings.with_snapshots_every(site.source.schedule.full_interval);
            lake.upkeep(&endpoints, &settings).await.map(drop)
        }
        Verb::Lint => {
            let settings = LintSettings::default();
            lake.lint(&endpoints, true, &settings).await.map(drop)
        }
        Verb::DryRepair => {
            let settings = RepairSettings {
                dry_run: true,
                deep: true,
            };
            lake.repair(&endpoints, settings).await.map(drop)
        }
        Verb::Backfill | Verb::ConfirmedBackfill | Verb::Delta => {
            return backfill(site, verb, alive, lake, clock).await;
        }
    };
    done.map_err(|error| error.to_string())
}

async fn backfill(
    site: &Site,
    verb: Verb,
    alive: &Alive,
    lake: Lake,
    clock: Arc<dyn Clock>,
) -> Result<(), String> {
    let (network, alive) = (Arc::clone(&site.network), alive.clone());
    let connect = move |_: &_, _: &_, _: &_| Ok(Carrier::new(&network, &alive, None));
    let key = ApiKey::new("simulated").expect("a key");
    let request = &site.source.request;
    let api = HttpApi::over(&connect, site.source.api_url(), &key, request, clock);
    let api = Arc::new(api.expect("a client"));
    let mut targets = Vec::new();
    for id in ids(&site.network.truth) {
        let Ok(info) = api.integration_at_leisure(&id).await else {
            continue;
        };
        let own = endpoints().into_iter();
        let own = own.filter(|it| {
            it.name()
                .as_str()
                .starts_with(&info.category.to_lowercase())
        });
        targets.extend(own.map(|endpoint| Target {
            table: TableId {
                integration: id.clone(),
                endpoint: endpoint.name().clone(),
            },
            endpoint,
            asked_at: info.observed_at,
            asked: Instant::now(),
        }));
    }
    let settings = BackfillSettings {
        want: if verb == Verb::Delta {
            Kind::Delta
        } else {
            Kind::Snapshot
        },
        skip_newer_than: None,
        confirm: verb == Verb::ConfirmedBackfill,
        concurrency: 2,
        limits: DecodeLimits::default(),
        ingest: IngestSettings::default(),
    };
    let backfill = Backfill::new(api, lake, settings);
    backfill.run(targets, |_| Quiet, |_| {}).await;
    Ok(())
}

/// Nobody looks at the steps.
struct Quiet;

impl Watch for Quiet {
    fn step(&self, _: FetchStep<'_>) {}
}
