//! What happens by itself as the world's time passes: changes at a pace, and what follows from them later.
//!
//! Everything happens at an instant of its own on the world's clock, so it makes no difference in how many steps a test
//! lets time pass, and the same seed and pace give the same changes.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::customer::ANONYMISED_AFTER_MS;
use super::hash::{below, mix, salt};
use super::journal::Journal;
use super::news::News;
use crate::ids::{EndpointName, IntegrationId};

/// A new integration can be read after this long.
const SETUP_MS: i64 = 60_000;

/// A model that was switched off shows its rows as deleted for this long, and then it is refused.
const SCOPE_GRACE_MS: i64 = 60_000;

/// How much happens in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRate {
    /// Changes in the whole world per minute of its time.
    pub changes_per_minute: NonZeroU32,
    /// Two percent of the changes are no rows: integrations come, go and pause, models are switched off and on.
    pub turnover: bool,
}

/// What a world does by itself.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub pace: Option<(ChangeRate, i64)>,
    /// Changes since the pace was set.
    pub lived: u64,
    /// Changes since the start, so that no two roll the same.
    pub rolled: u64,
    pub due: BTreeMap<(i64, u64), Sequel>,
    planned: u64,
    pub journal: Journal,
    pub news: News,
}

/// What follows from a change.
#[derive(Clone, Debug)]
pub(super) enum Sequel {
    /// A deleted record loses its values.
    Anonymise(IntegrationId, EndpointName, u64),
    /// A model whose scope was switched off at this instant is refused.
    Refuse(IntegrationId, EndpointName, i64),
    /// The first sync of an integration is done.
    Ready(IntegrationId),
}

impl Life {
    /// Plans what follows from a change.
    pub(super) fn plan(&mut self, at_ms: i64, due: Sequel) {
        self.planned += 1;
        self.due.insert((at_ms, self.planned), due);
    }

    /// Plans that a record deleted now loses its values.
    pub(super) fn anonymise_later(
        &mut self,
        now_ms: i64,
        id: &IntegrationId,
        of: &EndpointName,
        index: u64,
    ) {
        let due = Sequel::Anonymise(id.clone(), of.clone(), index);
        self.plan(now_ms.saturating_add(ANONYMISED_AFTER_MS), due);
    }

    /// Plans that a model switched off now is refused.
    pub(super) fn refuse_later(&mut self, now_ms: i64, id: &IntegrationId, of: &EndpointName) {
        let due = Sequel::Refuse(id.clone(), of.clone(), now_ms);
        self.plan(now_ms.saturating_add(SCOPE_GRACE_MS), due);
    }

    /// Plans that an integration made now can be read.
    pub(super) fn ready_later(&mut self, now_ms: i64, id: &IntegrationId) {
        self.plan(now_ms.saturating_add(SETUP_MS), Sequel::Ready(id.clone()));
    }

    /// Returns when the next change by itself is due. Each has a slot of its own and a place in it by chance.
    pub(super) fn next_change_ms(&self, seed: u64) -> Option<i64> {
        let (pace, since_ms) = self.pace?;
        let roll = mix(mix(seed, salt("beat")), self.rolled);
        let beats = u128::from(self.lived) * 60_000 + u128::from(below(60_000, roll));
        let after = beats / u128::from(pace.changes_per_minute.get());
        i64::try_from(after).ok()?.checked_add(since_ms)
    }
}
