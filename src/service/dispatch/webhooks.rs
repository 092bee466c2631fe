//! What a webhook means: it marks tables, has Kombo asked, or names an integration that is not known yet.

use super::account::Account;
use super::{ACCEPTED, Dispatch, NEW, Reaction};
use crate::customer::Issue;
use crate::ids::{Category, IntegrationId};
use crate::plan::Standing;
use crate::time::Moment;
use crate::webhook::{IntegrationChange, IntegrationEvent, ModelName, Notification, Webhook};

impl Dispatch {
    /// Takes in a webhook.
    pub(in crate::service) fn webhook(&mut self, webhook: &Webhook, now: Moment) -> Reaction {
        match webhook {
            Webhook::DataChanged(notification) | Webhook::SyncFinished(notification) => {
                self.notification(notification, now)
            }
            Webhook::Integration(event) => self.event(event, now),
            Webhook::Issue(issue) => self.issue(issue, now),
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
        if let Some(answer) = self.introduce(id, category, Standing::Active, now) {
            if let Some(candidate) = self.candidates.get_mut(id) {
                candidate.notified = Some(now);
            }
            return answer;
        }
        let account = self
            .accounts
            .get_mut(id)
            .expect("the integration was introduced above");
        account.rhythm.notified(now);
        // The silence timer comes first: an integration that is heard again returns to its usual heartbeat.
        self.time_silence(id, now);
        let account = self
            .accounts
            .get_mut(id)
            .expect("the integration was introduced above");
        if !account.is_fetched() {
            // A notification about a parked integration means that it may be readable again.
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

    /// Takes in a webhook about the state of an integration. The webhook decides nothing, because it may be forged,
    /// sent again or late: Kombo is asked, and the answer decides. If a crash comes before that answer, the first
    /// fetches after the start find out the same.
    fn event(&mut self, event: &IntegrationEvent, now: Moment) -> Reaction {
        let id = &event.integration;
        if self.is_refused(id) {
            return Reaction::Refuse;
        }
        let gone = event.change == IntegrationChange::Deleted;
        if gone && !self.accounts.contains_key(id) && !self.candidates.contains(id) {
            return Reaction::Acknowledge("not_known");
        }
        if let Some(answer) = self.introduce(id, event.category, Standing::SetupPending, now) {
            return answer;
        }
        self.look_soon(id, now);
        self.when_registered(id)
    }

    /// Takes in a webhook about an issue. It is stored and does nothing else. One about an integration that is not known is
    /// only counted: whoever has the secret can name any number.
    fn issue(&self, issue: &Issue, now: Moment) -> Reaction {
        if let Some(id) = &issue.integration {
            let account = self.accounts.get(id);
            let is_kept = account
                .is_some_and(|account| account.refused.is_none() && !account.standing.is_deleted());
            if !is_kept {
                return Reaction::Acknowledge("not_known");
            }
        }
        Reaction::Store(Box::new(issue.clone().until(now)))
    }

    /// Takes the category of an integration that the configuration names and that Kombo was not asked for yet. An
    /// integration that nobody but the webhook names becomes a candidate. Returns the answer to the webhook if the webhook
    /// can do no more.
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
        let Some(account) = self.accounts.get_mut(id) else {
            return Some(self.candidate(id, category, now));
        };
        if account.category.is_some() {
            return None;
        }
        let Some(category) = category else {
            return Some(Reaction::Acknowledge("unknown_category"));
        };
        (account.category, account.standing) = (Some(category), standing);
        self.unsaved.insert(id.clone());
        if self.accounts[id].is_fetched() {
            self.open_tables(id, |_| NEW, now);
        }
        None
    }

    /// Returns the answer once the integration is durable: in the registry or among the stored candidates. An integration
    /// that the configuration names need not be stored for this: the configuration makes all of its tables dirty after a
    /// start.
    fn when_registered(&self, id: &IntegrationId) -> Reaction {
        let only = self.rules.only.as_ref();
        let is_named = only.is_some_and(|only| only.contains(id));
        let is_durable = self.accounts.get(id).is_none_or(Account::is_durable);
        if is_durable || is_named {
            return ACCEPTED;
        }
        Reaction::Register(id.clone())
    }
}
