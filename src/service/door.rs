//! The way from the listener to the loop: one bounded channel, and an answer for each webhook.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::listener::{Intake, Overloaded};
use crate::webhook::Webhook;

/// Webhooks that may wait for the loop. It takes one in microseconds, so a longer queue means that something is wrong.
const WAITING: usize = 1_024;

/// When Kombo may try again after a 503.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// A verified webhook, and who waits to acknowledge it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) webhook: Webhook,
    pub(super) answer: ReplyTo,
}

/// How a webhook is answered.
pub(super) type ReplyTo = oneshot::Sender<Result<(), Overloaded>>;

impl Received {
    /// Answers whoever waits. If nobody does any more, what was decided stands all the same.
    pub(super) fn reply(answer: ReplyTo, result: Result<(), Overloaded>) {
        if answer.send(result).is_err() {
            debug!("whoever sent a webhook did not wait for the answer");
        }
    }
}

/// The listener's end.
#[derive(Clone, Debug)]
pub struct Door(mpsc::Sender<Received>);

/// Makes both ends.
pub(super) fn door() -> (Door, mpsc::Receiver<Received>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Door(sender), receiver)
}

/// Returns what a webhook that cannot be taken now is answered.
pub(super) fn overloaded() -> Overloaded {
    Overloaded {
        retry_after: RETRY_AFTER,
    }
}

impl Intake for Door {
    /// Waits until the loop has set the bits. A full queue is answered at once: Kombo sends again, or the heartbeat finds
    /// the change.
    async fn take(&self, webhook: Webhook) -> Result<(), Overloaded> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.try_send(Received { webhook, answer });
        sent.map_err(|_| overloaded())?;
        // A loop that ended has set no bits.
        answered.await.unwrap_or_else(|_| Err(overloaded()))
    }
}
