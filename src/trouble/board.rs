//! Keeps which troubles last, and since when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Trouble, TroubleKind};
use crate::time::Moment;

/// How often a trouble that lasts is told again.
const TOLD_AGAIN: Duration = Duration::from_hours(1);

/// What a part of the service sees of a trouble now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Since when it lasts, if that is known. Otherwise it lasts since the first sight.
    pub since: Option<Moment>,
    /// The facts: numbers, names of tables, the text of an error.
    pub detail: String,
    /// A cure that is more exact than the one of the kind.
    pub cure: Option<String>,
}

/// A change that the log tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TroubleChange {
    /// A trouble has begun.
    Began(Trouble),
    /// A trouble was told an hour ago, and still lasts.
    Lasts(Trouble),
    /// A trouble is over.
    Ended {
        /// The trouble as it was last.
        trouble: Trouble,
        /// How long it lasted.
        after: Duration,
    },
}

/// The troubles of one service. Each kind is there once.
#[derive(Clone, Debug, Default)]
pub struct Board {
    seen: BTreeMap<TroubleKind, Lasting>,
    changes: Vec<TroubleChange>,
}

#[derive(Clone, Debug)]
struct Lasting {
    since: Moment,
    detail: String,
    cure: Option<String>,
    /// When the log was last told. `None` within the grace.
    told: Option<Moment>,
}

impl Sight {
    /// Returns a sight with these facts.
    pub fn of(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// Sets since when it lasts.
    #[must_use]
    pub fn since(self, since: Moment) -> Self {
        Self {
            since: Some(since),
            ..self
        }
    }

    /// Sets a cure that is more exact than the one of the kind.
    #[must_use]
    pub fn cure(self, cure: impl Into<String>) -> Self {
        Self {
            cure: Some(cure.into()),
            ..self
        }
    }
}

impl Board {
    /// Takes what is seen of a kind now. `None` means that the trouble is not there, or is over.
    pub fn see(&mut self, kind: TroubleKind, sight: Option<Sight>, now: Moment) {
        let Some(sight) = sight else {
            self.end(kind, now);
            return;
        };
        // An instant in the future would keep the trouble within its grace for ever.
        let since = sight.since.map_or(now, |since| since.min(now));
        let seen = self.seen.entry(kind).or_insert(Lasting {
            since,
            detail: String::new(),
            cure: None,
            told: None,
        });
        seen.since = seen.since.min(since);
        (seen.detail, seen.cure) = (sight.detail, sight.cure);
        self.pass(now);
    }

    /// Lets time pass: troubles begin when their grace is over, and are told again after an hour. A clock that was set
    /// back does not prolong either.
    pub fn pass(&mut self, now: Moment) {
        for (kind, seen) in &mut self.seen {
            seen.since = seen.since.min(now);
            seen.told = seen.told.map(|told| told.min(now));
            let change = match seen.told {
                None if now.since(seen.since) >= kind.grace() => TroubleChange::Began,
                Some(told) if now.since(told) >= TOLD_AGAIN => TroubleChange::Lasts,
                _ => continue,
            };
            seen.told = Some(now);
            self.changes.push(change(seen.trouble(*kind)));
        }
    }

    /// Returns the troubles that last, those that stop the most data first.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let lasting = TroubleKind::ALL.into_iter().filter_map(|kind| {
            let seen = self.seen.get(&kind)?;
            seen.told.map(|_| seen.trouble(kind))
        });
        lasting.collect()
    }

    /// Takes the changes since the last call.
    pub fn take_changes(&mut self) -> Vec<TroubleChange> {
        std::mem::take(&mut self.changes)
    }

    fn end(&mut self, kind: TroubleKind, now: Moment) {
        let Some(seen) = self.seen.remove(&kind) else {
            return;
        };
        if seen.told.is_some() {
            self.changes.push(TroubleChange::Ended {
                trouble: seen.trouble(kind),
                after: now.since(seen.since),
            });
        }
    }
}

