//! The way from the listener to the loop: one bounded channel, and an answer for each webhook.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::debug;

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
