//! Whether an integration can be fetched, and when to look again if not.
//!
//! Only Kombo's answers say it: to a look at the integration, or to a request for its rows. Webhooks are lost, sent again
//! and may be forged: each makes us look, and none is believed. Whatever is parked is looked at again without them, seldom
//! enough not to cost the others their budget. None of this says anything about rows: those of a parked integration stay
//! as they are. When one is deleted [`Deletion`](super::Deletion) says.

use std::fmt;
use std::time::Duration;

use crate::time::Backoff;

/// How an integration stands with Kombo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// Fetched.
    #[default]
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
    /// Kombo refuses it and gives no reason.
    Unstated,
    /// Kombo refuses it for a reason that this build does not know, in Kombo's own word: such as `PAUSED`.
    Other(String),
    /// Kombo finds no such integration: deleted, of another environment, or a failure at Kombo.
    Deleting,
    /// Deleted, as [`Deletion`](super::Deletion) says. A readable answer ends it.
    Deleted,
    /// Deleted, and its rows have left the lake. Only a person brings it back, by a `backfill` that names it.
    Purged,
}

/// The longest word of Kombo's that is kept.
const MAX_WORD_BYTES: usize = 64;

impl Standing {
    /// All that have a word of ours.
    pub const ALL: [Self; 10] = [
        Self::Active,
        Self::SetupPending,
        Self::SetupIncomplete,
        Self::QaFailed,
        Self::AuthenticationInvalid,
        Self::Inactive,
        Self::Unstated,
        Self::Deleting,
        Self::Deleted,
        Self::Purged,
    ];

    /// Keeps a word of Kombo's for a standing that this build does not know. What is not shaped like one is dropped: it ends up
    /// in logs.
    #[must_use]
    pub fn other(word: &str) -> Self {
        if is_kombos_word(word) {
            Self::Other(word.to_owned())
        } else {
            Self::Unstated
        }
    }

    /// Returns the word in the registry and in `status`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(word) => word,
            known => known.label(),
        }
    }

    /// Returns the word in metrics, where Kombo's own words share one.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::SetupPending => "setup_pending",
            Self::SetupIncomplete => "setup_incomplete",
            Self::QaFailed => "qa_failed",
            Self::AuthenticationInvalid => "authentication_invalid",
            Self::Inactive => "inactive",
            Self::Unstated | Self::Other(_) => "unstated",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }

    /// Reads such a word: one of ours, or one of Kombo's. `None` for that of another build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let ours = Self::ALL.into_iter().find(|one| one.as_str() == name);
        ours.or_else(|| is_kombos_word(name).then(|| Self::Other(name.to_owned())))
    }

    /// Returns whether Kombo has deleted it.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        matches!(self, Self::Deleted | Self::Purged)
    }

    /// Returns whether its tables are fetched.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        *self == Self::Active
    }

    /// Returns how long to wait before asking Kombo again, after `tries` times that changed nothing.
    ///
    /// `None` where there is nothing to ask: the active are fetched anyway, the purged wait for a person.
    #[must_use]
    pub fn recheck(&self, tries: u32) -> Option<Duration> {
        let (first, longest) = match self {
            Self::Active | Self::Purged => return None,
            // Ready within minutes or hours, and a new customer waits for it.
            Self::SetupPending => (Duration::from_mins(2), Duration::from_mins(15)),
            Self::SetupIncomplete | Self::QaFailed | Self::AuthenticationInvalid => {
                (Duration::from_mins(30), Duration::from_hours(6))
            }
            Self::Unstated | Self::Other(_) => (Duration::from_mins(10), Duration::from_hours(6)),
            Self::Inactive => (Duration::from_hours(1), Duration::from_hours(24)),
            // Often enough that a sign of life comes between the first look and the one that confirms it.
            Self::Deleting => (Duration::from_hours(1), Duration::from_hours(6)),
            // An error of Kombo's or ours costs a day of rows then, and a look costs two requests.
            Self::Deleted => (Duration::from_hours(24), Duration::from_hours(24)),
        };
        Some(Backoff::new(first, longest).wait(tries))
    }

    /// Returns how long after one question webhooks may make us ask the next: whoever sends the same one a million times
    /// gets this many requests.
    #[must_use]
    pub fn soonest_look(&self) -> Duration {
        match self {
            Self::Purged => Duration::from_hours(24),
            Self::Deleted => Duration::from_hours(1),
            _ => Duration::from_mins(1),
        }
    }
}

/// Returns whether a text is shaped like Kombo's words and codes, which no word of ours is.
fn is_kombos_word(text: &str) -> bool {
    let fits = (1..=MAX_WORD_BYTES).contains(&text.len());
    fits && (text.bytes()).all(|byte| byte.is_ascii_uppercase() || b"_.".contains(&byte))
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_others_are_not() {
        for standing in Standing::ALL {
            assert_eq!(Standing::from_name(standing.as_str()), Some(standing));
        }
        assert_eq!(Standing::from_name("Active"), None);
        assert_eq!(Standing::from_name(""), None);
    }

    #[test]
    fn a_standing_that_kombo_invents_is_kept_in_its_own_word_and_read_back() {
        let paused = Standing::other("PAUSED");
        assert_eq!(paused, Standing::Other("PAUSED".to_owned()));
        assert_eq!(Standing::from_name(paused.as_str()), Some(paused.clone()));
        assert_eq!(
            (paused.to_string(), paused.label()),
            ("PAUSED".to_owned(), "unstated")
        );
        assert!(!paused.is_fetched() && !paused.is_deleted());
        assert_eq!(paused.recheck(3), Standing::Unstated.recheck(3));
        for odd in ["", "paused", "Jane Doe", "deleted", &"A".repeat(65)] {
            assert_eq!(Standing::other(odd), Standing::Unstated, "{odd}");
        }
    }

    #[test]
    fn whatever_is_parked_is_looked_at_again_within_a_day_and_ever_more_seldom() {
        for standing in Standing::ALL {
            let pauses: Vec<_> = (0..40)
                .filter_map(|tries| standing.recheck(tries))
                .collect();
            let parked = !standing.is_fetched() && standing != Standing::Purged;
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
