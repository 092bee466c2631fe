//! How much of a table was correct at its last comparison with a full fetch.
//!
//! The numbers are in the log of `kombo_drift`, so no row has to be read.
//! `kombo/<integration_key>/<table name>/compared` is the `seen` of the compared snapshot, in microseconds; `…/rows` and
//! `…/drifted` are its counts. All three are committed in the entry that adds the drifted rows. `compared` only grows.
//! The counts belong to that comparison and change with it.

use std::collections::{BTreeMap, HashMap};

use crate::delta::file::data_files::Written;
use crate::delta::log::LogState;
use crate::ids::{EndpointName, IntegrationId, IntegrationKey};
use crate::lake::txn_name::{TxnName, compared_table};
use crate::time::ObservedAt;

/// How much of a table was correct at its last comparison with a full fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completeness {
    /// The compared snapshot: the `seen` of its commit.
    pub compared: ObservedAt,
    /// Number of rows compared.
    pub rows: u64,
    /// Number of rows that drifted: the lake had them missing or wrong.
    pub drifted: u64,
}

/// A table in the transactions: the integration key, and the name of the table's folder.
pub type ComparedTable = (IntegrationKey, String);

impl Completeness {
    /// Combines several tables: the sum of their rows, and the oldest of their comparisons. `None` without tables.
    #[must_use]
    pub fn of_all(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().reduce(|together, one| Self {
            compared: together.compared.min(one.compared),
            rows: together.rows.saturating_add(one.rows),
            drifted: together.drifted.saturating_add(one.drifted),
        })
    }

    /// Combines the tables of all integrations, by the name of the table's folder.
    #[must_use]
    pub fn by_table(all: &HashMap<ComparedTable, Self>) -> BTreeMap<&str, Self> {
        let mut by_table = BTreeMap::new();
        for ((_, table), one) in all {
            let known = by_table.remove(table.as_str());
            by_table.extend(
                Self::of_all(known.into_iter().chain([*one])).map(|all| (table.as_str(), all)),
            );
        }
        by_table
    }

    /// Returns the share of rows that were correct, from 0 to 1. Returns 1 when there are no rows.
    #[must_use]
    pub fn share(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share of rows, for people")]
        let share = |part: u64, all: u64| part as f64 / all as f64;
        match self.drifted {
            0 => 1.0,
            // Rows that were gone are not among the compared rows, so `drifted` may be greater than `rows`.
            drifted => 1.0 - share(drifted, self.rows.max(drifted)),
        }
    }
}

/// Returns the last comparison of each table that was ever compared, from the log of `kombo_drift`.
pub(super) fn all_of(state: &LogState) -> HashMap<ComparedTable, Completeness> {
    let compared = state.txns().filter_map(|(app_id, seen)| {
        let (key, table) = compared_table(&app_id)?;
        let count = |what: TxnName<'_>| {
            let count = state.txn(&what.app_id(&key));
            u64::try_from(count.unwrap_or_default()).unwrap_or_default()
        };
        let completeness = Completeness {
            compared: ObservedAt::from_micros(seen),
            rows: count(TxnName::ComparedRows(&table)),
            drifted: count(TxnName::Drifted(&table)),
        };
        Some(((key, table), completeness))
    });
    compared.collect()
}

/// One table's comparison and the file of its drift rows, which is not visible yet.
#[derive(Clone, Debug)]
pub(in crate::lake) struct TableComparison {
    /// The integration of the table.
    pub(in crate::lake) integration: IntegrationId,
    /// The endpoint of the table.
    pub(in crate::lake) endpoint: EndpointName,
    /// The compared snapshot: the `seen` of its commit.
    pub(in crate::lake) snapshot: ObservedAt,
    /// Number of rows compared.
    pub(in crate::lake) rows: u64,
    /// Number of rows that drifted.
    pub(in crate::lake) drifted: u64,
    /// The files of the drift rows.
    pub(in crate::lake) files: Vec<Written>,
}

/// Up to which snapshot each table is compared: as of a state, plus the comparisons that are about to be committed.
pub(in crate::lake) struct Standings<'a> {
    state: &'a LogState,
    moved: HashMap<String, i64>,
}

impl<'a> Standings<'a> {
    /// Starts with the comparisons in the log.
    pub(in crate::lake) fn of(state: &'a LogState) -> Self {
        Self {
            state,
            moved: HashMap::new(),
        }
    }

    /// Returns the transactions to write for a comparison. Empty when the table is already compared up to that
    /// snapshot.
    pub(in crate::lake) fn advance(&mut self, one: &TableComparison) -> Vec<(String, i64)> {
        let (key, table) = (one.integration.key(), one.endpoint.table_name());
        let compared = TxnName::Compared(&table).app_id(&key);
        let snapshot = one.snapshot.as_micros();
        let moved = self.moved.get(&compared).copied();
        let stands = moved.or_else(|| self.state.txn(&compared));
        if stands.is_some_and(|stands| stands >= snapshot) {
            return Vec::new();
        }
        self.moved.insert(compared.clone(), snapshot);
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        vec![
            (compared, snapshot),
            (TxnName::ComparedRows(&table).app_id(&key), count(one.rows)),
            (TxnName::Drifted(&table).app_id(&key), count(one.drifted)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_below_nothing() {
        // Rows that were gone are not compared, so more rows may have drifted than were compared.
        for (rows, drifted, expected) in [(0, 0, 1.0), (4, 1, 0.75), (0, 3, 0.0), (2, 5, 0.0)] {
            let compared = ObservedAt::from_micros(1);
            let one = Completeness {
                compared,
                rows,
                drifted,
            };
            let off = (one.share() - expected).abs();
            assert!(off < 1e-9, "{one:?}: {}", one.share());
        }
    }

    #[test]
    fn tables_together_are_as_old_as_the_oldest() {
        let one = |compared, rows, drifted| Completeness {
            compared: ObservedAt::from_micros(compared),
            rows,
            drifted,
        };
        let together = Completeness::of_all([one(9, 10, 1), one(7, 30, 0)]);
        assert_eq!(together, Some(one(7, 40, 1)));
        assert_eq!(Completeness::of_all([]), None);

        let key = |id| crate::ids::IntegrationId::new(id).expect("an id").key();
        let table = |id, name: &str| (key(id), name.to_owned());
        let all = HashMap::from([
            (table("tool:a", "ats_jobs"), one(9, 10, 1)),
            (table("tool:b", "ats_jobs"), one(7, 30, 0)),
            (table("tool:b", "ats_tags"), one(8, 1, 1)),
        ]);
        let expected = [("ats_jobs", one(7, 40, 1)), ("ats_tags", one(8, 1, 1))];
        assert_eq!(Completeness::by_table(&all), BTreeMap::from(expected));
    }

    #[test]
    fn only_a_comparison_names_a_table() {
        let key = crate::ids::IntegrationId::new("tool:a")
            .expect("an id")
            .key();
        let app_id = TxnName::Compared("ats_tags").app_id(&key);
        assert_eq!(app_id, format!("kombo/{key}/ats_tags/compared"));
        assert_eq!(
            compared_table(&app_id),
            Some((key.clone(), "ats_tags".to_owned()))
        );
        assert_eq!(
            compared_table(&TxnName::ComparedRows("ats_tags").app_id(&key)),
            None
        );
        assert_eq!(compared_table(&format!("kombo/{key}/seen")), None);
        assert_eq!(compared_table("other/app"), None);
    }
}
