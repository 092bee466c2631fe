//! What a full fetch stores in the log beside its base, so that it can be compared later with what notifications had
//! brought.
//!
//! The history says how the live snapshot came about. The history does not decide which commit is valid: bases and
//! `seen` do. The history also remembers when earlier full fetches began. A row that was last seen before the first
//! check was missing in two full fetches that began at least a day apart ([`SecondLook`]).

use crate::ids::IntegrationKey;
use crate::lake::txn_name::{NONE, TxnName};
use crate::sink::Provenance;
use crate::time::{Base, Moment, ObservedAt, SecondLook};

/// The transaction names of a snapshot's history.
pub(super) const OF_SNAPSHOT: [TxnName<'static>; 5] = [
    TxnName::Since,
    TxnName::Prior,
    TxnName::Announced,
    TxnName::FirstLook,
    TxnName::NextLook,
];

/// What is stored beside the live snapshot of one integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHistory {
    /// The earliest `_fetched_at` of its rows. The server time of its last page when the snapshot has no rows.
    pub since: ObservedAt,
    /// The table's ordinary base when the full fetch was ordered.
    pub prior: Option<Base>,
    /// When the earliest notification came that no fetch had answered yet when the snapshot was committed.
    pub announced: Option<Moment>,
    /// When an earlier full fetch began, at least a [`SecondLook`] before this one. A row that was last seen before
    /// then was missing in both. `None` while no earlier full fetch is old enough.
    pub first_look: Option<ObservedAt>,
    /// When the full fetch began that becomes the first check once it is old enough: an earlier fetch, or this one.
    pub next_look: ObservedAt,
}

impl SnapshotHistory {
    /// Reads the history of one integration from the transactions of `snapshots`, by `appId`. `None` when there is no
    /// snapshot, or when a build wrote it that did not store the history.
    #[must_use]
    pub fn of(key: &IntegrationKey, stored: impl Fn(&str) -> Option<i64>) -> Option<Self> {
        let known = |name: TxnName<'_>| {
            let version = stored(&name.app_id(key));
            version.filter(|version| *version != NONE)
        };
        let since = ObservedAt::from_micros(known(TxnName::Since)?);
        let look = |name| known(name).map(ObservedAt::from_micros);
        Some(Self {
            since,
            prior: known(TxnName::Prior).map(Base::from_millis),
            announced: known(TxnName::Announced).map(Moment::from_millis),
            first_look: look(TxnName::FirstLook),
            next_look: look(TxnName::NextLook).unwrap_or(since),
        })
    }

    /// Makes the history of a snapshot without further knowledge.
    pub(super) fn new(since: ObservedAt) -> Self {
        Self {
            since,
            prior: None,
            announced: None,
            first_look: None,
            next_look: since,
        }
    }

    /// Takes over what the replaced snapshot remembers of earlier checks. With `None` this snapshot becomes the first
    /// check: there was no earlier snapshot, or its rows were not taken over into `current`.
    pub(super) fn following(self, replaced: Option<&Self>, second_look: SecondLook) -> Self {
        let Some(replaced) = replaced else {
            return self;
        };
        // The latest full fetch that is old enough: the replaced one if it is, otherwise the one that it remembers.
        let looks = [replaced.since, replaced.next_look];
        let old_enough = |look: &ObservedAt| second_look.confirms(*look, self.since);
        if let Some(first_look) = looks.into_iter().find(old_enough) {
            return Self {
                first_look: Some(first_look),
                ..self
            };
        }
        Self {
            first_look: replaced.first_look,
            next_look: replaced.next_look,
            ..self
        }
    }

    /// Adds the caller's knowledge.
    pub(super) fn with(self, provenance: Provenance) -> Self {
        Self {
            prior: provenance.prior,
            announced: provenance.announced,
            ..self
        }
    }

    /// Returns the transactions that store the history.
    pub(super) fn txns(&self, key: &IntegrationKey) -> [(String, i64); 5] {
        let first_look = self.first_look.map_or(NONE, ObservedAt::as_micros);
        [
            (TxnName::Since, self.since.as_micros()),
            (TxnName::Prior, self.prior.map_or(NONE, Base::as_millis)),
            (
                TxnName::Announced,
                self.announced.map_or(NONE, Moment::as_millis),
            ),
            (TxnName::FirstLook, first_look),
            (TxnName::NextLook, self.next_look.as_micros()),
        ]
        .map(|(name, version)| (name.app_id(key), version))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::ids::IntegrationId;

    #[test]
    fn what_is_written_is_read_again_and_the_text_is_what_other_builds_read() {
        let key = IntegrationId::new("tool:a").expect("an id").key();
        assert_eq!(SnapshotHistory::of(&key, |_| None), None);
        for (prior, announced_ms) in [(Some(7), Some(8)), (Some(7), None), (None, Some(8))] {
            let facts = SnapshotHistory {
                since: ObservedAt::from_micros(6),
                prior: prior.map(Base::from_millis),
                announced: announced_ms.map(Moment::from_millis),
                first_look: prior.map(ObservedAt::from_micros),
                next_look: ObservedAt::from_micros(5),
            };
            let written = facts.txns(&key);
            let names = ["since", "prior", "announced", "first_look", "next_look"];
            let texts = names.map(|name| format!("kombo/{key}/{name}"));
            assert_eq!(written.clone().map(|(app, _)| app), texts);
            let prior = prior.unwrap_or(-1);
            let expected = [6, prior, announced_ms.unwrap_or(-1), prior, 5];
            assert_eq!(written.clone().map(|(_, version)| version), expected);
            let written: HashMap<String, i64> = written.into_iter().collect();
            let read = SnapshotHistory::of(&key, |app| written.get(app).copied());
            assert_eq!(read, Some(facts));
        }
    }
    #[test]
    fn the_first_look_is_at_least_a_day_older_however_often_one_looks() {
        const HOUR: i64 = 3_600_000_000;
        let second_look = SecondLook::default();
        let begun = |hour: i64| SnapshotHistory::new(ObservedAt::from_micros(hour * HOUR));
        let mut before = begun(0).following(None, second_look);
        for hour in 1..200 {
            let after = begun(hour).following(Some(&before), second_look);
            let age = after
                .first_look
                .map(|first| hour - first.as_micros() / HOUR);
            let expected = (hour >= 24).then(|| 24 + hour % 24);
            assert_eq!(age, expected, "at hour {hour}");
            before = after;
        }
        // A check that follows another at once counts as a check, as long as no further check follows within the day.
        let twice = begun(0).following(None, second_look);
        let twice = begun(1).following(Some(&twice), second_look);
        assert_eq!((twice.first_look, twice.next_look), (None, begun(0).since));
        let later = begun(25).following(Some(&twice), second_look);
        assert_eq!(later.first_look, Some(begun(1).since));
        let weekly = begun(24 * 7).following(Some(&begun(0)), second_look);
        assert_eq!(weekly.first_look, Some(ObservedAt::from_micros(0)));
        let rerun = begun(24 * 7 + 1).following(Some(&weekly), second_look);
        assert_eq!(rerun.first_look, weekly.first_look);
    }
}
