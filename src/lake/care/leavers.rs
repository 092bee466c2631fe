//! Finds the deleted integrations that are due to be purged. Asks Kombo nothing: the caller of the purge asks Kombo and
//! passes the answers.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ids::IntegrationId;
use crate::lake::LakeError;
use crate::lake::care::clocks::Clocks;
use crate::lake::ledgers::registry::registered;
use crate::lake::tables::Tables;
use crate::plan::ConfirmedGone;
use crate::sink::Registration;
use crate::time::{Moment, ObservedAt};

/// Which integrations a purge covers, and from what age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeSettings {
    /// An integration is purged this long after the first check that did not find the integration in Kombo.
    pub after: Duration,
    /// Limits the purge to these integrations.
    pub only: Option<BTreeSet<IntegrationId>>,
    /// Includes integrations of `only` that were purged already: what is left of them in earlier versions can be
    /// deleted.
    pub purged_too: bool,
}

impl Default for PurgeSettings {
    fn default() -> Self {
        Self {
            after: Self::AFTER,
            only: None,
            purged_too: false,
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
    /// Integrations that are due. Kombo must be asked about each before the purge.
    pub due: Vec<Registration>,
    /// Integrations that are not due yet, and when each is due.
    pub waiting: Vec<(IntegrationId, Moment)>,
    /// The present for this decision: the earlier of the store's clock and the local clock.
    pub now: Moment,
}

impl Registration {
    /// Returns the start of the first check that did not find the integration.
    #[must_use]
    pub fn not_found_since(&self) -> Option<ObservedAt> {
        let since = Moment::from_millis(self.not_found_since_ms?);
        Some(ObservedAt::from(since))
    }
}

/// Finds the deleted integrations that are due, and those that wait. Changes no table.
pub(in crate::lake) async fn purge_due(
    tables: &Tables,
    settings: &PurgeSettings,
) -> Result<PurgeDue, LakeError> {
    let only = settings.only.as_ref();
    let deleted = registered(tables).await?.into_iter().filter(|known| {
        let is_named = only.is_some_and(|only| only.contains(&known.integration));
        match known.state.as_str() {
            Registration::DELETED => only.is_none() || is_named,
            Registration::PURGED => settings.purged_too && is_named,
            _ => false,
        }
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
        // An entry without a first check was not written by this build.
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

/// Keeps the integrations that the registry still lists as deleted or purged since the same first check. Reason: another process
/// may have found an integration alive after Kombo was asked.
pub(in crate::lake) async fn still_gone(
    tables: &Tables,
    gone: &[ConfirmedGone],
) -> Result<Vec<IntegrationId>, LakeError> {
    let registered = registered(tables).await?;
    let is_gone = |confirmed: &&ConfirmedGone| {
        registered.iter().any(|known| {
            known.integration == *confirmed.integration()
                && [Registration::DELETED, Registration::PURGED].contains(&known.state.as_str())
                && known.not_found_since() == Some(confirmed.first())
        })
    };
    let still = gone.iter().filter(is_gone);
    Ok(still.map(|gone| gone.integration().clone()).collect())
}
