//! Decides whether a row that a full fetch shows differently is drift, and of which kind and cause.
//!
//! The known state is the newest observation that notifications brought. The true state is what the full fetch shows,
//! together with its closing delta. A change within the last minutes before its observation is not judged, because its
//! notification may still arrive. A change is also not judged when a notification had announced it and no delta had
//! fetched it yet.

use super::drift::{DriftCause, DriftKind};
use super::winner::{KnownRow, Observation};

/// Changes younger than this, in microseconds, are not judged: their notification may still arrive.
pub const GRACE_US: i64 = 5 * 60 * 1_000_000;

/// Input that is the same for all rows of one full fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Background {
    /// Instant up to which deltas had covered the table before, in microseconds since the epoch.
    pub covered_us: Option<i64>,
    /// When the previous full fetch had seen the complete table. No row was known before that.
    pub known_us: Option<i64>,
    /// Whether a notification was still unanswered when the snapshot was committed.
    pub announced: bool,
}

/// A row that the lake knew differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Newest observation before the full fetch.
    pub known: Option<Observation>,
    /// Observation of the full fetch.
    pub seen: Observation,
}

/// Values read from the two observations of a suspect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// `changed_at` of the known row, in microseconds since the epoch.
    pub known_changed_us: Option<i64>,
    /// `changed_at` of the row in the full fetch, in microseconds since the epoch.
    pub seen_changed_us: Option<i64>,
    /// Whether the row in the full fetch has no values.
    pub is_emptied: bool,
    /// Columns that differ, except `changed_at`.
    pub columns: Vec<String>,
    /// Whether all these columns hold structs or lists.
    pub only_nested: bool,
    /// Whether the guard kept the row unchanged.
    pub is_guarded: bool,
}

/// What was wrong with a row, why, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftVerdict {
    /// What was wrong.
    pub kind: DriftKind,
    /// Why the row was wrong.
    pub cause: DriftCause,
    /// Since when the row was wrong, if known, in microseconds since the epoch.
    pub wrong_since_us: Option<i64>,
}

/// Compares the known state of a row with a full fetch. `closing` selects the rows of the fetch's own closing delta.
/// Returns `None` when both are equal, or when nothing can be decided.
pub fn suspect(known: &KnownRow, closing: impl Fn(&Observation) -> bool) -> Option<Suspect> {
    let (of_fetch, of_deltas): (Vec<_>, Vec<_>) = known.deltas.iter().partition(|one| closing(one));
    let newest =
        |all: &mut dyn Iterator<Item = Observation>| all.max_by_key(|one| one.fetched_at_us);
    let seen = newest(
        &mut known
            .snapshot
            .into_iter()
            .chain(of_fetch.into_iter().copied()),
    )?;
    // An observation much later than the full fetch was not known at that time. It only exists because the comparison
    // runs late.
    let in_time =
        |one: &Observation| one.fetched_at_us <= seen.fetched_at_us.saturating_add(GRACE_US);
    let of_deltas = of_deltas.into_iter().copied().filter(in_time);
    let before = newest(&mut known.current.into_iter().chain(of_deltas));
    let is_newer = before.is_none_or(|before| before.fetched_at_us < seen.fetched_at_us);
    let was_there = before.is_some_and(|before| before.presence.is_there());
    let differs = match (was_there, seen.presence.is_there()) {
        (false, false) => false,
        (true, true) => before.is_some_and(|before| before.hash != seen.hash),
        _ => true,
    };
    (is_newer && differs).then_some(Suspect {
        known: before,
        seen,
    })
}

