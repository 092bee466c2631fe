//! What becomes due as time passes.

use std::num::NonZeroU32;
use std::time::Duration;

use super::account::LookState;
use super::{Account, Dispatch, Kind};
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use crate::plan::{heartbeat_period, next_heartbeat, suspicious_period};
use crate::time::Moment;

/// A thing that becomes due at an instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Due {
    /// A delta that no notification asked for.
    Heartbeat(TableId),
    /// A full fetch on schedule.
    Snapshot(TableId),
    /// A delta that a notification asked for too soon after the previous one.
    Again(TableId),
    /// A snapshot that replaces a delta which the endpoint cannot answer.
    Instead(TableId),
    /// The next try of a failed fetch.
    Retry(TableId, Kind),
    /// The next try of a table that is switched off.
    TryOff(TableId),
    /// A check of an integration that is parked, or that a webhook named.
    Look(IntegrationId),
    /// The next question about a candidate.
    Candidate(IntegrationId),
    /// The share of the budget has room for a question about a candidate again.
    Candidates,
    /// A check whether notifications of an integration still come.
    Silence(IntegrationId),
    /// A registry write of the environments in which integrations were read.
    Note,
    /// A check of a refused key, or of a key whose environment is unknown.
    Key,
    /// A chore of the sink, by its name.
    Chore(&'static str),
    /// The next write of the notes for `status`.
    Notes,
}

/// What the loop has to do besides fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum Ask {
    /// Ask Kombo for the state of an integration, and for its category if it is new.
    Integration { id: IntegrationId, is_new: bool },
    /// Ask Kombo whether a candidate exists.
    Candidate(IntegrationId),
    /// Ask Kombo whether it accepts the key, and to which environment the key belongs.
    Key,
    /// Run the sink's chore of this name.
    Chore(&'static str),
    /// Write the notes for `status`.
    Notes,
}

/// The most checks of integrations that are under way at once. Thousands may be due after a start, and fetches come
/// first.
const LOOKS: usize = 4;

/// How often the notes for `status` are written.
const NOTES_EVERY: Duration = Duration::from_secs(30);

/// If time goes back by more than this, the clock was replaced: the local clock was used before Kombo's clock was
/// known.
const SET_BACK: Duration = Duration::from_secs(5);

impl Dispatch {
    /// Handles what is due, and returns what the loop has to do besides fetches.
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
                Due::Candidate(id) => self.line_up_candidate(id),
                // The candidates are asked for below.
                Due::Candidates => {}
                Due::Silence(id) => self.time_silence(&id, now),
                Due::Note => self.unsaved.append(&mut self.unnoted),
                Due::Key => questions.push(Ask::Key),
                Due::Chore(name) => questions.push(Ask::Chore(name)),
                Due::Notes => {
                    questions.push(Ask::Notes);
                    self.time_notes(NOTES_EVERY, now);
                }
            }
        }
        while self.asking < LOOKS
            && let Some(id) = self.looks.pop_front()
        {
            questions.extend(self.look(id, now));
        }
        self.ask_for_candidates(now, &mut questions);
        questions
    }

    /// Queues a check. A check that is under way may have begun before the reason for this one, so another check
    /// follows it.
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

    /// Moves instants that came from the previous clock, so that nothing waits too long on the new clock.
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
                table.set_back(now);
            }
            let account = self.accounts.get(&id.integration);
            if account.is_some_and(Account::is_fetched) {
                self.time_table(&id, now);
            }
        }
        for account in self.accounts.values_mut() {
            account.set_back(now);
        }
        for id in self.accounts.keys().cloned().collect::<Vec<_>>() {
            self.look_set_back(&id, now);
            if self.accounts[&id].is_fetched() {
                self.time_silence(&id, now);
            }
        }
        if let Some(pause) = &mut self.key {
            pause.since = pause.since.min(now);
        }
        let candidates: Vec<Due> = self.candidates.set_back().map(Due::Candidate).collect();
        self.make_due(candidates, now);
        self.make_due([Due::Candidates, Due::Key], now);
        // A chore waits as long as it would have waited on the previous clock.
        let by = self.now.since(now);
        let chores = self.chores.iter().map(|name| Due::Chore(name));
        for due in chores.chain([Due::Notes]) {
            if let Some(at) = self.agenda.at(&due) {
                self.agenda.set(due, at - by);
            }
        }
    }

    /// Schedules a chore of the sink.
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

    /// Schedules the next notes for `status`.
    pub(in crate::service) fn time_notes(&mut self, wait: Duration, now: Moment) {
        let at = now + wait;
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

    /// Asks for a snapshot even if one is running: the running snapshot began too early for the announcement.
    pub(super) fn want_snapshot_again(&mut self, id: &TableId) {
        if let Some(table) = self.tables.get_mut(id) {
            table.snapshot_wanted = true;
            // A snapshot never uses a lane for deltas: a notification of another integration must not wait for all rows
            // of a table.
            self.queue.want(id, Kind::Snapshot, Lane::Snapshot);
        }
    }

    /// Schedules the next heartbeat and the next snapshot of a table, from its bases.
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
            // The table was fetched, but Kombo sent no usable `Date`, so no delta can be asked for.
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
        // A snapshot that waits or runs schedules the next one when it ends.
        let last = table.last_snapshot();
        if table.snapshot_wanted || last.is_none() || table.off.is_some() {
            return;
        }
        let (key, schedule) = (id.integration.key(), self.rules.schedule);
        let next = schedule.next_snapshot(&key, last, table.stale_since, now);
        self.agenda.set(Due::Snapshot(id.clone()), next);
    }

    /// Checks whether notifications of an integration still come, and schedules the next check. While they are
    /// suspected to be lost, the tables of the integration have a shorter heartbeat.
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

    /// Returns the heartbeat: how often each table is asked for changes without a notification.
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
