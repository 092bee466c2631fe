//! The states of integrations, and what happens to an integration that cannot be read for now.
//!
//! Such an integration is parked: its tables are not fetched, and Kombo is asked again after an interval. Parking never
//! means that rows are gone.

use std::time::Duration;

use super::super::fetching::KeyInUse;
use super::super::held::Holding;
use super::account::LookState;
use super::refusals::{Refused, WhyDropped};
use super::{Dispatch, Due, NEW};
use crate::ids::{Category, EnvironmentId, IntegrationId, TableId};
use crate::plan::{Begun, Doubt, Standing};
use crate::time::{Backoff, Moment};

/// How long to wait after a check of an integration that brought no answer.
const LOOK_AGAIN: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_mins(15));

/// How long to wait until a refused key is tried again.
const KEY_AGAIN: Backoff = Backoff::new(Duration::from_mins(1), LONGEST_KEY);
const LONGEST_KEY: Duration = Duration::from_mins(15);

/// Kombo refuses the key. Nothing is fetched until Kombo accepts it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyPause {
    looks: u32,
    /// When Kombo refused the key first.
    pub(super) since: Moment,
}

impl KeyPause {
    pub(super) fn since(since: Moment) -> Self {
        Self { looks: 0, since }
    }

    pub(super) fn wait(self) -> Duration {
        KEY_AGAIN.wait(self.looks)
    }
}

/// Kombo's answer about an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct FoundIntegration {
    /// Category of the integration; `None` if this version does not know it.
    pub(in crate::service) category: Option<Category>,
    pub(in crate::service) standing: Standing,
}

/// Why Kombo does not say what an integration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum LookFailed {
    /// Kombo refuses the key.
    Key,
    /// The error itself says in which state the integration is.
    Stands(Standing),
    /// Kombo finds no such integration, and accepted the key right after that answer.
    NotFound {
        /// When the check began.
        begun: Begun,
        /// The environment that the key belongs to.
        key_of: EnvironmentId,
    },
    /// No answer came. The next check may bring one.
    Once,
}

/// How the service learnt the state of an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum LearntBy {
    /// From a request for its rows.
    Fetch,
    /// From a check that a webhook asked for.
    Webhook,
    /// From a check that was due.
    Recheck,
    /// From the registry: another process has written the state.
    Registry,
}

/// A change of an integration that the operator should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum IntegrationNews {
    /// The state has changed.
    Stands {
        id: IntegrationId,
        before: Standing,
        standing: Standing,
        cause: LearntBy,
    },
    /// Kombo does not find the integration, but the answer is no proof, for the given reason.
    Doubted { id: IntegrationId, doubt: Doubt },
    /// Kombo finds no other integration of the environment either.
    AmongMany { id: IntegrationId },
    /// Kombo answers for an integration whose rows are purged.
    PurgedAnswers { id: IntegrationId },
    /// Kombo has confirmed a candidate.
    Confirmed {
        id: IntegrationId,
        standing: Standing,
    },
    /// A candidate is no longer asked for.
    Dropped { id: IntegrationId, why: WhyDropped },
    /// Webhooks were answered 503, because there are too many candidates.
    Refused(Refused),
}

impl LearntBy {
    /// Returns the name for logs and metrics.
    pub(in crate::service) fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Webhook => "webhook",
            Self::Recheck => "recheck",
            Self::Registry => "registry",
        }
    }
}

