//! When an integration counts as deleted. This file is the only home of the rule; the dispatcher, `backfill` and
//! `purge` use it.
//!
//! Rows of a deleted integration leave the lake for good. So only Kombo's own answers delete an integration. A webhook
//! may be forged, late or a repeat: it makes the program ask Kombo and decides nothing.
//!
//! Kombo has to answer `INTEGRATION_NOT_FOUND` to `GET /integrations/{id}` in two checks that began at least a day
//! apart. Right after each answer Kombo has to accept the key, in the environment in which the integration was read. A
//! key finds nothing of other environments. Until the second answer the integration is `deleting`: it is neither
//! fetched nor purged. One readable answer ends `deleting`, and `deleted` as well. A purge needs a third such answer
//! right before the purge: a [`ConfirmedGone`].

use std::time::Duration;

use crate::ids::{EnvironmentId, IntegrationId};
use crate::time::{Moment, ObservedAt, SecondLook};

/// The least time between the two checks while Kombo finds no other integration of the environment either. A failure at
/// Kombo looks like that; customers seldom leave like that.
const WHEN_NONE_IS_FOUND: Duration = Duration::from_hours(7 * 24);

/// When a check began, by two clocks that may differ. The first check counts from the later clock, and the second check
/// from the earlier clock. So a clock that jumps or is corrected in between cannot turn an hour into a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    earliest: ObservedAt,
    latest: ObservedAt,
}

/// Kombo's answer that the integration does not exist. Right after the answer Kombo accepted the right key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound {
    begun: Begun,
}

/// Why Kombo's answer that an integration does not exist counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The integration was never read, so its environment is unknown.
    NeverRead,
    /// The integration was read with a key of another environment.
    OtherEnvironment,
}

/// Whether Kombo finds other integrations of the environment that are not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// There are no other integrations.
    None,
    /// Kombo finds at least one of them.
    Found,
    /// Kombo finds none of them.
    Missing,
}

/// The proof that an integration is deleted: two [`NotFound`] answers, far enough apart. Only this file makes such a
/// proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedGone {
    integration: IntegrationId,
    first: ObservedAt,
    again: ObservedAt,
}

/// What happens to an integration that Kombo does not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The integration waits for a second check.
    Deleting {
        /// When the first check began that counts.
        first: ObservedAt,
    },
    /// The integration is deleted.
    Deleted(ConfirmedGone),
}

impl Begun {
    /// Takes the start of a check as two clocks show it.
    #[must_use]
    pub fn by(one: Moment, other: Moment) -> Self {
        Self {
            earliest: one.min(other).into(),
            latest: one.max(other).into(),
        }
    }

    /// Returns the later one of the two instants.
    #[must_use]
    pub fn latest(self) -> Moment {
        self.latest.moment()
    }
}

impl From<ObservedAt> for Begun {
    fn from(at: ObservedAt) -> Self {
        Self {
            earliest: at,
            latest: at,
        }
    }
}

impl NotFound {
    /// Judges an answer to a check that began at `begun`. `read_in` is the environment in which the integration was
    /// read. `key_of` is the environment that Kombo named when it accepted the key right after the answer.
    ///
    /// # Errors
    /// Returns the reason when the answer counts for nothing.
    pub fn judge(
        begun: impl Into<Begun>,
        read_in: Option<&EnvironmentId>,
        key_of: &EnvironmentId,
    ) -> Result<Self, Doubt> {
        match read_in {
            None => Err(Doubt::NeverRead),
            Some(read_in) if read_in != key_of => Err(Doubt::OtherEnvironment),
            Some(_) => Ok(Self {
                begun: begun.into(),
            }),
        }
    }
}

impl Doubt {
    /// Returns the reason as a phrase.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverRead => {
                "the integration was never read, so it may belong to another environment"
            }
            Self::OtherEnvironment => "the integration was read with a key of another environment",
        }
    }
}

impl Others {
    /// Sums up all other integrations. Each value says whether Kombo finds the integration.
    #[must_use]
    pub fn of(found: impl IntoIterator<Item = bool>) -> Self {
        found.into_iter().fold(Self::None, |so_far, found| {
            if found || so_far == Self::Found {
                Self::Found
            } else {
                Self::Missing
            }
        })
    }
}

impl ConfirmedGone {
    /// Returns the proof that an integration is deleted. Returns `None` unless the second check began at least a day
    /// after the first.
    #[must_use]
    pub fn of(integration: &IntegrationId, first: ObservedAt, again: NotFound) -> Option<Self> {
        Self::apart(SecondLook::default(), integration, first, again)
    }

    fn apart(
        look: SecondLook,
        integration: &IntegrationId,
        first: ObservedAt,
        again: NotFound,
    ) -> Option<Self> {
        look.confirms(first, again.begun.earliest).then(|| Self {
            integration: integration.clone(),
            first,
            again: again.begun.earliest,
        })
    }

    /// Returns the deleted integration.
    #[must_use]
    pub fn integration(&self) -> &IntegrationId {
        &self.integration
    }

