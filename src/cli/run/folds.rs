//! Folds while the service runs: what is due, at a pace that leaves the fetches alone, one endpoint after the other.
//!
//! Stopping it on any line is safe: what is not committed is folded again. When something is held Kombo is asked why.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::super::held::{command, log_released, until};
use super::super::hold_cause::explained;
use super::super::session::Session;
use crate::catalog::{Catalog, Endpoint};
use crate::ids::{EndpointName, IntegrationKey};
use crate::lake::{
    Completeness, FoldReport, FoldSettings, FoldedTable, Lake, LakeError, SetAside, Unfolded,
};
use crate::metrics::{FoldResult, Metrics};
use crate::service::SharedClient;
use crate::versions::guard::HoldState;
use crate::versions::trigger::{Trigger, Waiting};

/// How often it is looked whether something is due. Nothing is read for that.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often the logs are read for what other processes have committed. Those fold what they commit, at most times.
const READ_EVERY: Duration = Duration::from_mins(10);

/// How often it is read what was accepted, and how complete tables are.
const HOLDS_EVERY: Duration = Duration::from_mins(1);

/// How long an endpoint, or a table, is left alone after its fold failed.
const AFTER_FAILURE: Duration = Duration::from_mins(1);

/// The longest that a table is left alone: the wait doubles while it fails.
const LONGEST_ASIDE: Duration = Duration::from_hours(1);

/// Folds while the service runs.
pub(super) struct Folds {
    lake: Lake,
    endpoints: Vec<Arc<Endpoint>>,
    trigger: Trigger,
    settings: FoldSettings,
    client: SharedClient,
    metrics: Metrics,
    /// When each table was first seen to wait.
    since: HashMap<(EndpointName, IntegrationKey), Instant>,
    accepted: HashSet<(EndpointName, IntegrationKey)>,
    not_before: HashMap<EndpointName, Instant>,
    /// Tables that were set aside, until when they are left alone, and how often in a row they were.
    aside: HashMap<(EndpointName, IntegrationKey), (Instant, u32)>,
    /// What waits of each endpoint, and the versions that say so.
    unfolded: HashMap<EndpointName, ([Option<u64>; 3], Vec<Unfolded>)>,
}

