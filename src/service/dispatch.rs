//! What the service knows, and what it decides: webhooks, ended fetches and passing time in; fetches, questions and the
//! sink's chores out.
//!
//! Nothing here waits, sends or reads a clock, so that a simulator can drive it through years in a second. All instants are
//! those of Kombo's clock. The rules themselves are in [`plan`](crate::plan); this room holds who they apply to.

mod account;
mod ended;

mod missing;
mod next_fetch;
mod notified;
mod registered;
mod standings;
mod status_notes;
mod table;
mod timers;
mod view;

#[cfg(test)]
mod tests;

pub(super) use account::Account;
pub(super) use ended::Ended;
pub(super) use standings::{FoundIntegration, IntegrationNews, LookFailed};
pub(super) use table::TrackedTable;
pub(super) use timers::Ask;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Endpoint;
use crate::fetch::Lane;
use crate::ids::{Category, IntegrationId, TableId};
use crate::plan::{
    Agenda, Kind, Planner, Queue, Schedule, Standing, Suspicion, next_snapshot_instead,
};
use crate::sink::Registration;
use crate::time::Moment;
use crate::webhook::{IntegrationChange, IntegrationEvent, ModelName, Notification, Webhook};

use super::fetching::KeyInUse;
use super::held::Holding;
use account::{CONFIGURATION, WEBHOOK};
use standings::KeyPause;
use timers::Due;

/// What the configuration says; another one may take its place while the service runs.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) planner: Planner,
    /// The endpoints that are fetched, over all categories.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Whose rows; `None` for everybody's whom a webhook or the registry names.
    pub(super) only: Option<HashSet<IntegrationId>>,
    pub(super) schedule: Schedule,
    /// Notifications are received at all: without them, that nothing announced a change means nothing.
    pub(super) expects_webhooks: bool,
    /// Requests per window; `None` without a limit.
    pub(super) budget: Option<(NonZeroU32, Duration)>,
}

/// Who is known, what is due, and what waits.
pub(super) struct Dispatch {
    pub(super) rules: Rules,
    pub(super) accounts: HashMap<IntegrationId, Account>,
    pub(super) tables: HashMap<TableId, TrackedTable>,
    pub(super) queue: Queue,
    agenda: Agenda<Due>,
    key: Option<KeyPause>,
    /// When Kombo was last found to take the key, after it had refused it.
    key_good_since: Option<Moment>,
    pub(super) used_key: KeyInUse,
    /// Integrations that were read with the key before Kombo had named its environment.
    unplaced: BTreeSet<IntegrationId>,
    /// Tables that have heartbeats: not those of parked integrations.
    with_heartbeat: usize,
    /// Integrations that Kombo has to be asked for, and how many it is being asked for.
    looks: VecDeque<IntegrationId>,
    asking: usize,
    /// The last instant that was told.
    now: Moment,
    /// Integrations whose row in the registry is out of date.
    unsaved: BTreeSet<IntegrationId>,
    /// Integrations of which the registry does not know yet where they were read. That can wait a little.
    unnoted: BTreeSet<IntegrationId>,
    /// The sink's chores, by name.
    chores: BTreeSet<&'static str>,
    /// Suspicions that came up or ended, to be told to the operator.
    pub(super) alarms: Vec<(IntegrationId, Option<Suspicion>, Option<Suspicion>)>,
    /// What is new about integrations, to be told as well.
    pub(super) news: Vec<IntegrationNews>,
}

/// What a webhook is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Its bits are set, or it concerns nobody here: the label says which.
    Acknowledge(&'static str),
    /// The integration has to be in the registry first.
    Register(IntegrationId),
    /// The registry has refused the integration: nothing of it can be kept here.
    Refuse,
}

/// What is held of the tables of an integration that nobody has heard of before.
const NEW: Holding = Holding::Known(None);

/// A webhook that was taken in.
const ACCEPTED: Reaction = Reaction::Acknowledge("accepted");

impl Dispatch {
    /// Starts with what the registry and the logs of the lake say. Every table is dirty: whatever was announced before is
    /// gone, and a crash, a deploy and webhooks missed meanwhile are one case.
    pub(super) fn new<H: Into<Holding>>(
        rules: Rules,
        registered: &[Registration],
        covered: impl Fn(&TableId) -> H,
        now: Moment,
    ) -> Self {
        let mut dispatch = Self {
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

    /// Takes other rules over, and what they change: who is fetched, which tables, and when.
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
            // Those of a parked integration, too: it goes on from its bases when it wakes.
            self.open_tables(&id, &covered, now);
            let account = &self.accounts[&id];
            if !account.is_fetched() && account.standing != Standing::Purged {
                self.agenda.set(Due::Look(id), now);
            }
        }
        let accounts = &self.accounts;
        self.unsaved.retain(|id| accounts.contains_key(id));
        self.unnoted.retain(|id| accounts.contains_key(id));
    }