    /// Returns when the first check began that did not find the integration.
    #[must_use]
    pub fn first(&self) -> ObservedAt {
        self.first
    }

    /// Returns when the check began that confirmed the first one.
    #[must_use]
    pub fn again(&self) -> ObservedAt {
        self.again
    }
}

impl Deletion {
    /// Decides about an integration that Kombo does not find now. `first` is the start of the first check that did not
    /// find the integration either, with no readable answer since.
    #[must_use]
    pub fn after(
        integration: &IntegrationId,
        first: Option<ObservedAt>,
        now: NotFound,
        others: Others,
    ) -> Self {
        let look = match others {
            Others::None | Others::Found => SecondLook::default(),
            Others::Missing => SecondLook::after(WHEN_NONE_IS_FOUND),
        };
        let first = first.unwrap_or(now.begun.latest);
        ConfirmedGone::apart(look, integration, first, now)
            .map_or(Self::Deleting { first }, Self::Deleted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600 * 1_000_000;

    fn id() -> IntegrationId {
        IntegrationId::new("tool:a").expect("an id")
    }

    fn environment(name: &str) -> EnvironmentId {
        EnvironmentId::new(name).expect("a name")
    }

    fn at(micros: i64) -> ObservedAt {
        ObservedAt::from_micros(micros)
    }

    fn not_found(begun: i64) -> NotFound {
        let own = environment("own");
        NotFound::judge(at(begun), Some(&own), &own).expect("the same environment")
    }

    fn after(first: Option<i64>, begun: i64, others: Others) -> Deletion {
        Deletion::after(&id(), first.map(at), not_found(begun), others)
    }

    #[test]
    fn one_answer_deletes_nothing_and_neither_do_many_within_a_day() {
        let first = Deletion::Deleting { first: at(5) };
        assert_eq!(after(None, 5, Others::Found), first);
        for begun in [5, 6, DAY, DAY + 4] {
            assert_eq!(after(Some(5), begun, Others::Found), first, "{begun}");
        }
        assert_eq!(after(Some(5), 3, Others::Found), first, "begun before it");
    }

    #[test]
    fn a_second_answer_a_day_later_deletes() {
        for others in [Others::None, Others::Found] {
            let Deletion::Deleted(gone) = after(Some(5), DAY + 5, others) else {
                panic!("{others:?}")
            };
            assert_eq!((gone.first(), gone.again()), (at(5), at(DAY + 5)));
            assert_eq!(gone.integration(), &id());
        }
    }

    #[test]
    fn while_kombo_finds_no_other_integration_either_it_takes_a_week() {
        let waits = Deletion::Deleting { first: at(5) };
        assert_eq!(after(Some(5), 7 * DAY + 4, Others::Missing), waits);
        let deleted = after(Some(5), 7 * DAY + 5, Others::Missing);
        assert!(matches!(deleted, Deletion::Deleted(_)));
    }

    #[test]
    fn the_key_of_another_environment_finds_nothing_and_that_counts_for_nothing() {
        let (own, other) = (environment("own"), environment("other"));
        let judge = |read_in| NotFound::judge(at(5), read_in, &other);
        assert_eq!(judge(Some(&own)), Err(Doubt::OtherEnvironment));
        assert_eq!(judge(None), Err(Doubt::NeverRead));
        assert!(judge(Some(&other)).is_ok());
    }

    #[test]
    fn a_purge_needs_an_answer_a_day_after_the_first() {
        let of = |begun| ConfirmedGone::of(&id(), at(5), not_found(begun));
        assert_eq!(of(DAY + 4), None);
        assert!(of(DAY + 5).is_some());
    }

    #[test]
    fn of_two_clocks_the_one_counts_by_which_less_time_has_passed() {
        const DAY_MS: i64 = DAY / 1_000;
        let own = environment("own");
        let judged = |one_ms, other_ms| {
            let begun = Begun::by(Moment::from_millis(one_ms), Moment::from_millis(other_ms));
            NotFound::judge(begun, Some(&own), &own).expect("the same environment")
        };
        let after = |first, again| Deletion::after(&id(), first, again, Others::Found);
        // The second clock was behind and was corrected.
        let Deletion::Deleting { first } = after(None, judged(5, 5 + DAY_MS)) else {
            panic!("one answer")
        };
        assert_eq!(first, at(5_000 + DAY));
        let hour_later = after(Some(first), judged(9 + DAY_MS, 9 + DAY_MS));
        assert_eq!(hour_later, Deletion::Deleting { first });
        // The second clock jumps ahead.
        let jumped = judged(6 + DAY_MS, 6 + 3 * DAY_MS);
        assert_eq!(after(Some(first), jumped), Deletion::Deleting { first });
        let later = judged(5 + 2 * DAY_MS, 5 + 3 * DAY_MS);
        assert!(matches!(after(Some(first), later), Deletion::Deleted(_)));
    }

    #[test]
    fn one_that_is_found_speaks_for_all_others() {
        assert_eq!(Others::of([]), Others::None);
        assert_eq!(Others::of([false, false]), Others::Missing);
        assert_eq!(Others::of([false, true, false]), Others::Found);
    }
}
