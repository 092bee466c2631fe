//! The program as a process: it starts, works, crashes or is stopped, and is started again.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use kombo_source::api::{ApiKey, BaseUrl, Connect};
use kombo_source::build_info::BUILD_INFO;
use kombo_source::catalog::{Catalog, Endpoint};
use kombo_source::delta::store::TableStore;
use kombo_source::ids::IntegrationId;
use kombo_source::lake::{FullInterval, Lake, LakeError, LakeSettings};
use kombo_source::metrics::Metrics;
use kombo_source::service::{KomboSourceConfig, Secrets, SourceContext};
use kombo_source::time::Clock;
use kombo_source::webhook::{Verifier, WebhookSecret};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::carrier::Carrier;
use crate::clocks::WallClock;
use crate::dice::Dice;
use crate::faults::Fault;
use crate::life::Alive;
use crate::mishap::{Mischief, Mishap};
use crate::network::Sender;
use crate::site::Site;
use crate::store::Way;
use crate::truth::{ENDPOINTS, Truth};
use crate::world::Mailbox;

/// The secret that signs the webhooks of the world.
pub(crate) const SECRET: &str = "a secret of the simulated world";

/// Within this time after a start all tables are asked for.
const SOON: Duration = Duration::from_mins(20);

/// How long a process may take to end in order.
const DRAIN: Duration = Duration::from_mins(1);

/// One machine, on which the program is started again and again.
pub(crate) struct Machine {
    pub(crate) site: Site,
    pub(crate) name: usize,
    pub(crate) clock: WallClock,
    pub(crate) data_dir: PathBuf,
    /// Takes webhooks while the program runs.
    pub(crate) mailbox: Mailbox,
    pub(crate) dice: Dice,
    /// How often the program was started.
    pub(crate) runs: u64,
    /// What goes wrong in the first run.
    pub(crate) mishap: Option<Mishap>,
}

/// Why a run of the program is over.
enum Over {
    Crashed,
    ToStop,
    Ended(Result<Result<(), String>, tokio::task::JoinError>),
    World,
}

impl Machine {
    /// Starts the program whenever it does not run, until the world ends.
    pub(crate) async fn run(mut self) {
        let mut is_over = self.site.is_over.clone();
        loop {
            let over = self.one_run().await;
            let story = self.site.network.story.clone();
            *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner) = None;
            match over {
                Over::World => return,
                Over::Crashed => story.count("crashes"),
                Over::ToStop => story.count(Fault::Restart.label()),
                Over::Ended(Ok(ended)) => {
                    let why = ended.err().unwrap_or_default();
                    story.tell("exit", format_args!("machine {}: {why}", self.name));
                }
                Over::Ended(Err(error)) => story.violated("panic", error),
            }
            let down = self
                .dice
                .time(Duration::from_secs(1)..Duration::from_mins(20));
            tokio::select! {
                biased;
                _ = is_over.wait_for(|over| *over) => return,
                () = sleep(down) => {}
            }
        }
    }

    async fn one_run(&mut self) -> Over {
        let alive = Alive::default();
        let (lifetime, is_crash, crash) = self.fate();
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let story = self.site.network.story.clone();
        story.tell("start", format_args!("machine {}", self.name));
        let program = Program {
            site: self.site.clone(),
            clock: self.clock.clone(),
            data_dir: self.data_dir.clone(),
            mailbox: Arc::clone(&self.mailbox),
            alive: alive.clone(),
            crash,
            sender: Sender {
                machine: self.name,
                run: self.runs,
            },
        };
        self.runs += 1;
        tasks.spawn(program.run(stopped));
        let mut is_over = self.site.is_over.clone();
        let started_ms = self.site.network.clocks.true_now();
        let looked = self.look_soon(started_ms);
        let over = tokio::select! {
            biased;
            () = alive.ended() => Over::Crashed,
            () = looked => Over::World,
            joined = tasks.join_next() => Over::Ended(joined.expect("one task")),
            _ = is_over.wait_for(|over| *over) => Over::World,
            () = sleep(lifetime) => if is_crash && !self.site.is_calm.load(Ordering::Relaxed) {
                alive.end();
                story.tell("crash", format_args!("machine {}", self.name));
                Over::Crashed
            } else {
                Over::ToStop
            },
        };
        if matches!(over, Over::World | Over::ToStop) {
            drop(stop);
            let ended = timeout(DRAIN + Duration::from_mins(5), tasks.join_next()).await;
            if ended.is_err() && !alive.is_over() {
                story.violated(
                    "shutdown",
                    format_args!("machine {} does not end", self.name),
                );
            }
        }
        over
    }

    /// Some minutes after a start each table must have been asked for: nobody knows what happened before. Never ends.
    async fn look_soon(&self, started_ms: i64) {
        sleep(SOON).await;
        let (network, faults) = (&self.site.network, &self.site.faults);
        if faults.are_gentle_but_for_crashes() && !self.site.is_calm.load(Ordering::Relaxed) {
            network.must_have_asked("start", started_ms);
        }
        std::future::pending::<()>().await;
    }

    /// Returns how long the program runs, whether it crashes then, and at which request to the store it crashes.
    fn fate(&mut self) -> (Duration, bool, Option<Mishap>) {
        if let Some(mishap) = self.mishap.take() {
            return (Duration::from_hours(24 * 365), false, Some(mishap));
        }
        let faults = &self.site.faults;
        let long = Duration::from_hours(24 * 365);
        if self.site.is_calm.load(Ordering::Relaxed) {
            return (long, false, None);
        }
        let crash = (faults.has(Fault::CrashAtEffect) && self.dice.per_mille(700)).then(|| {
            let most = *self.dice.one_of(&[40, 400, 4_000]);
            Mishap {
                at: self.dice.number(0..most),
                what: *self
                    .dice
                    .one_of(&[Mischief::CrashBefore, Mischief::CrashAfter]),
            }
        });
        let mean = Duration::from_hours(30);
        if faults.has(Fault::CrashAtInstant) && self.dice.per_mille(600) {
            (self.dice.until_next(mean), true, crash)
        } else if faults.has(Fault::Restart) {
            (self.dice.until_next(mean), false, crash)
        } else {
            (long, false, crash)
        }
    }
}