    /// Asks for tables that were known dirty before a stop, the first one first.
    pub(super) fn hint(&mut self, tables: &[TableId]) {
        let known = tables.iter().filter(|table| {
            let known = self.tables.get(*table);
            known.is_some_and(TrackedTable::takes_deltas)
        });
        self.queue.hint(known);
    }

    /// Takes in a webhook.
    pub(super) fn webhook(&mut self, webhook: &Webhook, now: Moment) -> Reaction {
        match webhook {
            Webhook::DataChanged(notification) | Webhook::SyncFinished(notification) => {
                self.notification(notification, now)
            }
            Webhook::Integration(event) => self.event(event, now),
            Webhook::Other(_) => Reaction::Acknowledge("counted"),
        }
    }

    fn notification(&mut self, notification: &Notification, now: Moment) -> Reaction {
        let id = &notification.integration;
        if self.is_refused(id) {
            return Reaction::Refuse;
        }
        let by_models = || notification.models.iter().find_map(ModelName::category);
        let category = notification.category.or_else(by_models);
        if let Some(refused) = self.introduce(id, category, Standing::Active, now) {
            return refused;
        }
        let account = self.accounts.get_mut(id).expect("introduced above");
        account.rhythm.notified(now);
        // Before anything is planned: an integration that is heard again has its usual heartbeats.
        self.time_silence(id, now);
        let account = self.accounts.get_mut(id).expect("introduced above");
        if !account.is_fetched() {
            // Kombo has news of it: perhaps it can be read again.
            let purged = account.standing == Standing::Purged;
            self.look_soon(id, now);
            if purged {
                return Reaction::Acknowledge("purged");
            }
            return self.when_registered(id);
        }
        for step in self.rules.planner.plan(notification).steps {
            self.mark(id, &step, now);
        }
        self.when_registered(id)
    }

    /// Takes in that an integration came, went, or is in another state. Whatever it says, Kombo is asked and decides: a
    /// webhook may be forged, sent again, or late. What it says is lost in a crash before the answer, and found out by the
    /// first fetches after it.
    fn event(&mut self, event: &IntegrationEvent, now: Moment) -> Reaction {
        let id = &event.integration;
        if self.is_refused(id) {
            return Reaction::Refuse;
        }
        let gone = event.change == IntegrationChange::Deleted;
        if gone && !self.accounts.contains_key(id) {
            return Reaction::Acknowledge("not_known");
        }
        if let Some(refused) = self.introduce(id, event.category, Standing::SetupPending, now) {
            return refused;
        }
        self.look_soon(id, now);
        self.when_registered(id)
    }

    /// Makes an integration known that is seen for the first time. Returns why it is not.
    fn introduce(
        &mut self,
        id: &IntegrationId,
        category: Option<Category>,
        standing: Standing,
        now: Moment,
    ) -> Option<Reaction> {
        if !self.is_configured(id) {
            return Some(Reaction::Acknowledge("not_configured"));
        }
        let is_known = self
            .accounts
            .get(id)
            .is_some_and(|known| known.category.is_some());
        if is_known {
            return None;
        }
        let Some(category) = category else {
            return Some(Reaction::Acknowledge("unknown_category"));
        };
        let new = || Account::new(None, WEBHOOK, now);
        let account = self.accounts.entry(id.clone()).or_insert_with(new);
        (account.category, account.standing) = (Some(category), standing);
        self.unsaved.insert(id.clone());
        if account.is_fetched() {
            self.open_tables(id, |_| NEW, now);
        }
        None
    }

    /// One that the configuration names needs no registry for this: with it a start finds every table dirty.
    fn when_registered(&self, id: &IntegrationId) -> Reaction {
        let only = self.rules.only.as_ref();
        let is_named = only.is_some_and(|only| only.contains(id));
        match self.accounts.get(id) {
            Some(account) if !account.registered && !is_named => Reaction::Register(id.clone()),
            _ => ACCEPTED,
        }
    }

    /// Adds the tables of an integration that are missing, and asks for all of them.
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

    /// Asks for what brings a table up to date: a delta, or a snapshot where no delta can.
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
