//! What the transactions of a Delta table say about the integrations in it.
//!
//! The bases and the last `_fetched_at` are committed in the entry that adds the rows that they cover. Further values
//! beside a snapshot are in [`SnapshotHistory`](crate::lake::snapshot_history::SnapshotHistory).

use crate::ids::IntegrationKey;
use crate::lake::snapshot_history::OF_SNAPSHOT;
use crate::lake::txn_name::{NONE, TxnName};
use crate::time::{Base, Bases, ObservedAt, Tier};

/// The stored values of one integration in one Delta table, at one version of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableTxns {
    /// The key of the integration.
    pub(super) key: IntegrationKey,
    /// The bases, one per overlap tier.
    pub(super) bases: Bases,
    /// The last `_fetched_at`.
    pub(super) seen: Option<ObservedAt>,
}

impl TableTxns {
    /// Reads the values of one integration from the transactions of a Delta table, by `appId`.
    pub(super) fn of(key: &IntegrationKey, stored: impl Fn(&str) -> Option<i64>) -> Self {
        let mut bases = Bases::default();
        for tier in Tier::ALL {
            let stored = stored(&TxnName::Base(tier).app_id(key));
            if let Some(millis) = stored.filter(|millis| *millis != NONE) {
                bases.raise(tier, Base::from_millis(millis));
            }
        }
        let seen = stored(&TxnName::Seen.app_id(key));
        Self {
            key: key.clone(),
            bases,
            seen: seen.map(ObservedAt::from_micros),
        }
    }

    /// Returns the transactions to write for a fetch that covers its table up to `base` for some tiers and observed
    /// rows up to `seen`.
    ///
    /// No value is lower than the stored one, because Delta would accept a lower value. `seen` moves with every
    /// commit, so that a concurrent fetch of the same table notices the commit.
    /// fetching the same table finds out.
    pub(super) fn moved(
        &self,
        base: Option<Base>,
        tiers: &[Tier],
        seen: ObservedAt,
    ) -> Vec<(String, i64)> {
        let mut moved: Vec<(String, i64)> = Vec::new();
        if let Some(base) = base {
            for tier in tiers {
                let base = self
                    .bases
                    .get(*tier)
                    .map_or(base, |stored| stored.max(base));
                moved.push((TxnName::Base(*tier).app_id(&self.key), base.as_millis()));
            }
        }
        let seen = self.next_seen(seen).as_micros();
        moved.push((TxnName::Seen.app_id(&self.key), seen));
        moved
    }

    /// Returns the `_fetched_at` to store as the last one when a fetch that observed rows up to `seen` is committed.
    pub(super) fn next_seen(&self, seen: ObservedAt) -> ObservedAt {
        self.seen.map_or(seen, |stored| stored.next().max(seen))
    }

    /// Returns the transactions to write for bases that advance without rows: bases above the values stored here and
    /// `elsewhere`.
    pub(super) fn raised(&self, bases: &Bases, elsewhere: &Bases) -> Vec<(String, i64)> {
        let above = |tier: &Tier| {
            let stored = self.bases.get(*tier).max(elsewhere.get(*tier));
            bases.get(*tier).filter(|base| Some(*base) > stored)
        };
        let raised = Tier::ALL.into_iter().filter_map(|tier| {
            let base = above(&tier)?;
            Some((TxnName::Base(tier).app_id(&self.key), base.as_millis()))
        });
        raised.collect()
    }
}

/// Returns the transactions to write when observations of an integration were lost. Its bases are cleared, so the next
/// fetch is a full one.
pub(super) fn unbased(
    key: &IntegrationKey,
    stored: impl Fn(&str) -> Option<i64>,
) -> Vec<(String, i64)> {
    cleared(key, Tier::ALL.map(TxnName::Base).into_iter(), stored)
}

/// Returns the transactions to write when all rows of an integration have been deleted from a table. The
/// integration's bases and snapshot history are cleared. `seen` stays, so that a later observation is later than all
/// earlier ones.
pub(super) fn voided(
    key: &IntegrationKey,
    stored: impl Fn(&str) -> Option<i64>,
) -> Vec<(String, i64)> {
    let bases = Tier::ALL.map(TxnName::Base).into_iter();
    cleared(key, bases.chain(OF_SNAPSHOT), stored)
}

fn cleared<'a>(
    key: &IntegrationKey,
    names: impl Iterator<Item = TxnName<'a>>,
    stored: impl Fn(&str) -> Option<i64>,
) -> Vec<(String, i64)> {
    let apps = names.map(|name| name.app_id(key));
    apps.filter(|app| stored(app).is_some_and(|version| version != NONE))
        .map(|app| (app, NONE))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::ids::IntegrationId;

    fn key() -> IntegrationKey {
        IntegrationId::new("tool:a").expect("an id").key()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let none = TableTxns::of(&key(), |_| None);
        let written = none.moved(
            Some(Base::from_millis(7)),
            &[Tier::Ordinary, Tier::Hourly],
            ObservedAt::from_micros(9),
        );
        assert_eq!(
            written[0],
            (format!("kombo/{}/delta", key()), 7),
            "the exact text is what other builds read"
        );
        let written: HashMap<String, i64> = written.into_iter().collect();
        let read = TableTxns::of(&key(), |app| written.get(app).copied());
        assert_eq!(read.bases.get(Tier::Hourly), Some(Base::from_millis(7)));
        assert_eq!(read.bases.get(Tier::Daily), None);
        assert_eq!(read.seen, Some(ObservedAt::from_micros(9)));
    }

    #[test]
    fn nothing_goes_back_and_seen_always_moves() {
        let stored = HashMap::from([
            (format!("kombo/{}/delta", key()), 100),
            (format!("kombo/{}/seen", key()), 50),
        ]);
        let moved = TableTxns::of(&key(), |app| stored.get(app).copied()).moved(
            Some(Base::from_millis(90)),
            &[Tier::Ordinary],
            ObservedAt::from_micros(40),
        );
        assert_eq!(
            moved
                .iter()
                .map(|(_, version)| *version)
                .collect::<Vec<_>>(),
            [100, 51]
        );
    }

    #[test]
    fn what_is_voided_covers_nothing_and_is_voided_once() {
        let stored = [("delta", 100), ("daily", 90), ("seen", 50), ("since", 40)];
        let stored = stored.map(|(name, version)| (format!("kombo/{}/{name}", key()), version));
        let mut stored = HashMap::from(stored);
        let voided = super::voided(&key(), |app| stored.get(app).copied());
        assert_eq!(voided.len(), 3, "{voided:?}");
        stored.extend(voided);
        let of =
            |stored: &HashMap<String, i64>| TableTxns::of(&key(), |app| stored.get(app).copied());
        assert_eq!(of(&stored).bases, Bases::default());
        assert_eq!(of(&stored).seen, Some(ObservedAt::from_micros(50)));
        assert!(super::voided(&key(), |app| stored.get(app).copied()).is_empty());
        let base = Some(Base::from_millis(3));
        let moved = of(&stored).moved(base, &[Tier::Ordinary], ObservedAt::from_micros(1));
        assert_eq!(moved[0].1, 3, "a new fetch starts again");
    }

    #[test]
    fn without_a_base_only_seen_moves() {
        let moved = TableTxns::of(&key(), |_| None).moved(
            None,
            &[Tier::Ordinary],
            ObservedAt::from_micros(40),
        );
        assert_eq!(moved, [(format!("kombo/{}/seen", key()), 40)]);
    }
}
