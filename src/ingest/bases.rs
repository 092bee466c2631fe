//! Bases that empty deltas reached, kept in memory until they are written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::Endpoint;
use crate::ids::{EndpointName, TableId};
use crate::sink::{Advance, Coverage, Watermarks};
use crate::time::{Base, Bases, Tier};

/// Unwritten bases, per table.
#[derive(Debug, Default)]
pub(super) struct UnflushedBases(HashMap<TableId, Reached>);

#[derive(Debug)]
struct Reached {
    endpoint: Arc<Endpoint>,
    /// The sink's watermarks when the bases were reached. With other watermarks the bases may be wrong.
    watermarks: Watermarks,
    bases: Bases,
}

impl UnflushedBases {
    /// Records that a delta on a table with these watermarks found nothing new up to `base`.
    pub(super) fn reach(
        &mut self,
        table: &TableId,
        endpoint: &Arc<Endpoint>,
        watermarks: Watermarks,
        tiers: impl Iterator<Item = Tier>,
        base: Base,
    ) {
        let fresh = || Reached {
            endpoint: Arc::clone(endpoint),
            watermarks,
            bases: Bases::default(),
        };
        let reached = self.0.entry(table.clone()).or_insert_with(fresh);
        if reached.watermarks != watermarks {
            *reached = fresh();
        }
        for tier in tiers {
            reached.bases.raise(tier, base);
        }
    }

    /// Keeps the bases valid after a commit of this process that moved the watermarks from `before` to `after`.
    pub(super) fn moved(&mut self, table: &TableId, before: Watermarks, after: Watermarks) {
        if let Some(reached) = self.0.get_mut(table)
            && reached.watermarks == before
        {
            reached.watermarks = after;
        }
    }

    /// Raises the sink's coverage by the bases of the table, if nobody has committed to the table since.
    pub(super) fn raise(&self, table: &TableId, coverage: &mut Coverage) {
        let reached = self.0.get(table);
        if let Some(reached) = reached.filter(|it| it.watermarks == coverage.watermarks) {
            coverage.bases.raise_all(&reached.bases);
        }
    }

    /// Returns the bases to write, per endpoint, except for tables that `skip` selects.
    pub(super) fn waiting(
        &self,
        skip: impl Fn(&TableId) -> bool,
    ) -> Vec<(Arc<Endpoint>, Vec<Advance>)> {
        let mut waiting: BTreeMap<&EndpointName, (Arc<Endpoint>, Vec<Advance>)> = BTreeMap::new();
        for (table, reached) in self.0.iter().filter(|(table, _)| !skip(table)) {
            let (_, advances) = waiting
                .entry(&table.endpoint)
                .or_insert_with(|| (Arc::clone(&reached.endpoint), Vec::new()));
            advances.push(Advance {
                integration: table.integration.clone(),
                bases: reached.bases,
                watermarks: reached.watermarks,
            });
        }
        waiting.into_values().collect()
    }

    /// Removes bases that were written, unless they moved meanwhile.
    pub(super) fn flushed(&mut self, endpoint: &Endpoint, advances: &[Advance]) {
        for advance in advances {
            let table = TableId {
                integration: advance.integration.clone(),
                endpoint: endpoint.name().clone(),
            };
            if self.0.get(&table).is_some_and(|reached| {
                reached.bases == advance.bases && reached.watermarks == advance.watermarks
            }) {
                self.0.remove(&table);
            }
        }
        // After a start the bases of all tables wait, and later those of a few.
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::ids::IntegrationId;
    use crate::time::ObservedAt;

    fn watermarks(deltas: i64) -> Watermarks {
        Watermarks {
            snapshots: None,
            deltas: Some(ObservedAt::from_micros(deltas)),
        }
    }

    fn reached() -> (UnflushedBases, TableId, Arc<Endpoint>) {
        let endpoint = Arc::clone(Catalog::embedded().find("ats/tags").expect("known"));
        let table = TableId {
            integration: IntegrationId::new("tool:a").expect("an id"),
            endpoint: endpoint.name().clone(),
        };
        let mut bases = UnflushedBases::default();
        let tiers = Tier::Hourly.moves();
        bases.reach(
            &table,
            &endpoint,
            watermarks(1),
            tiers,
            Base::from_millis(7),
        );
        (bases, table, endpoint)
    }

    fn covers(bases: &UnflushedBases, table: &TableId, watermarks: Watermarks) -> Option<Base> {
        let mut coverage = Coverage {
            watermarks,
            ..Coverage::default()
        };
        bases.raise(table, &mut coverage);
        coverage.bases.get(Tier::Hourly)
    }

    #[test]
    fn a_base_goes_along_with_our_own_commit_and_with_no_other() {
        let (mut bases, table, _) = reached();
        bases.moved(&table, watermarks(2), watermarks(3));
        assert_eq!(
            covers(&bases, &table, watermarks(3)),
            None,
            "the commit from 1 to 2 was another process's"
        );
        bases.moved(&table, watermarks(1), watermarks(2));
        assert_eq!(
            covers(&bases, &table, watermarks(2)),
            Some(Base::from_millis(7))
        );
        assert_eq!(covers(&bases, &table, watermarks(1)), None);
    }

    #[test]
    fn what_is_reached_on_another_state_does_not_mix_with_what_was_before() {
        let (mut bases, table, endpoint) = reached();
        let tiers = Tier::Ordinary.moves();
        bases.reach(
            &table,
            &endpoint,
            watermarks(2),
            tiers,
            Base::from_millis(9),
        );
        assert_eq!(
            covers(&bases, &table, watermarks(2)),
            None,
            "only the ordinary tier is reached"
        );
    }

    #[test]
    fn what_was_written_is_forgotten_unless_more_was_reached_meanwhile() {
        let (mut bases, table, endpoint) = reached();
        let waiting = bases.waiting(|_| false);
        assert_eq!(bases.waiting(|skipped| *skipped == table).len(), 0);
        let tiers = Tier::Ordinary.moves();
        bases.reach(
            &table,
            &endpoint,
            watermarks(1),
            tiers,
            Base::from_millis(9),
        );
        bases.flushed(&endpoint, &waiting[0].1);
        assert_eq!(
            covers(&bases, &table, watermarks(1)),
            Some(Base::from_millis(7))
        );
        let waiting = bases.waiting(|_| false);
        bases.flushed(&endpoint, &waiting[0].1);
        assert_eq!(covers(&bases, &table, watermarks(1)), None);
    }
}
