//! Asks Kombo about one integration or about the API key, and hands the answer to the dispatcher.

use std::sync::Arc;

use tracing::{info, warn};

use super::dispatch::{Dispatch, FoundIntegration, Heard, LookFailed};
use super::held::Held;
use crate::api::{ApiError, ErrorReach, IntegrationInfo, KeyInfo, KomboApi, Looked, look};
use crate::catalog::Endpoint;
use crate::customer::CustomerInfo;
use crate::ids::{Category, IntegrationId};
use crate::plan::{Begun, Standing};
use crate::sink::{Registration, Registry};
use crate::time::Moment;

/// The answer about one integration.
pub(super) struct Look {
    id: IntegrationId,
    answer: Result<FoundIntegration, LookFailed>,
    held: Held,
    /// Whether another process has purged the rows of the integration.
    purged: bool,
    /// What the answer says of the customer.
    customer: Option<CustomerInfo>,
}

/// Which integration to ask for, and why.
pub(super) struct LookOrder {
    pub(super) id: IntegrationId,
    /// Whether nothing is known of the integration yet. Then the sink is asked as well for what it covers.
    pub(super) is_new: bool,
    /// Whether the integration counts as deleted. Then another process may have purged its rows meanwhile.
    pub(super) is_deleted: bool,
    /// When the check begins, on Kombo's clock and on the local clock.
    pub(super) begun: Begun,
}

/// Asks Kombo for an integration, and asks the sink what it covers if the integration is new.
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
    let mut customer = None;
    let answer = match look(&*api, &id).await {
        Looked::Found(info) => {
            customer = Some(info.customer(&id));
            Ok(found(&info))
        }
        Looked::NotFound { key_of } => {
            info!(integration.id = %id, environment = %key_of, "Kombo finds no integration {id}, and accepts the API key: the integration may be deleted");
            Err(LookFailed::NotFound { begun, key_of })
        }
        Looked::KeyNotAccepted(error) => {
            warn!(integration.id = %id, error = %error, advice = error.advice(), "Kombo finds no integration {id}, but does not accept the API key right after: this is no proof of a deletion");
            Err(unanswered(&error))
        }
        Looked::Failed(error) => {
            warn!(integration.id = %id, error = %error, advice = error.advice(), "asking Kombo for {id} failed; Kombo is asked again later");
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
        customer,
    }
}

/// Returns whether the registry says that the integration is purged. If the registry cannot be read, returns `false`:
/// the next write to the registry returns its current state.
async fn is_purged(sink: &impl Registry, id: &IntegrationId) -> bool {
    let registered = sink.registered().await.unwrap_or_default();
    let mut known = registered.iter().filter(|known| known.integration == *id);
    known.any(|known| known.state == Registration::PURGED)
}

impl Look {
    /// Takes out what the answer says of the customer.
    pub(super) fn customer(&mut self) -> Option<CustomerInfo> {
        self.customer.take()
    }

    /// Hands the answer to the dispatcher, and logs it.
    pub(super) fn tell(self, dispatch: &mut Dispatch, now: Moment) {
        let Self {
            id,
            answer,
            held,
            purged,
            customer: _,
        } = self;
        if purged {
            dispatch.purged_elsewhere(&id, now);
        }
        if let Ok(found) = &answer {
            if found.category.is_none() {
                warn!(integration.id = %id, "{id} has a category that this version does not know, so it is not fetched; a newer version of kombo-source may know the category");
            }
            let state = found.standing.as_str();
            info!(integration.id = %id, state, "Kombo's answer for {id}: the integration is {state}");
        }
        dispatch.looked(&id, answer, |table| held.of(table), now);
    }
}

/// The answer about one candidate.
pub(super) struct CandidateLook {
    id: IntegrationId,
    answer: Heard,
    customer: Option<CustomerInfo>,
}

/// Asks Kombo whether a candidate exists. Nothing that cannot be undone rests on the answer, so one request is enough.
pub(super) async fn look_at_candidate<A: KomboApi>(
    api: Arc<A>,
    id: IntegrationId,
) -> CandidateLook {
    let mut customer = None;
    let answer = match api.integration(&id).await {
        Ok(info) => {
            customer = Some(info.customer(&id));
            Heard::Found(found(&info))
        }
        Err(ApiError::IntegrationGone { .. }) => Heard::NotFound,
        Err(error) => {
            warn!(integration.id = %id, error = %error, advice = error.advice(), "asking Kombo for the candidate {id} failed; Kombo is asked again later");
            // An error without Kombo's own reason may come from a proxy, which says the same of any id.
            let standing = error.standing().filter(|said| *said != Standing::Unstated);
            standing.map_or(Heard::Nothing, Heard::Stands)
        }
    };
    CandidateLook {
        id,
        answer,
        customer,
    }
}

impl CandidateLook {
    /// Takes out what the answer says of the customer.
    pub(super) fn customer(&mut self) -> Option<CustomerInfo> {
        self.customer.take()
    }

    /// Hands the answer to the dispatcher.
    pub(super) fn tell(self, dispatch: &mut Dispatch, now: Moment) {
        dispatch.heard(&self.id, self.answer, now);
    }
}

/// Kombo's first answer about the key of the start. By refusing this key Kombo ends the service: nothing can be fetched, and
/// whoever started the service still looks. A later refusal ends nothing, because webhooks have to be taken.
#[derive(Debug)]
pub(super) enum FirstKey {
    /// No answer came yet.
    Asked,
    /// Kombo refused the key.
    Refused(ApiError),
    /// Another answer came, or a reload.
    Over,
}

/// The answer about the API key: whether Kombo accepts it, and to which environment it belongs.
pub(super) struct KeyLook {
    answer: Result<KeyInfo, ApiError>,
    /// Number of the key, counted from the start of this process.
    number: u64,
}

/// Asks Kombo whether it accepts the API key.
pub(super) async fn try_key<A: KomboApi>(api: Arc<A>, number: u64) -> KeyLook {
    KeyLook {
        answer: api.check_key().await,
        number,
    }
}

impl KeyLook {
    /// Returns the error of an answer by which Kombo refuses the key.
    ///
    /// [`ErrorReach::Key`] includes a redirect and a key that is limited to other addresses.
    pub(super) fn refusal(&self) -> Option<&ApiError> {
        let error = self.answer.as_ref().err();
        error.filter(|error| error.reach() == ErrorReach::Key)
    }

    /// Hands the answer to the dispatcher. An answer about a key that is no longer in use is dropped.
    pub(super) fn tell(self, dispatch: &mut Dispatch, now: Moment) {
        if self.number != dispatch.used_key.number {
            return;
        }
        if self.refusal().is_some() {
            // After a reload no fetch may be due for hours, so the refusal counts without one.
            dispatch.key_refused(now);
        }
        dispatch.key_tried(self.is_taken(), now);
        let environment = self.answer.ok().map(|key| key.environment_id);
        dispatch.key_belongs(environment, now);
    }

    /// Returns whether fetching may go on. Kombo's answer may also be an error that says nothing about the key; then
    /// fetching goes on unless the error is retryable.
    fn is_taken(&self) -> bool {
        match &self.answer {
            Ok(_) => true,
            Err(error) if self.refusal().is_some() => {
                warn!(error = %error, advice = error.advice(), "Kombo refuses the API key: nothing can be fetched");
                false
            }
            Err(error) => {
                warn!(error = %error, advice = error.advice(), "the API key could not be tested, because no usable answer came: the service goes on, and tests the key again in 15 minutes");
                !error.is_retryable()
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