impl Dispatch {
    /// Takes in the state of an integration: parks it, or asks for its tables when it can be read again.
    pub(super) fn stands(
        &mut self,
        id: &IntegrationId,
        standing: &Standing,
        cause: LearntBy,
        now: Moment,
    ) {
        let known = self.accounts.get_mut(id);
        let Some(account) = known.filter(|account| account.refused.is_none()) else {
            return;
        };
        let was_fetched = account.is_fetched();
        let before = account.standing.clone();
        if *standing != Standing::Deleting && !standing.is_deleted() {
            account.is_found();
        }
        if before != *standing {
            (account.standing, account.since) = (standing.clone(), now);
            self.unsaved.insert(id.clone());
            self.news.push(IntegrationNews::Stands {
                id: id.clone(),
                before,
                standing: standing.clone(),
                cause,
            });
        }
        // The count is reset only by a successful fetch: Kombo may call an integration readable and still refuse its
        // rows.
        account.tries = account
            .tries
            .saturating_add(u32::from(!account.is_fetched()));
        let account = &self.accounts[id];
        // A refused fetch is no proof that the key is right. Only a check is, so a check is asked for soon.
        let unproven = *standing == Standing::Deleting
            && account.not_found_since.is_none()
            && account.doubt.is_none();
        let recheck = standing.recheck(account.tries.saturating_sub(1));
        let look = if unproven {
            Some(standing.soonest_look())
        } else {
            recheck
        };
        let is_fetched = account.is_fetched();
        if is_fetched && !was_fetched {
            self.with_heartbeat += self.heartbeats_of(id);
            self.wake(id, now);
        } else if !is_fetched {
            if was_fetched {
                self.with_heartbeat -= self.heartbeats_of(id);
            }
            self.park(id);
            match look {
                Some(wait) => self.look_at(id, now + wait),
                None => {
                    self.agenda.cancel(&Due::Look(id.clone()));
                }
            }
        }
    }

    /// Takes in Kombo's answer to a check of an integration.
    pub(in crate::service) fn looked<H: Into<Holding>>(
        &mut self,
        id: &IntegrationId,
        answer: Result<FoundIntegration, LookFailed>,
        covered: impl Fn(&TableId) -> H,
        now: Moment,
    ) {
        self.asking = self.asking.saturating_sub(1);
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        account.look = LookState::No;
        let cause = if std::mem::take(&mut account.announced) {
            LearntBy::Webhook
        } else {
            LearntBy::Recheck
        };
        if account.standing == Standing::Purged {
            // A purged integration comes back only by a backfill that names it.
            if answer.is_ok() {
                self.news
                    .push(IntegrationNews::PurgedAnswers { id: id.clone() });
            }
            return;
        }
        match answer {
            Ok(found) => {
                if account.category.is_none() && found.category.is_some() {
                    account.category = found.category;
                    account.standing = found.standing.clone();
                    self.unsaved.insert(id.clone());
                    if self.accounts[id].is_fetched() {
                        self.open_tables(id, covered, now);
                        return;
                    }
                }
                self.stands(id, &found.standing, cause, now);
            }
            Err(LookFailed::Stands(standing)) => self.stands(id, &standing, cause, now),
            Err(LookFailed::NotFound { begun, key_of }) => {
                let standing = self.missed(id, begun, &key_of);
                self.stands(id, &standing, cause, now);
            }
            Err(LookFailed::Once | LookFailed::Key) => {
                let wait = LOOK_AGAIN.wait(account.tries);
                account.tries = account.tries.saturating_add(1);
                self.look_at(id, now + wait);
            }
        }
    }

    /// Takes in the environment of the key, if Kombo has named it.
    pub(in crate::service) fn key_belongs(&mut self, to: Option<EnvironmentId>, now: Moment) {
        let is_known = to.is_some();
        let known = &mut self.used_key.environment;
        *known = to.or(known.take());
        self.place(now);
        if !is_known && self.used_key.environment.is_none() && self.key.is_none() {
            let again = now + LONGEST_KEY;
            self.agenda.set(Due::Key, again);
        }
    }

    /// Forgets the environment of the key, because the key was replaced.
    pub(in crate::service) fn key_changed(&mut self) {
        self.used_key = KeyInUse {
            environment: None,
            number: self.used_key.number.wrapping_add(1),
        };
        self.unplaced.clear();
    }

    /// Lets fetches go on until Kombo's next answer, because a reload may have brought another key. Nothing is known of
    /// that key: a refusal stops everything again and is reported again.
    pub(in crate::service) fn key_untried(&mut self) {
        self.key = None;
        self.key_good_since = None;
    }

    /// Takes in whether Kombo accepts the key.
    pub(in crate::service) fn key_tried(&mut self, taken: bool, now: Moment) {
        let Some(pause) = &mut self.key else {
            return;
        };
        if taken {
            self.key = None;
            self.key_good_since = Some(now);
            return;
        }
        pause.looks = pause.looks.saturating_add(1);
        let wait = pause.wait();
        self.agenda.set(Due::Key, now + wait);
    }

