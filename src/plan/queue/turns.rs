//! Decides which table of a lane is next: first between integrations, then between the tables of one integration.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::Kind;
use crate::ids::{EndpointName, IntegrationId, TableId};

/// The position in the order. The lowest rank goes first: served longest ago or never, then asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) served: u64,
    pub(super) arrival: Reverse<u64>,
}

/// The waiting tables of one lane.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: BTreeSet<(Rank, IntegrationId)>,
    waiting: HashMap<IntegrationId, WaitingTables>,
    /// When each integration was last served in this lane. The entry is kept while the integration does not wait;
    /// otherwise asking often would be an advantage.
    served: HashMap<IntegrationId, u64>,
}

#[derive(Debug)]
struct WaitingTables {
    rank: Rank,
    tables: BTreeSet<(Rank, EndpointName, Kind)>,
}

impl Turns {
    /// Adds a table. Its integration moves up with the table.
    pub(super) fn join(&mut self, table: &TableId, kind: Kind, rank: Rank) {
        let id = &table.integration;
        let served = self.served.get(id).copied().unwrap_or_default();
        let own = Rank { served, ..rank };
        let waiting = self.waiting.entry(id.clone()).or_insert(WaitingTables {
            rank: own,
            tables: BTreeSet::new(),
        });
        self.order.remove(&(waiting.rank, id.clone()));
        waiting.rank = own;
        waiting.tables.insert((rank, table.endpoint.clone(), kind));
        self.order.insert((own, id.clone()));
    }

    /// Removes a table that no longer has to wait.
    pub(super) fn leave(&mut self, table: &TableId, kind: Kind, rank: Rank) {
        let Some(waiting) = self.waiting.get_mut(&table.integration) else {
            return;
        };
        waiting.tables.remove(&(rank, table.endpoint.clone(), kind));
        if waiting.tables.is_empty() {
            self.order
                .remove(&(waiting.rank, table.integration.clone()));
            self.waiting.remove(&table.integration);
        }
    }

    /// Takes the next table, and moves its integration behind all others.
    pub(super) fn take(&mut self, now: u64) -> Option<(TableId, Kind)> {
        let (_, integration) = self.order.pop_first()?;
        self.served.insert(integration.clone(), now);
        let waiting = self.waiting.get_mut(&integration);
        let waiting = waiting.expect("every integration in the order has waiting tables");
        let (_, endpoint, kind) = waiting
            .tables
            .pop_first()
            .expect("a waiting integration has at least one table");
        if waiting.tables.is_empty() {
            self.waiting.remove(&integration);
        } else {
            waiting.rank.served = now;
            self.order.insert((waiting.rank, integration.clone()));
        }
        let table = TableId {
            integration,
            endpoint,
        };
        Some((table, kind))
    }

    /// Forgets when an integration was served.
    pub(super) fn forget(&mut self, integration: &IntegrationId) {
        self.served.remove(integration);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the number of waiting tables.
    pub(super) fn len(&self) -> usize {
        self.waiting
            .values()
            .map(|waiting| waiting.tables.len())
            .sum()
    }
}
