//! A service that takes the lease: it waits for the lease, works while it has it, and waits again when it has lost it.
//!
//! A standby has no loop. Nothing is read from the lake but the lease, nothing is fetched, folded or written, and webhooks are
//! answered 503. Each time the service gets the lease, it reads the lake anew and gets a client for Kombo without a past: the
//! requests of another service are not in the old one's count, so the first request opens a window that is unknown.
//!
//! When the lease is lost the loop is dropped where it stands. That is as safe as a crash. A webhook is acknowledged only while
//! the lease is held, so the next holder, for whom every table is due, fetches what the webhook told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::SourceError;
use super::config::SourceContext;
use super::control::InUse;
use super::door::Entrance;
use super::gauges::gauge_traffic;
use super::lease::LeaseKeeper;
use super::run::{Service, TICK};
use super::vitals::Vitals;
use crate::api::{HttpApi, Transport};
use crate::fetch::Lane;
use crate::metrics::Metrics;
use crate::plan::Tenure;
use crate::sink::{Registry, Sink};

/// How long giving the lease back may take.
const LAST_RELEASE: Duration = Duration::from_secs(5);

/// The service around its lease, or without one.
pub(super) struct LeasedService<S, T> {
    pub(super) in_use: Arc<Mutex<InUse<T>>>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) vitals: Vitals,
    pub(super) cx: SourceContext<S>,
}

/// What a service does once it runs.
pub(super) enum LeasedWork<S, T> {
    /// Works to its end: it takes no lease.
    Always(Box<Service<HttpApi<T>, S>>),
    /// Works by a lease that it has already.
    Held(HeldLease, Box<Service<HttpApi<T>, S>>),
    /// Waits for the lease.
    Waits(Box<LeaseKeeper>),
}

impl<S, T> LeasedWork<S, T> {
    /// Returns how many integrations are known. `None` for a standby, which reads no registry.
    pub(super) fn integrations(&self) -> Option<usize> {
        match self {
            Self::Always(service) | Self::Held(_, service) => Some(service.dispatch.accounts.len()),
            Self::Waits(_) => None,
        }
    }
}

/// The lease in the hands of a task that renews it.
pub(super) struct HeldLease {
    /// Dropped to give the lease back.
    give_back: oneshot::Sender<()>,
    /// Ends when the lease is lost or given back.
    keeping: JoinSet<LeaseKeeper>,
}

impl HeldLease {
    fn begin(keeper: LeaseKeeper, tenure: Tenure) -> Self {
        let (give_back, asked) = oneshot::channel();
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.keep(tenure, asked));
        Self { give_back, keeping }
    }

    /// Waits until the lease is lost.
    async fn lost(&mut self) -> LeaseKeeper {
        match self.keeping.join_next().await.expect("one task") {
            Ok(keeper) => keeper,
            // Nobody aborts the task.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    async fn give_back(mut self) {
        drop(self.give_back);
        drop(timeout(LAST_RELEASE, self.keeping.join_next()).await);
    }
}

impl<S, T> LeasedService<S, T>
where
    S: Sink + Registry + Clone + 'static,
    T: Transport,
{
    /// Begins to work where that is possible at once: without a lease, and with a lease that nobody else has.
    pub(super) async fn begin(
        &mut self,
        keeper: Option<LeaseKeeper>,
    ) -> Result<LeasedWork<S, T>, SourceError> {
        let Some(mut keeper) = keeper else {
            return Ok(LeasedWork::Always(self.assemble().await?));
        };
        let Some(tenure) = keeper.acquire_at_once().await else {
            return Ok(LeasedWork::Waits(Box::new(keeper)));
        };
        // Renewed from now on: reading a large lake takes a while.
        let holding = HeldLease::begin(keeper, tenure);
        Ok(LeasedWork::Held(holding, self.assemble().await?))
    }

    /// Runs until the shutdown signal comes, or until the source cannot work.
    pub(super) async fn run(mut self, work: LeasedWork<S, T>) -> Result<(), SourceError> {
        let (mut keeper, mut held) = match work {
            LeasedWork::Always(service) => return service.run(self.cx.shutdown).await,
            LeasedWork::Held(holding, service) => (None, Some((holding, Some(service)))),
            LeasedWork::Waits(keeper) => (Some(*keeper), None),
        };
        loop {
            let (mut holding, service) = if let Some(held) = held.take() {
                held
            } else {
                let mut waiting = keeper.take().expect("either holds or waits");
                let tenure = tokio::select! {
                    biased;
                    () = &mut self.cx.shutdown => return Ok(()),
                    tenure = waiting.acquire() => tenure,
                    () = lives(&self.vitals) => return Ok(()),
                };
                (HeldLease::begin(waiting, tenure), None)
            };
            tokio::select! {
                ended = self.work(service) => {
                    holding.give_back().await;
                    return ended;
                }
                lost = holding.lost() => keeper = Some(lost),
            }
            self.entrance.close();
            self.vitals.closed();
            self.in_use.lock().await.commands = None;
            forget_work(&self.cx.metrics);
        }
    }

    /// Works as the holder of the lease.
    async fn work(
        &mut self,
        begun: Option<Box<Service<HttpApi<T>, S>>>,
    ) -> Result<(), SourceError> {
        let service = match begun {
            Some(service) => service,
            None => self.assemble().await?,
        };
        service.run(&mut self.cx.shutdown).await
    }

    /// Reads the sink, makes a loop and lets webhooks in.
    async fn assemble(&mut self) -> Result<Box<Service<HttpApi<T>, S>>, SourceError> {
        // A reload waits meanwhile, so that it finds either no loop or this one.
        let mut in_use = self.in_use.lock().await;
        let settings = &in_use.config.settings;
        let (key, clock) = (&in_use.secrets.api_key, Arc::clone(&self.cx.clock));
        let api = HttpApi::over(
            &*in_use.connect,
            settings.api_url(),
            key,
            &settings.request,
            clock,
        );
        let api = api.map_err(SourceError::Setup)?;
        let api = Arc::new(api.sending_by(self.entrance.right()));
        let assembled = (in_use.config).assemble(api, &mut self.cx, &self.vitals, gauge_traffic);
        let assembled = assembled.await?;
        in_use.commands = Some(assembled.commands);
        self.entrance.open(assembled.door);
        Ok(Box::new(assembled.service))
    }
}

/// Says again and again that the process lives, although no loop turns. Never ends.
async fn lives(vitals: &Vitals) {
    let mut ticks = interval(TICK);
    loop {
        ticks.tick().await;
        vitals.turns();
    }
}

/// Sets to zero what only a working service has.
fn forget_work(metrics: &Metrics) {
    for lane in Lane::ALL {
        metrics.pending_tables(lane, 0);
    }
    metrics.running_fetches(0);
    metrics.failing_tables(0);
    metrics.late_tables(0);
    metrics.stale_tables(0);
}