impl Lasting {
    fn trouble(&self, kind: TroubleKind) -> Trouble {
        Trouble {
            kind,
            since: self.since,
            detail: self.detail.clone(),
            cure: self.cure.clone().unwrap_or_else(|| kind.cure().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Moment = Moment::from_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_is_set_back_prolongs_no_grace() {
        let mut board = Board::default();
        let kind = TroubleKind::Late;
        let year_ahead = NOON + Duration::from_hours(365 * 24);
        board.see(kind, Some(Sight::default()), year_ahead);
        drop(board.take_changes());
        board.see(kind, Some(Sight::default()), NOON);
        board.pass(NOON + kind.grace() + SECOND);
        assert_eq!(board.troubles()[0].since, NOON);
        board.take_changes();
        board.pass(NOON + kind.grace() + SECOND + TOLD_AGAIN);
        let changes = board.take_changes();
        assert!(
            matches!(changes[..], [TroubleChange::Lasts(_)]),
            "{changes:?}"
        );
    }

    fn kinds(board: &Board) -> Vec<TroubleKind> {
        board.troubles().iter().map(|one| one.kind).collect()
    }

    #[test]
    fn a_trouble_begins_once_and_ends_once() {
        let mut board = Board::default();
        for second in 0..3 {
            let now = NOON + SECOND * second;
            board.see(TroubleKind::KeyRefused, Some(Sight::of("by code")), now);
        }
        let [trouble] = &board.troubles()[..] else {
            panic!("one trouble")
        };
        assert_eq!(trouble.since, NOON);
        assert_eq!(
            trouble.line(),
            "Kombo refuses the API key, so nothing is fetched: by code"
        );
        assert_eq!(
            board.take_changes(),
            [TroubleChange::Began(trouble.clone())]
        );
        board.see(TroubleKind::KeyRefused, None, NOON + SECOND * 5);
        let ended = TroubleChange::Ended {
            trouble: trouble.clone(),
            after: SECOND * 5,
        };
        assert_eq!(board.take_changes(), [ended]);
        board.see(TroubleKind::KeyRefused, None, NOON + SECOND * 6);
        assert_eq!(board.take_changes(), []);
        assert_eq!(kinds(&board), []);
    }

    #[test]
    fn what_passes_within_its_grace_is_never_told() {
        let mut board = Board::default();
        board.see(TroubleKind::KomboUnreachable, Some(Sight::default()), NOON);
        board.pass(NOON + SECOND * 19);
        board.see(TroubleKind::KomboUnreachable, None, NOON + SECOND * 19);
        assert_eq!((board.take_changes(), kinds(&board)), (vec![], vec![]));
        board.see(TroubleKind::KomboUnreachable, Some(Sight::default()), NOON);
        board.pass(NOON + SECOND * 20);
        assert_eq!(kinds(&board), [TroubleKind::KomboUnreachable]);
    }

    #[test]
    fn a_time_that_is_known_counts_and_one_in_the_future_does_not() {
        let mut board = Board::default();
        let since = |at| Some(Sight::default().since(at));
        board.see(
            TroubleKind::FetchesFailing,
            since(NOON - SECOND * 600),
            NOON,
        );
        assert_eq!(kinds(&board), [TroubleKind::FetchesFailing]);
        board.see(
            TroubleKind::WaitingForRate,
            since(NOON + SECOND * 900),
            NOON,
        );
        board.pass(NOON + SECOND * 30);
        let kinds = kinds(&board);
        assert_eq!(
            kinds[0],
            TroubleKind::WaitingForRate,
            "the most serious first"
        );
    }

    #[test]
    fn what_lasts_is_told_every_hour() {
        let mut board = Board::default();
        board.see(TroubleKind::Held, Some(Sight::of("1 table")), NOON);
        board.take_changes();
        board.pass(NOON + TOLD_AGAIN - SECOND);
        assert_eq!(board.take_changes(), []);
        board.see(
            TroubleKind::Held,
            Some(Sight::of("2 tables")),
            NOON + TOLD_AGAIN,
        );
        let [TroubleChange::Lasts(trouble)] = &board.take_changes()[..] else {
            panic!("told again")
        };
        assert_eq!((trouble.detail.as_str(), trouble.since), ("2 tables", NOON));
    }
}
