//! Which tables a backfill fetches: the given integrations, times the endpoints of their category.

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
    /// The table.
    pub table: TableId,
    /// Columns and filters of the table.
    pub endpoint: Arc<Endpoint>,
    /// The server's time when Kombo was asked for the integration. Ages are measured against it.
    pub asked_at: ObservedAt,
    /// The instant of `asked_at` on the monotonic clock.
    pub asked: Instant,
}

impl Target {
    /// Returns the server's current time.
    #[must_use]
    pub fn server_now(&self) -> Moment {
        self.asked_at.moment() + self.asked.elapsed()
    }
}

/// An integration that Kombo knows, with its tables.
#[derive(Debug)]
pub struct KnownIntegration {
    /// Integration id.
    pub id: IntegrationId,
    /// API category of the integration.
    pub category: Category,
    /// Kombo's answer about the integration.
    pub info: IntegrationInfo,
    /// Tables of the integration among the selected endpoints.
    pub targets: Vec<Target>,
}

/// An integration that cannot be fetched.
#[derive(Debug)]
pub struct UnknownIntegration {
    /// Integration id.
    pub id: IntegrationId,
    /// Why the integration cannot be fetched.
    pub reason: UnknownReason,
}

/// Why an integration cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownReason {
    /// Kombo did not answer the question for the integration.
    #[error("asking Kombo for the integration failed")]
    Api(#[source] ApiError),
    /// Kombo finds no such integration. Holds the consequence.
    #[error(transparent)]
    Missing(Missing),
    /// The integration was not asked for: the failure of another one applies to it as well.
    #[error("Kombo was not asked: it refused the API key for another integration")]
    NotAsked,
    /// The lake refuses the integration.
    #[error("the lake refuses the integration")]
    Refused(#[source] SinkError),
    /// This version has no endpoints for the category of the integration.
    #[error("the category of the integration is none of ATS, HRIS, LMS and ASSESSMENT")]
    Category,
}

/// The consequence when Kombo does not find an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The integration counts as deleted when a second check, a day later, does not find it either.
    #[error(
        "Kombo finds no such integration; its rows stay, and it counts as deleted when Kombo gives the same answer a day later"
    )]
    Deleting,
    /// The integration is deleted.
    #[error(
        "Kombo has found no such integration for at least a day: it is deleted, and its rows stay until a purge"
    )]
    Deleted,
    /// The answer is no proof of a deletion, for the given reason.
    #[error("Kombo finds no such integration, but this is no proof of a deletion: {}", .0.as_str())]
    Doubted(Doubt),
}

impl Missing {
    /// Returns one sentence that tells the operator what to do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Deleting => {
                "run the backfill again in a day; if nobody deleted the integration, check that the API key belongs to its environment and region"
            }
            Self::Deleted => {
                "run kombo-source purge to see when its rows are deleted; remove the integration from the configuration if it is named there"
            }
            Self::Doubted(_) => {
                "check that the API key belongs to the integration's environment, and run the backfill again"
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
            Self::NotAsked => "fix the error of the other integration, then run the backfill again",
            Self::Category => {
                "remove the integration from the configuration, or use a newer version of kombo-source that knows the category"
            }
        }
    }
}

/// Asks Kombo for each integration, and pairs it with the selected endpoints of its category.
///
/// A refused API key ends the questions, because the answer would be the same for every integration.
pub async fn resolve(
    api: &impl KomboApi,
    integrations: &[IntegrationId],
    endpoints: &[Arc<Endpoint>],
    concurrency: usize,
) -> (Vec<KnownIntegration>, Vec<UnknownIntegration>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let asked = integrations
        .iter()
        .map(|id| async move { (id, api.integration_at_leisure(id).await) });
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
