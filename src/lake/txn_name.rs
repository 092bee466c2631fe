//! The names of Delta transaction identifiers. A table's log stores what the lake remembers of an integration as
//! `kombo/<integration_key>/<name>`, with a number. Each number is committed in the entry that makes it true.
//!
//! No other module builds these names, because other builds read them.

use std::fmt;

use crate::delta::log::LogState;
use crate::ids::IntegrationKey;
use crate::time::Tier;

/// Stands for "no value". A transaction cannot be removed once it was written.
pub(super) const NONE: i64 = -1;

const PREFIX: &str = "kombo/";

/// A value that a transaction remembers for one integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lake) enum TxnName<'a> {
    /// `delta`, `hourly` or `daily` in `snapshots` and `deltas`: the base of an overlap tier, in milliseconds.
    Base(Tier),
    /// `seen` in `snapshots` and `deltas`: the last `_fetched_at`, in microseconds.
    Seen,
    /// `since` in `snapshots`: the earliest `_fetched_at` of the live snapshot, in microseconds.
    Since,
    /// `prior` in `snapshots`: the ordinary base of the table when the live snapshot was ordered, in milliseconds.
    Prior,
    /// `announced` in `snapshots`: the earliest notification that no fetch had answered, in milliseconds.
    Announced,
    /// `first_look` in `snapshots`: when an earlier full fetch began, in microseconds.
    FirstLook,
    /// `next_look` in `snapshots`: when the full fetch began that becomes `first_look` later, in microseconds.
    NextLook,
    /// `folded` in `current`: observations of `deltas` up to this instant are in `current`, in microseconds.
    Folded,
    /// `considered` in `current`: the fold has read observations of `deltas` up to this instant, in microseconds.
    Considered,
    /// `snapshot` in `current`: the last observation of the folded snapshot, in microseconds.
    Snapshot,
    /// `held` in `current`: which changes are held back, in bits.
    Held,
    /// `rows` in `current`: the number of rows.
    Rows,
    /// `kept` in `current`: the start of the last snapshot from which rows were kept as they were, in microseconds.
    Kept,
    /// `lost/<slot>` in `current`: number and time of rows that disappeared within the last day, in one number.
    Lost(usize),
    /// `<table name>/compared` in `kombo_drift`: the last observation of the compared snapshot, in microseconds.
    Compared(&'a str),
    /// `<table name>/rows` in `kombo_drift`: how many rows that comparison compared.
    ComparedRows(&'a str),
    /// `<table name>/drifted` in `kombo_drift`: how many of the compared rows drifted.
    Drifted(&'a str),
    /// `<table name>/kept` in `kombo_quarantine`: how much of the table was kept on its last day, in one number.
    Quarantined(&'a str),
}

impl TxnName<'_> {
    /// Returns the transaction identifier of this value for an integration.
    pub(in crate::lake) fn app_id(self, key: &IntegrationKey) -> String {
        format!("{PREFIX}{key}/{self}")
    }

    /// Returns whether an identifier of `snapshots` or `deltas` holds milliseconds. All other instants there are
    /// microseconds.
    pub(in crate::lake) fn is_in_millis(app_id: &str) -> bool {
        let name = app_id.rsplit('/').next().unwrap_or_default();
        let bases = Tier::ALL.map(TxnName::Base).into_iter();
        let mut in_millis = bases.chain([TxnName::Prior, TxnName::Announced]);
        in_millis.any(|one| one.to_string() == name)
    }
}

impl fmt::Display for TxnName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base(Tier::Ordinary) => "delta",
            Self::Base(Tier::Hourly) => "hourly",
            Self::Base(Tier::Daily) => "daily",
            Self::Seen => "seen",
            Self::Since => "since",
            Self::Prior => "prior",
            Self::Announced => "announced",
            Self::FirstLook => "first_look",
            Self::NextLook => "next_look",
            Self::Folded => "folded",
            Self::Considered => "considered",
            Self::Snapshot => "snapshot",
            Self::Held => "held",
            Self::Rows => "rows",
            Self::Kept => "kept",
            Self::Lost(slot) => return write!(f, "lost/{slot}"),
            Self::Compared(table) => return write!(f, "{table}/compared"),
            Self::ComparedRows(table) => return write!(f, "{table}/rows"),
            Self::Drifted(table) => return write!(f, "{table}/drifted"),
            Self::Quarantined(table) => return write!(f, "{table}/kept"),
        })
    }
}

