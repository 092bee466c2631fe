//! What a full fetch leaves in the log beside its base, for whoever compares it later with what notifications had brought.
//!
//! `kombo/<integration_key>/since` holds the earliest `_fetched_at` of the snapshot in microseconds, `.../prior` the
//! ordinary base on which it was ordered and `.../announced` the notification that nothing had answered, both in
//! milliseconds. They say how it came about and fence nothing: bases and `seen` do ([`TableTxns`](super::txns::TableTxns)).

use super::txns::app_id;
use crate::ids::IntegrationKey;
use crate::time::{Base, ObservedAt};

const SINCE: &str = "since";
const PRIOR: &str = "prior";
const ANNOUNCED: &str = "announced";

/// All of them.
pub(super) const NAMES: [&str; 3] = [SINCE, PRIOR, ANNOUNCED];

/// What stands for no instant: a transaction's version cannot be left out once there was one.
const NONE: i64 = -1;

/// What a fetch's caller knows of it and the sink does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The table's ordinary base when the fetch was ordered, raised by deltas that found nothing.
    pub prior: Option<Base>,
    /// When the earliest notification came that no fetch had answered, in milliseconds.
    pub announced_ms: Option<i64>,
}

/// What is stored beside the live snapshot of one integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// The earliest `_fetched_at` of its rows; the server time of its last page when it has none.
    pub since: ObservedAt,
    /// The table's ordinary base when it was ordered.
    pub prior: Option<Base>,
    /// When the earliest notification came that no fetch had answered when it was committed, in milliseconds.
    pub announced_ms: Option<i64>,
}

impl SnapshotFacts {
    /// Picks one integration's out of the transaction identifiers of `snapshots`, asked by `appId`. `None` where there is
    /// no snapshot, or one of a build that did not write them.
    #[must_use]
    pub fn of(key: &IntegrationKey, stored: impl Fn(&str) -> Option<i64>) -> Option<Self> {
        let known = |name| stored(&app_id(key, name)).filter(|version| *version != NONE);
        Some(Self {
            since: ObservedAt::from_micros(known(SINCE)?),
            prior: known(PRIOR).map(Base::from_millis),
            announced_ms: known(ANNOUNCED),
        })
    }

    /// Makes those of a snapshot of which nobody has told more.
    pub(super) fn new(since: ObservedAt) -> Self {
        Self {
            since,
            prior: None,
            announced_ms: None,
        }
    }

    /// Takes in what its caller knows.
    pub(super) fn with(self, circumstances: Circumstances) -> Self {
        let Circumstances {
            prior,
            announced_ms,
        } = circumstances;
        Self {
            prior,
            announced_ms,
            ..self
        }
    }

    /// Returns what to write for them.
    pub(super) fn txns(&self, key: &IntegrationKey) -> [(String, i64); 3] {
        [
            (app_id(key, SINCE), self.since.as_micros()),
            (app_id(key, PRIOR), self.prior.map_or(NONE, Base::as_millis)),
            (app_id(key, ANNOUNCED), self.announced_ms.unwrap_or(NONE)),
        ]
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
        assert_eq!(SnapshotFacts::of(&key, |_| None), None);
        for (prior, announced_ms) in [(Some(7), Some(8)), (Some(7), None), (None, Some(8))] {
            let facts = SnapshotFacts {
                since: ObservedAt::from_micros(6),
                prior: prior.map(Base::from_millis),
                announced_ms,
            };
            let written = facts.txns(&key);
            let texts = ["since", "prior", "announced"].map(|name| format!("kombo/{key}/{name}"));
            assert_eq!(written.clone().map(|(app, _)| app), texts);
            let expected = [6, prior.unwrap_or(-1), announced_ms.unwrap_or(-1)];
            assert_eq!(written.clone().map(|(_, version)| version), expected);
            let written: HashMap<String, i64> = written.into_iter().collect();
            let read = SnapshotFacts::of(&key, |app| written.get(app).copied());
            assert_eq!(read, Some(facts));
        }
    }
}
