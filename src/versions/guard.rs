//! The guard: what a fold may take away from `current`, and what it holds back, in which words.
//!
//! A fold takes a row away when its newest observation says that it is gone. One message, one walk that ends early, one
//! wrong clock and one rerun can make many rows look gone, so this is the rule:
//!
//! * **Little goes at once.** Up to 100 rows, or up to a tenth of the table, go without asking ([`losses`](super::losses)).
//!   Rows that went within the last day count with them ([`day_losses`](super::day_losses)), so many small deletions weigh
//!   as much as a large one. A column that turns null is judged in the same way, fold by fold.
//! * **More is held.** The rows of `current` stay as they were, the observations wait in `deltas` and `snapshots`, and
//!   `kombo_holds` says so before the fold is visible. What else happens to the table goes on.
//! * **Time and a second look let it pass.** A full fetch that begins at least a day after a loss was found confirms it, row
//!   by row ([`looks`](super::looks)): a row goes when both looks say that it is gone, and nobody saw it in between. What the
//!   second look shows beyond that is judged as if it were the first. Any look within the day changes nothing.
//! * **So does a person.** `accept` lets pass what was seen when it was said, and nothing that comes later.
//! * **Rows that a full fetch lacks, and of which nothing in `deltas` says that they are gone, stay**, however few they are.
//!
//! The sum of a day stands in the fold's own commit, and so does what is held: a crash on any line leaves a fold that is
//! done again, and two folds at once count no row twice.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::setting::{BadSetting, seconds};
use crate::time::SecondLook;

/// How patient the guard is before it lets rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSettings {
    /// How long after a first look a second one has to begin to confirm that rows are gone. At least an hour in a file.
    #[serde(rename = "confirm_after_secs", deserialize_with = "second_look")]
    pub second_look: SecondLook,
}

impl GuardSettings {
    /// What one outage or one bad release of Kombo's explains is over by then, at most times.
    const LEAST: Duration = Duration::from_hours(1);

    /// Checks that two looks are two.
    pub fn check(&self) -> Result<(), BadSetting> {
        BadSetting::at_least(
            "confirm_after_secs",
            self.second_look.least(),
            Self::LEAST,
            ": two fetches within an hour may fail alike, and `kombo-source accept` lets pass at once what is right",
        )
    }
}

fn second_look<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecondLook, D::Error> {
    seconds(deserializer).map(SecondLook::after)
}

/// How it stands with what was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// It is not folded: readers of `current` see the rows as they were.
    Held,
    /// Somebody has said that it is right: the next fold takes it in.
    Accepted,
    /// A full fetch begun long enough after it agreed with it.
    Confirmed,
    /// The rows came back, or so few of them are left to go that they may.
    Resolved,
}

/// Why it was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// Many rows would vanish at once.
    MassDelete,
    /// Columns would turn null in many rows at once.
    ColumnsNulled,
    /// Rows are missing from a full fetch, and Kombo has not confirmed that they are gone.
    Unconfirmed,
    /// The integration is not allowed to read them any more.
    ScopeOff,
    /// The integration's data has expired at Kombo.
    DataExpired,
}

impl HoldState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Held, Self::Accepted, Self::Confirmed, Self::Resolved];

    /// Returns the word in `kombo_holds`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
        }
    }

    /// Reads the word; `None` for one of a newer build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl HoldCause {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::MassDelete,
        Self::ColumnsNulled,
        Self::Unconfirmed,
        Self::ScopeOff,
        Self::DataExpired,
    ];

    /// Returns the word in `kombo_holds`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MassDelete => "mass_delete",
            Self::ColumnsNulled => "columns_nulled",
            Self::Unconfirmed => "unconfirmed",
            Self::ScopeOff => "scope_off",
            Self::DataExpired => "data_expired",
        }
    }

    /// Reads the word; `None` for one of a newer build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_again_and_no_other() {
        for state in HoldState::ALL {
            assert_eq!(HoldState::from_name(state.as_str()), Some(state));
        }
        for cause in HoldCause::ALL {
            assert_eq!(HoldCause::from_name(cause.as_str()), Some(cause));
        }
        assert_eq!(HoldState::from_name("Held"), None);
        assert_eq!(HoldCause::from_name(""), None);
    }
}
