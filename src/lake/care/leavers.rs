//! Which deleted integrations may be purged, and from when on. Nothing here asks Kombo: whoever purges does, and brings
//! its answers.

use std::time::Duration;

use crate::ids::IntegrationId;
use crate::lake::LakeError;
use crate::lake::care::clocks::Clocks;
use crate::lake::ledgers::registry::registered;
use crate::lake::tables::Tables;
use crate::plan::ConfirmedGone;
use crate::sink::Registration;
use crate::time::{Moment, ObservedAt};

/// Whose rows leave, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeSettings {
    /// How long after the first look that did not find it an integration is purged.
    pub after: Duration,
    /// Only this one.
    pub only: Option<IntegrationId>,
}

impl Default for PurgeSettings {
    fn default() -> Self {
        Self {
            after: Self::AFTER,
            only: None,
        }
    }
}

impl PurgeSettings {
    /// How long Kombo itself keeps the data of a deleted integration.
    pub const AFTER: Duration = Duration::from_hours(14 * 24);
}

/// The deleted integrations.
#[derive(Clone, Debug, Default)]
pub struct PurgeDue {
    /// Those whose time has come. Kombo has to be asked for each before it is purged.
    pub due: Vec<Registration>,
    /// Those whose time is still to come, and when that is.
    pub waiting: Vec<(IntegrationId, Moment)>,
    /// When that was found, by the earlier of the store's clock and ours.
    pub now: Moment,
}

impl Registration {
    /// Returns when the first look began that did not find it.
    #[must_use]
    pub fn not_found_since(&self) -> Option<ObservedAt> {
        let since = Moment::from_millis(self.not_found_since_ms?);
        Some(ObservedAt::from(since))
    }
}

/// Finds the deleted integrations whose time has come, and those that wait. Writes nothing to any table.
pub(in crate::lake) async fn purge_due(
    tables: &Tables,
    settings: &PurgeSettings,
) -> Result<PurgeDue, LakeError> {
    let only = settings.only.as_ref();
    let deleted = registered(tables).await?.into_iter().filter(|known| {
        known.state == Registration::DELETED && only.is_none_or(|only| *only == known.integration)
    });
    let deleted: Vec<Registration> = deleted.collect();
    if deleted.is_empty() {
        return Ok(PurgeDue::default());
    }
    let now = Clocks::read(tables).await?.earlier;
    let mut found = PurgeDue {
        now,
        ..PurgeDue::default()
    };
    for known in deleted {
        // One without a first look is none that this build has written.
        let since = known.not_found_since_ms.map_or(now, Moment::from_millis);
        let due = since + settings.after;
        if due <= now {
            found.due.push(known);
        } else {
            found.waiting.push((known.integration, due));
        }
    }
    Ok(found)
}

/// Keeps those that the registry still calls deleted since the same first look: somebody may have found one alive
/// since Kombo was asked.
pub(in crate::lake) async fn still_gone(
    tables: &Tables,
    gone: &[ConfirmedGone],
) -> Result<Vec<IntegrationId>, LakeError> {
    let registered = registered(tables).await?;
    let is_gone = |confirmed: &&ConfirmedGone| {
        registered.iter().any(|known| {
            known.integration == *confirmed.integration()
                && known.state == Registration::DELETED
                && known.not_found_since() == Some(confirmed.first())
        })
    };
    let still = gone.iter().filter(is_gone);
    Ok(still.map(|gone| gone.integration().clone()).collect())
}
