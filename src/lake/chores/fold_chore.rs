//! Folds the due tables, one endpoint after the other, at a pace that does not slow the fetches.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::warn;

use super::ToldFold;
use crate::catalog::Endpoint;
use crate::chore::{Beside, Chore};
use crate::ids::{EndpointName, IntegrationKey};
use crate::lake::{
    Completeness, FoldReport, FoldSettings, Hold, Lake, LakeError, SetAside, Unfolded,
};
use crate::metrics::{FoldResult, Metrics};
use crate::time::{Backoff, Moment};
use crate::trouble::{Sight, TroubleKind};
use crate::versions::guard::HoldState;
use crate::versions::trigger::WaitingTable;
use crate::words::{counted, with_causes};

/// Interval between checks whether a table is due. A check reads nothing from the store.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Interval between reads of the logs for commits of other processes. Other processes usually fold what they commit.
const READ_EVERY: Duration = Duration::from_mins(10);

/// Interval between reads of the holds (for accepted ones) and of the completeness of tables.
const HOLDS_EVERY: Duration = Duration::from_mins(1);

/// Pause of an endpoint after its fold failed.
const AFTER_FAILURE: Duration = Duration::from_mins(1);

/// Pause of a table that could not be folded; longer after each failure in a row.
const ASIDE: Backoff = Backoff::new(AFTER_FAILURE, Duration::from_hours(1));

/// One table: endpoint and integration.
type OneTable = (EndpointName, IntegrationKey);

/// The fold of all endpoints, with its state from one run to the next.
pub(super) struct FoldChore {
    lake: Lake,
    endpoints: Vec<Arc<Endpoint>>,
    settings: FoldSettings,
    read_at: Option<Instant>,
    holds_at: Option<Instant>,
    /// When each waiting table was first seen to wait.
    since: HashMap<OneTable, Instant>,
    /// Tables in a shared file that was written a short time ago. They wait on purpose.
    resting: HashSet<OneTable>,
    accepted: HashSet<OneTable>,
    not_before: HashMap<EndpointName, Instant>,
    /// Tables that were set aside: the end of the pause, and the number of failures in a row.
    aside: HashMap<OneTable, (Instant, u32)>,
    /// Waiting tables of each endpoint, and the log versions that this list was computed from.
    unfolded: HashMap<EndpointName, ([Option<u64>; 3], Vec<Unfolded>)>,
}

impl Chore for FoldChore {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn first_due(&self) -> Duration {
        Duration::ZERO
    }

    fn run<'a>(&'a mut self, beside: Beside<'a>) -> BoxFuture<'a, Duration> {
        async move {
            self.fold_due(beside).await;
            LOOK_EVERY
        }
        .boxed()
    }
}

impl FoldChore {
    pub(super) fn new(lake: Lake, endpoints: Vec<Arc<Endpoint>>, settings: FoldSettings) -> Self {
        Self {
            lake,
            endpoints,
            settings,
            read_at: None,
            holds_at: None,
            since: HashMap::new(),
            resting: HashSet::new(),
            accepted: HashSet::new(),
            not_before: HashMap::new(),
            aside: HashMap::new(),
            unfolded: HashMap::new(),
        }
    }

    async fn fold_due(&mut self, beside: Beside<'_>) {
        let is_due = |at: Option<Instant>, every| at.is_none_or(|at| at.elapsed() >= every);
        if is_due(self.read_at, READ_EVERY) {
            self.read_logs().await;
            self.read_at = Some(Instant::now());
        }
        if is_due(self.holds_at, HOLDS_EVERY) {
            self.read_holds(beside).await;
            self.holds_at = Some(Instant::now());
        }
        for endpoint in self.endpoints.clone() {
            let due = self.due(&endpoint).await;
            if !due.is_empty() {
                self.fold(&endpoint, &due, beside).await;
            }
        }
        let waiting = self.since.iter();
        let late = waiting.filter(|(table, _)| !self.resting.contains(*table));
        let oldest = late.map(|(_, since)| since).min();
        let lag = oldest.map_or(Duration::ZERO, Instant::elapsed);
        beside.metrics.fold_lag(lag);
        beside
            .troubles
            .see(TroubleKind::FoldFailing, self.failing());
    }

