//! What the operator is told when an integration stands otherwise than before.

use tracing::{info, warn};

use super::dispatch::IntegrationNews;
use crate::ids::IntegrationId;
use crate::metrics::Metrics;
use crate::plan::{Standing, Suspicion};

/// Logs and counts what is new.
pub(super) fn tell(news: &IntegrationNews, metrics: &Metrics) {
    match news {
        IntegrationNews::Stands {
            id,
            before,
            standing,
            cause,
        } => {
            let cause = cause.as_str();
            metrics.integration_changed(standing.label(), cause);
            tell_standing(id, before, standing, cause);
        }
        IntegrationNews::Doubted { id, doubt } => {
            let reason = doubt.as_str();
            warn!(integration.id = %id, reason, "kombo finds no integration {id}, and that counts for nothing: {reason}; check that the api key is of the integration's environment");
        }
        IntegrationNews::AmongMany { id } => {
            warn!(integration.id = %id, "kombo finds no other integration of the environment of {id} either: each counts as deleted only when that lasts for a week; ask kombo's support if they were not all deleted");
        }
        IntegrationNews::PurgedAnswers { id } => {
            metrics.purged_readable();
            warn!(integration.id = %id, "kombo answers for {id}, whose rows are purged; to fetch it again run kombo-source backfill --integration {id} and restart the service");
        }
    }
}

fn tell_standing(id: &IntegrationId, before: &Standing, standing: &Standing, cause: &str) {
    let (was, state) = (before.as_str(), standing.as_str());
    match standing {
        Standing::Active if [Standing::Deleting, Standing::Deleted].contains(before) => {
            warn!(integration.id = %id, was, cause, "kombo answers for {id} again: it is not deleted, and it is fetched");
        }
        Standing::Active => info!(integration.id = %id, was, cause, "{id} can be read"),
        Standing::Deleting => {
            warn!(integration.id = %id, state, was, cause, "kombo finds no integration {id}: it is not fetched, its rows stay, and kombo is asked again; it counts as deleted when kombo says the same a day later");
        }
        Standing::Deleted => {
            warn!(integration.id = %id, state, was, cause, "{id} is deleted: kombo has found it no more for a day; its rows stay until a purge, which asks kombo once more; if kombo answers for it again, it is fetched again");
        }
        Standing::Purged => {
            warn!(integration.id = %id, state, was, cause, "the rows of {id} are purged, by another process");
        }
        _ => {
            warn!(integration.id = %id, state, was, cause, "{id} is parked: {state}; its rows stay as they are, and Kombo is asked again");
        }
    }
}

/// Tells that webhooks of an integration are suspected not to arrive, or that they do again.
pub(super) fn tell_alarm(id: &IntegrationId, before: Option<Suspicion>, is: Option<Suspicion>) {
    if let Some(suspicion) = is {
        let reason = suspicion.as_str();
        warn!(integration.id = %id, reason, "webhooks of {id} seem not to arrive; it is polled more often until they do: check the webhook's address and state at Kombo");
    } else {
        let reason = before.map(Suspicion::as_str);
        info!(integration.id = %id, reason, "webhooks of {id} arrive again");
    }
}
