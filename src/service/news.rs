//! Logs and counts when the state of an integration changes.

use tracing::{info, warn};

use super::dispatch::{IntegrationNews, Refused};
use crate::ids::IntegrationId;
use crate::metrics::Metrics;
use crate::plan::{Standing, Suspicion};

/// Logs and counts one change.
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
            warn!(integration.id = %id, reason, "Kombo finds no integration {id}, but this is no proof of a deletion: {reason}; check that the API key belongs to the integration's environment");
        }
        IntegrationNews::AmongMany { id } => {
            warn!(integration.id = %id, "Kombo finds no other integration of the environment of {id} either: each counts as deleted only when this lasts for a week; ask Kombo's support if not all of them were deleted");
        }
        IntegrationNews::Confirmed { id, standing } => {
            let state = standing.as_str();
            info!(integration.id = %id, state, "Kombo confirms the new integration {id}: it is {state}");
        }
        IntegrationNews::Dropped { id, why } => {
            let reason = why.as_str();
            metrics.candidate_refused(reason);
            warn!(integration.id = %id, reason, "a signed webhook named {id}, but Kombo does not confirm it ({reason}): it is not fetched until another webhook names it; if it is your customer, check that the API key belongs to its environment; if there are many such ids, replace the webhook secret");
        }
        IntegrationNews::Refused(Refused::One(id)) => {
            warn!(integration.id = %id, "a webhook of the new integration {id} was answered 503, because too many integrations wait for Kombo's confirmation; if it is your customer, run kombo-source backfill --integration {id} and restart the service; if you do not expect that many new customers, replace the webhook secret");
        }
        IntegrationNews::Refused(Refused::More(webhooks)) => {
            warn!(
                webhooks,
                "{webhooks} more webhooks of new integrations were answered 503 within 10 s, because too many integrations wait for Kombo's confirmation"
            );
        }
        IntegrationNews::PurgedAnswers { id } => {
            metrics.purged_readable();
            warn!(integration.id = %id, "Kombo answers for {id}, whose rows are purged; to fetch it again run kombo-source backfill --integration {id} and restart the service");
        }
    }
}

fn tell_standing(id: &IntegrationId, before: &Standing, standing: &Standing, cause: &str) {
    let (was, state) = (before.as_str(), standing.as_str());
    match standing {
        Standing::Active if [Standing::Deleting, Standing::Deleted].contains(before) => {
            warn!(integration.id = %id, was, cause, "Kombo answers for {id} again: the integration is not deleted, and it is fetched");
        }
        Standing::Active => {
            info!(integration.id = %id, was, cause, "{id} is active: its tables can be fetched");
        }
        Standing::Deleting => {
            warn!(integration.id = %id, state, was, cause, "Kombo finds no integration {id}: it is not fetched, its rows stay, and Kombo is asked again; it counts as deleted when Kombo gives the same answer a day later");
        }
        Standing::Deleted => {
            warn!(integration.id = %id, state, was, cause, "{id} is deleted: Kombo has not found it for at least a day; its rows stay until a purge, which asks Kombo again; if Kombo answers for {id} again, it is fetched again");
        }
        Standing::Purged => {
            warn!(integration.id = %id, state, was, cause, "another process has purged the rows of {id}");
        }
        _ => {
            warn!(integration.id = %id, state, was, cause, "{id} is parked: {state}; it is not fetched, its rows stay as they are, and Kombo is asked again");
        }
    }
}

/// Logs that webhooks of an integration seem not to arrive, or that they arrive again.
pub(super) fn tell_alarm(id: &IntegrationId, before: Option<Suspicion>, is: Option<Suspicion>) {
    if let Some(suspicion) = is {
        let reason = suspicion.as_str();
        warn!(integration.id = %id, reason, "webhooks of {id} seem not to arrive; {id} is polled more often until they do: check the webhook's address and state at Kombo");
    } else {
        let reason = before.map(Suspicion::as_str);
        info!(integration.id = %id, reason, "webhooks of {id} arrive again");
    }
}
