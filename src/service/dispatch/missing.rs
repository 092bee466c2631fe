//! Integrations that Kombo does not find, and what the registry has to know of them. The rule itself is
//! [`Deletion`].

use super::standings::{IntegrationNews, LearntBy};
use super::{Account, Dispatch};
use crate::ids::{EnvironmentId, IntegrationId};
use crate::plan::{Begun, Deletion, NotFound, Others, Standing};
use crate::sink::Registration;
use crate::time::{Moment, ObservedAt};

impl Account {
    /// Takes in that Kombo has answered for it: whatever was suspected begins anew.
    pub(super) fn is_found(&mut self) {
        (self.not_found_since, self.doubt, self.among_many) = (None, None, false);
    }
}

impl Dispatch {
    /// Takes in that Kombo does not find an integration, in a look begun at an instant, with the key accepted right after.
    /// Returns how it stands then.
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
        // Once deleted, only an answer for it changes that.
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

    /// Returns whether Kombo finds the others of an environment, as far as they are known here.
    fn others(&self, id: &IntegrationId, environment: &EnvironmentId) -> Others {
        let others = self.accounts.iter().filter(|(other, account)| {
            *other != id
                && account.environment.as_ref() == Some(environment)
                && !account.standing.is_deleted()
        });
        Others::of(others.map(|(_, account)| account.standing != Standing::Deleting))
    }

    /// Takes in that the rows of an integration were purged by another process.
    pub(in crate::service) fn purged_elsewhere(&mut self, id: &IntegrationId, now: Moment) {
        self.stands(id, &Standing::Purged, LearntBy::Registry, now);
        // It is the registry that says so.
        self.unsaved.remove(id);
    }

    /// Returns whether an integration counts as deleted here.
    pub(in crate::service) fn is_deleted(&self, id: &IntegrationId) -> bool {
        let known = self.accounts.get(id);
        known.is_some_and(|account| account.standing == Standing::Deleted)
    }

    /// Returns the rows that the registry lacks.
    pub(in crate::service) fn unsaved(&self) -> Vec<Registration> {
        let known = self.unsaved.iter().filter_map(|id| {
            let account = self.accounts.get(id)?;
            account.registration(id)
        });
        known.collect()
    }

    /// Notes that the registry was told these rows, and what stands there: another process may know better.
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
            account.registered = true;
            // What changed while it was written is written next time.
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
