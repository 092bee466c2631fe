//! Questions about integrations and the key, and what the answers mean.

use std::sync::Arc;

use tracing::{info, warn};

use super::dispatch::{Dispatch, Found, LookFailed};
use super::held::Held;
use super::registry::Registry;
use crate::api::{ApiError, ErrorReach, IntegrationInfo, KomboApi};
use crate::catalog::Endpoint;
use crate::ids::{Category, IntegrationId};

/// What was found out about an integration.
pub(super) struct Look {
    id: IntegrationId,
    answer: Result<Found, LookFailed>,
    held: Held,
}

/// Asks Kombo for an integration, and the sink for what it holds of it.
pub(super) async fn look_at<A: KomboApi, S: Registry>(
    api: Arc<A>,
    sink: S,
    endpoints: Vec<Arc<Endpoint>>,
    id: IntegrationId,
    is_new: bool,
) -> Look {
    let answer = match api.integration(&id).await {
        Ok(info) => Ok(found(&info)),
        Err(error) => {
            warn!(integration.id = %id, error = %error, "asking for the integration failed");
            Err(failed(&error))
        }
    };
    let held = match &answer {
        Ok(Found {
            category: Some(category),
            ..
        }) if is_new => {
            let own = endpoints.into_iter().filter(|e| e.category == *category);
            Held::read(&sink, own.collect()).await
        }
        _ => Held::default(),
    };
    Look { id, answer, held }
}

impl Look {
    /// Hands the answer to the dispatcher.
    pub(super) fn tell(self, dispatch: &mut Dispatch, now_ms: i64) {
        let Self { id, answer, held } = self;
        if let Ok(found) = answer {
            if found.category.is_none() {
                warn!(integration.id = %id, "{id} is of a category that this version does not know; a newer one may");
            }
            info!(integration.id = %id, state = found.standing.as_str(), "asked for the integration");
        }
        dispatch.looked(&id, answer, |table| held.of(table), now_ms);
    }
}

/// Whether Kombo takes the key again.
pub(super) struct KeyLook(Result<(), ApiError>);

/// Asks Kombo whether it takes the key.
pub(super) async fn try_key<A: KomboApi>(api: Arc<A>) -> KeyLook {
    KeyLook(api.check_key().await.map(|_| ()))
}

impl KeyLook {
    /// Returns whether fetching may go on. An answer that says nothing of the key does not hold it up.
    pub(super) fn is_taken(&self) -> bool {
        match &self.0 {
            Ok(()) => true,
            Err(error) => {
                let refused = error.reach() == ErrorReach::Key;
                if refused {
                    warn!(error = %error, advice = error.advice(), "nothing can be fetched");
                }
                !refused && !error.is_retryable()
            }
        }
    }
}

fn found(info: &IntegrationInfo) -> Found {
    Found {
        category: Category::from_name(&info.category),
        standing: info.standing(),
    }
}

fn failed(error: &ApiError) -> LookFailed {
    match (error.reach(), error.standing()) {
        (ErrorReach::Key, _) => LookFailed::Key,
        (_, Some(standing)) => LookFailed::Stands(standing),
        _ => LookFailed::Once,
    }
}
