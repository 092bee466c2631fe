//! Read access for the loop, the metrics and the hint file.

use super::{Account, Dispatch};
use crate::ids::{IntegrationId, TableId};

impl Dispatch {
    /// Returns whether the registry has the current state of an integration.
    pub(in crate::service) fn is_registered(&self, id: &IntegrationId) -> bool {
        let known = self.accounts.get(id);
        known.is_some_and(Account::is_registered) && !self.unsaved.contains(id)
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
}