    /// Reads the commits of other processes. A log that cannot be read now is read again after the next interval.
    async fn read_logs(&self) {
        for endpoint in &self.lake.there(&self.endpoints).await {
            if let Err(error) = self.lake.look_for_unfolded(endpoint).await {
                let error = with_causes(&error);
                warn!(endpoint = %endpoint.name(), error, "the Delta logs cannot be read, so it is unknown which rows wait to be folded; the next attempt is in 10 min");
            }
        }
    }

    /// Reads accepted holds and the completeness of tables.
    async fn read_holds(
        &mut self,
        Beside {
            metrics, troubles, ..
        }: Beside<'_>,
    ) {
        if let Some(compared) = told("kombo_drift", self.lake.completeness().await) {
            let by_table = Completeness::by_table(&compared).into_iter();
            let shares = by_table.map(|(name, complete)| (name, complete.share()));
            metrics.completeness(shares);
        }
        if let Some(holds) = told("kombo_holds", self.lake.holds().await) {
            let is_held = |hold: &&Hold| hold.state == HoldState::Held;
            let held: Vec<_> = holds.iter().filter(is_held).collect();
            metrics.held_tables(held.len());
            troubles.see(TroubleKind::Held, held_trouble(&held));
            let accepted = holds
                .into_iter()
                .filter(|hold| hold.state == HoldState::Accepted);
            self.accepted = accepted
                .map(|hold| (hold.endpoint, hold.integration.key()))
                .collect();
        }
    }

    /// Returns what is seen of tables that cannot be folded.
    fn failing(&self) -> Option<Sight> {
        let now = Instant::now();
        let endpoints = self.not_before.iter().filter(|(_, until)| **until > now);
        let endpoints = endpoints.map(|(name, _)| name.to_string());
        let tables = self
            .aside
            .keys()
            .map(|(name, key)| format!("{name} of {key}"));
        let mut failing: Vec<String> = endpoints.chain(tables).collect();
        failing.sort_unstable();
        let first = failing.first()?;
        let places = counted(failing.len() as u64, "place");
        Some(Sight::of(format!("{places}, such as {first}")))
    }

    /// Returns the tables to fold now. Tables that share a file with one that is due are due, too: the file is rewritten
    /// anyway.
    async fn due(&mut self, endpoint: &Endpoint) -> BTreeSet<IntegrationKey> {
        let (name, now) = (endpoint.name(), Instant::now());
        if self.not_before.get(name).is_some_and(|at| *at > now) {
            return BTreeSet::new();
        }
        let unfolded = self.unfolded(endpoint).await;
        let waits: HashSet<&IntegrationKey> = unfolded.iter().map(|one| &one.key).collect();
        let still_waits = |(of, key): &OneTable| of != name || waits.contains(key);
        self.since.retain(|table, _| still_waits(table));
        self.resting.retain(still_waits);
        let mut is_due = |one: &&Unfolded| self.is_due(name, one, now);
        let due: Vec<&Unfolded> = unfolded.iter().filter(|one| is_due(one)).collect();
        let rewritten: HashSet<&str> = due.iter().filter_map(|one| path_of(one)).collect();
        let is_along = |one: &&Unfolded| path_of(one).is_some_and(|path| rewritten.contains(path));
        let along = unfolded.iter().filter(is_along);
        let due = due.iter().copied().chain(along);
        let mut due: BTreeSet<IntegrationKey> = due.map(|one| one.key.clone()).collect();
        let accepted = self.accepted.iter().filter(|(of, _)| of == name);
        due.extend(accepted.map(|(_, key)| key.clone()));
        due.retain(|key| {
            let aside = self.aside.get(&(name.clone(), key.clone()));
            aside.is_none_or(|(until, _)| *until <= now)
        });
        due
    }

    /// Returns the waiting tables. Uses the last list while the log versions are equal, so that thousands of quiet
    /// tables are not checked every time.
    async fn unfolded(&mut self, endpoint: &Endpoint) -> Vec<Unfolded> {
        let versions = self.lake.known_versions(endpoint);
        if let Some((known, unfolded)) = self.unfolded.get(endpoint.name())
            && *known == versions
        {
            return unfolded.clone();
        }
        // A log that cannot be read is reported when it is read for a fold.
        let unfolded = self.lake.unfolded(endpoint).await.unwrap_or_default();
        let entry = (versions, unfolded.clone());
        self.unfolded.insert(endpoint.name().clone(), entry);
        unfolded
    }

