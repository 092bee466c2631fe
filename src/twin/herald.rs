//! Sends the world's webhooks, signed, and notes what became of each. None is sent twice: what is lost is lost.

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

/// How often the world is asked for news.
const BEAT: Duration = Duration::from_millis(20);

/// Webhooks under way at a time.
const MOST_UNDER_WAY: usize = 64;

/// Deliveries beyond so many are forgotten, the oldest first.
const MOST_DELIVERIES: usize = 100_000;

/// One webhook, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Kombo's id of the event.
    pub id: String,
    /// Its type.
    pub kind: &'static str,
    /// Whom it is about.
    pub integration: String,
    /// The models it names.
    pub models: Vec<String>,
    /// The world's time when it was written.
    pub at: Moment,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Never sent, since some are to be lost.
    Lost,
    /// Sent, and answered with this status.
    Answered(u16),
    /// Sent, and not answered, for this reason.
    Unanswered(String),
}

/// The latest deliveries, shared with whoever asks for them.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    all: Arc<Mutex<VecDeque<Delivery>>>,
    noted: Arc<Notify>,
}

impl Deliveries {
    /// Returns the deliveries, those that ended first first.
    #[must_use]
    pub fn all(&self) -> Vec<Delivery> {
        self.lock().iter().cloned().collect()
    }

    /// Waits until another one has ended; at once when that happened since the last wait. For one who waits.
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

/// Sends what the world has to tell for as long as it is polled. Never returns.
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
