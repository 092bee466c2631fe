//! Fetches: which is next, and what an ended one means for its table and its integration.

use std::sync::Arc;

use super::standings::Cause;
use super::standings::millis;
use super::{Dispatch, Due, KeyPause};
use crate::catalog::Endpoint;
use crate::fetch::Lane;
use crate::ids::{EnvironmentId, IntegrationId, TableId};
use crate::plan::{Announced, Kind, ModelOff, Standing, Work, next_snapshot_instead};
use crate::sink::Coverage;
use crate::time::Base;

/// How soon a table is fetched again whose fetch another writer overtook.
const AFTER_LOST_RACE_MS: i64 = 5_000;

/// How soon the registry is told in which environments integrations were read. A crash before costs nothing: the next
/// fetch says it again.
const NOTED_AFTER_MS: i64 = 60_000;

/// A fetch that runs.
#[derive(Debug)]
pub(in crate::service) struct Fetching {
    pub(in crate::service) work: Work,
    pub(in crate::service) endpoint: Arc<Endpoint>,
    pub(in crate::service) started_ms: i64,
    /// The environment of the key that it runs with, where that is known.
    environment: Option<EnvironmentId>,
    /// Which key of this process that is.
    key: u64,
    /// A notification asked for it.
    announced: bool,
    /// As the table has it at any time, while it runs, too.
    pub(in crate::service) notified_at: Announced,
}

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
    Failed(Failed),
}

/// How far a failure reaches.
#[derive(Debug)]
pub(in crate::service) enum Failed {
    /// Every request with this key would fail, as this one says.
    Key(String),
    /// Every table of the integration would.
    Integration(Standing),
    /// The integration does not offer this table.
    Off(ModelOff),
    /// This fetch; the next one may succeed.
    Once(String),
}

impl Fetching {
    /// Returns whether nothing announced it.
    pub(in crate::service) fn is_heartbeat(&self) -> bool {
        self.work.lane == Lane::CatchUp && self.work.kind == Kind::Delta && !self.announced
    }
}

impl Dispatch {
    /// Takes out the fetch that is next, from a lane with room.
    pub(in crate::service) fn next(
        &mut self,
        now_ms: i64,
        room: impl Fn(Lane) -> bool,
    ) -> Option<Fetching> {
        if self.key.is_some() {
            return None;
        }
        let work = self.queue.next(room)?;
        let table = self.tables.get_mut(&work.table);
        let table = table.expect("what waits is a table of ours: both are forgotten together");
        if work.kind == Kind::Delta && work.lane == Lane::Notified {
            table.answer_began_ms = Some(now_ms);
        }
        Some(Fetching {
            environment: self.environment.clone(),
            key: self.key_number,
            announced: table.notified_at.get().is_some(),
            notified_at: table.notified_at.clone(),
            endpoint: Arc::clone(&table.endpoint),
            started_ms: now_ms,
            work,
        })
    }

