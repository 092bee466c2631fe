//! What the registry says of integrations, and what happens to an integration that the registry refuses.

use super::account::StoredIn;
use super::{Account, Dispatch, Due};
use crate::ids::{IntegrationId, TableId};
use crate::service::held::Holding;
use crate::sink::{Coverage, Registration};
use crate::time::Moment;

impl Dispatch {
    /// Takes in a registry that could not be read at the start. States that Kombo has reported meanwhile are kept.
    pub(in crate::service) fn registered<H: Into<Holding>>(
        &mut self,
        registered: &[Registration],
        covered: impl Fn(&TableId) -> H,
        now: Moment,
    ) {
        for known in registered {
            let id = &known.integration;
            self.candidates.resolve(id);
            let stored = || Account::stored(known, now);
            self.accounts
                .entry(id.clone())
                .or_insert_with(stored)
                .stored = StoredIn::Registry;
        }
        self.adopt(self.rules.clone(), covered, now);
    }

    /// Stops fetching an integration that the registry refuses, for the given reason. Its webhooks are answered 503.
    /// The registry is asked again after a restart.
    pub(in crate::service) fn refuse(&mut self, id: &IntegrationId, reason: String) {
        self.unsaved.remove(id);
        for table in self.tables_of(id) {
            self.close_table(&table);
        }
        for due in [Due::Look(id.clone()), Due::Silence(id.clone())] {
            self.agenda.cancel(&due);
        }
        if let Some(account) = self.accounts.get_mut(id) {
            account.refused = Some(reason);
        }
    }

    /// Returns whether the registry refuses an integration.
    pub(in crate::service) fn is_refused(&self, id: &IntegrationId) -> bool {
        let known = self.accounts.get(id);
        known.is_some_and(|account| account.refused.is_some())
    }

    /// Takes in what the sink covers of a table that could not be read before.
    pub(in crate::service) fn read(&mut self, id: &TableId, coverage: &Coverage) {
        if let Some(table) = self.tables.get_mut(id) {
            table.read(coverage);
        }
    }
}
