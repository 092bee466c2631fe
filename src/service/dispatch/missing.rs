//! Integrations that Kombo does not find, and what is written to the registry about them. The rule is [`Deletion`].

use super::account::StoredIn;
use super::standings::{IntegrationNews, LearntBy};
use super::{Account, Dispatch};
use crate::ids::{EnvironmentId, IntegrationId};
use crate::plan::{Begun, Deletion, NotFound, Others, Standing};
use crate::sink::Registration;
use crate::time::{Moment, ObservedAt};

impl Account {
    /// Clears every suspicion of a deletion, because Kombo has answered for the integration.
    pub(super) fn is_found(&mut self) {
        (self.not_found_since, self.doubt, self.among_many) = (None, None, false);
    }
}

impl Dispatch {
    /// Takes in that Kombo does not find an integration. `begun` is when the check began; Kombo accepted the key right
    /// after the check. Returns the new state of the integration.
    pub(super) fn missed(
        &mut self,
        id: &IntegrationId,
        begun: Begun,
        key_of: &EnvironmentId,
    ) -> Standing {
        let others = self.others(id, key_of);
        let Some(account) = self.accounts.get_mut(id) else {
            return Standing::Deleting;
        };
        // An integration that counts as deleted stays deleted until Kombo answers for it.
        let stays = account
            .standing
            .is_deleted()
            .then(|| account.standing.clone());
        let judged = NotFound::judge(begun, account.environment.as_ref(), key_of);
        let not_found = match judged {
            Ok(not_found) => not_found,
            Err(doubt) => {
                if account.doubt.replace(doubt) != Some(doubt) {
                    let id = id.clone();
                    self.news.push(IntegrationNews::Doubted { id, doubt });
                }
                return stays.unwrap_or(Standing::Deleting);
            }
        };
        account.doubt = None;
        if stays.is_none() && others == Others::Missing && !account.among_many {
            self.news
                .push(IntegrationNews::AmongMany { id: id.clone() });
        }
        account.among_many = others == Others::Missing;
        let first = account.not_found_since.map(ObservedAt::from);
        let standing = match Deletion::after(id, first, not_found, others) {
            Deletion::Deleting { first } => {
                let first = Some(first.moment());
                if account.not_found_since != first {
                    account.not_found_since = first;
                    self.unsaved.insert(id.clone());
                }
                Standing::Deleting
            }
            Deletion::Deleted(_) => Standing::Deleted,
        };
        stays.unwrap_or(standing)
    }

    /// Returns whether Kombo finds the other known integrations of an environment.
    fn others(&self, id: &IntegrationId, environment: &EnvironmentId) -> Others {
        let others = self.accounts.iter().filter(|(other, account)| {
            *other != id
                && account.environment.as_ref() == Some(environment)
                && !account.standing.is_deleted()
        });
        Others::of(others.map(|(_, account)| account.standing != Standing::Deleting))
    }

    /// Takes in that another process has purged the rows of an integration.
    pub(in crate::service) fn purged_elsewhere(&mut self, id: &IntegrationId, now: Moment) {
        self.stands(id, &Standing::Purged, LearntBy::Registry, now);
        // The registry holds this state already.
        self.unsaved.remove(id);
    }

    /// Returns whether an integration counts as deleted.
    pub(in crate::service) fn is_deleted(&self, id: &IntegrationId) -> bool {
        let known = self.accounts.get(id);
        known.is_some_and(|account| account.standing == Standing::Deleted)
    }

    /// Returns the registry rows that have to be written.
    pub(in crate::service) fn unsaved(&self) -> Vec<Registration> {
        let known = self.unsaved.iter().filter_map(|id| {
            let account = self.accounts.get(id)?;
            account.registration(id)
        });
        known.collect()
    }

    /// Takes in that `told` was written to the registry, and that the registry now holds `stand`. The two differ if
    /// another process knew better.
    pub(in crate::service) fn saved(
        &mut self,
        told: &[Registration],
        stand: &[Registration],
        now: Moment,
    ) {
        for told in told {
            let id = &told.integration;
            let Some(account) = self.accounts.get_mut(id) else {
                continue;
            };
            let before = std::mem::replace(&mut account.stored, StoredIn::Registry);
            self.candidates.is_stale |= before == StoredIn::Candidates;
            // If the integration changed during the write, it is written again.
            if account.registration(id).as_ref() != Some(told) {
                continue;
            }
            self.unsaved.remove(id);
            let stands = stand.iter().find(|stands| stands.integration == *id);
            if let Some(stands) = stands {
                self.adopt_stored(told, stands, now);
            }
        }
    }

    fn adopt_stored(&mut self, told: &Registration, stands: &Registration, now: Moment) {
        let id = &told.integration;
        let Some(account) = self.accounts.get_mut(id) else {
            return;
        };
        account.not_found_since = stands.not_found_since_ms.map(Moment::from_millis);
        if stands.state == told.state {
            return;
        }
        if let Some(standing) = Standing::from_name(&stands.state) {
            self.stands(id, &standing, LearntBy::Registry, now);
            self.unsaved.remove(id);
        }
    }
}