    /// Takes in how a fetch ended. Returns how long ago the notification came that it answers, in milliseconds.
    pub(in crate::service) fn ended(
        &mut self,
        fetching: &Fetching,
        ended: Ended,
        now_ms: i64,
    ) -> Option<i64> {
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
                    self.judge(fetching, rows, now_ms);
                }
                let answered = self.covered(fetching, snapshot, base, rest_values);
                self.read_in(fetching, now_ms);
                self.time_table(&work.table, now_ms);
                return answered.map(|notified_at| now_ms.saturating_sub(notified_at));
            }
            Ended::Overtaken(coverage) => self.overtaken(fetching, &coverage, now_ms),
            Ended::Failed(failed) => self.failed(fetching, failed, now_ms),
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
    ) -> Option<i64> {
        if let Some(account) = self.accounts.get_mut(&fetching.work.table.integration) {
            account.tries = 0;
        }
        let table = self.tables.get_mut(&fetching.work.table)?;
        table.recovered();
        table.rest_values = rest_values;
        table.base = table.base.max(base);
        let began = Some(fetching.started_ms);
        if snapshot {
            table.snapshot_base = table.snapshot_base.max(base);
            table.snapshot_began_ms = began;
            // What went stale while it ran may have been read before.
            table.stale_since = (table.stale_since).filter(|since| *since >= fetching.started_ms);
        } else {
            table.delta_began_ms = began;
        }
        if fetching.work.kind == Kind::Snapshot {
            table.snapshot_wanted = false;
        }
        let answered = (table.notified_at.get()).filter(|at| *at <= fetching.started_ms)?;
        // What came while it ran waits for the next one.
        let later = (table.last_notified_at).filter(|at| *at > fetching.started_ms);
        table.notified_at.set(later);
        Some(answered)
    }

    /// Remembers in which environment an integration was read: a key finds nothing of others.
    fn read_in(&mut self, fetching: &Fetching, now_ms: i64) {
        let id = &fetching.work.table.integration;
        // One that began before Kombo had named the key's environment was read in it all the same, if the key is still that.
        let with_this_key = fetching.key == self.key_number;
        let known = self.environment.clone().filter(|_| with_this_key);
        match fetching.environment.clone().or(known) {
            Some(read_in) => self.note_environment(id, read_in, now_ms),
            None if with_this_key => {
                self.unplaced.insert(id.clone());
            }
            None => {}
        }
    }

    /// Notes to which environment integrations belong that were read before Kombo had named it.
    pub(super) fn place(&mut self, now_ms: i64) {
        let Some(read_in) = self.environment.clone() else {
            return;
        };
        for id in std::mem::take(&mut self.unplaced) {
            self.note_environment(&id, read_in.clone(), now_ms);
        }
    }

    fn note_environment(&mut self, id: &IntegrationId, read_in: EnvironmentId, now_ms: i64) {
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
            let at_ms = now_ms.saturating_add(NOTED_AFTER_MS);
            self.agenda.set(Due::Note, at_ms);
        }
    }

    /// Another writer was faster. Its snapshot serves the schedule as well as ours; what was announced stays dirty, since
    /// nobody knows when the other fetch began.
    fn overtaken(&mut self, fetching: &Fetching, coverage: &Coverage, now_ms: i64) {
        let work = &fetching.work;
        self.queue.failed(work);
        let newer = self.tables.get_mut(&work.table).is_some_and(|table| {
            let newer = coverage.snapshot_base > table.snapshot_base;
            table.take_over(coverage);
            newer
        });
        if work.kind == Kind::Snapshot && newer {
            self.catch_up_after(&work.table, now_ms);
            self.time_table(&work.table, now_ms);
        } else {
            let again = Due::Retry(work.table.clone(), work.kind);
            self.agenda
                .set(again, now_ms.saturating_add(AFTER_LOST_RACE_MS));
        }
    }

    /// Asks for what the winner of a race may not have seen.
    fn catch_up_after(&mut self, id: &TableId, now_ms: i64) {
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
            let due_ms = next_snapshot_instead(table.last_snapshot(), now_ms);
            self.agenda.set(Due::Instead(id.clone()), due_ms);
        }
    }

    /// Holds rows that a heartbeat found against the integration's notifications.
    fn judge(&mut self, fetching: &Fetching, rows: u64, now_ms: i64) {
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
            account.rhythm.unannounced(now_ms, rows);
            self.time_silence(&id, now_ms);
        }
    }

    fn failed(&mut self, fetching: &Fetching, failed: Failed, now_ms: i64) {
        let Fetching { work, .. } = fetching;
        self.queue.failed(work);
        let retry = Due::Retry(work.table.clone(), work.kind);
        match failed {
            Failed::Key(message) if self.key_is_good(now_ms) => {
                self.failed_once(&work.table, retry, message, now_ms);
            }
            Failed::Key(_) => {
                self.queue.retry(&work.table, work.kind);
                self.key_refused(now_ms);
            }
            Failed::Integration(standing) => {
                let id = &work.table.integration;
                // Other fetches that were under way say the same.
                let account = self.accounts.get_mut(id);
                if let Some(account) = account.filter(|account| account.is_fetched()) {
                    account.asked_ms = Some(now_ms);
                    self.stands(id, standing, Cause::Fetch, now_ms);
                }
            }
            Failed::Off(reason) => self.switched_off(&work.table, reason, now_ms),
            Failed::Once(message) => self.failed_once(&work.table, retry, message, now_ms),
        }
    }

    fn failed_once(&mut self, id: &TableId, retry: Due, message: String, now_ms: i64) {
        let Some(table) = self.tables.get_mut(id) else {
            return;
        };
        let is_first = table.failed(message, now_ms);
        // A notification's try between two others does not put off the next one.
        let is_due_later = self.agenda.at(&retry).is_some_and(|at_ms| at_ms > now_ms);
        if is_first || !is_due_later {
            let again_ms = now_ms.saturating_add(millis(table.next_wait()));
            self.agenda.set(retry, again_ms);
        }
    }

    /// Takes a table out of turn until it is looked at again.
    fn switched_off(&mut self, id: &TableId, reason: ModelOff, now_ms: i64) {
        let Some(table) = self.tables.get_mut(id) else {
            return;
        };
        let wait = table.switched_off(reason, now_ms);
        self.queue.forget(id);
        self.forget_timers(id);
        let again_ms = now_ms.saturating_add(millis(wait));
        self.agenda.set(Due::TryOff(id.clone()), again_ms);
    }

    fn key_refused(&mut self, now_ms: i64) {
        if self.key.is_none() {
            let pause = KeyPause::default();
            self.agenda
                .set(Due::Key, now_ms.saturating_add(pause.wait_ms()));
            self.key = Some(pause);
        }
    }
}
