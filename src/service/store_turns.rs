//! Webhooks that wait until something about their integration is stored, and when the next read or write may begin.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::door::{Received, ReplyTo, overloaded};
use crate::ids::IntegrationId;
use crate::sink::SinkError;
use crate::words::with_causes;

/// The most webhooks that wait for one store. Further ones are answered 503.
const WAITING: usize = 1_024;

/// How long to wait after a failed read or write.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// At most one read or write at a time, and the webhooks that share its result.
#[derive(Debug, Default)]
pub(super) struct StoreTurns {
    waiting: Vec<(IntegrationId, ReplyTo)>,
    busy: bool,
    not_before: Option<Instant>,
}

impl StoreTurns {
    /// Returns whether a read or write may begin now.
    pub(super) fn is_free(&self) -> bool {
        !self.busy && self.not_before.is_none_or(|at| at <= Instant::now())
    }

    /// Notes that a read or write begins.
    pub(super) fn begin(&mut self) {
        self.busy = true;
    }

    /// Notes that a read or write has ended.
    pub(super) fn end(&mut self) {
        self.busy = false;
    }

    /// Lets the next read or write begin at once, because the last one succeeded.
    pub(super) fn succeeded(&mut self) {
        self.not_before = None;
    }

    /// Puts the next read or write off after an error, and logs the error.
    pub(super) fn put_off(&mut self, error: &SinkError, what: &str) {
        let advice = error.advice();
        warn!(
            error = with_causes(error),
            advice,
            "{what}; the next try is in {} s",
            RETRY_AFTER.as_secs()
        );
        self.not_before = Some(Instant::now() + RETRY_AFTER);
    }

    /// Keeps a webhook waiting. Gives the answer channel back if too many wait.
    pub(super) fn wait(&mut self, id: IntegrationId, answer: ReplyTo) -> Result<(), ReplyTo> {
        if self.waiting.len() >= WAITING {
            return Err(answer);
        }
        self.waiting.push((id, answer));
        Ok(())
    }

    /// Answers the webhooks that need not wait any longer: 200 to those that are stored, 503 to those that are refused
    /// and, after a failure, to all others.
    pub(super) fn answer(
        &mut self,
        is_stored: impl Fn(&IntegrationId) -> bool,
        is_refused: impl Fn(&IntegrationId) -> bool,
    ) {
        let failed = self.not_before.is_some();
        for (id, answer) in std::mem::take(&mut self.waiting) {
            if is_stored(&id) {
                Received::reply(answer, Ok(()));
            } else if failed || is_refused(&id) {
                Received::reply(answer, Err(overloaded()));
            } else {
                self.waiting.push((id, answer));
            }
        }
    }
}
