//! What an ended fetch means for its table and its integration.

use std::time::Duration;

use super::super::fetching::{FailedFetch, Fetching};
use super::standings::LearntBy;
use super::{Dispatch, Due, KeyPause};
use crate::fetch::Lane;
use crate::ids::{EnvironmentId, IntegrationId, TableId};
use crate::plan::{Kind, ModelOff, next_snapshot_instead};
use crate::sink::Coverage;
use crate::time::{Base, Moment};

/// How soon a table is fetched again whose fetch another writer overtook.
const AFTER_LOST_RACE: Duration = Duration::from_secs(5);

/// How soon the registry is told in which environments integrations were read. A crash before costs nothing: the next
/// fetch says it again.
const NOTED_AFTER: Duration = Duration::from_mins(1);

/// How a fetch ended.
#[derive(Debug)]
pub(in crate::service) enum Ended {
    /// Its rows are in the lake, or were already.
    Covered {
        snapshot: bool,
        base: Option<Base>,
        /// Rows that changed since the fetch before; `None` when that cannot be told.
        changed_rows: Option<u64>,
        rest_values: u64,
    },
    /// Another writer moved the table's bases meanwhile, to these.
    Overtaken(Coverage),
    /// Nothing was committed.
    Failed(FailedFetch),
}

impl Dispatch {
    /// Takes in how a fetch ended. Returns how long ago the notification came that it answers.
    pub(in crate::service) fn ended(
        &mut self,
        fetching: &Fetching,
        ended: Ended,
        now: Moment,
    ) -> Option<Duration> {
        let work = &fetching.work;
        match ended {
            Ended::Covered {
                snapshot,
                base,
                changed_rows,
                rest_values,
            } => {
                self.queue.committed(work);
                if let Some(rows) = changed_rows.filter(|rows| *rows > 0) {
                    self.judge(fetching, rows, now);
                }
                let answered = self.covered(fetching, snapshot, base, rest_values);
                self.read_in(fetching, now);
                self.time_table(&work.table, now);
                return answered.map(|notified_at| now.since(notified_at));
            }
            Ended::Overtaken(coverage) => self.overtaken(fetching, &coverage, now),
            Ended::Failed(failed) => self.failed(fetching, failed, now),
        }
        None
    }

    /// Returns when the notification came that the fetch answers.
    fn covered(
        &mut self,
        fetching: &Fetching,
        snapshot: bool,
        base: Option<Base>,
        rest_values: u64,
    ) -> Option<Moment> {
        if let Some(account) = self.accounts.get_mut(&fetching.work.table.integration) {
            account.tries = 0;
        }
        let table = self.tables.get_mut(&fetching.work.table)?;
        table.recovered();
        table.rest_values = rest_values;
        table.base = table.base.max(base);
        let began = Some(fetching.started);
        if snapshot {
            table.snapshot_base = table.snapshot_base.max(base);
            table.snapshot_began = began;
            // What went stale while it ran may have been read before.
            table.stale_since = (table.stale_since).filter(|since| *since >= fetching.started);
        } else {
            table.delta_began = began;
        }
        if fetching.work.kind == Kind::Snapshot {
            table.snapshot_wanted = false;
        }
        let answered = (table.notified_at.get()).filter(|at| *at <= fetching.started)?;
        // What came while it ran waits for the next one.
        let later = (table.last_notified_at).filter(|at| *at > fetching.started);
        table.notified_at.set(later);
        Some(answered)
    }

    /// Remembers in which environment an integration was read: a key finds nothing of others.
    fn read_in(&mut self, fetching: &Fetching, now: Moment) {
        let id = &fetching.work.table.integration;
        // One that began before Kombo had named the key's environment was read in it all the same, if the key is still that.
        let with_this_key = fetching.key.number == self.used_key.number;
        let known = self.used_key.environment.clone().filter(|_| with_this_key);
        match fetching.key.environment.clone().or(known) {
            Some(read_in) => self.note_environment(id, read_in, now),
            None if with_this_key => {
                self.unplaced.insert(id.clone());
            }
            None => {}
        }
    }

    /// Notes to which environment integrations belong that were read before Kombo had named it.
    pub(super) fn place(&mut self, now: Moment) {
        let Some(read_in) = self.used_key.environment.clone() else {
            return;
        };
        for id in std::mem::take(&mut self.unplaced) {
            self.note_environment(&id, read_in.clone(), now);
        }
    }

