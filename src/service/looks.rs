//! Questions about integrations and the key, and what the answers mean.

use std::sync::Arc;

use tracing::{info, warn};

use super::dispatch::{Dispatch, FoundIntegration, LookFailed};
use super::held::Held;
use crate::api::{ApiError, ErrorReach, IntegrationInfo, KeyInfo, KomboApi, Looked, look};
use crate::catalog::Endpoint;
use crate::ids::{Category, IntegrationId};
use crate::plan::Begun;
use crate::sink::{Registration, Registry};
use crate::time::Moment;

/// What was found out about an integration.
pub(super) struct Look {
    id: IntegrationId,
    answer: Result<FoundIntegration, LookFailed>,
    held: Held,
    /// Another process has purged its rows.
    purged: bool,
}

/// What a look is for.
pub(super) struct LookOrder {
    pub(super) id: IntegrationId,
    /// Nothing is known of it yet: what the sink holds is asked, too.
    pub(super) is_new: bool,
    /// It counts as deleted: it may be purged meanwhile.
    pub(super) is_deleted: bool,
    /// Now, by Kombo's clock and by ours.
    pub(super) begun: Begun,
}

/// Asks Kombo for an integration, and the sink for what it holds of it.
pub(super) async fn look_at<A: KomboApi, S: Registry>(
    api: Arc<A>,
    sink: S,
    endpoints: Vec<Arc<Endpoint>>,
    order: LookOrder,
) -> Look {
    let LookOrder {
        id,
        is_new,
        is_deleted,
        begun,
    } = order;
    let answer = match look(&*api, &id).await {
        Looked::Found(info) => Ok(found(&info)),
        Looked::NotFound { key_of } => {
            info!(integration.id = %id, environment = %key_of, "asked for the integration: kombo finds none, and accepts the key");
            Err(LookFailed::NotFound { begun, key_of })
        }
        Looked::KeyNotAccepted(error) => {
            warn!(integration.id = %id, error = %error, "kombo finds no integration {id}, and does not accept the key right after: that counts for nothing");
            Err(unanswered(&error))
        }
        Looked::Failed(error) => {
            warn!(integration.id = %id, error = %error, "asking for the integration failed");
            Err(failed(&error))
        }
    };
    let purged = is_deleted && answer.is_ok() && is_purged(&sink, &id).await;
    let held = match &answer {
        Ok(FoundIntegration {
            category: Some(category),
            ..
        }) if is_new => {
            let own = endpoints.into_iter().filter(|e| e.category == *category);
            Held::read(&sink, own.collect()).await
        }
        _ => Held::default(),
    };
    Look {
        id,
        answer,
        held,
        purged,
    }
}

/// Reads whether the registry calls it purged. What cannot be read says nothing: writing it down tells the same.
async fn is_purged(sink: &impl Registry, id: &IntegrationId) -> bool {
    let registered = sink.registered().await.unwrap_or_default();
    let mut known = registered.iter().filter(|known| known.integration == *id);
    known.any(|known| known.state == Registration::PURGED)
}

impl Look {
    /// Hands the answer to the dispatcher.
    pub(super) fn tell(self, dispatch: &mut Dispatch, now: Moment) {
        let Self {
            id,
            answer,
            held,
            purged,
        } = self;
        if purged {
            dispatch.purged_elsewhere(&id, now);
        }
        if let Ok(found) = &answer {
            if found.category.is_none() {
                warn!(integration.id = %id, "{id} is of a category that this version does not know; a newer one may");
            }
            info!(integration.id = %id, state = found.standing.as_str(), "asked for the integration");
        }
        dispatch.looked(&id, answer, |table| held.of(table), now);
    }
}

/// Whether Kombo takes the key, and to which environment it belongs.
pub(super) struct KeyLook {
    answer: Result<KeyInfo, ApiError>,
    /// Which key it was, counted from the start.
    number: u64,
}

/// Asks Kombo whether it takes the key.
pub(super) async fn try_key<A: KomboApi>(api: Arc<A>, number: u64) -> KeyLook {
    KeyLook {
        answer: api.check_key().await,
        number,
    }
}

impl KeyLook {
    /// Hands the answer to the dispatcher. One about a key that is not in use any more says nothing.
    pub(super) fn tell(self, dispatch: &mut Dispatch, now: Moment) {
        if self.number != dispatch.used_key.number {
            return;
        }
        dispatch.key_tried(self.is_taken(), now);
        let environment = self.answer.ok().map(|key| key.environment_id);
        dispatch.key_belongs(environment, now);
    }

    /// Returns whether fetching may go on. An answer that says nothing of the key does not hold it up.
    fn is_taken(&self) -> bool {
        match &self.answer {
            Ok(_) => true,
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

fn found(info: &IntegrationInfo) -> FoundIntegration {
    FoundIntegration {
        category: Category::from_name(&info.category),
        standing: info.standing(),
    }
}

fn failed(error: &ApiError) -> LookFailed {
    match error.standing() {
        Some(standing) => LookFailed::Stands(standing),
        None => unanswered(error),
    }
}

fn unanswered(error: &ApiError) -> LookFailed {
    match error.reach() {
        ErrorReach::Key => LookFailed::Key,
        _ => LookFailed::Once,
    }
}
