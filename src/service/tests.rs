//! The service loop over a twin in process and a lake in memory, in virtual time.

mod isolation;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::build::Assembled;
use super::door::Door;
use super::vitals::Vitals;
use super::{KomboSourceConfig, SourceContext, SourceError};
use crate::api::{ApiError, IntegrationInfo, KeyInfo, KomboApi, Page, PageRequest};
use crate::build_info::BUILD_INFO;
use crate::catalog::{Catalog, Endpoint};
use crate::chore::Chore;
use crate::company::{Refusal, World, WorldSettings};
use crate::config::{Config, Overrides};
use crate::delta::store::TableStore;
use crate::delta::store::faulty::{Failure, FaultyStore};
use crate::ids::{InstanceId, IntegrationId};
use crate::lake::{Lake, LakeSettings, Part};
use crate::listener::Intake;
use crate::metrics::Metrics;
use crate::time::{Clock, Horizon, Moment, ServerNow, Tier, Uptime};
use crate::twin::TwinApi;
use crate::webhook::{Webhook, preview};

mod candidates;
mod chores;
mod deletion;

/// A twin whose clock follows Tokio's clock, which the tests pause.
#[derive(Clone)]
struct TimedTwin {
    twin: TwinApi,
    started: Instant,
    /// How far the `Date` of its answers is ahead of that clock, in milliseconds.
    says_ahead_ms: Arc<AtomicI64>,
}

impl TimedTwin {
    fn new(integrations: u32, rows: u64) -> Self {
        let settings = WorldSettings {
            integrations,
            rows,
            ..WorldSettings::default()
        };
        Self {
            twin: TwinApi::new(World::new(settings)),
            started: Instant::now(),
            says_ahead_ms: Arc::default(),
        }
    }

    fn now(&self) -> &TwinApi {
        self.twin.world().lock().advance_to(self.started.elapsed());
        &self.twin
    }

    fn ids(&self) -> Vec<IntegrationId> {
        let world = self.twin.world().lock();
        world
            .integrations()
            .iter()
            .map(|known| known.id().clone())
            .collect()
    }

    fn edit(&self, id: &IntegrationId, endpoint: &Endpoint, index: u64) {
        assert!(self.now().world().lock().edit(id, endpoint, index));
    }
}

impl KomboApi for TimedTwin {
    async fn page(&self, request: PageRequest<'_>) -> Result<Page, ApiError> {
        self.now().page(request).await
    }

    async fn integration(&self, id: &IntegrationId) -> Result<IntegrationInfo, ApiError> {
        self.now().integration(id).await
    }

    async fn check_key(&self) -> Result<KeyInfo, ApiError> {
        self.now().check_key().await
    }

    fn server_now(&self) -> Option<ServerNow> {
        let now_ms = server_ms(self);
        let says_ms = now_ms + self.says_ahead_ms.load(Ordering::Relaxed);
        Some(Horizon::at(Moment::from_millis(now_ms)).server_now(says_ms * 1_000))
    }
}

/// The local wall clock. It equals the twin's clock, so the limit on how far a base may be ahead has no effect.
struct TwinClock(TimedTwin);

impl Clock for TwinClock {
    fn now(&self) -> Moment {
        self.0.now().world().lock().now()
    }
}

/// A running service and its surroundings.
struct Running {
    door: Door,
    lake: Lake,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<Result<(), SourceError>>,
    _data_dir: tempfile::TempDir,
}

fn lake_settings() -> LakeSettings {
    LakeSettings {
        url: "memory:".to_owned(),
        commit_window_secs: 0,
        ..LakeSettings::default()
    }
}

async fn memory_lake(twin: &TimedTwin) -> Lake {
    let clock = Arc::new(TwinClock(twin.clone()));
    Lake::open(&lake_settings(), clock)
        .await
        .expect("a lake in memory")
}

/// Starts a service for some endpoints of all integrations.
async fn start(twin: &TimedTwin, lake: &Lake, endpoints: &[&str]) -> Running {
    start_for(twin, lake, endpoints, &twin.ids()).await
}

