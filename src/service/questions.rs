//! The questions that the sink's chores ask Kombo. They use the service's API client, so all requests share one budget.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::api::{ApiError, IntegrationInfo, KomboApi, Looked, look};
use crate::chore::{NoAnswer, Questions, Stands};
use crate::customer::{CustomerInfo, ModelAccess};
use crate::ids::{EndpointName, IntegrationId};
use crate::versions::guard::HoldCause;
use crate::words::with_causes;

/// The most answers that wait for the chore that writes them.
const OVERHEARD: usize = 1_000;

/// Asks over the API client in use. A reload swaps the client, also for a chore that is running.
pub struct ApiQuestions<A> {
    api: Arc<RwLock<Arc<A>>>,
    overheard: Arc<Mutex<BTreeMap<IntegrationId, CustomerInfo>>>,
}

impl<A> Clone for ApiQuestions<A> {
    fn clone(&self) -> Self {
        Self {
            api: Arc::clone(&self.api),
            overheard: Arc::clone(&self.overheard),
        }
    }
}

impl<A> ApiQuestions<A> {
    /// Returns questions over this client.
    pub fn new(api: Arc<A>) -> Self {
        Self {
            api: Arc::new(RwLock::new(api)),
            overheard: Arc::default(),
        }
    }

    pub(super) fn swap(&self, api: Arc<A>) {
        *self.api.write().unwrap_or_else(PoisonError::into_inner) = api;
    }

    /// Keeps what an answer to another question says of a customer. With too many, the answer is dropped: the customer is
    /// asked about within a day anyway.
    pub(super) fn overhear(&self, said: Option<CustomerInfo>) {
        let mut overheard = self
            .overheard
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = said.filter(|_| overheard.len() < OVERHEARD) {
            overheard.insert(said.integration.clone(), said);
        }
    }

    fn api(&self) -> Arc<A> {
        // Only complete clients are swapped in, so the value is valid after a panic elsewhere.
        Arc::clone(&self.api.read().unwrap_or_else(PoisonError::into_inner))
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

    fn customer<'a>(
        &'a self,
        integration: &'a IntegrationId,
    ) -> BoxFuture<'a, Option<CustomerInfo>> {
        async move {
            let api = self.api();
            let info = api.integration_at_leisure(integration).await.ok()?;
            Some(info.customer(integration))
        }
        .boxed()
    }

    fn overheard(&self) -> Vec<CustomerInfo> {
        let mut overheard = self
            .overheard
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *overheard).into_values().collect()
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
