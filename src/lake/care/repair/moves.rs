//! Maps instants in the future to new instants: per integration of an endpoint, in their order, from the time of the
//! repair on.
//!
//! Rows that were observed one after the other are a microsecond apart, so a few runs describe the mapping of all rows.
//! The moves are stored beside the tables before any table is touched. Reason: `snapshots` and `deltas` share no
//! commit, and a repair that continues after a crash must move the remaining rows by the same mapping.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::delta::fault::{FaultReason, StoreFault};
use crate::ids::{EndpointName, IntegrationKey};
use crate::json;
use crate::lake::LakeError;
use crate::lake::layout::DocumentKey;
use crate::lake::tables::Tables;
use crate::time::ObservedAt;

/// Instants in the future that were found in an endpoint's tables.
#[derive(Debug, Default)]
pub(super) struct FutureInstants {
    /// Runs of instants in the future, by `integration_key`. Empty for a key when only bases are ahead.
    ahead: BTreeMap<String, Vec<(i64, i64)>>,
    /// The last instant of any integration that is not in the future.
    past_us: i64,
}

/// New instants for the instants in the future, by `integration_key`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moves(BTreeMap<String, Vec<Move>>);

/// A run of instants, each one microsecond after the one before, and the new first instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "units are in names")]
struct Move {
    first_us: i64,
    last_us: i64,
    to_us: i64,
}

impl FutureInstants {
    /// Adds instants in the future of one integration.
    pub(super) fn add(&mut self, key: &str, mut instants: Vec<i64>) {
        instants.sort_unstable();
        let runs = self.ahead.entry(key.to_owned()).or_default();
        runs.extend(joined(instants.into_iter().map(|at| (at, at))));
    }

    /// Adds an instant that is not in the future.
    pub(super) fn add_past(&mut self, at_us: i64) {
        self.past_us = self.past_us.max(at_us);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Returns the new instants: from the time of the repair on, and after every instant that is not in the future.
    pub(super) fn moves(self, now_us: i64) -> Moves {
        let begin_us = now_us.max(self.past_us.saturating_add(1));
        let moves = self.ahead.into_iter().map(|(key, mut runs)| {
            runs.sort_unstable();
            let mut to_us = begin_us;
            let moves = joined(runs.into_iter()).into_iter();
            let moves = moves.map(|(first_us, last_us)| {
                let one = Move {
                    first_us,
                    last_us,
                    to_us,
                };
                to_us += last_us - first_us + 1;
                one
            });
            (key, moves.collect())
        });
        Moves(moves.collect())
    }
}

/// Joins sorted runs that overlap or follow each other.
fn joined(runs: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> = Vec::new();
    for (first, last) in runs {
        match all.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => all.push((first, last)),
        }
    }
    all
}

impl Moves {
    /// Returns the new instant for an instant of an integration; `None` when the instant is not moved.
    pub(super) fn to_us(&self, key: &str, at_us: i64) -> Option<i64> {
        let moves = self.0.get(key)?;
        let after = moves.partition_point(|one| one.first_us <= at_us);
        let one = moves.get(after.checked_sub(1)?)?;
        (at_us <= one.last_us).then(|| one.to_us + (at_us - one.first_us))
    }

    /// Returns whether the moves include the integration.
    pub(super) fn concern(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns the earliest instant that is moved, of any integration.
    pub(super) fn first_us(&self) -> i64 {
        let firsts = self.0.values().filter_map(|moves| moves.first());
        firsts.map(|one| one.first_us).min().unwrap_or(i64::MAX)
    }

    /// Returns the integrations with moves, and the last moved instant of each; `None` where only bases are ahead.
    pub(super) fn by_key(&self) -> impl Iterator<Item = (IntegrationKey, Option<ObservedAt>)> {
        self.0.iter().filter_map(|(key, moves)| {
            let last = moves.last().map(|one| ObservedAt::from_micros(one.last_us));
            Some((IntegrationKey::from_stored(key)?, last))
        })
    }

    /// Reads the moves of a repair that was begun; `None` when no repair was begun. Deletes a document that is not
    /// readable as moves.
    pub(super) async fn begun(
        tables: &Tables,
        endpoint: &EndpointName,
    ) -> Result<Option<Self>, LakeError> {
        let key = DocumentKey::Repair(endpoint);
        let found = tables.store.read_if_there(&key.path()).await;
        let Some(bytes) = found.map_err(|source| failed(&key, source))? else {
            return Ok(None);
        };
        match json::from_slice(&bytes) {
            Ok(moves) => Ok(Some(moves)),
            Err(_) => Self::end(tables, endpoint).await.map(|()| None),
        }
    }

    /// Stores the moves of a new repair, unless another repair has begun.
    pub(super) async fn begin(
        &self,
        tables: &Tables,
        endpoint: &EndpointName,
    ) -> Result<(), LakeError> {
        let key = DocumentKey::Repair(endpoint);
        let bytes = serde_json::to_vec(self).expect("a document of texts and numbers is JSON");
        match tables.store.create(&key.path(), bytes.into()).await {
            Err(fault) if fault.reason() != FaultReason::AlreadyExists => Err(failed(&key, fault)),
            _ => Ok(()),
        }
    }

    /// Deletes the moves of a completed repair, whichever process completed it.
    pub(super) async fn end(tables: &Tables, endpoint: &EndpointName) -> Result<(), LakeError> {
        let key = DocumentKey::Repair(endpoint);
        let deleted = tables.store.delete(&key.path()).await;
        deleted.map_err(|fault| failed(&key, fault))
    }
}

fn failed(key: &DocumentKey<'_>, source: StoreFault) -> LakeError {
    LakeError::Repair {
        key: key.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_9999: i64 = 253_402_300_799_000_000;

    #[test]
    fn instants_of_the_future_keep_their_order_and_take_a_microsecond_each() {
        let mut found = FutureInstants::default();
        found.add("a", vec![YEAR_9999 + 2, YEAR_9999, YEAR_9999 + 1]);
        found.add("a", vec![5_000_000, YEAR_9999 + 3, YEAR_9999]);
        found.add("b", vec![YEAR_9999]);
        found.add_past(90);
        let moves = found.moves(1_000);
        let to = |at| moves.to_us("a", at);
        let all = [5_000_000, YEAR_9999, YEAR_9999 + 1, YEAR_9999 + 3].map(to);
        assert_eq!(all, [Some(1_000), Some(1_001), Some(1_002), Some(1_004)]);
        assert_eq!(moves.to_us("b", YEAR_9999), Some(1_000));
        let stay = [90, 4_999_999, 5_000_001, YEAR_9999 - 1, YEAR_9999 + 4].map(to);
        assert_eq!(stay, [None; 5]);
        assert_eq!(moves.to_us("c", YEAR_9999), None);
        assert_eq!(moves.first_us(), 5_000_000);
        let text = serde_json::to_string(&moves).expect("JSON");
        assert_eq!(serde_json::from_str::<Moves>(&text).expect("JSON"), moves);
    }

    #[test]
    fn nothing_is_moved_before_what_lies_in_the_past() {
        let mut found = FutureInstants::default();
        found.add("a", vec![9_000]);
        found.add_past(2_000);
        assert_eq!(found.moves(1_000).to_us("a", 9_000), Some(2_001));
    }
}
