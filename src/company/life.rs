//! What happens in a world as its time passes: changes at a rate, and what follows from changes later.
//!
//! Each change has an instant on the clock of the world. It therefore makes no difference in how many steps a test lets
//! time pass, and the same seed and rate give the same changes.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::hash::{below, mix, salt};
use super::journal::Journal;
use super::pending_webhooks::PendingWebhooks;
use crate::ids::{EndpointName, IntegrationId};
use crate::time::Moment;

/// A new integration can be read after this long.
pub(super) const SETUP: Duration = Duration::from_mins(1);

/// A model that was switched off shows its rows as deleted for this long, and then it is refused.
pub(super) const SCOPE_GRACE: Duration = Duration::from_mins(1);

/// How much happens in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRate {
    /// Changes in the whole world per minute of its time.
    pub changes_per_minute: NonZeroU32,
    /// Whether two percent of the changes concern no rows: integrations come, go and pause, models are switched.
    pub turnover: bool,
}

/// What a world does by itself.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub pace: Option<(ChangeRate, Moment)>,
    /// Changes since the pace was set.
    pub lived: u64,
    /// Changes since the start: the number that makes the chance of each change different.
    pub rolled: u64,
    pub due: BTreeMap<(Moment, u64), Sequel>,
    planned: u64,
    pub journal: Journal,
    pub webhooks: PendingWebhooks,
}

/// What follows from a change.
#[derive(Clone, Debug)]
pub(super) enum Sequel {
    /// A deleted record loses its values.
    Anonymise(IntegrationId, EndpointName, u64),
    /// A model whose scope was switched off at this instant is refused.
    Refuse(IntegrationId, EndpointName, Moment),
    /// The first sync of an integration is done.
    Ready(IntegrationId),
}

impl Life {
    /// Plans what follows from a change.
    pub(super) fn plan(&mut self, at: Moment, due: Sequel) {
        self.planned += 1;
        self.due.insert((at, self.planned), due);
    }

    /// Returns when the next change is due. Each change has a slot of time and a random instant in the slot.
    pub(super) fn next_change(&self, seed: u64) -> Option<Moment> {
        let (pace, since) = self.pace?;
        let roll = mix(mix(seed, salt("beat")), self.rolled);
        let beats = u128::from(self.lived) * 60_000 + u128::from(below(60_000, roll));
        let after = beats / u128::from(pace.changes_per_minute.get());
        Some(since + Duration::from_millis(u64::try_from(after).ok()?))
    }
}
