//! Writes integrations to the registry: new ones once Kombo has confirmed them, and those whose state has changed. Many
//! integrations share one log entry.
//!
//! If the registry refuses an integration, the others of its batch are still written. If the registry cannot be read at
//! the start, reading is tried again until it succeeds. Until then nothing is written, and an integration that only the
//! registry would know is a candidate like a new one.

use std::sync::Arc;

use tracing::{error, info};

use super::dispatch::Dispatch;
use super::door::ReplyTo;
use super::held::Held;
use super::store_turns::StoreTurns;
use crate::catalog::Endpoint;
use crate::ids::IntegrationId;
use crate::sink::{Registration, Registrations, Registry, SinkError};
use crate::time::Moment;
use crate::words::with_causes;

/// The webhooks that wait for the registry, and whether the registry is being read or written.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    turns: StoreTurns,
    /// Whether the registry has never been read. Then it has to be read before it is written.
    pub(super) is_unread: bool,
}

/// A write that has ended.
pub(super) struct Saved {
    rows: Vec<Registration>,
    result: Result<Registrations, SinkError>,
}

/// A read that has ended: the registered integrations, and what the sink covers of their tables.
pub(super) struct RegistryRead(Result<(Vec<Registration>, Held), SinkError>);

impl Registrar {
    /// Takes the result of reading the registry at the start. Returns the registrar and the registered integrations.
    pub(super) fn begin(read: Result<Vec<Registration>, SinkError>) -> (Self, Vec<Registration>) {
        let mut registrar = Self::default();
        let registered = read.unwrap_or_else(|error| {
            registrar.is_unread = true;
            registrar.turns.put_off(&error, UNREAD);
            Vec::new()
        });
        (registrar, registered)
    }

    /// Returns whether the registry may be read or written now.
    pub(super) fn is_free(&self) -> bool {
        self.turns.is_free()
    }

    /// Keeps a webhook waiting until its integration is in the registry. Gives the answer channel back if too many
    /// wait.
    pub(super) fn wait(&mut self, id: IntegrationId, answer: ReplyTo) -> Result<(), ReplyTo> {
        self.turns.wait(id, answer)
    }

    /// Returns a task that reads the registry again.
    pub(super) fn read<S: Registry>(
        &mut self,
        sink: S,
        endpoints: Vec<Arc<Endpoint>>,
    ) -> impl Future<Output = RegistryRead> + Send + use<S> {
        self.turns.begin();
        async move {
            RegistryRead(match sink.registered().await {
                Ok(rows) => Ok((rows, Held::read(&sink, endpoints).await)),
                Err(error) => Err(error),
            })
        }
    }

    /// Takes in the result of a read.
    pub(super) fn registered(&mut self, read: RegistryRead, dispatch: &mut Dispatch, now: Moment) {
        self.turns.end();
        match read.0 {
            Ok((rows, held)) => {
                self.is_unread = false;
                self.turns.succeeded();
                dispatch.registered(&rows, |table| held.of(table), now);
                info!(
                    integrations = rows.len(),
                    "read the registry of integrations"
                );
            }
            Err(error) => self.turns.put_off(&error, UNREAD),
        }
        self.answer(dispatch);
    }

    /// Returns a task that writes rows to the registry.
    pub(super) fn save<S: Registry>(
        &mut self,
        sink: S,
        rows: Vec<Registration>,
    ) -> impl Future<Output = Saved> + Send + use<S> {
        self.turns.begin();
        async move {
            let result = sink.register(&rows).await;
            Saved { rows, result }
        }
    }

    /// Takes in the result of a write, and answers the webhooks that waited for it. Returns the number of refused
    /// integrations.
    pub(super) fn saved(&mut self, saved: Saved, dispatch: &mut Dispatch, now: Moment) -> usize {
        self.turns.end();
        let Saved { mut rows, result } = saved;
        let refused = match result {
            Ok(Registrations { stand, refused }) => {
                self.turns.succeeded();
                rows.retain(|row| refused.iter().all(|(refused, _)| refused != row));
                dispatch.saved(&rows, &stand, now);
                refused
            }
            Err(error) => {
                self.turns
                    .put_off(&error, "the registry of integrations cannot be written");
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

    /// Answers the webhooks that need not wait any longer.
    fn answer(&mut self, dispatch: &Dispatch) {
        // After a reload an integration may no longer be configured. Its webhook then has nothing to wait for.
        self.turns.answer(
            |id| dispatch.is_registered(id) || !dispatch.accounts.contains_key(id),
            |id| dispatch.is_refused(id),
        );
    }
}

/// Log message for a registry that cannot be read.
const UNREAD: &str = "the registry of integrations cannot be read: integrations that the configuration names are fetched, and all others once a webhook has named them and Kombo has confirmed them";