impl Folds {
    /// Puts it together; `None` when the configuration switches it off.
    pub(super) fn new(
        lake: Lake,
        session: &Session,
        catalog: &Catalog,
        client: SharedClient,
        metrics: Metrics,
    ) -> Option<Self> {
        let options = &session.config.sink.fold;
        let settings = FoldSettings {
            cpu_percent: options.cpu_percent.get(),
            ..FoldSettings::default()
        };
        options.enabled.then(|| Self {
            lake,
            // Tables of endpoints that are not fetched any more are folded all the same.
            endpoints: catalog.endpoints().to_vec(),
            trigger: options.trigger(),
            settings,
            client,
            metrics,
            since: HashMap::new(),
            accepted: HashSet::new(),
            not_before: HashMap::new(),
            aside: HashMap::new(),
            unfolded: HashMap::new(),
        })
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut read_at, mut holds_at): (Option<Instant>, Option<Instant>) = (None, None);
        let is_due = |at: Option<Instant>, every| at.is_none_or(|at| at.elapsed() >= every);
        loop {
            ticks.tick().await;
            if is_due(read_at, READ_EVERY) {
                self.read_logs().await;
                read_at = Some(Instant::now());
            }
            if is_due(holds_at, HOLDS_EVERY) {
                self.read_holds().await;
                holds_at = Some(Instant::now());
            }
            for endpoint in self.endpoints.clone() {
                let due = self.due(&endpoint);
                if !due.is_empty() {
                    self.fold(&endpoint, &due).await;
                }
            }
            let oldest = self.since.values().min();
            self.metrics
                .fold_lag(oldest.map_or(Duration::ZERO, Instant::elapsed));
        }
    }

    /// Reads what others have committed. What cannot be read now is read next time.
    async fn read_logs(&self) {
        for endpoint in &self.endpoints {
            if let Err(error) = self.lake.look_for_unfolded(endpoint).await {
                let error: &dyn std::error::Error = &error;
                warn!(endpoint = %endpoint.name(), error, "what waits to be folded cannot be read");
            }
        }
    }

    /// Reads what was decided, and how complete tables are.
    async fn read_holds(&mut self) {
        if let Some(compared) = told("kombo_drift", self.lake.completeness().await) {
            let by_table = Completeness::by_table(&compared).into_iter();
            let shares = by_table.map(|(name, complete)| (name, complete.share()));
            self.metrics.completeness(shares);
        }
        if let Some(holds) = told("kombo_holds", self.lake.holds().await) {
            let held = holds.iter().filter(|hold| hold.state == HoldState::Held);
            self.metrics.held_tables(held.count());
            let accepted = holds
                .into_iter()
                .filter(|hold| hold.state == HoldState::Accepted);
            self.accepted = accepted
                .map(|hold| (hold.endpoint, hold.integration.key()))
                .collect();
        }
    }

    fn due(&mut self, endpoint: &Endpoint) -> BTreeSet<IntegrationKey> {
        let now = Instant::now();
        if self
            .not_before
            .get(endpoint.name())
            .is_some_and(|at| *at > now)
        {
            return BTreeSet::new();
        }
        let unfolded = self.unfolded(endpoint);
        let waits: HashSet<&IntegrationKey> = unfolded.iter().map(|one| &one.key).collect();
        self.since
            .retain(|(name, key), _| name != endpoint.name() || waits.contains(key));
        let mut due: BTreeSet<_> = unfolded
            .iter()
            .filter(|one| self.is_due(endpoint, one, now))
            .map(|one| one.key.clone())
            .collect();
        let accepted = self
            .accepted
            .iter()
            .filter(|(name, _)| name == endpoint.name());
        due.extend(accepted.map(|(_, key)| key.clone()));
        due.retain(|key| {
            let aside = self.aside.get(&(endpoint.name().clone(), key.clone()));
            aside.is_none_or(|(until, _)| *until <= now)
        });
        due
    }

    /// With the same versions the same waits: thousands of quiet tables are not gone through every time.
    fn unfolded(&mut self, endpoint: &Endpoint) -> Vec<Unfolded> {
        let versions = self.lake.known_versions(endpoint);
        if let Some((known, unfolded)) = self.unfolded.get(endpoint.name())
            && *known == versions
        {
            return unfolded.clone();
        }
        let unfolded = self.lake.unfolded(endpoint);
        let entry = (versions, unfolded.clone());
        self.unfolded.insert(endpoint.name().clone(), entry);
        unfolded
    }

    fn is_due(&mut self, endpoint: &Endpoint, one: &Unfolded, now: Instant) -> bool {
        let table = (endpoint.name().clone(), one.key.clone());
        let since = *self.since.entry(table).or_insert(now);
        self.trigger.is_due(&Waiting {
            at_once: one.at_once,
            age: Some(now.saturating_duration_since(since)),
            rows: one.waiting_rows,
            table_rows: one.rows,
        })
    }

    async fn fold(&mut self, endpoint: &Arc<Endpoint>, due: &BTreeSet<IntegrationKey>) {
        let began = Instant::now();
        let folded = self.lake.fold(endpoint, Some(due), &self.settings).await;
        self.accepted
            .retain(|(name, key)| name != endpoint.name() || !due.contains(key));
        let stopped = match folded {
            Ok(report) => {
                for key in due {
                    self.since.remove(&(endpoint.name().clone(), key.clone()));
                }
                self.set_aside(endpoint, due, &report.aside);
                self.tell(endpoint, &report, began.elapsed()).await;
                report.stopped
            }
            Err(error) => Some(error),
        };
        if let Some(error) = stopped {
            self.metrics.folded(FoldResult::Failed, began.elapsed());
            let until = Instant::now() + AFTER_FAILURE;
            self.not_before.insert(endpoint.name().clone(), until);
            let (advice, error): (_, &dyn std::error::Error) = (error.advice(), &error);
            warn!(endpoint = %endpoint.name(), error, advice, "{} could not be folded; readers see it as it was", endpoint.name());
        }
    }

    async fn tell(&self, endpoint: &Endpoint, report: &FoldReport, took: Duration) {
        log(endpoint, report, took);
        self.count(report, took);
        let name = endpoint.name().table_name();
        let released = report.tables.iter().flat_map(|table| &table.released);
        released.for_each(|release| log_released(&name, release));
        // Kombo is asked why, which may take long.
        for table in &report.tables {
            self.tell_hold(endpoint, table).await;
        }
    }

    /// Leaves tables alone for a while that could not be folded, the longer the more often they could not.
    fn set_aside(
        &mut self,
        endpoint: &Endpoint,
        due: &BTreeSet<IntegrationKey>,
        aside: &[SetAside<IntegrationKey>],
    ) {
        let name = endpoint.name();
        let failed: BTreeSet<&IntegrationKey> = aside.iter().map(|one| &one.member).collect();
        for key in due {
            let table = (name.clone(), key.clone());
            if !failed.contains(key) {
                self.aside.remove(&table);
                continue;
            }
            let times = self.aside.get(&table).map_or(0, |(_, times)| *times);
            let wait = AFTER_FAILURE.saturating_mul(1 << times.min(16));
            let until = Instant::now() + wait.min(LONGEST_ASIDE);
            self.aside.insert(table, (until, times + 1));
        }
        for SetAside { member: key, error } in aside {
            let advice = error.advice();
            let error: &dyn std::error::Error = error;
            warn!(endpoint = %name, key = %key, error, advice, "{name} of {key} could not be folded; readers see it as it was, and the others are folded");
        }
    }

    fn count(&self, report: &FoldReport, took: Duration) {
        if !report.aside.is_empty() {
            self.metrics.folded(FoldResult::Failed, took);
        }
        let result = if report.tables.iter().any(|table| table.held > 0) {
            FoldResult::Held
        } else if report.tables.is_empty() {
            FoldResult::Nothing
        } else {
            FoldResult::Folded
        };
        self.metrics.folded(result, took);
        for (kind, cause, rows) in report.tables.iter().flat_map(|table| &table.drift) {
            self.metrics.drifted(*kind, *cause, *rows);
        }
        for release in report.tables.iter().flat_map(|table| &table.released) {
            self.metrics.hold_released(release.state);
        }
    }

    async fn tell_hold(&self, endpoint: &Endpoint, table: &FoldedTable) {
        let Some(hold) = &table.hold else {
            return;
        };
        let id = &hold.integration;
        let hold = match explained(&*self.client.get(), &self.lake, hold).await {
            Ok(hold) => hold,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                warn!(integration.id = %id, error, "why it is held was not written down");
                hold.clone()
            }
        };
        let (cause, detail) = (hold.cause.as_str(), &hold.detail);
        let name = endpoint.name().table_name();
        let (until, command) = (until(&hold), command(&hold));
        warn!(integration.id = %id, endpoint = %hold.endpoint, rows = hold.held_rows, cause, "{name} of {id} is held: {detail}; {until}; `{command}` lets it pass now");
    }
}

/// Returns what was read, or says that it could not be.
fn told<T>(table: &str, read: Result<T, LakeError>) -> Option<T> {
    let told = read.map_err(|error| {
        let advice = error.advice();
        let error: &dyn std::error::Error = &error;
        warn!(
            table,
            error,
            advice,
            "{table} cannot be read; tables without it are folded, the others stay as they are"
        );
    });
    told.ok()
}

fn log(endpoint: &Endpoint, report: &FoldReport, elapsed: Duration) {
    let sum = |of: fn(&FoldedTable) -> u64| report.tables.iter().map(of).sum::<u64>();
    let (tables, rows) = (
        report.tables.len(),
        sum(|table| table.changed + table.removed),
    );
    if tables == 0 {
        return;
    }
    let drift = report.tables.iter().flat_map(|table| &table.drift);
    let drifted: u64 = drift.map(|(_, _, rows)| rows).sum();
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let name = endpoint.name();
    info!(endpoint = %name, tables, rows, drifted, elapsed_ms, "folded {name}: {rows} rows in {tables} tables");
}
