//! Whether an integration can be fetched, and when to ask Kombo again if not.
//!
//! Only Kombo's answers decide: the answer to a check of the integration, or to a request for its rows. Webhooks may be
//! lost, repeated or forged, so a webhook only makes the program ask Kombo. A parked integration is asked about again
//! without any webhook, but seldom enough to leave the request budget to the others. A standing says nothing about
//! rows: the rows of a parked integration stay. [`Deletion`](super::Deletion) says when an integration is deleted.

use std::fmt;
use std::time::Duration;

use crate::time::{Backoff, Moment};

/// The standing of an integration at Kombo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// The integration is fetched.
    #[default]
    Active,
    /// The setup waits for Kombo's first sync or for the customer.
    SetupPending,
    /// The customer has not finished connecting the tool.
    SetupIncomplete,
    /// The integration failed Kombo's quality check.
    QaFailed,
    /// The customer has to connect the tool again.
    AuthenticationInvalid,
    /// The integration is switched off.
    Inactive,
    /// Kombo refuses the integration and does not state a reason.
    Unstated,
    /// Kombo refuses the integration for a reason that this build does not know. Holds Kombo's own name of the reason,
    /// such as `PAUSED`.
    Other(String),
    /// Kombo does not find the integration: it was deleted, belongs to another environment, or Kombo has a failure.
    Deleting,
    /// The integration is deleted by the rule of [`Deletion`](super::Deletion). A readable answer ends this standing.
    Deleted,
    /// The integration is deleted, and its rows were removed from the lake. Only an operator brings it back, with a
    /// `backfill` that names the integration.
    Purged,
}

/// Greatest length of a name of Kombo that is kept, in bytes.
const MAX_WORD_BYTES: usize = 64;

impl Standing {
    /// All standings with a fixed name.
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

    /// Keeps Kombo's name of a standing that this build does not know. A text without the form of such a name becomes
    /// `Unstated`, because the name ends up in logs.
    #[must_use]
    pub fn other(word: &str) -> Self {
        if is_kombos_word(word) {
            Self::Other(word.to_owned())
        } else {
            Self::Unstated
        }
    }

    /// Returns the name of the standing in the registry and in `status`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(word) => word,
            known => known.label(),
        }
    }

    /// Returns the name of the standing in metrics. All names of Kombo share one label.
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

    /// Reads a name from the registry: a fixed name, or a name of Kombo. Returns `None` for a name of another build.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let ours = Self::ALL.into_iter().find(|one| one.as_str() == name);
        ours.or_else(|| is_kombos_word(name).then(|| Self::Other(name.to_owned())))
    }

    /// Returns whether the integration counts as deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        matches!(self, Self::Deleted | Self::Purged)
    }

    /// Returns whether the tables of the integration are fetched.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        *self == Self::Active
    }

    /// Returns how long to wait before Kombo is asked again, after `tries` checks without a change.
    ///
    /// Returns `None` when there is nothing to ask: an active integration is fetched anyway, and a purged one waits for
    /// an operator.
    #[must_use]
    pub fn recheck(&self, tries: u32) -> Option<Duration> {
        let (first, longest) = match self {
            Self::Active | Self::Purged => return None,
            // The integration is ready within minutes or hours, and a new customer waits for the data.
            Self::SetupPending => (Duration::from_mins(2), Duration::from_mins(15)),
            Self::SetupIncomplete | Self::QaFailed | Self::AuthenticationInvalid => {
                (Duration::from_mins(30), Duration::from_hours(6))
            }
            Self::Unstated | Self::Other(_) => (Duration::from_mins(10), Duration::from_hours(6)),
            Self::Inactive => (Duration::from_hours(1), Duration::from_hours(24)),
            // Several checks fall between the first check and the one that confirms the deletion, so a working
            // integration is noticed in time.
            Self::Deleting => (Duration::from_hours(1), Duration::from_hours(6)),
            // If Kombo or this program was wrong, a day without new rows is lost. A check costs two requests.
            Self::Deleted => (Duration::from_hours(24), Duration::from_hours(24)),
        };
        Some(Backoff::new(first, longest).wait(tries))
    }

    /// Returns the next check after a restart, and the number of checks before it. A restart itself costs no question: the
    /// rhythm goes on as if the program had run since `since`, when this standing began. The check comes at the latest
    /// after the first wait, because the program may have been down at the last one.
    ///
    /// Returns `None` where [`recheck`](Self::recheck) does.
    #[must_use]
    pub fn resumed(&self, since: Moment, now: Moment) -> Option<(u32, Moment)> {
        let latest = now + self.recheck(0)?;
        // An instant in the future comes from another clock.
        let (mut at, mut tries) = (since.min(now), 0);
        loop {
            let (wait, next) = (self.recheck(tries)?, self.recheck(tries + 1)?);
            at += wait;
            if at >= now {
                return Some((tries + 1, at.min(latest)));
            }
            tries += 1;
            if next == wait {
                // The waits no longer grow, so whole waits are skipped.
                let passed = now.since(at).as_millis() % wait.as_millis();
                let left = (wait.as_millis() - passed) % wait.as_millis();
                let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
                return Some((tries + 1, latest.min(now + left)));
            }
        }
    }

    /// Returns the least time between two checks that webhooks cause. So a flood of equal webhooks causes only this
    /// many requests.
    #[must_use]
    pub fn soonest_look(&self) -> Duration {
        match self {
            Self::Purged => Duration::from_hours(24),
            Self::Deleted => Duration::from_hours(1),
            _ => Duration::from_mins(1),
        }
    }
}

/// Returns whether a text has the form of Kombo's names and codes. No fixed name has that form.
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

    #[test]
    fn a_restart_goes_on_with_the_rhythm_and_asks_at_the_latest_after_the_first_wait() {
        let began = Moment::from_millis(1_700_000_000_000);
        for standing in Standing::ALL {
            let Some(first) = standing.recheck(0) else {
                assert_eq!(standing.resumed(began, began), None);
                continue;
            };
            let (mut at, mut due) = (began, Vec::new());
            for tries in 0..40 {
                at += standing.recheck(tries).expect("parked");
                due.push(at);
            }
            let moment = Duration::from_millis(1);
            for (before, next) in due.iter().zip(due.iter().skip(1)) {
                for now in [*before + moment, *next - moment, *next] {
                    let resumed = standing.resumed(began, now).map(|(_, at)| at);
                    assert_eq!(resumed, Some((*next).min(now + first)), "{standing}");
                }
            }
            let new = Some((1, began + first));
            assert_eq!(standing.resumed(began, began), new);
            // From another clock: years ahead, or none at all.
            let ahead = began + Duration::from_hours(90_000);
            assert_eq!(standing.resumed(ahead, began), new);
            let ancient = standing.resumed(Moment::from_millis(i64::MIN), began);
            let (_, at) = ancient.expect("parked");
            assert!((began..=began + first).contains(&at), "{standing}");
        }
    }
}
