//! Writing integrations down before their first webhook is acknowledged: many at once, one log entry.
//!
//! One that the registry refuses is let go, and the others of its batch are written down. A registry that cannot be read
//! at the start is read again until it can be; until then nothing is written down, so no webhook of an integration that
//! only the registry would know is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::dispatch::Dispatch;
use super::door::{Received, ReplyTo, overloaded};
use super::held::Held;
use crate::catalog::Endpoint;
use crate::ids::IntegrationId;
use crate::sink::{Registration, Registrations, Registry, SinkError};
use crate::time::Moment;
use crate::words::with_causes;

/// Webhooks that wait for the registry. More are answered 503.
const WAITING: usize = 1_024;

/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Who waits for the registry, and whether it is being read or written.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    waiting: Vec<(IntegrationId, ReplyTo)>,
    busy: bool,
    not_before: Option<Instant>,
    /// It could not be read yet, and has to be read first.
    pub(super) is_unread: bool,
}

/// A write that ended.
pub(super) struct Saved {
    rows: Vec<Registration>,
    result: Result<Registrations, SinkError>,
}

/// A reading that ended: who is registered, and what the sink holds of them.
pub(super) struct RegistryRead(Result<(Vec<Registration>, Held), SinkError>);

impl Registrar {
    /// Begins with what came of reading the registry at the start, and returns who is registered.
    pub(super) fn begin(read: Result<Vec<Registration>, SinkError>) -> (Self, Vec<Registration>) {
        let mut registrar = Self::default();
        let registered = read.unwrap_or_else(|error| {
            registrar.is_unread = true;
            registrar.put_off(&error, UNREAD);
            Vec::new()
        });
        (registrar, registered)
    }

    /// Returns whether the registry may be read or written now.
    pub(super) fn is_free(&self) -> bool {
        !self.busy && self.not_before.is_none_or(|at| at <= Instant::now())
    }

    /// Lets a webhook wait until its integration is written down; gives it back when too many wait.
    pub(super) fn wait(&mut self, id: IntegrationId, answer: ReplyTo) -> Result<(), ReplyTo> {
        if self.waiting.len() >= WAITING {
            return Err(answer);
        }
        self.waiting.push((id, answer));
        Ok(())
    }

    /// Begins to read it again.
    pub(super) fn read<S: Registry>(
        &mut self,
        sink: S,
        endpoints: Vec<Arc<Endpoint>>,
    ) -> impl Future<Output = RegistryRead> + Send + use<S> {
        self.busy = true;
        async move {
            RegistryRead(match sink.registered().await {
                Ok(rows) => Ok((rows, Held::read(&sink, endpoints).await)),
                Err(error) => Err(error),
            })
        }
    }

    /// Takes in what was read.
    pub(super) fn registered(&mut self, read: RegistryRead, dispatch: &mut Dispatch, now: Moment) {
        self.busy = false;
        match read.0 {
            Ok((rows, held)) => {
                (self.is_unread, self.not_before) = (false, None);
                dispatch.registered(&rows, |table| held.of(table), now);
                info!(
                    integrations = rows.len(),
                    "the registry of integrations can be read"
                );
            }
            Err(error) => self.put_off(&error, UNREAD),
        }
        self.answer(dispatch);
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

    /// Takes in how a write ended, and answers those it was for. Returns how many integrations were refused.
    pub(super) fn saved(&mut self, saved: Saved, dispatch: &mut Dispatch, now: Moment) -> usize {
        self.busy = false;
        let Saved { mut rows, result } = saved;
        let refused = match result {
            Ok(Registrations { stand, refused }) => {
                self.not_before = None;
                rows.retain(|row| refused.iter().all(|(refused, _)| refused != row));
                dispatch.saved(&rows, &stand, now);
                refused
            }
            Err(error) => {
                self.put_off(&error, "integrations cannot be written down");
                Vec::new()
            }
        };
        for (row, error) in &refused {
            let (id, advice) = (&row.integration, error.advice());
            let reason = with_causes(error);
            error!(integration.id = %id, key = %id.key(), reason, advice, "{id} is refused: nothing of it is fetched, and its webhooks are answered 503");
            dispatch.refuse(id, format!("{reason}; {advice}"));
        }
        self.answer(dispatch);
        refused.len()
    }

    fn put_off(&mut self, error: &SinkError, what: &str) {
        let advice = error.advice();
        warn!(
            error = error as &dyn std::error::Error,
            advice,
            "{what}; the next try is in {} s",
            RETRY_AFTER.as_secs()
        );
        self.not_before = Some(Instant::now() + RETRY_AFTER);
    }

    /// Answers those that need not wait any longer.
    fn answer(&mut self, dispatch: &Dispatch) {
        let failed = self.not_before.is_some();
        for (id, answer) in std::mem::take(&mut self.waiting) {
            // One that is not fetched any more since a reload has nothing to wait for.
            if dispatch.is_registered(&id) || !dispatch.accounts.contains_key(&id) {
                Received::reply(answer, Ok(()));
            } else if failed || dispatch.is_refused(&id) {
                Received::reply(answer, Err(overloaded()));
            } else {
                self.waiting.push((id, answer));
            }
        }
    }
}

/// What it means that the registry cannot be read.
const UNREAD: &str = "the registry of integrations cannot be read: those that the configuration names are fetched, and webhooks of all others are answered 503";
