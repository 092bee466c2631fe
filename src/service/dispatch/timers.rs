//! What becomes due as time passes.

use std::num::NonZeroU32;
use std::time::Duration;

use super::account::LookState;
use super::{Account, Dispatch, Kind};
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use crate::plan::{heartbeat_period, next_heartbeat, suspicious_period};
use crate::time::Moment;

/// Something with an instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Due {
    /// A delta that nothing announced.
    Heartbeat(TableId),
    /// A full fetch on schedule.
    Snapshot(TableId),
    /// A delta that a notification asked for soon after the one before.
    Again(TableId),
    /// A snapshot in place of the delta that a notification asked for.
    Instead(TableId),
    /// A fetch that failed.
    Retry(TableId, Kind),
    /// A table that was switched off.
    TryOff(TableId),
    /// An integration that is parked, or that a webhook speaks of.
    Look(IntegrationId),
    /// An integration whose notifications may have stopped.
    Silence(IntegrationId),
    /// What the registry lacks of where integrations were read.
    Note,
    /// A refused key, or one whose environment is not known yet.
    Key,
    /// A chore of the sink, by its name.
    Chore(&'static str),
    /// What the service leaves for `status`.
    Notes,
}

/// What is to be done besides fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum Ask {
    /// How does it stand? And what is it, when it is new here.
    Integration { id: IntegrationId, is_new: bool },
    /// Is the key taken? And to which environment does it belong?
    Key,
    /// The sink's chore of this name is due.
    Chore(&'static str),
    /// The notes for `status` are due.
    Notes,
}

/// Questions about integrations under way at one time: thousands may be due at a start, and fetches come first.
const LOOKS: usize = 4;

/// How often the notes for `status` are put.
const NOTES_EVERY: Duration = Duration::from_mins(1);

/// A clock that goes back by more than this was another one: ours, before Kombo's was known.
const SET_BACK: Duration = Duration::from_secs(5);

impl Dispatch {
    /// Does what is due, and returns what has to be done besides fetches.
    pub(in crate::service) fn pass(&mut self, now: Moment) -> Vec<Ask> {
        if now < self.now - SET_BACK {
            self.set_back(now);
        }
        self.now = now;
        let mut questions = Vec::new();
        while let Some(due) = self.agenda.pop_due(now) {
            match due {
                Due::Heartbeat(table) => self.queue.want(&table, Kind::Delta, Lane::CatchUp),
                Due::Again(table) => self.queue.want(&table, Kind::Delta, Lane::Notified),
                Due::Snapshot(table) => self.want_snapshot(&table),
                Due::Instead(table) => self.want_snapshot_again(&table),
                Due::Retry(table, kind) => {
                    self.queue.retry(&table, kind);
                }
                Due::TryOff(table) => self.want_all(&table, now),
                Due::Look(id) => self.line_up(id, now),
                Due::Silence(id) => self.time_silence(&id, now),
                Due::Note => self.unsaved.append(&mut self.unnoted),
                Due::Key => questions.push(Ask::Key),
                Due::Chore(name) => questions.push(Ask::Chore(name)),
                Due::Notes => {
                    questions.push(Ask::Notes);
                    self.time_notes(now);
                }
            }
        }
        while self.asking < LOOKS
            && let Some(id) = self.looks.pop_front()
        {
            questions.extend(self.look(id, now));
        }
        questions
    }

