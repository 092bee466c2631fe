//! Signs the webhooks of the world, sends them, and notes the result of each delivery. No webhook is sent twice.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::clock::WorldClock;
use super::settings::HeraldSettings;
use crate::company::TwinWebhook;
use crate::time::Moment;
use crate::webhook::WebhookSecret;

/// Interval between two checks for due webhooks.
const BEAT: Duration = Duration::from_millis(20);

/// Most webhooks in flight at a time.
const MOST_UNDER_WAY: usize = 64;

/// Most deliveries that are remembered. The oldest are dropped beyond it.
const MOST_DELIVERIES: usize = 100_000;

/// One webhook and the result of its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Kombo's id of the event.
    pub id: String,
    /// Type of the webhook.
    pub kind: &'static str,
    /// Id of the integration that the webhook is about.
    pub integration: String,
    /// The changed models that the webhook names.
    pub models: Vec<String>,
    /// Time of the world when the webhook was written.
    pub at: Moment,
    /// Result of the delivery.
    pub fate: Fate,
}

/// Result of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not sent, because the settings lose some webhooks.
    Lost,
    /// Sent and answered with this status.
    Answered(u16),
    /// Sent and not answered, for this reason.
    Unanswered(String),
}

/// The latest deliveries, shared between the sender and its readers.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    all: Arc<Mutex<VecDeque<Delivery>>>,
    noted: Arc<Notify>,
}

impl Deliveries {
    /// Returns the deliveries in the order in which they ended.
    #[must_use]
    pub fn all(&self) -> Vec<Delivery> {
        self.lock().iter().cloned().collect()
    }

    /// Waits until another delivery has ended. Returns at once if one ended since the last wait. For a single waiter.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    fn note(&self, webhook: TwinWebhook, fate: Fate) {
        let mut all = self.lock();
        if all.len() == MOST_DELIVERIES {
            all.pop_front();
        }
        all.push_back(Delivery {
            id: webhook.id,
            kind: webhook.kind,
            integration: webhook.integration.as_str().to_owned(),
            models: webhook.models,
            at: webhook.at,
            fate,
        });
        self.noted.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the webhooks of the world for as long as it is polled. Never returns.
pub(super) async fn proclaim(
    settings: &HeraldSettings,
    secret: &WebhookSecret,
    clock: &WorldClock,
    deliveries: &Deliveries,
) -> Infallible {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    loop {
        beat.tick().await;
        let due = clock.world().webhooks(settings.debounce);
        while under_way.try_join_next().is_some() {}
        for webhook in due {
            if webhook.is_lost(settings.lost_percent) {
                deliveries.note(webhook, Fate::Lost);
                continue;
            }
            if under_way.len() >= MOST_UNDER_WAY {
                under_way.join_next().await;
            }
            let signature = secret.sign(webhook.body.as_bytes());
            let (target, deliveries) = (settings.target.clone(), deliveries.clone());
            under_way.spawn(async move {
                let fate = match target.post(&webhook.body, &signature).await {
                    Ok(status) => Fate::Answered(status),
                    Err(error) => Fate::Unanswered(error.to_string()),
                };
                deliveries.note(webhook, fate);
            });
        }
    }
}