    fn is_due(&mut self, endpoint: &EndpointName, one: &Unfolded, now: Instant) -> bool {
        let table = (endpoint.clone(), one.key.clone());
        let since = *self.since.entry(table.clone()).or_insert(now);
        let (at, max_age) = (self.lake.tables().now(), self.settings.max_age);
        let shared = one.shared.as_ref();
        if shared.is_some_and(|file| file.rests(at, max_age)) {
            self.resting.insert(table);
            return false;
        }
        self.resting.remove(&table);
        let waiting = WaitingTable {
            at_once: one.at_once,
            age: Some(now.saturating_duration_since(since)),
            rows: one.waiting_rows,
            table_rows: one.rows,
        };
        waiting.is_due(self.settings.max_age, self.settings.rows_percent)
    }

    async fn fold(
        &mut self,
        endpoint: &Arc<Endpoint>,
        due: &BTreeSet<IntegrationKey>,
        Beside { kombo, metrics, .. }: Beside<'_>,
    ) {
        let (name, began) = (endpoint.name(), Instant::now());
        let lake = self.lake.clone();
        let folded = lake.fold_told(endpoint, Some(due), &self.settings, Some(kombo));
        let folded = folded.await;
        self.accepted
            .retain(|(of, key)| of != name || !due.contains(key));
        let stopped = match folded {
            Ok(ToldFold { report, took, .. }) => {
                for key in due {
                    self.since.remove(&(name.clone(), key.clone()));
                }
                self.set_aside(name, due, &report.aside);
                count(&report, took, metrics);
                let mut tables = report.tables.iter();
                if tables.any(|table| table.held > 0 || table.released.is_some()) {
                    // What is newly held or released is told within seconds.
                    self.holds_at = None;
                }
                report.stopped.is_some()
            }
            Err(_) => true,
        };
        if stopped {
            metrics.folded(FoldResult::Failed, began.elapsed());
            let until = Instant::now() + AFTER_FAILURE;
            self.not_before.insert(name.clone(), until);
        }
    }

    /// Pauses tables that could not be folded, longer after each failure in a row.
    fn set_aside(
        &mut self,
        endpoint: &EndpointName,
        due: &BTreeSet<IntegrationKey>,
        aside: &[SetAside<IntegrationKey>],
    ) {
        let failed: BTreeSet<&IntegrationKey> = aside.iter().map(|one| &one.member).collect();
        for key in due {
            let table = (endpoint.clone(), key.clone());
            if !failed.contains(key) {
                self.aside.remove(&table);
                continue;
            }
            let times = self.aside.get(&table).map_or(0, |(_, times)| *times);
            let until = Instant::now() + ASIDE.wait(times);
            self.aside.insert(table, (until, times.saturating_add(1)));
        }
    }
}

/// Returns the path of the file that a table shares with others.
fn path_of(one: &Unfolded) -> Option<&str> {
    one.shared.as_ref().map(|file| file.path.as_str())
}

fn count(report: &FoldReport, took: Duration, metrics: &Metrics) {
    if !report.aside.is_empty() {
        metrics.folded(FoldResult::Failed, took);
    }
    let result = if report.tables.iter().any(|table| table.held > 0) {
        FoldResult::Held
    } else if report.tables.is_empty() {
        FoldResult::Nothing
    } else {
        FoldResult::Folded
    };
    metrics.folded(result, took);
    for (kind, cause, rows) in report.tables.iter().flat_map(|table| &table.drift) {
        metrics.drifted(*kind, *cause, *rows);
    }
    for release in report.tables.iter().flat_map(|table| &table.released) {
        metrics.hold_released(release.state);
    }
}

/// Returns what is seen of held tables.
fn held_trouble(held: &[&Hold]) -> Option<Sight> {
    let first = held.iter().min_by_key(|hold| hold.since_us)?;
    let tables = counted(held.len() as u64, "table");
    let (name, command) = (first.name(), first.accept_command());
    let sight = Sight::of(format!("{tables}, such as {name}"));
    Some(
        sight
            .since(Moment::from_millis(first.since_us / 1_000))
            .cure(format!(
                "`kombo-source status` says which rows would go; to accept it, run `{command}`"
            )),
    )
}

/// Returns the value that was read, or logs the failure.
fn told<T>(table: &str, read: Result<T, LakeError>) -> Option<T> {
    let told = read.map_err(|error| {
        let advice = error.advice();
        let error = with_causes(&error);
        warn!(
            table,
            error,
            advice,
            "{table} cannot be read; tables whose fold does not need {table} are folded, the others wait"
        );
    });
    told.ok()
}