    /// Lines a question up. One that is under way may have begun before what asks for this one: it is asked again.
    fn line_up(&mut self, id: IntegrationId, now: Moment) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        match account.look {
            LookState::No => {
                account.look = LookState::Waiting;
                self.looks.push_back(id);
            }
            LookState::Waiting => {}
            LookState::UnderWay => {
                let again = now + account.standing.soonest_look();
                self.agenda.set(Due::Look(id), again);
            }
        }
    }

    fn look(&mut self, id: IntegrationId, now: Moment) -> Option<Ask> {
        let account = self.accounts.get_mut(&id)?;
        (account.look, account.asked) = (LookState::UnderWay, Some(now));
        self.asking += 1;
        let is_new = account.category.is_none();
        Some(Ask::Integration { id, is_new })
    }

    /// Makes what was put off by another clock due by this one.
    fn set_back(&mut self, now: Moment) {
        let tables: Vec<TableId> = self.tables.keys().cloned().collect();
        for id in tables {
            let later = [
                Due::Again(id.clone()),
                Due::Retry(id.clone(), Kind::Delta),
                Due::Retry(id.clone(), Kind::Snapshot),
                Due::TryOff(id.clone()),
            ];
            self.make_due(later, now);
            if let Some(table) = self.tables.get_mut(&id) {
                table.forget_when();
            }
            let account = self.accounts.get(&id.integration);
            if account.is_some_and(Account::is_fetched) {
                self.time_table(&id, now);
            }
        }
        for account in self.accounts.values_mut() {
            account.asked = None;
        }
        let looks = self.accounts.keys().map(|id| Due::Look(id.clone()));
        let looks: Vec<Due> = looks.chain([Due::Key]).collect();
        self.make_due(looks, now);
        // A chore waits as long as it would have by the other clock.
        let by = self.now.since(now);
        let chores = self.chores.iter().map(|name| Due::Chore(name));
        for due in chores.chain([Due::Notes]) {
            if let Some(at) = self.agenda.at(&due) {
                self.agenda.set(due, at - by);
            }
        }
    }

    /// Puts a chore of the sink down.
    pub(in crate::service) fn time_chore(
        &mut self,
        name: &'static str,
        wait: Duration,
        now: Moment,
    ) {
        self.chores.insert(name);
        let at = now + wait;
        self.agenda.set(Due::Chore(name), at);
    }

    /// Puts the next notes for `status` down.
    pub(in crate::service) fn time_notes(&mut self, now: Moment) {
        let at = now + NOTES_EVERY;
        self.agenda.set(Due::Notes, at);
    }

    fn make_due(&mut self, due: impl IntoIterator<Item = Due>, now: Moment) {
        for due in due {
            if self.agenda.at(&due).is_some() {
                self.agenda.set(due, now);
            }
        }
    }

    /// Returns when something is due next.
    pub(in crate::service) fn next_due(&self) -> Option<Moment> {
        self.agenda.next_at()
    }

    /// Asks for a snapshot, unless one waits or runs.
    fn want_snapshot(&mut self, id: &TableId) {
        let table = self.tables.get(id);
        if table.is_some_and(|table| !table.snapshot_wanted) {
            self.want_snapshot_again(id);
        }
    }

    /// Asks for a snapshot, and for another one after that which runs: it began too early for what was announced.
    pub(super) fn want_snapshot_again(&mut self, id: &TableId) {
        if let Some(table) = self.tables.get_mut(id) {
            table.snapshot_wanted = true;
            // Never in a lane for deltas: a notification of somebody else's must not wait for all rows of a table.
            self.queue.want(id, Kind::Snapshot, Lane::Snapshot);
        }
    }

    /// Sets a table's next heartbeat and snapshot, from its bases.
    pub(super) fn time_table(&mut self, id: &TableId, now: Moment) {
        self.time_snapshot(id, now);
        let heartbeat = self.heartbeat_period();
        let Some((table, account)) = self.tables.get(id).zip(self.accounts.get(&id.integration))
        else {
            return;
        };
        if table.off.is_some() || table.snapshot_wanted && table.base.is_none() {
            return;
        }
        let last = table.last_fetch();
        if table.base.is_none() && last.is_some() {
            // Fetched, and without a usable `Date`: no delta can be asked for.
            let next = now + heartbeat;
            self.agenda.set(Due::Snapshot(id.clone()), next);
            return;
        }
        if !table.endpoint.updated_after || table.base.is_none() {
            return;
        }
        let period = match account.suspicion {
            Some(_) => suspicious_period(heartbeat),
            None => heartbeat,
        };
        let next = next_heartbeat(period, &id.integration.key(), last, now);
        self.agenda.set(Due::Heartbeat(id.clone()), next);
    }

    pub(super) fn time_snapshot(&mut self, id: &TableId, now: Moment) {
        let Some(table) = self.tables.get(id) else {
            return;
        };
        // One that waits or runs sets the next when it ends.
        let last = table.last_snapshot();
        if table.snapshot_wanted || last.is_none() || table.off.is_some() {
            return;
        }
        let (key, schedule) = (id.integration.key(), self.rules.schedule);
        let next = schedule.next_snapshot(&key, last, table.stale_since, now);
        self.agenda.set(Due::Snapshot(id.clone()), next);
    }

    /// Looks whether an integration's notifications still come, and when to look again. Under suspicion its tables are
    /// asked for more often.
    pub(super) fn time_silence(&mut self, id: &IntegrationId, now: Moment) {
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        let suspicion = account.rhythm.suspicion(now);
        let before = std::mem::replace(&mut account.suspicion, suspicion);
        let due = Due::Silence(id.clone());
        match account.rhythm.next_look(now) {
            Some(at) => self.agenda.set(due, at),
            None => {
                self.agenda.cancel(&due);
            }
        }
        if before.is_some() != suspicion.is_some() {
            self.alarms.push((id.clone(), before, suspicion));
            for table in self.tables_of(id) {
                self.time_table(&table, now);
            }
        }
    }

    /// Returns how often each table is asked for changes that nothing announced.
    pub(in crate::service) fn heartbeat_period(&self) -> Duration {
        let unlimited = (NonZeroU32::MAX, Duration::from_secs(1));
        let (requests, window) = self.rules.budget.unwrap_or(unlimited);
        let tables = u32::try_from(self.with_heartbeat).unwrap_or(u32::MAX);
        heartbeat_period(
            self.rules.schedule.heartbeat_interval,
            tables,
            requests,
            window,
        )
    }

    pub(super) fn forget_timers(&mut self, id: &TableId) {
        let table = || id.clone();
        for due in [
            Due::Heartbeat(table()),
            Due::Snapshot(table()),
            Due::Again(table()),
            Due::Instead(table()),
            Due::Retry(table(), Kind::Delta),
            Due::Retry(table(), Kind::Snapshot),
            Due::TryOff(table()),
        ] {
            self.agenda.cancel(&due);
        }
    }
}