    fn note_environment(&mut self, id: &IntegrationId, read_in: EnvironmentId, now: Moment) {
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        if account.environment.as_ref() == Some(&read_in) {
            return;
        }
        account.environment = Some(read_in);
        self.unnoted.insert(id.clone());
        // All at once: the first fetches of thousands of integrations must not write the registry as many times.
        if self.agenda.at(&Due::Note).is_none() {
            let at = now + NOTED_AFTER;
            self.agenda.set(Due::Note, at);
        }
    }

    /// Another writer was faster. Its snapshot serves the schedule as well as ours; what was announced stays dirty, since
    /// nobody knows when the other fetch began.
    fn overtaken(&mut self, fetching: &Fetching, coverage: &Coverage, now: Moment) {
        let work = &fetching.work;
        self.queue.failed(work);
        let newer = self.tables.get_mut(&work.table).is_some_and(|table| {
            let newer = coverage.snapshot_base > table.snapshot_base;
            table.take_over(coverage);
            newer
        });
        if work.kind == Kind::Snapshot && newer {
            self.catch_up_after(&work.table, now);
            self.time_table(&work.table, now);
        } else {
            let again = Due::Retry(work.table.clone(), work.kind);
            self.agenda.set(again, now + AFTER_LOST_RACE);
        }
    }

    /// Asks for what the winner of a race may not have seen.
    fn catch_up_after(&mut self, id: &TableId, now: Moment) {
        let Some(table) = self.tables.get_mut(id) else {
            return;
        };
        table.snapshot_wanted = false;
        if table.takes_deltas() {
            let lane = match table.notified_at.get() {
                Some(_) => Lane::Notified,
                None => Lane::CatchUp,
            };
            self.queue.want(id, Kind::Delta, lane);
        } else {
            let due = next_snapshot_instead(table.last_snapshot(), now);
            self.agenda.set(Due::Instead(id.clone()), due);
        }
    }

    /// Holds rows that a heartbeat found against the integration's notifications.
    fn judge(&mut self, fetching: &Fetching, rows: u64, now: Moment) {
        let work = &fetching.work;
        if !fetching.is_heartbeat() || !self.rules.expects_webhooks {
            return;
        }
        // Announced while it ran: the notification was only slower.
        let table = self.tables.get(&work.table);
        if table.is_some_and(|table| table.notified_at.get().is_some()) {
            return;
        }
        let id = work.table.integration.clone();
        if let Some(account) = self.accounts.get_mut(&id) {
            account.rhythm.unannounced(now, rows);
            self.time_silence(&id, now);
        }
    }

    fn failed(&mut self, fetching: &Fetching, failed: FailedFetch, now: Moment) {
        let Fetching { work, .. } = fetching;
        self.queue.failed(work);
        let retry = Due::Retry(work.table.clone(), work.kind);
        match failed {
            FailedFetch::Key(message) if self.key_is_good(now) => {
                self.failed_once(&work.table, retry, message, now);
            }
            FailedFetch::Key(_) => {
                self.queue.retry(&work.table, work.kind);
                self.key_refused(now);
            }
            FailedFetch::Integration(standing) => {
                let id = &work.table.integration;
                // Other fetches that were under way say the same.
                let account = self.accounts.get_mut(id);
                if let Some(account) = account.filter(|account| account.is_fetched()) {
                    account.asked = Some(now);
                    self.stands(id, &standing, LearntBy::Fetch, now);
                }
            }
            FailedFetch::Off(reason) => self.switched_off(&work.table, reason, now),
            FailedFetch::Once(message) => self.failed_once(&work.table, retry, message, now),
        }
    }

    fn failed_once(&mut self, id: &TableId, retry: Due, message: String, now: Moment) {
        let Some(table) = self.tables.get_mut(id) else {
            return;
        };
        let is_first = table.failed(message, now);
        // A notification's try between two others does not put off the next one.
        let is_due_later = self.agenda.at(&retry).is_some_and(|at| at > now);
        if is_first || !is_due_later {
            let again = now + table.next_wait();
            self.agenda.set(retry, again);
        }
    }

    /// Takes a table out of turn until it is looked at again.
    fn switched_off(&mut self, id: &TableId, reason: ModelOff, now: Moment) {
        let Some(table) = self.tables.get_mut(id) else {
            return;
        };
        let wait = table.switched_off(reason, now);
        self.queue.forget(id);
        self.forget_timers(id);
        let again = now + wait;
        self.agenda.set(Due::TryOff(id.clone()), again);
    }

    fn key_refused(&mut self, now: Moment) {
        if self.key.is_none() {
            let pause = KeyPause::default();
            self.agenda.set(Due::Key, now + pause.wait());
            self.key = Some(pause);
        }
    }
}
