//! The questions that the sink's chores ask Kombo. They use the service's API client, so all requests share one budget.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::api::{ApiError, IntegrationInfo, KomboApi, Looked, look};
use crate::chore::{NoAnswer, Questions, Stands};
use crate::customer::ModelAccess;
use crate::ids::{EndpointName, IntegrationId};
use crate::versions::guard::HoldCause;
use crate::words::with_causes;

/// Asks over the API client in use. A reload swaps the client, also for a chore that is running.
pub struct ApiQuestions<A>(Arc<RwLock<Arc<A>>>);

impl<A> Clone for ApiQuestions<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> ApiQuestions<A> {
    /// Returns questions over this client.
    pub fn new(api: Arc<A>) -> Self {
        Self(Arc::new(RwLock::new(api)))
    }

    pub(super) fn swap(&self, api: Arc<A>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = api;
    }

    fn api(&self) -> Arc<A> {
        // Only complete clients are swapped in, so the value is valid after a panic elsewhere.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<A: KomboApi> Questions for ApiQuestions<A> {
    fn stands<'a>(&'a self, integration: &'a IntegrationId) -> BoxFuture<'a, Stands> {
        async move {
            match look(&*self.api(), integration).await {
                Looked::Found(info) => Stands::As(info.standing()),
                Looked::NotFound { key_of } => Stands::NotFound { key_of },
                Looked::KeyNotAccepted(error) => Stands::KeyNotAccepted(no_answer(&error)),
                Looked::Failed(error) => match error.standing() {
                    Some(standing) => Stands::As(standing),
                    None => Stands::Unanswered(no_answer(&error)),
                },
            }
        }
        .boxed()
    }

    fn why_gone<'a>(
        &'a self,
        integration: &'a IntegrationId,
        endpoint: &'a EndpointName,
    ) -> BoxFuture<'a, Option<(HoldCause, &'static str)>> {
        async move {
            let info = self.api().integration(integration).await.ok()?;
            reason(&info, &endpoint.table_name())
        }
        .boxed()
    }
}

fn no_answer(error: &ApiError) -> NoAnswer {
    NoAnswer {
        message: with_causes(error),
        advice: error.advice(),
    }
}

/// Returns why rows of a model may be gone, as Kombo says it. Kombo names a model as its table, such as `ats_tags`.
fn reason(info: &IntegrationInfo, model: &str) -> Option<(HoldCause, &'static str)> {
    let is_off = |known: &ModelAccess| known.id == model && !known.is_available();
    if info.read_models.iter().any(is_off) {
        let why = "Kombo reports the model as switched off or not available";
        return Some((HoldCause::ScopeOff, why));
    }
    let why = "Kombo reports changed scopes or filters, and has not synced the data again yet";
    info.data_expired_at
        .as_ref()
        .map(|_| (HoldCause::DataExpired, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::{Access, EndUser};
    use crate::time::ObservedAt;

    fn info(model: &str, is_available: bool, expired: bool) -> IntegrationInfo {
        IntegrationInfo {
            tool: "lever".to_owned(),
            category: "ATS".to_owned(),
            status: "ACTIVE".to_owned(),
            setup_status: None,
            data_expired_at: expired.then(|| "2026-01-05T08:00:00.000Z".to_owned()),
            read_models: vec![ModelAccess {
                id: model.to_owned(),
                access: Access {
                    is_available,
                    ..Access::default()
                },
                fields: Vec::new(),
            }],
            end_user: EndUser::default(),
            observed_at: ObservedAt::from_micros(0),
        }
    }

    #[test]
    fn a_switched_off_model_explains_its_own_table_and_expired_data_any() {
        let cause = |info: &IntegrationInfo| reason(info, "ats_tags").map(|(cause, _)| cause);
        let off = info("ats_tags", false, true);
        assert_eq!(cause(&off), Some(HoldCause::ScopeOff));
        assert_eq!(cause(&info("ats_jobs", false, false)), None);
        assert_eq!(cause(&info("ats_tags", true, false)), None);
        let expired = info("ats_tags", true, true);
        assert_eq!(cause(&expired), Some(HoldCause::DataExpired));
    }
}
