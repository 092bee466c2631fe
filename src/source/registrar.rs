//! Writing integrations down before their first webhook is acknowledged: many at once, one log entry.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::dispatch::Dispatch;
use super::intake::{Answer, Received, overloaded};
use super::registry::Registry;
use crate::ids::IntegrationId;
use crate::lake::{LakeError, Registration};

/// Webhooks that wait for the registry. More are answered 503.
const WAITING: usize = 1_024;

/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Who waits for the registry, and whether it is being written.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    waiting: Vec<(IntegrationId, Answer)>,
    busy: bool,
    not_before: Option<Instant>,
}

/// A write that ended.
pub(super) struct Saved {
    rows: Vec<Registration>,
    result: Result<Vec<Registration>, LakeError>,
}

impl Registrar {
    /// Returns whether the registry may be written now.
    pub(super) fn is_free(&self) -> bool {
        !self.busy && self.not_before.is_none_or(|at| at <= Instant::now())
    }

    /// Lets a webhook wait until its integration is written down; gives it back when too many wait.
    pub(super) fn wait(&mut self, id: IntegrationId, answer: Answer) -> Result<(), Answer> {
        if self.waiting.len() >= WAITING {
            return Err(answer);
        }
        self.waiting.push((id, answer));
        Ok(())
    }

    /// Begins to write rows.
    pub(super) fn save<S: Registry>(
        &mut self,
        sink: S,
        rows: Vec<Registration>,
    ) -> impl Future<Output = Saved> + Send + use<S> {
        self.busy = true;
        async move {
            let result = sink.register(&rows).await;
            Saved { rows, result }
        }
    }

    /// Takes in how a write ended, and answers those it was for.
    pub(super) fn saved(&mut self, saved: Saved, dispatch: &mut Dispatch, now_ms: i64) {
        self.busy = false;
        let Saved { rows, result } = saved;
        match result {
            Ok(stand) => {
                dispatch.saved(&rows, &stand, now_ms);
                self.not_before = None;
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    advice = error.advice(),
                    "integrations cannot be written down"
                );
                self.not_before = Some(Instant::now() + RETRY_AFTER);
            }
        }
        let failed = self.not_before.is_some();
        for (id, answer) in std::mem::take(&mut self.waiting) {
            // One that is not fetched any more since a reload has nothing to wait for.
            if dispatch.is_registered(&id) || !dispatch.knows(&id) {
                Received::reply(answer, Ok(()));
            } else if failed {
                Received::reply(answer, Err(overloaded()));
            } else {
                self.waiting.push((id, answer));
            }
        }
    }
}
