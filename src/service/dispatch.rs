//! What the service knows and what it decides. Webhooks, ended fetches and passing time come in; fetches, questions and
//! the sink's chores go out.
//!
//! Nothing in this room waits, sends or reads a clock, so a simulator can drive it through years in a second. All
//! instants are on Kombo's clock. The rules themselves are in [`plan`](crate::plan); this room holds the integrations
//! and tables that the rules apply to.

mod account;
mod candidates;
mod ended;
mod keeping;
mod missing;
mod next_fetch;
mod notified;
mod refusals;
mod registered;
mod reloaded;
mod sights;
mod standings;
mod status_notes;
mod table;
mod timers;
mod view;
mod webhooks;

#[cfg(test)]
mod tests;

pub(super) use account::Account;
pub(super) use candidates::Heard;
pub(super) use ended::Ended;
pub(super) use refusals::Refused;
pub(super) use sights::Seen;
pub(super) use standings::{FoundIntegration, IntegrationNews, LookFailed};
pub(super) use table::TrackedTable;
pub(super) use timers::Ask;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Endpoint;
use crate::customer::Issue;
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use crate::plan::{Agenda, Kind, Planner, Queue, Schedule, Suspicion, next_snapshot_instead};
use crate::sink::Registration;
use crate::time::Moment;

use super::fetching::KeyInUse;
use super::held::Holding;
use account::CONFIGURATION;
use candidates::Candidates;
use standings::KeyPause;
use timers::Due;

/// The rules of the configuration. A reload replaces them while the service runs.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) planner: Planner,
    /// The endpoints that are fetched, of all categories.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// The integrations that the configuration names; `None` for all that a webhook or the registry names.
    pub(super) only: Option<HashSet<IntegrationId>>,
    pub(super) schedule: Schedule,
    /// Whether webhooks are received at all. Without webhooks, an unannounced change says nothing about lost webhooks.
    pub(super) expects_webhooks: bool,
    /// Requests per window; `None` without a rate limit.
    pub(super) budget: Option<(NonZeroU32, Duration)>,
}

/// The known integrations and tables, what is due, and what waits.
pub(super) struct Dispatch {
    pub(super) rules: Rules,
    pub(super) accounts: HashMap<IntegrationId, Account>,
    pub(super) tables: HashMap<TableId, TrackedTable>,
    pub(super) queue: Queue,
    agenda: Agenda<Due>,
    key: Option<KeyPause>,
    /// When Kombo last accepted the key after it had refused a key.
    key_good_since: Option<Moment>,
    pub(super) used_key: KeyInUse,
    /// Integrations that were read with the current key before Kombo had named the key's environment.
    unplaced: BTreeSet<IntegrationId>,
    /// Number of tables that have heartbeats. Tables of parked integrations have none.
    with_heartbeat: usize,
    /// Integrations that Kombo has to be asked for. `asking` counts the questions that are under way.
    looks: VecDeque<IntegrationId>,
    asking: usize,
    candidates: Candidates,
    /// The current time as of the last call.
    now: Moment,
    /// Integrations that have changed since they were last written to the registry.
    unsaved: BTreeSet<IntegrationId>,
    /// Integrations that were read in another environment than the registry says. This write may wait a little.
    unnoted: BTreeSet<IntegrationId>,
    /// Names of the sink's chores.
    chores: BTreeSet<&'static str>,
    /// Suspicions about lost webhooks that came up or ended, not logged yet: integration, suspicion before, suspicion
    /// now.
    pub(super) alarms: Vec<(IntegrationId, Option<Suspicion>, Option<Suspicion>)>,
    /// Changes of integrations that are not logged yet.
    pub(super) news: Vec<IntegrationNews>,
}

/// How a webhook is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The webhook is answered 200: its tables are marked, or it concerns no table here. The label says which.
    Acknowledge(&'static str),
    /// The integration has to be in the registry before the webhook is answered.
    Register(IntegrationId),
    /// The integration is a candidate. It has to be stored before the webhook is answered.
    Keep(IntegrationId),
    /// The issue has to be stored before the webhook is answered.
    Store(Box<Issue>),
    /// The webhook is answered 503: it names a new integration, and there are too many candidates.
    Full,
    /// The webhook is answered 503: the registry has refused the integration, so the lake cannot keep its rows.
    Refuse,
}

/// The coverage of a table whose integration was never heard of before.
const NEW: Holding = Holding::Known(None);

/// The answer to a webhook whose tables are marked.
const ACCEPTED: Reaction = Reaction::Acknowledge("accepted");

