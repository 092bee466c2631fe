//! What there is to see: for the loop, the metrics and `status`.

use std::sync::Arc;

use super::{Account, Dispatch, IntegrationNews, Suspicion, TrackedTable};
use crate::catalog::Endpoint;
use crate::ids::{IntegrationId, TableId};

impl Dispatch {
    /// Returns how many tables there are.
    pub(in crate::service) fn table_count(&self) -> usize {
        self.tables.len()
    }

    /// Returns the tables.
    pub(in crate::service) fn tables(&self) -> impl Iterator<Item = (&TableId, &TrackedTable)> {
        self.tables.iter()
    }

    /// Returns what is known of an integration.
    pub(in crate::service) fn account(&self, id: &IntegrationId) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// Returns what is known of each integration.
    pub(in crate::service) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// Returns how many fetches wait in each lane, the most urgent first.
    pub(in crate::service) fn waiting_by_lane(&self) -> [usize; 4] {
        self.queue.waiting_by_lane()
    }

    /// Returns the endpoints that are fetched.
    pub(in crate::service) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.rules.endpoints.clone()
    }

    /// Returns whether anything is known of an integration.
    pub(in crate::service) fn knows(&self, id: &IntegrationId) -> bool {
        self.accounts.contains_key(id)
    }

    /// Returns whether the registry has an integration, as it stands now.
    pub(in crate::service) fn is_registered(&self, id: &IntegrationId) -> bool {
        let known = self.accounts.get(id);
        known.is_some_and(|account| account.registered) && !self.unsaved.contains(id)
    }

    /// Returns the tables that were announced and not fetched yet, in a stable order.
    pub(in crate::service) fn announced(&self) -> Vec<TableId> {
        let announced = self
            .tables
            .iter()
            .filter(|(_, table)| table.notified_at.get().is_some());
        let mut announced: Vec<_> = announced.map(|(id, _)| id.clone()).collect();
        announced.sort_unstable();
        announced
    }

    /// Takes out what is new about integrations.
    pub(in crate::service) fn take_news(&mut self) -> Vec<IntegrationNews> {
        std::mem::take(&mut self.news)
    }

    /// Takes out the suspicions that came up or ended, with what was before and what is.
    pub(in crate::service) fn take_alarms(
        &mut self,
    ) -> Vec<(IntegrationId, Option<Suspicion>, Option<Suspicion>)> {
        std::mem::take(&mut self.alarms)
    }
}