/// Starts a service for some endpoints of the given integrations, or of all if none is given.
async fn start_for(
    twin: &TimedTwin,
    lake: &Lake,
    endpoints: &[&str],
    integrations: &[IntegrationId],
) -> Running {
    start_with_chores(twin, lake, endpoints, integrations, Vec::new()).await
}

/// Starts a service whose sink has chores.
async fn start_with_chores(
    twin: &TimedTwin,
    lake: &Lake,
    endpoints: &[&str],
    integrations: &[IntegrationId],
    mut chores: Vec<Box<dyn Chore>>,
) -> Running {
    let overrides = Overrides {
        integrations: integrations.iter().map(ToString::to_string).collect(),
        lake_url: Some("memory:".to_owned()),
        no_rate_limit: true,
        ..Overrides::default()
    };
    let config = Config::from_overrides(&overrides).expect("a configuration");
    let catalog = Catalog::embedded().clone();
    let endpoints = endpoints
        .iter()
        .map(|name| Arc::clone(catalog.find(name).expect("known")));
    let config = KomboSourceConfig::new(config.source, endpoints.collect());
    let data_dir = tempfile::tempdir().expect("a folder");
    let (stop, stopped) = oneshot::channel::<()>();
    let mut context = SourceContext {
        sink: lake.clone(),
        chores: Box::new(move || std::mem::take(&mut chores)),
        lease: None,
        catalog,
        clock: Arc::new(TwinClock(twin.clone())),
        uptime: Uptime::of_machine(),
        metrics: Metrics::new("kombo", "lake", &BUILD_INFO),
        data_dir: data_dir.path().to_owned(),
        shutdown: Box::pin(async { drop(stopped.await) }),
        drain_limit: Duration::from_mins(1),
    };
    let vitals = Vitals::begin(InstanceId::fresh(), context.clock.now());
    let assembled = config
        .assemble(Arc::new(twin.clone()), &mut context, &vitals, |_, _| {})
        .await;
    let Assembled { service, door, .. } = assembled.expect("assembled");
    let mut tasks = JoinSet::new();
    tasks.spawn(service.run(context.shutdown));
    Running {
        door,
        lake: lake.clone(),
        stop: Some(stop),
        tasks,
        _data_dir: data_dir,
    }
}

impl Running {
    /// Lets the loop work until a table is covered up to an instant.
    async fn until_covered(&self, id: &IntegrationId, endpoint: &Arc<Endpoint>, since_ms: i64) {
        loop {
            let coverage = self.lake.coverage(endpoint, id).await.expect("a coverage");
            let base = coverage.bases.get(Tier::Ordinary);
            if base.is_some_and(|base| base.as_millis() >= since_ms) {
                return;
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        let ended = self.tasks.join_next().await.expect("one task");
        ended.expect("no panic").expect("no error");
    }

    async fn delta_rows(&self, endpoint: &Arc<Endpoint>) -> u64 {
        let files = self
            .lake
            .files(endpoint, Part::Deltas)
            .await
            .expect("files");
        files.iter().filter_map(|file| file.num_records).sum()
    }
}

fn endpoint(name: &str) -> &'static Arc<Endpoint> {
    Catalog::embedded().find(name).expect("known")
}

fn changed(id: &IntegrationId, model: &str) -> Webhook {
    let body = format!(
        r#"{{"id":"e","type":"data-changed","data":{{"integration_id":"{id}","integration_category":"ATS",
            "changed_models":[{{"name":"{model}"}}]}}}}"#
    );
    preview(body.as_bytes()).expect("a webhook")
}

fn server_ms(twin: &TimedTwin) -> i64 {
    twin.now().world().lock().now().as_millis()
}