impl Dispatch {
    /// Starts from the registry and from what the lake covers. Marks every table as dirty: announcements from before
    /// the start are lost, so a crash, a deploy and missed webhooks are treated alike.
    pub(super) fn new<H: Into<Holding>>(
        rules: Rules,
        registered: &[Registration],
        covered: impl Fn(&TableId) -> H,
        now: Moment,
    ) -> Self {
        let mut dispatch = Self {
            candidates: Candidates::within(rules.budget),
            rules,
            accounts: HashMap::new(),
            tables: HashMap::new(),
            queue: Queue::default(),
            agenda: Agenda::default(),
            key: None,
            key_good_since: None,
            used_key: KeyInUse::default(),
            unplaced: BTreeSet::new(),
            with_heartbeat: 0,
            looks: VecDeque::new(),
            asking: 0,
            now,
            unsaved: BTreeSet::new(),
            unnoted: BTreeSet::new(),
            chores: BTreeSet::new(),
            alarms: Vec::new(),
            news: Vec::new(),
        };
        for known in registered {
            let account = Account::stored(known, now);
            dispatch.accounts.insert(known.integration.clone(), account);
        }
        dispatch.adopt(dispatch.rules.clone(), covered, now);
        dispatch
    }

    /// Replaces the rules, and applies what changes: which integrations and tables are fetched, and when.
    pub(super) fn adopt<H: Into<Holding>>(
        &mut self,
        rules: Rules,
        covered: impl Fn(&TableId) -> H,
        now: Moment,
    ) {
        self.rules = rules;
        for id in self.rules.only.clone().into_iter().flatten() {
            let new = || Account::new(None, CONFIGURATION, now);
            self.accounts.entry(id).or_insert_with(new);
        }
        let endpoints: HashSet<_> = self.rules.endpoints.iter().map(|e| e.name()).collect();
        let gone: Vec<TableId> = (self.tables.keys())
            .filter(|table| {
                !endpoints.contains(&table.endpoint) || !self.is_configured(&table.integration)
            })
            .cloned()
            .collect();
        for table in gone {
            self.close_table(&table);
        }
        for id in self.accounts.keys().cloned().collect::<Vec<_>>() {
            if !self.is_configured(&id) {
                self.accounts.remove(&id);
                self.agenda.cancel(&Due::Look(id.clone()));
                continue;
            }
            // Tables of a parked integration are opened too, so that the integration goes on from its bases when it can
            // be read again.
            self.open_tables(&id, &covered, now);
            self.time_look(&id, now);
        }
        self.adopt_candidates();
        let accounts = &self.accounts;
        self.unsaved.retain(|id| accounts.contains_key(id));
        self.unnoted.retain(|id| accounts.contains_key(id));
    }

    /// Puts tables that were dirty before the last stop at the front of the queue, in the order given.
    pub(super) fn hint(&mut self, tables: &[TableId]) {
        let known = tables.iter().filter(|table| {
            let known = self.tables.get(*table);
            known.is_some_and(TrackedTable::takes_deltas)
        });
        self.queue.hint(known);
    }

    /// Adds the missing tables of an integration, and asks for all of its tables.
    fn open_tables<H: Into<Holding>>(
        &mut self,
        id: &IntegrationId,
        covered: impl Fn(&TableId) -> H,
        now: Moment,
    ) {
        let Some(account) = self.accounts.get(id) else {
            return;
        };
        let (Some(category), is_fetched) = (account.category, account.is_fetched()) else {
            return;
        };
        let own = self
            .rules
            .endpoints
            .iter()
            .filter(|e| e.category == category);
        for endpoint in own.cloned().collect::<Vec<_>>() {
            let table_id = TableId {
                integration: id.clone(),
                endpoint: endpoint.name().clone(),
            };
            if !self.tables.contains_key(&table_id) {
                let held = covered(&table_id).into();
                self.with_heartbeat += usize::from(endpoint.updated_after && is_fetched);
                let table = TrackedTable::held(endpoint, held, now);
                self.tables.insert(table_id.clone(), table);
                if is_fetched {
                    self.want_all(&table_id, now);
                }
            }
            if is_fetched {
                self.time_table(&table_id, now);
            }
        }
        if is_fetched {
            self.time_silence(id, now);
        }
    }

    fn close_table(&mut self, id: &TableId) {
        let account = self.accounts.get(&id.integration);
        let is_fetched = account.is_some_and(Account::is_fetched);
        if let Some(table) = self.tables.remove(id) {
            self.with_heartbeat -= usize::from(table.endpoint.updated_after && is_fetched);
        }
        self.queue.forget(id);
        self.forget_timers(id);
    }

    /// Asks for the fetch that brings a table up to date: a delta, or a snapshot if no delta is possible.
    fn want_all(&mut self, id: &TableId, now: Moment) {
        let Some(table) = self.tables.get_mut(id) else {
            return;
        };
        if table.takes_deltas() {
            self.queue.want(id, Kind::Delta, Lane::CatchUp);
            return;
        }
        let due = next_snapshot_instead(table.last_snapshot(), now);
        if due > now {
            self.agenda.set(Due::Instead(id.clone()), due);
        } else if !table.snapshot_wanted {
            table.snapshot_wanted = true;
            self.queue.want(id, Kind::Snapshot, Lane::Snapshot);
        }
    }

    fn is_configured(&self, id: &IntegrationId) -> bool {
        self.rules
            .only
            .as_ref()
            .is_none_or(|only| only.contains(id))
    }
}