impl Suspect {
    /// Returns kind, cause and start of the drift; `None` when the notification may still arrive.
    #[must_use]
    pub fn judge(&self, evidence: &Evidence, background: Background) -> Option<DriftVerdict> {
        let was_there = self.known.is_some_and(|known| known.presence.is_there());
        let known_at = self.known.map(|known| known.fetched_at_us);
        let kind = match (was_there, self.seen.presence.is_there()) {
            (false, _) => DriftKind::Insert,
            (true, false) if evidence.is_emptied => DriftKind::Anonymised,
            (true, false) => DriftKind::Delete,
            (true, true) if evidence.only_nested && !evidence.columns.is_empty() => {
                DriftKind::Nested
            }
            (true, true) => DriftKind::Update,
        };
        if evidence.is_guarded {
            return Some(DriftVerdict {
                kind,
                cause: DriftCause::Guard,
                wrong_since_us: known_at,
            });
        }
        let moved = evidence
            .seen_changed_us
            .filter(|changed| Some(*changed) != evidence.known_changed_us);
        let Some(changed) = moved else {
            // `changed_at`, by which deltas select rows, has not changed. An absent row has no `changed_at` at all.
            let cause = if self.seen.presence.is_there() {
                DriftCause::NotSurfaced
            } else {
                DriftCause::NoNotification
            };
            return Some(DriftVerdict {
                kind,
                cause,
                wrong_since_us: known_at,
            });
        };
        if changed > self.seen.fetched_at_us.saturating_sub(GRACE_US) {
            return None;
        }
        let covered = background.covered_us.is_some_and(|until| changed < until);
        if background.announced && !covered {
            return None;
        }
        let cause = if covered {
            DriftCause::SeenLate
        } else {
            DriftCause::NoNotification
        };
        Some(DriftVerdict {
            kind,
            cause,
            // The lake cannot have been wrong before it knew the row or the table.
            wrong_since_us: Some(changed).max(known_at.or(background.known_us)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::winner::Presence;
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn row(fetched_at_us: i64, hash: i64) -> Observation {
        Observation {
            fetched_at_us,
            hash,
            presence: Presence::There,
            place: 0,
        }
    }

    fn known(current: Option<Observation>, snapshot: Option<Observation>) -> KnownRow {
        KnownRow {
            current,
            snapshot,
            deltas: Vec::new(),
        }
    }

    fn changed(known: i64, seen: i64) -> Evidence {
        Evidence {
            known_changed_us: Some(known),
            seen_changed_us: Some(seen),
            columns: vec!["name".to_owned()],
            ..Evidence::default()
        }
    }

    #[test]
    fn what_a_notification_brought_is_no_drift_even_if_it_came_while_the_fetch_ran() {
        let never = |_: &Observation| false;
        let same = known(Some(row(1, 7)), Some(row(9, 7)));
        assert_eq!(suspect(&same, never), None);
        let mut beside = known(Some(row(1, 7)), Some(row(9, 8)));
        assert!(suspect(&beside, never).is_some());
        beside.deltas.push(row(10, 8));
        assert_eq!(suspect(&beside, never), None);
        let closing = |one: &Observation| one.fetched_at_us == 10;
        assert!(suspect(&beside, closing).is_some(), "its own closing delta");
    }

    #[test]
    fn a_delta_that_came_much_later_does_not_hide_what_the_fetch_found() {
        let mut late = known(Some(row(HOUR, 7)), Some(row(9 * HOUR, 8)));
        late.deltas.push(row(10 * HOUR, 8));
        let found = suspect(&late, |_| false).expect("a suspect");
        assert_eq!(found.known, Some(row(HOUR, 7)));
    }

    #[test]
    fn the_cause_follows_from_when_the_row_changed() {
        let one = suspect(&known(Some(row(HOUR, 7)), Some(row(9 * HOUR, 8))), |_| {
            false
        });
        let one = one.expect("a suspect");
        let covered = Background {
            covered_us: Some(4 * HOUR),
            ..Background::default()
        };
        let cause = |at| one.judge(&changed(0, at), covered).map(|found| found.cause);
        assert_eq!(cause(5 * HOUR), Some(DriftCause::NoNotification));
        assert_eq!(cause(3 * HOUR), Some(DriftCause::SeenLate));
        assert_eq!(
            cause(0),
            Some(DriftCause::NotSurfaced),
            "changed_at did not change"
        );
        assert_eq!(cause(9 * HOUR - 60_000_000), None, "a minute ago");
        let announced = Background {
            announced: true,
            ..covered
        };
        assert_eq!(one.judge(&changed(0, 5 * HOUR), announced), None);
    }

    #[test]
    fn nothing_was_wrong_before_the_lake_knew_of_it() {
        let background = Background {
            known_us: Some(6 * HOUR),
            ..Background::default()
        };
        let wrong_since = |current: Option<Observation>, changed_us: i64| {
            let one = suspect(&known(current, Some(row(9 * HOUR, 8))), |_| false)?;
            let verdict = one.judge(&changed(-1, changed_us), background)?;
            verdict.wrong_since_us
        };
        let here = Some(row(7 * HOUR, 7));
        assert_eq!(wrong_since(here, HOUR), Some(7 * HOUR), "changed long ago");
        assert_eq!(wrong_since(here, 8 * HOUR), Some(8 * HOUR));
        assert_eq!(wrong_since(None, HOUR), Some(6 * HOUR), "a new row");
        assert_eq!(wrong_since(None, 8 * HOUR), Some(8 * HOUR));
    }

    #[test]
    fn kinds_tell_what_was_wrong() {
        let gone = Observation {
            presence: Presence::Deleted,
            ..row(9 * HOUR, 8)
        };
        let evidence = changed(0, HOUR);
        let kind = |known: &KnownRow, evidence: &Evidence| {
            let one = suspect(known, |_| false)?;
            one.judge(evidence, Background::default())
                .map(|found| found.kind)
        };
        let here = Some(row(1, 7));
        assert_eq!(
            kind(&known(here, Some(gone)), &evidence),
            Some(DriftKind::Delete)
        );
        let emptied = Evidence {
            is_emptied: true,
            ..evidence.clone()
        };
        assert_eq!(
            kind(&known(here, Some(gone)), &emptied),
            Some(DriftKind::Anonymised)
        );
        assert_eq!(
            kind(&known(None, Some(row(9 * HOUR, 8))), &evidence),
            Some(DriftKind::Insert)
        );
        assert_eq!(kind(&known(None, Some(gone)), &evidence), None);
        let nested = Evidence {
            only_nested: true,
            ..evidence
        };
        assert_eq!(
            kind(&known(here, Some(row(9 * HOUR, 8))), &nested),
            Some(DriftKind::Nested)
        );
    }
}