#[tokio::test(start_paused = true)]
async fn a_changed_row_is_in_the_lake_soon_after_its_webhook() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start(&twin, &lake, &["ats/tags", "ats/jobs"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;
    assert_eq!(
        service.delta_rows(tags).await,
        0,
        "the first fetch is a snapshot"
    );

    sleep(Duration::from_mins(10)).await;
    twin.edit(&id, tags, 2);
    let changed_ms = server_ms(&twin);
    sleep(Duration::from_secs(2)).await;
    service
        .door
        .take(changed(&id, "ats_tags"))
        .await
        .expect("acknowledged");
    service.until_covered(&id, tags, changed_ms).await;
    assert_eq!(service.delta_rows(tags).await, 1);
    assert!(server_ms(&twin) - changed_ms < 10_000);
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_no_webhook_announces_is_found_by_the_heartbeat() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let service = start(&twin, &lake, &["ats/tags"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;
    sleep(Duration::from_mins(10)).await;
    twin.edit(&id, tags, 1);
    let changed_ms = server_ms(&twin);
    service.until_covered(&id, tags, changed_ms).await;
    assert!(server_ms(&twin) - changed_ms <= 6 * 3_600_000);
    assert_eq!(service.delta_rows(tags).await, 1);
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_integration_wakes_when_kombo_has_set_it_up() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let id = twin.ids()[0].clone();
    let pending = Refusal::with_code("INTEGRATION.SETUP_SYNC_PENDING");
    twin.now().world().lock().refuse(&id, None, pending);
    let service = start(&twin, &lake, &["ats/tags"]).await;
    sleep(Duration::from_hours(2)).await;
    let state = |registered: Vec<crate::sink::Registration>| registered[0].state.clone();
    assert_eq!(
        state(lake.registered().await.expect("rows")),
        "setup_pending"
    );
    twin.now().world().lock().refuse(&id, None, None);
    let since_ms = server_ms(&twin);
    service
        .until_covered(&id, endpoint("ats/tags"), since_ms)
        .await;
    assert!(
        server_ms(&twin) - since_ms <= 16 * 60_000,
        "asked at least every quarter of an hour"
    );
    sleep(Duration::from_secs(1)).await;
    assert_eq!(state(lake.registered().await.expect("rows")), "active");
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_down_takes_no_webhook_and_writes_its_bases() {
    let twin = TimedTwin::new(1, 40);
    let lake = memory_lake(&twin).await;
    let mut service = start(&twin, &lake, &["ats/tags"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;
    sleep(Duration::from_mins(30)).await;
    let announced_ms = server_ms(&twin);
    service
        .door
        .take(changed(&id, "ats_tags"))
        .await
        .expect("acknowledged");
    sleep(Duration::from_secs(5)).await;
    let base = async || {
        let coverage = lake.coverage(tags, &id).await.expect("a coverage");
        coverage
            .bases
            .get(Tier::Ordinary)
            .expect("a base")
            .as_millis()
    };
    assert!(
        base().await < announced_ms - 1_000,
        "nothing changed: the new base can wait"
    );
    drop(service.stop.take());
    let ended = service.tasks.join_next().await.expect("one task");
    ended.expect("no panic").expect("no error");
    // `Date` has whole seconds only.
    assert!(
        base().await > announced_ms - 1_000,
        "but not beyond the end"
    );
    assert!(service.door.take(changed(&id, "ats_tags")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lake_that_is_out_of_reach_for_an_hour_costs_time_and_no_row() {
    let twin = TimedTwin::new(1, 40);
    let memory = TableStore::memory();
    let store = FaultyStore::new(Arc::clone(memory.objects()), 0..0, Failure::Before);
    let objects: Arc<dyn object_store::ObjectStore> = Arc::clone(&store) as _;
    let clock = Arc::new(TwinClock(twin.clone()));
    let faulty = TableStore::over(objects, memory.url().clone());
    let lake = Lake::over(faulty, &lake_settings(), clock).await;
    let lake = lake.expect("a lake in memory");
    let service = start(&twin, &lake, &["ats/tags"]).await;
    let (id, tags) = (twin.ids()[0].clone(), endpoint("ats/tags"));
    service.until_covered(&id, tags, 0).await;

    store.set_away(true);
    for index in 0..6 {
        sleep(Duration::from_mins(10)).await;
        twin.edit(&id, tags, index);
        let taken = service.door.take(changed(&id, "ats_tags")).await;
        taken.expect("acknowledged: its bits need no lake");
    }
    let changed_ms = server_ms(&twin);
    store.set_away(false);
    sleep(Duration::from_mins(16)).await;
    service.until_covered(&id, tags, changed_ms - 1_000).await;
    assert_eq!(service.delta_rows(tags).await, 6);
    service.stop().await;
}
