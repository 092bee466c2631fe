//! Which tables a backfill fetches: the integrations it is given, times the endpoints of their category.

use std::pin::pin;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::api::{ApiError, ErrorReach, IntegrationInfo, KomboApi};
use crate::catalog::Endpoint;
use crate::ids::{Category, IntegrationId, TableId};
use crate::plan::Doubt;
use crate::sink::SinkError;
use crate::time::{Moment, ObservedAt};

/// One table to fetch.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which table.
    pub table: TableId,
    /// Its columns and filters.
    pub endpoint: Arc<Endpoint>,
    /// The server's time when Kombo was asked for the integration: what ages are measured against.
    pub asked_at: ObservedAt,
    /// The same instant on the monotonic clock.
    pub asked: Instant,
}

impl Target {
    /// Returns the server's time now.
    #[must_use]
    pub fn server_now(&self) -> Moment {
        self.asked_at.moment() + self.asked.elapsed()
    }
}

/// An integration that Kombo knows, and its tables.
#[derive(Debug)]
pub struct KnownIntegration {
    /// Its id.
    pub id: IntegrationId,
    /// Its API family.
    pub category: Category,
    /// What Kombo says of it.
    pub info: IntegrationInfo,
    /// Its tables among the selected endpoints.
    pub targets: Vec<Target>,
}

/// An integration that cannot be fetched.
#[derive(Debug)]
pub struct UnknownIntegration {
    /// Its id.
    pub id: IntegrationId,
    /// Why not.
    pub reason: UnknownReason,
}

/// Why an integration cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownReason {
    /// Kombo did not answer for it.
    #[error("asking Kombo for the integration failed")]
    Api(#[source] ApiError),
    /// Kombo finds no such integration, and what is made of that.
    #[error(transparent)]
    Missing(Missing),
    /// Another integration failed in a way that this one would have, too.
    #[error("it was not asked for: the API key failed for another integration")]
    NotAsked,
    /// The lake does not take it.
    #[error("it cannot be kept in this lake")]
    Refused(#[source] SinkError),
    /// A category this build has no endpoints for.
    #[error("its category is none of ATS, HRIS, LMS and ASSESSMENT")]
    Category,
}

/// What is made of an integration that Kombo does not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It waits for a second look.
    #[error(
        "kombo finds no such integration; its rows stay, and it counts as deleted when kombo says the same a day later"
    )]
    Deleting,
    /// It is deleted.
    #[error(
        "kombo has found no such integration for a day: it is deleted, and its rows stay until a purge"
    )]
    Deleted,
    /// That counts for nothing.
    #[error("kombo finds no such integration, and that counts for nothing: {}", .0.as_str())]
    Doubted(Doubt),
}

impl Missing {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Deleting => {
                "run it again in a day; if nobody deleted it, check that the key is of its environment and region"
            }
            Self::Deleted => {
                "kombo-source purge shows when its rows leave; take it out of integrations where the configuration names it"
            }
            Self::Doubted(_) => {
                "check that the API key is of the integration's environment, and run it again"
            }
        }
    }
}

impl UnknownReason {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Api(error) => error.advice(),
            Self::Missing(missing) => missing.advice(),
            Self::Refused(error) => error.advice(),
            Self::NotAsked => "mend what the other integration's error says, then run again",
            Self::Category => "leave it out, or use a newer version that knows the category",
        }
    }
}

/// Asks Kombo what each integration is, and pairs it with the selected endpoints of its category.
///
/// A rejected API key ends the asking: the answer would be the same for all.
pub async fn resolve(
    api: &impl KomboApi,
    integrations: &[IntegrationId],
    endpoints: &[Arc<Endpoint>],
    concurrency: usize,
) -> (Vec<KnownIntegration>, Vec<UnknownIntegration>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let asked = integrations
        .iter()
        .map(|id| async move { (id, api.integration(id).await) });
    let mut answers = pin!(stream::iter(asked).buffered(concurrency.max(1)));
    let mut stopped = false;
    while !stopped && let Some((id, answer)) = answers.next().await {
        let reason = match answer {
            Ok(info) => match Category::from_name(&info.category) {
                Some(category) => {
                    known.push(with_targets(id, category, info, endpoints));
                    continue;
                }
                None => UnknownReason::Category,
            },
            Err(error) => {
                stopped = error.reach() == ErrorReach::Key;
                UnknownReason::Api(error)
            }
        };
        unknown.push(UnknownIntegration {
            id: id.clone(),
            reason,
        });
    }
    let asked = known.len() + unknown.len();
    unknown.extend(
        integrations
            .iter()
            .skip(asked)
            .map(|id| UnknownIntegration {
                id: id.clone(),
                reason: UnknownReason::NotAsked,
            }),
    );
    (known, unknown)
}

fn with_targets(
    id: &IntegrationId,
    category: Category,
    info: IntegrationInfo,
    endpoints: &[Arc<Endpoint>],
) -> KnownIntegration {
    let own = endpoints
        .iter()
        .filter(|endpoint| endpoint.category == category);
    let targets = own
        .map(|endpoint| Target {
            table: TableId {
                integration: id.clone(),
                endpoint: endpoint.name().clone(),
            },
            endpoint: Arc::clone(endpoint),
            asked_at: info.observed_at,
            asked: Instant::now(),
        })
        .collect();
    KnownIntegration {
        id: id.clone(),
        category,
        info,
        targets,
    }
}
