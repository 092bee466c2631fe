//! The way from the listener to the loop: one bounded channel, and an answer for each webhook.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::api::SendingRight;
use crate::listener::{Intake, Overloaded};
use crate::trouble::RefusedWebhooks;
use crate::webhook::Webhook;

/// The most webhooks that wait for the loop. The loop handles a webhook in microseconds, so a longer queue means a
/// fault.
const WAITING: usize = 1_024;

/// After how long Kombo may try again, sent with a 503.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// A verified webhook, and the channel for its answer.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) webhook: Webhook,
    pub(super) answer: ReplyTo,
}

/// The channel for the answer to a webhook.
pub(super) type ReplyTo = oneshot::Sender<Result<(), Overloaded>>;

impl Received {
    /// Answers a webhook. If the sender no longer waits, the tables that the webhook marked stay marked.
    pub(super) fn reply(answer: ReplyTo, result: Result<(), Overloaded>) {
        if answer.send(result).is_err() {
            debug!("the sender of a webhook did not wait for the answer");
        }
    }
}

/// The listener's end of the channel.
#[derive(Clone, Debug)]
pub struct Door {
    inbox: mpsc::Sender<Received>,
    counts: Arc<RefusedWebhooks>,
}

/// What a listener hands its webhooks to, whether a loop runs or not.
#[derive(Debug)]
pub struct Entrance {
    door: RwLock<Option<Door>>,
    right: SendingRight,
    counts: Arc<RefusedWebhooks>,
}

impl Entrance {
    /// Makes an entrance without a loop. Webhooks are acknowledged only while `right` holds.
    pub(super) fn closed(right: SendingRight, counts: Arc<RefusedWebhooks>) -> Self {
        let door = RwLock::new(None);
        Self {
            door,
            right,
            counts,
        }
    }

    /// Lets webhooks in to a loop.
    pub(super) fn open(&self, door: Door) {
        *self.door.write().unwrap_or_else(PoisonError::into_inner) = Some(door);
    }

    /// Refuses webhooks from now on.
    pub(super) fn close(&self) {
        *self.door.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn right(&self) -> SendingRight {
        self.right.clone()
    }
}

impl Intake for Entrance {
    /// Passes a webhook on. The right is checked after the loop has marked the tables: a holder that comes later fetches all
    /// tables, and so what this webhook told. Without the right, a holder that came before may have fetched them already.
    async fn take(&self, webhook: Webhook) -> Result<(), Overloaded> {
        let door = {
            let open = self.door.read().unwrap_or_else(PoisonError::into_inner);
            open.clone()
        };
        let Some(door) = door else {
            return Err(overloaded());
        };
        door.take(webhook).await?;
        if self.right.holds() {
            Ok(())
        } else {
            Err(overloaded())
        }
    }

    fn refused(&self) {
        self.counts.refused();
    }
}

/// Returns both ends of the channel.
pub(super) fn door(counts: Arc<RefusedWebhooks>) -> (Door, mpsc::Receiver<Received>) {
    let (inbox, receiver) = mpsc::channel(WAITING);
    (Door { inbox, counts }, receiver)
}

/// Returns the answer for a webhook that cannot be taken now.
pub(super) fn overloaded() -> Overloaded {
    Overloaded {
        retry_after: RETRY_AFTER,
    }
}

impl Intake for Door {
    /// Waits until the loop has marked the tables. A full queue is answered 503 at once: Kombo sends the webhook again,
    /// or the heartbeat finds the change.
    async fn take(&self, webhook: Webhook) -> Result<(), Overloaded> {
        let (answer, answered) = oneshot::channel();
        self.counts.taken();
        let sent = self.inbox.try_send(Received { webhook, answer });
        sent.map_err(|_| overloaded())?;
        // If the loop has ended, it has marked no table, so the webhook must not be acknowledged.
        answered.await.unwrap_or_else(|_| Err(overloaded()))
    }

    fn refused(&self) {
        self.counts.refused();
    }
}
