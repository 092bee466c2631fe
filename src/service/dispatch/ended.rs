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

/// How long to wait until a table is fetched again after another writer was faster.
const AFTER_LOST_RACE: Duration = Duration::from_secs(5);

/// How long to wait until the environments of integrations are written to the registry. A crash before then costs
/// nothing, because the next fetch brings the same information.
const NOTED_AFTER: Duration = Duration::from_mins(1);

/// The result of a fetch.
#[derive(Debug)]
pub(in crate::service) enum Ended {
    /// The rows are committed, or were in the lake already.
    Covered {
        snapshot: bool,
        base: Option<Base>,
        /// Number of rows that changed since the previous fetch; `None` if that is unknown.
        changed_rows: Option<u64>,
        rest_values: u64,
    },
    /// Another writer has moved the table's bases meanwhile. Holds the new coverage.
    Overtaken(Coverage),
    /// Nothing was committed.
    Failed(FailedFetch),
}

impl Dispatch {
    /// Takes in the result of a fetch. Returns how long ago the notification came that the fetch answers, if it answers
    /// one.
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
                // It began before now. Its own instant may come from a local clock that ran ahead of Kombo's.
                let began = fetching.started.min(now);
                let answered = self.covered(fetching, began, snapshot, base, rest_values);
                self.read_in(fetching, now);
                self.time_table(&work.table, now);
                return answered.map(|notified_at| now.since(notified_at));
            }
            Ended::Overtaken(coverage) => self.overtaken(fetching, &coverage, now),
            Ended::Failed(failed) => self.failed(fetching, failed, now),
        }
        None
    }

    /// Updates the table after a fetch that got through. Returns when the notification came that the fetch answers.
    fn covered(
        &mut self,
        fetching: &Fetching,
        began: Moment,
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
        if snapshot {
            table.snapshot_base = table.snapshot_base.max(base);
            table.snapshot_began = Some(began);
            // What became stale while the fetch ran may have been read before it became stale.
            table.stale_since = (table.stale_since).filter(|since| *since >= began);
        } else {
            table.delta_began = Some(began);
        }
        if fetching.work.kind == Kind::Snapshot {
            table.snapshot_wanted = false;
        }
        let answered = (table.notified_at.get()).filter(|at| *at <= began)?;
        // A notification that came while the fetch ran waits for the next fetch.
        let later = (table.last_notified_at).filter(|at| *at > began);
        table.notified_at.set(later);
        Some(answered)
    }

    /// Remembers the environment in which an integration was read. A key of another environment does not find the
    /// integration.
    fn read_in(&mut self, fetching: &Fetching, now: Moment) {
        let id = &fetching.work.table.integration;
        // A fetch may begin before Kombo has named the key's environment. The environment applies to it as well if the
        // key is still the same.
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

    /// Applies the key's environment to the integrations that were read before Kombo had named it.
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
        // One write for all: the first fetches of thousands of integrations must not write the registry as many times.
        if self.agenda.at(&Due::Note).is_none() {
            let at = now + NOTED_AFTER;
            self.agenda.set(Due::Note, at);
        }
    }

    /// Takes in that another writer was faster. The other snapshot serves the schedule as well as this one. Announced
    /// tables stay dirty, because nobody knows when the other fetch began.
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

    /// Asks for the changes that the faster writer may not have seen.
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

    /// Compares the rows that a heartbeat found with the notifications of the integration. Rows that nothing announced
    /// raise the suspicion that webhooks are lost.
    fn judge(&mut self, fetching: &Fetching, rows: u64, now: Moment) {
        let work = &fetching.work;
        if !fetching.is_heartbeat() || !self.rules.expects_webhooks {
            return;
        }
        // A notification arrived while the heartbeat ran, so it was only slower.
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
                // Other fetches of the integration that were running report the same failure. Only the first one
                // counts.
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
        // A notification may cause a try before the next retry is due. This try does not postpone the retry.
        let is_due_later = self.agenda.at(&retry).is_some_and(|at| at > now);
        if is_first || !is_due_later {
            let again = now + table.next_wait();
            self.agenda.set(retry, again);
        }
    }

    /// Stops fetching a table that the integration does not offer, and schedules the next try.
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

    /// Stops everything until Kombo accepts the key. A refusal that is known changes nothing.
    pub(in crate::service) fn key_refused(&mut self, now: Moment) {
        if self.key.is_none() {
            let pause = KeyPause::since(now);
            self.agenda.set(Due::Key, now + pause.wait());
            self.key = Some(pause);
        }
    }
}
