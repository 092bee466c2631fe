//! The guard: decides what a fold may remove from `current` and what is held.
//!
//! A fold removes a row when the row's newest observation says that it is gone. One message, one incomplete walk, one
//! wrong clock or one rerun can make many rows look gone. So the guard follows these rules:
//!
//! * **Small losses pass.** Up to 100 rows, or up to a tenth of the table, are removed without a question
//!   ([`losses`](super::losses)). Rows removed within the last day count as well ([`day_losses`](super::day_losses)),
//!   so many small deletions are judged like a large one. A column that turns null is judged by the same limits, but
//!   per fold.
//! * **Large losses are held.** The rows of `current` stay unchanged, the observations wait in `deltas` and
//!   `snapshots`, and `kombo_holds` has an entry before the fold is visible. Other changes of the table are folded as
//!   usual.
//! * **A second full fetch confirms a loss.** The fetch must begin at least a day after the loss was found, and
//!   confirms row by row ([`looks`](super::looks)): a row is removed when both fetches say that it is gone and no
//!   observation in between has it. Further losses that the second fetch shows are judged as new ones. A full fetch
//!   within the day confirms nothing.
//! * **The operator accepts a loss.** `accept` releases losses that were observed before the command ran, and no later
//!   ones.
//! * **Rows that a full fetch merely lacks are kept**, however few they are, while no row of `deltas` says that they
//!   are gone.
//!
//! The count of a day's losses is in the fold's own commit, as is what is held. So after a crash on any line the fold
//! is repeated, and two concurrent folds count no row twice.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::setting::{BadSetting, seconds};
use crate::time::SecondLook;

/// Settings of the guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSettings {
    /// Least time after a full fetch found a loss at which a second full fetch has to begin to confirm that the rows
    /// are gone: a day.
    ///
    /// Range: 3600 or more.
    #[serde(rename = "confirm_after_secs", deserialize_with = "second_look")]
    pub second_look: SecondLook,
}

impl GuardSettings {
    /// By then most effects of one outage or one bad release of Kombo are over.
    const LEAST: Duration = Duration::from_hours(1);

    /// Checks that the two full fetches are far enough apart to be independent.
    pub fn check(&self) -> Result<(), BadSetting> {
        BadSetting::at_least(
            "confirm_after_secs",
            self.second_look.least(),
            Self::LEAST,
            ": two full fetches within an hour may fail in the same way; to accept correct losses at once, run `kombo-source accept`",
        )
    }
}

fn second_look<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecondLook, D::Error> {
    seconds(deserializer).map(SecondLook::after)
}

/// State of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// The losses are not folded: readers of `current` see the old rows.
    Held,
    /// The operator has accepted the losses; the next fold removes the rows.
    Accepted,
    /// A full fetch that began long enough after the losses confirmed them.
    Confirmed,
    /// The rows came back, or the remaining losses are too few to be held.
    Resolved,
}

/// Why losses are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// Many rows would be removed at once.
    MassDelete,
    /// Columns would become null in many rows at once.
    ColumnsNulled,
    /// Rows are missing from a full fetch, and Kombo has not confirmed that they are gone.
    Unconfirmed,
    /// The integration has no permission to read these rows any more.
    ScopeOff,
    /// The integration's data has expired at Kombo.
    DataExpired,
}

impl HoldState {
    /// All values.
    pub const ALL: [Self; 4] = [Self::Held, Self::Accepted, Self::Confirmed, Self::Resolved];

    /// Returns the name in `kombo_holds`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
        }
    }

    /// Parses the name; `None` for a name of a newer build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl HoldCause {
    /// All values.
    pub const ALL: [Self; 5] = [
        Self::MassDelete,
        Self::ColumnsNulled,
        Self::Unconfirmed,
        Self::ScopeOff,
        Self::DataExpired,
    ];

    /// Returns the name in `kombo_holds`.
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

    /// Parses the name; `None` for a name of a newer build.
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