/// One run of the program.
struct Program {
    site: Site,
    clock: WallClock,
    data_dir: PathBuf,
    mailbox: Mailbox,
    alive: Alive,
    crash: Option<Mishap>,
    sender: Sender,
}

impl Program {
    async fn run(self, stopped: oneshot::Receiver<()>) -> Result<(), String> {
        let site = &self.site;
        let way = Way::new(&site.depot, &self.alive, self.crash);
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let lake = lake_over(way, &site.lake, &clock)
            .await
            .map_err(|error| error.to_string())?;
        let endpoints = endpoints();
        let full_interval = FullInterval::new(site.source.schedule.full_interval);
        let chores = {
            let (lake, endpoints) = (lake.clone(), endpoints.clone());
            move || lake.chores(&endpoints, &full_interval)
        };
        let context = SourceContext {
            chores: Box::new(chores),
            lease: (!site.faults.has(Fault::WithoutLease)).then(|| lake.lease()),
            sink: lake,
            catalog: Catalog::embedded().clone(),
            clock,
            uptime: site.network.clocks.uptime(),
            metrics: Metrics::new("kombo", "lake", &BUILD_INFO),
            data_dir: self.data_dir.clone(),
            shutdown: Box::pin(async { drop(stopped.await) }),
            drain_limit: DRAIN,
        };
        let secrets = Secrets {
            api_key: ApiKey::new("simulated").expect("a key"),
            verifier: Some(verifier()),
        };
        let (network, alive) = (Arc::clone(&site.network), self.alive.clone());
        let sender = self.sender;
        let connect = move |_: &BaseUrl, _: &ApiKey, _: &kombo_source::api::ApiSettings| {
            Ok(Carrier::new(&network, &alive, Some(sender)))
        };
        let connect: Arc<Connect<Carrier>> = Arc::new(connect);
        let config = KomboSourceConfig::new(site.source.clone(), endpoints).with_own_listener();
        let built = config.build_over(secrets, context, connect).await;
        let built = built.map_err(|error| error.to_string())?;
        *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::clone(&built.webhooks));
        built.source.await.map_err(|error| error.to_string())
    }
}

/// Opens the lake of the world by one way.
pub(crate) async fn lake_over(
    way: Way,
    settings: &LakeSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Lake, LakeError> {
    let url = Url::parse("memory:///lake/").expect("an address");
    Lake::over(
        TableStore::over(Arc::new(way), url),
        settings,
        Arc::clone(clock),
    )
    .await
}

/// Returns the endpoints of the world.
pub(crate) fn endpoints() -> Vec<Arc<Endpoint>> {
    let find = |name: &str| Arc::clone(Catalog::embedded().find(name).expect("in the catalog"));
    ENDPOINTS.iter().map(|listed| find(listed.name)).collect()
}

/// Returns what verifies the webhooks of the world.
pub(crate) fn verifier() -> Verifier {
    Verifier::new(WebhookSecret::new(SECRET).expect("a secret"))
}

/// Returns the ids of all customers.
pub(crate) fn ids(truth: &Truth) -> Vec<IntegrationId> {
    let customers = truth.lock();
    let ids = customers
        .iter()
        .map(|customer| IntegrationId::new(&customer.id));
    ids.collect::<Result<_, _>>().expect("ids")
}
