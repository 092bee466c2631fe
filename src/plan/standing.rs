//! Whether an integration can be fetched, and when to look again if not.
//!
//! Kombo says it in two ways: a webhook when it changes, and the error of a request. Webhooks are lost, so whatever is
//! parked is looked at again, seldom enough not to cost the others their budget. None of this says anything about rows:
//! those of a parked integration stay as they are.

use std::fmt;
use std::time::Duration;

use super::recheck::Recheck;
use crate::webhook::{IntegrationChange, IntegrationState};

/// How an integration stands with Kombo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// Fetched.
    Active,
    /// Kombo fetches it for the first time, or a person has to finish the setup.
    SetupPending,
    /// The customer has not finished connecting it.
    SetupIncomplete,
    /// Kombo's check of the setup failed.
    QaFailed,
    /// The customer has to connect again.
    AuthenticationInvalid,
    /// Switched off.
    Inactive,
    /// Kombo refuses it for a reason that this build does not know.
    Unstated,
    /// Kombo finds no such integration: deleted, or of another environment. Nobody said that it was deleted.
    Gone,
    /// Deleted, as a webhook said. Kombo does not give an id twice.
    Deleted,
    /// Deleted, and its rows have left the lake. Only a person brings it back, by a `backfill` that names it.
    Purged,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Active,
        Self::SetupPending,
        Self::SetupIncomplete,
        Self::QaFailed,
        Self::AuthenticationInvalid,
        Self::Inactive,
        Self::Unstated,
        Self::Gone,
        Self::Deleted,
        Self::Purged,
    ];

    /// Returns the word in the registry, in `status` and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::SetupPending => "setup_pending",
            Self::SetupIncomplete => "setup_incomplete",
            Self::QaFailed => "qa_failed",
            Self::AuthenticationInvalid => "authentication_invalid",
            Self::Inactive => "inactive",
            Self::Unstated => "unstated",
            Self::Gone => "gone",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }

    /// Reads such a word. `None` for that of another build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.as_str() == name)
    }

    /// Works out the standing after a webhook; `before` is `None` for an integration seen for the first time.
    ///
    /// Webhooks are repeated and overtake each other. So a late `integration-created` parks nobody, and nothing
    /// brings a deleted integration back. Words that this build does not know leave the standing as it was.
    #[must_use]
    pub fn after(before: Option<Self>, change: IntegrationChange) -> Self {
        match (before, change) {
            (Some(Self::Purged), _) => Self::Purged,
            (Some(Self::Deleted), _) | (_, IntegrationChange::Deleted) => Self::Deleted,
            // A request may have come too early for an integration that was just made.
            (None | Some(Self::Gone), IntegrationChange::Created) => Self::SetupPending,
            (Some(before), IntegrationChange::Created) => before,
            (_, IntegrationChange::State(state)) => match state {
                IntegrationState::Readable => Self::Active,
                IntegrationState::SetupPending => Self::SetupPending,
                IntegrationState::QaFailed => Self::QaFailed,
                IntegrationState::AuthenticationInvalid => Self::AuthenticationInvalid,
                IntegrationState::Inactive => Self::Inactive,
                IntegrationState::Unknown => before.unwrap_or(Self::Unstated),
            },
        }
    }

    /// Returns whether Kombo has deleted it: it never comes back, and nobody asks for it again.
    #[must_use]
    pub fn is_deleted(self) -> bool {
        matches!(self, Self::Deleted | Self::Purged)
    }

    /// Returns whether its tables are fetched.
    #[must_use]
    pub fn is_fetched(self) -> bool {
        self == Self::Active
    }

    /// Returns how long to wait before asking Kombo again, after `tries` times that changed nothing.
    ///
    /// `None` where there is nothing to ask: the active are fetched anyway, the deleted never come back.
    #[must_use]
    pub fn recheck(self, tries: u32) -> Option<Duration> {
        let (first, longest) = match self {
            Self::Active | Self::Deleted | Self::Purged => return None,
            // Ready within minutes or hours, and a new customer waits for it.
            Self::SetupPending => (Duration::from_mins(2), Duration::from_mins(15)),
            Self::SetupIncomplete | Self::QaFailed | Self::AuthenticationInvalid => {
                (Duration::from_mins(30), Duration::from_hours(6))
            }
            Self::Unstated => (Duration::from_mins(10), Duration::from_hours(6)),
            Self::Inactive => (Duration::from_hours(1), Duration::from_hours(24)),
            Self::Gone => (Duration::from_hours(24), Duration::from_hours(24)),
        };
        Some(Recheck { first, longest }.pause(tries))
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: IntegrationChange = IntegrationChange::Created;

    fn stated(state: IntegrationState) -> IntegrationChange {
        IntegrationChange::State(state)
    }

    #[test]
    fn every_word_is_read_back_and_others_are_not() {
        for standing in Standing::ALL {
            assert_eq!(Standing::from_name(standing.as_str()), Some(standing));
        }
        assert_eq!(Standing::from_name("Active"), None);
        assert_eq!(Standing::from_name(""), None);
    }

    #[test]
    fn nothing_brings_a_deleted_integration_back() {
        let deleted = Standing::after(Some(Standing::Active), IntegrationChange::Deleted);
        assert_eq!(deleted, Standing::Deleted);
        for change in [CREATED, stated(IntegrationState::Readable)] {
            assert_eq!(Standing::after(Some(deleted), change), Standing::Deleted);
            let purged = Some(Standing::Purged);
            assert_eq!(Standing::after(purged, change), Standing::Purged);
        }
    }

    #[test]
    fn a_late_repeat_of_created_parks_nobody() {
        let after = |before| Standing::after(before, CREATED);
        assert_eq!(after(None), Standing::SetupPending);
        assert_eq!(after(Some(Standing::Gone)), Standing::SetupPending);
        assert_eq!(after(Some(Standing::Active)), Standing::Active);
        assert_eq!(after(Some(Standing::Inactive)), Standing::Inactive);
    }

    #[test]
    fn a_state_that_is_read_wakes_and_parks_and_an_unknown_one_changes_nothing() {
        let parked = Some(Standing::AuthenticationInvalid);
        let after = |before, state| Standing::after(before, stated(state));
        assert_eq!(after(parked, IntegrationState::Readable), Standing::Active);
        assert_eq!(
            after(Some(Standing::Active), IntegrationState::Inactive),
            Standing::Inactive
        );
        assert_eq!(
            after(parked, IntegrationState::Unknown),
            Standing::AuthenticationInvalid
        );
        assert_eq!(after(None, IntegrationState::Unknown), Standing::Unstated);
    }

    #[test]
    fn whatever_is_parked_is_looked_at_again_within_a_day_and_ever_more_seldom() {
        for standing in Standing::ALL {
            let pauses: Vec<_> = (0..40)
                .filter_map(|tries| standing.recheck(tries))
                .collect();
            let parked = !standing.is_fetched() && !standing.is_deleted();
            assert_eq!(pauses.len(), if parked { 40 } else { 0 }, "{standing}");
            assert!(pauses.is_sorted(), "{standing}");
            let within = Duration::from_mins(2)..=Duration::from_hours(24);
            assert!(
                pauses.iter().all(|pause| within.contains(pause)),
                "{standing}"
            );
        }
        let pending = Standing::SetupPending.recheck(10);
        assert_eq!(pending, Some(Duration::from_mins(15)));
    }
}