    /// Returns whether Kombo has accepted the key again, after a refusal, within the last 15 minutes. A table that is
    /// refused because of the key then fails alone, and other tables go on.
    pub(super) fn key_is_good(&self, now: Moment) -> bool {
        let is_short = |since: Moment| (since..since + LONGEST_KEY).contains(&now);
        self.key_good_since.is_some_and(is_short)
    }

    /// Returns whether Kombo refuses the key.
    #[cfg(test)]
    pub(in crate::service) fn is_key_refused(&self) -> bool {
        self.key.is_some()
    }

    /// Returns how many tables of an integration have heartbeats.
    fn heartbeats_of(&self, id: &IntegrationId) -> usize {
        let own = self.tables_of(id).into_iter();
        own.filter(|table| self.tables[table].endpoint.updated_after)
            .count()
    }

    /// Schedules a check of an integration because of a webhook: at once, or later if the last check was a short while
    /// ago.
    pub(super) fn look_soon(&mut self, id: &IntegrationId, now: Moment) {
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        account.announced = true;
        let soonest = account.standing.soonest_look();
        let at = (account.asked).map_or(now, |asked| now.max(asked + soonest));
        let due = Due::Look(id.clone());
        if self.agenda.at(&due).is_none_or(|set| set > at) {
            self.agenda.set(due, at);
        }
    }

    /// Schedules the next check of a parked integration. After a start the rhythm of its state goes on, so a restart costs
    /// no question. A reload may have brought another key, so Kombo is asked at once.
    pub(super) fn time_look(&mut self, id: &IntegrationId, now: Moment) {
        let due = Due::Look(id.clone());
        let is_reload = self.agenda.at(&due).is_some();
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        if account.is_fetched() || account.standing == Standing::Purged {
            return;
        }
        // An answer that Kombo finds no integration, without a proof, and an integration without a category are open
        // questions.
        let is_open = account.category.is_none()
            || (account.standing == Standing::Deleting && account.not_found_since.is_none());
        let resumed = account.standing.resumed(account.since, now);
        let resumed = resumed.filter(|_| !is_reload && !is_open);
        let (tries, at) = resumed.unwrap_or((account.tries, now));
        account.tries = tries;
        self.agenda.set(due, at);
    }

    /// Moves a check to the new clock: one that a webhook asked for is due now, and any other goes on with its rhythm.
    pub(super) fn look_set_back(&mut self, id: &IntegrationId, now: Moment) {
        let due = Due::Look(id.clone());
        let is_announced = self.accounts.get(id).is_some_and(|known| known.announced);
        if self.agenda.cancel(&due).is_none() {
            return;
        }
        if is_announced {
            self.agenda.set(due, now);
        } else {
            self.time_look(id, now);
        }
    }

    pub(super) fn look_at(&mut self, id: &IntegrationId, at: Moment) {
        self.agenda.set(Due::Look(id.clone()), at);
    }

    fn wake(&mut self, id: &IntegrationId, now: Moment) {
        self.agenda.cancel(&Due::Look(id.clone()));
        self.open_tables(id, |_| NEW, now);
        for table in self.tables_of(id) {
            self.want_all(&table, now);
        }
    }

    /// Stops fetching the tables of an integration. All of them are asked for when the integration can be read again.
    fn park(&mut self, id: &IntegrationId) {
        self.queue.remove(id);
        for table in self.tables_of(id) {
            self.forget_timers(&table);
            if let Some(table) = self.tables.get_mut(&table) {
                table.notified_at.set(None);
                table.snapshot_wanted = false;
            }
        }
        self.agenda.cancel(&Due::Silence(id.clone()));
    }

    pub(super) fn tables_of(&self, id: &IntegrationId) -> Vec<TableId> {
        let own = self.rules.endpoints.iter().map(|endpoint| TableId {
            integration: id.clone(),
            endpoint: endpoint.name().clone(),
        });
        own.filter(|table| self.tables.contains_key(table))
            .collect()
    }
}
