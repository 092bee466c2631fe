//! What becomes due as time passes.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Dispatch, Kind};
use crate::fetch::Lane;
use crate::ids::{IntegrationId, TableId};
use crate::plan::{Heartbeats, suspicious_period};

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
    /// A parked integration.
    Look(IntegrationId),
    /// An integration whose notifications may have stopped.
    Silence(IntegrationId),
    /// A refused key.
    Key,
}

/// A question for Kombo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Ask {
    /// How does it stand?
    Integration(IntegrationId),
    /// Is the key taken again?
    Key,
}

impl Dispatch {
    /// Does what is due, and returns what Kombo has to be asked.
    pub(in crate::source) fn pass(&mut self, now_ms: i64) -> Vec<Ask> {
        let mut questions = Vec::new();
        while let Some(due) = self.agenda.pop_due(now_ms) {
            match due {
                Due::Heartbeat(table) => self.queue.want(&table, Kind::Delta, Lane::CatchUp),
                Due::Again(table) => self.queue.want(&table, Kind::Delta, Lane::Notified),
                Due::Snapshot(table) => self.want_snapshot(&table, Lane::Snapshot),
                Due::Instead(table) => self.want_snapshot(&table, Lane::Notified),
                Due::Retry(table, kind) => {
                    self.queue.retry(&table, kind);
                }
                Due::TryOff(table) => self.want_all(&table, now_ms),
                Due::Look(id) => {
                    if let Some(account) = self.accounts.get_mut(&id)
                        && !account.asking
                    {
                        account.asking = true;
                        questions.push(Ask::Integration(id));
                    }
                }
                Due::Silence(id) => self.time_silence(&id, now_ms),
                Due::Key => questions.push(Ask::Key),
            }
        }
        questions
    }

    /// Returns when something is due next.
    pub(in crate::source) fn next_due(&mut self) -> Option<i64> {
        self.agenda.next_at()
    }

    fn want_snapshot(&mut self, id: &TableId, lane: Lane) {
        if let Some(table) = self.tables.get_mut(id)
            && !table.snapshot_wanted
        {
            table.snapshot_wanted = true;
            self.queue.want(id, Kind::Snapshot, lane);
        }
    }

    /// Sets a table's next heartbeat and snapshot, from its bases.
    pub(super) fn time_table(&mut self, id: &TableId, now_ms: i64) {
        self.time_snapshot(id, now_ms);
        let heartbeats = self.heartbeats();
        let Some((table, account)) = self.tables.get(id).zip(self.accounts.get(&id.integration))
        else {
            return;
        };
        if !table.endpoint.updated_after || table.base.is_none() || table.off.is_some() {
            return;
        }
        let period = match account.suspicion {
            Some(_) => suspicious_period(heartbeats.period()),
            None => heartbeats.period(),
        };
        let next = Heartbeats::of_period(period).next(&id.integration.key(), table.base, now_ms);
        self.agenda.set(Due::Heartbeat(id.clone()), next);
    }

    pub(super) fn time_snapshot(&mut self, id: &TableId, now_ms: i64) {
        let Some(table) = self.tables.get(id) else {
            return;
        };
        // One that waits or runs sets the next when it ends.
        if table.snapshot_wanted || table.snapshot_base.is_none() || table.off.is_some() {
            return;
        }
        let (key, schedule) = (id.integration.key(), self.rules.schedule);
        let next = schedule.next_snapshot(&key, table.snapshot_base, table.stale_since, now_ms);
        self.agenda.set(Due::Snapshot(id.clone()), next);
    }

    /// Looks whether an integration's notifications still come, and when to look again. Under suspicion its tables are
    /// asked for more often.
    pub(super) fn time_silence(&mut self, id: &IntegrationId, now_ms: i64) {
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        let suspicion = account.rhythm.suspicion(now_ms);
        let before = std::mem::replace(&mut account.suspicion, suspicion);
        let due = Due::Silence(id.clone());
        match account.rhythm.next_look(now_ms) {
            Some(at_ms) => self.agenda.set(due, at_ms),
            None => {
                self.agenda.cancel(&due);
            }
        }
        if before.is_some() != suspicion.is_some() {
            self.alarms.push((id.clone(), before, suspicion));
            for table in self.tables_of(id) {
                self.time_table(&table, now_ms);
            }
        }
    }

    /// Returns how often each table is asked for changes that nothing announced.
    pub(in crate::source) fn heartbeats(&self) -> Heartbeats {
        let unlimited = (NonZeroU32::MAX, Duration::from_secs(1));
        let (requests, window) = self.rules.budget.unwrap_or(unlimited);
        let tables = u32::try_from(self.with_heartbeat).unwrap_or(u32::MAX);
        Heartbeats::new(self.rules.heartbeat, tables, requests, window)
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
