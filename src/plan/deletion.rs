//! When an integration counts as deleted. The rule has this one home; the dispatcher, `backfill` and `purge` ask it.
//!
//! Rows of a deleted integration leave the lake for good, so nothing but Kombo's own word deletes one. A webhook may be
//! forged, sent again or late: it makes us ask and decides nothing. Kombo has to answer `INTEGRATION_NOT_FOUND` to
//! `GET /integrations/{id}` twice, in looks begun at least a day apart, and each time accept the key right after it, in
//! the environment that the integration was read in: a key finds nothing of other environments. Until then the
//! integration is `deleting`, which is neither fetched nor purged. One readable answer ends it, and ends `deleted`, too.
//! A purge rests on a third such answer, asked for right before: a [`ConfirmedGone`].

use std::time::Duration;

use crate::ids::{EnvironmentId, IntegrationId};
use crate::time::{Moment, ObservedAt, SecondLook};

/// The least time between both looks while Kombo finds no other integration of the environment either: that is how a
/// failure at Kombo looks, and seldom how customers leave.
const WHEN_NONE_IS_FOUND: Duration = Duration::from_hours(7 * 24);

/// When a look began, by clocks that may differ. The first of two counts as late as it may have been and the second as
/// early: no clock that jumps, or is put right in between, makes a day of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    earliest: ObservedAt,
    latest: ObservedAt,
}

/// Kombo's answer that there is no such integration, with the right key accepted right after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound {
    begun: Begun,
}

/// Why such an answer counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The integration was never read, so nobody knows which environment it belongs to.
    NeverRead,
    /// It was read with a key of another environment.
    OtherEnvironment,
}

/// Whether Kombo finds the other integrations of the same environment that are not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// There are none.
    None,
    /// It finds at least one.
    Found,
    /// It finds none of them.
    Missing,
}

/// Two such answers, far enough apart: the integration is deleted. Nothing else makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedGone {
    integration: IntegrationId,
    first: ObservedAt,
    again: ObservedAt,
}

/// What becomes of an integration that Kombo does not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It waits for a second look.
    Deleting {
        /// When the first look began that counts.
        first: ObservedAt,
    },
    /// It is deleted.
    Deleted(ConfirmedGone),
}

impl Begun {
    /// Takes what two clocks say.
    #[must_use]
    pub fn by(one: Moment, other: Moment) -> Self {
        Self {
            earliest: one.min(other).into(),
            latest: one.max(other).into(),
        }
    }

    /// Returns the later of both.
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
    /// Judges an answer to a look begun at `begun`. `read_in` is the environment that the integration was read in,
    /// `key_of` the one that Kombo named when it accepted the key right after the answer.
    ///
    /// # Errors
    /// Says why the answer counts for nothing.
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
    /// Returns what happened, in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverRead => "it was never read, so it may belong to another environment",
            Self::OtherEnvironment => "it was read with a key of another environment",
        }
    }
}

impl Others {
    /// Adds all of them up, each with whether Kombo finds it.
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
    /// Returns the proof that an integration is deleted, when the second answer came to a look begun a day after the
    /// first.
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

    /// Returns which integration is deleted.
    #[must_use]
    pub fn integration(&self) -> &IntegrationId {
        &self.integration
    }

    /// Returns when the first look began that did not find it.
    #[must_use]
    pub fn first(&self) -> ObservedAt {
        self.first
    }

    /// Returns when the look began that confirmed the first.
    #[must_use]
    pub fn again(&self) -> ObservedAt {
        self.again
    }
}

impl Deletion {
    /// Works out what becomes of an integration that is not found now. `first` is the beginning of the first look that
    /// did not find it either, with no readable answer since.
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
        // One that was behind, and was put right.
        let Deletion::Deleting { first } = after(None, judged(5, 5 + DAY_MS)) else {
            panic!("one answer")
        };
        assert_eq!(first, at(5_000 + DAY));
        let hour_later = after(Some(first), judged(9 + DAY_MS, 9 + DAY_MS));
        assert_eq!(hour_later, Deletion::Deleting { first });
        // One that jumps ahead.
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
