//! Whether integrations can be read, and what becomes of those that cannot for now.
//!
//! Parked means out of turn, with an interval of its own until Kombo is asked again; it never means that rows are gone.

use std::time::Duration;

use super::super::fetching::KeyInUse;
use super::super::held::Holding;
use super::account::LookState;
use super::{Dispatch, Due, NEW};
use crate::ids::{Category, EnvironmentId, IntegrationId, TableId};
use crate::plan::{Begun, Doubt, Standing};
use crate::time::{Backoff, Moment};

/// How long to wait before a question is asked again that brought no answer.
const LOOK_AGAIN: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_mins(15));

/// How long to wait before a refused key is tried again.
const KEY_AGAIN: Backoff = Backoff::new(Duration::from_mins(1), LONGEST_KEY);
const LONGEST_KEY: Duration = Duration::from_mins(15);

/// A key that Kombo refuses: nothing is fetched until it is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyPause {
    looks: u32,
}

impl KeyPause {
    pub(super) fn wait(self) -> Duration {
        KEY_AGAIN.wait(self.looks)
    }
}

/// What Kombo says of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct FoundIntegration {
    /// `None` for one that this build does not know.
    pub(in crate::service) category: Option<Category>,
    pub(in crate::service) standing: Standing,
}

/// Why Kombo does not say what an integration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum LookFailed {
    /// It refuses the key.
    Key,
    /// The answer itself says how the integration stands.
    Stands(Standing),
    /// It finds none, and accepted the key right after it said so.
    NotFound {
        /// When the look began.
        begun: Begun,
        /// The environment that the key belongs to.
        key_of: EnvironmentId,
    },
    /// No answer; the next one may come.
    Once,
}

/// What made Kombo, or the registry, say how an integration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum LearntBy {
    /// A request for its rows.
    Fetch,
    /// A look that a webhook asked for.
    Webhook,
    /// A look that was due.
    Recheck,
    /// Another process has written it down.
    Registry,
}

/// What is new about an integration, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum IntegrationNews {
    /// It stands otherwise than before.
    Stands {
        id: IntegrationId,
        before: Standing,
        standing: Standing,
        cause: LearntBy,
    },
    /// Kombo does not find it, and that counts for nothing.
    Doubted { id: IntegrationId, doubt: Doubt },
    /// Kombo finds no other integration of its environment either.
    AmongMany { id: IntegrationId },
    /// Kombo answers for one whose rows are purged.
    PurgedAnswers { id: IntegrationId },
}

impl LearntBy {
    /// Returns the word in logs and metrics.
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
    /// Takes in how an integration stands: parks it, wakes it, or lets it go.
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
        // Counts until a fetch gets through: Kombo may call an integration readable whose rows it still refuses.
        account.tries = account
            .tries
            .saturating_add(u32::from(!account.is_fetched()));
        let account = &self.accounts[id];
        // A fetch that was refused brings no proof that the key is right: a look does, and it is asked for soon.
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

    /// Takes in what Kombo answered when it was asked for an integration.
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
            // Only a person brings it back, by a backfill that names it.
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

    /// Takes in to which environment the key belongs, where Kombo has said it.
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

    /// Forgets to which environment the key belongs: there is another one.
    pub(in crate::service) fn key_changed(&mut self) {
        self.used_key = KeyInUse {
            environment: None,
            number: self.used_key.number.wrapping_add(1),
        };
        self.unplaced.clear();
    }

    /// Takes in whether Kombo takes the key again.
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

    /// Returns whether Kombo took the key a short while ago. One table that is refused for it is then that table's matter.
    pub(super) fn key_is_good(&self, now: Moment) -> bool {
        let is_short = |since: Moment| (since..since + LONGEST_KEY).contains(&now);
        self.key_good_since.is_some_and(is_short)
    }

    /// Returns whether Kombo refuses the key.
    pub(in crate::service) fn is_key_refused(&self) -> bool {
        self.key.is_some()
    }

    /// Counts an integration's tables that have heartbeats.
    fn heartbeats_of(&self, id: &IntegrationId) -> usize {
        let own = self.tables_of(id).into_iter();
        own.filter(|table| self.tables[table].endpoint.updated_after)
            .count()
    }

    /// Has Kombo asked for an integration because of a webhook: at once, unless it was asked a short while ago.
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

    fn look_at(&mut self, id: &IntegrationId, at: Moment) {
        self.agenda.set(Due::Look(id.clone()), at);
    }

    fn wake(&mut self, id: &IntegrationId, now: Moment) {
        self.agenda.cancel(&Due::Look(id.clone()));
        self.open_tables(id, |_| NEW, now);
        for table in self.tables_of(id) {
            self.want_all(&table, now);
        }
    }

    /// Takes an integration's tables out of turn. They are all asked for when it wakes.
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