/// Returns the integration key in a transaction identifier. `None` for identifiers of other programs.
pub(in crate::lake) fn key_of(app_id: &str) -> Option<IntegrationKey> {
    let (key, _) = app_id.strip_prefix(PREFIX)?.split_once('/')?;
    IntegrationKey::from_stored(key)
}

/// Returns the integrations that the transactions of a table name, in no order.
pub(in crate::lake) fn keys_in(state: &LogState) -> impl Iterator<Item = IntegrationKey> {
    state.applications().filter_map(|app| {
        let key = app.strip_prefix(PREFIX)?.split('/').next()?;
        IntegrationKey::from_stored(key)
    })
}

/// Returns whether an identifier is one of [`TxnName::Quarantined`].
pub(in crate::lake) fn is_quarantined(app_id: &str) -> bool {
    key_of(app_id).is_some() && app_id.ends_with("/kept")
}

/// Returns the integration key and table of a [`TxnName::Compared`]. `None` for all other identifiers.
pub(in crate::lake) fn compared_table(app_id: &str) -> Option<(IntegrationKey, String)> {
    let (key, rest) = app_id.strip_prefix(PREFIX)?.split_once('/')?;
    let (table, _) = rest.split_once('/')?;
    let is_compared = rest == TxnName::Compared(table).to_string();
    let key = IntegrationKey::from_stored(key)?;
    is_compared.then(|| (key, table.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IntegrationId;

    #[test]
    fn the_exact_texts_are_what_other_builds_read() {
        let key = IntegrationId::new("tool:a").expect("an id").key();
        let of_snapshots_and_deltas = [
            (TxnName::Base(Tier::Ordinary), "delta"),
            (TxnName::Base(Tier::Hourly), "hourly"),
            (TxnName::Base(Tier::Daily), "daily"),
            (TxnName::Seen, "seen"),
            (TxnName::Since, "since"),
            (TxnName::Prior, "prior"),
            (TxnName::Announced, "announced"),
            (TxnName::FirstLook, "first_look"),
            (TxnName::NextLook, "next_look"),
        ];
        let of_current = [
            (TxnName::Folded, "folded"),
            (TxnName::Considered, "considered"),
            (TxnName::Snapshot, "snapshot"),
            (TxnName::Held, "held"),
            (TxnName::Rows, "rows"),
            (TxnName::Kept, "kept"),
            (TxnName::Lost(0), "lost/0"),
            (TxnName::Lost(4), "lost/4"),
        ];
        let of_drift = [
            (TxnName::Compared("ats_tags"), "ats_tags/compared"),
            (TxnName::ComparedRows("ats_tags"), "ats_tags/rows"),
            (TxnName::Drifted("ats_tags"), "ats_tags/drifted"),
        ];
        let of_quarantine = [(TxnName::Quarantined("ats_tags"), "ats_tags/kept")];
        let all = of_snapshots_and_deltas.into_iter();
        let all = all.chain(of_current).chain(of_drift).chain(of_quarantine);
        for (name, text) in all {
            assert_eq!(name.app_id(&key), format!("kombo/{key}/{text}"));
            assert_eq!(key_of(&name.app_id(&key)), Some(key.clone()));
        }
        assert_eq!(key_of("other/app"), None);
    }

    #[test]
    fn bases_and_what_a_snapshot_was_ordered_on_are_in_milliseconds() {
        for name in ["delta", "hourly", "daily", "prior", "announced"] {
            assert!(TxnName::is_in_millis(&format!("kombo/a/{name}")), "{name}");
        }
        for name in ["seen", "since", "first_look", "next_look", "ats_tags/rows"] {
            assert!(!TxnName::is_in_millis(&format!("kombo/a/{name}")), "{name}");
        }
    }
}
